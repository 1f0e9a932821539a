//! Runs the Autobahn suite against wse-frame's echo examples, as a server and as a client.
//! It leaves no child running, and a case that was not reported does not count as passed.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::report;
use crate::running::{Running, tee};
use crate::screen;
use crate::step::Outcome;
use crate::suite::Suite;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// The cases: all but 12 and 13, which are about compression.
const CASES: [&str; 9] = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"];
/// How many cases these are in the pinned suite.
const COUNT: usize = 301;
const AGENT: &str = "wse-frame";
/// The limit for a whole role.
const ROLE: Duration = Duration::from_secs(300);
/// The limit until a server listens, or a report is complete on disk.
const MOMENT: Duration = Duration::from_secs(20);

/// Both roles; each case counts as one test.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, String> {
    let folder = workspace.target.join("autobahn");
    let suite = match Suite::find(folder.clone()) {
        Ok(suite) => suite,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    build(workspace)?;
    let reports = folder.join("reports");
    let _ = std::fs::remove_dir_all(&reports);
    screen::say(format!("{COUNT} cases a role, one to two minutes each; reports in {}", reports.display()));
    let mut tally = Tally::default();
    tally += role("server", against_server(&suite, &workspace.example("echo_server"), &reports.join("server")));
    tally += role("client", against_client(&suite, &workspace.example("echo_client"), &reports.join("client")));
    Ok(Outcome::Ran(tally))
}

fn build(workspace: &Workspace) -> Result<(), String> {
    let mut command = workspace.cargo();
    command.args(["build", "-p", "wse-frame", "--example", "echo_server", "--example", "echo_client"]);
    let status = tee(command, Duration::from_secs(600), |_| {})?;
    if status.success() { Ok(()) } else { Err("the echo examples do not compile".into()) }
}

/// Prints the result of a role. A role that broke off counts as one failure; the other still runs.
fn role(name: &str, result: Result<(Tally, Vec<String>), String>) -> Tally {
    match result {
        Ok((tally, failures)) => {
            failures.iter().for_each(|failure| screen::say(format!("{name}: {failure}")));
            screen::say(format!("autobahn, {name} role: {tally}"));
            tally
        }
        Err(why) => {
            screen::say(format!("autobahn, {name} role: {why}"));
            Tally::FAILED
        }
    }
}

/// The suite's fuzzing client talks to our echo server.
fn against_server(suite: &Suite, binary: &Path, reports: &Path) -> Result<(Tally, Vec<String>), String> {
    let start = Instant::now();
    let mut command = Command::new(binary);
    command.arg("127.0.0.1:0");
    let mut server = Running::start(command)?;
    let url = format!("ws://{}", ready(&mut server)?);
    let mut client = suite.start(
        "fuzzingclient",
        &json!({
            "outdir": reports,
            "servers": [{"agent": AGENT, "url": url}],
            "cases": CASES,
            "exclude-cases": [],
            "exclude-agent-cases": {},
        }),
    )?;
    let status = client.wait(start + ROLE)?;
    if !status.success() {
        let log = suite.log("fuzzingclient");
        return Err(format!("the fuzzing client ended with {status}, see {}", log.display()));
    }
    report_in(reports)
}

/// Our echo client talks to the suite's fuzzing server.
fn against_client(suite: &Suite, binary: &Path, reports: &Path) -> Result<(Tally, Vec<String>), String> {
    let start = Instant::now();
    let mut server = suite.listen("fuzzingserver", &server_specification(free_port()?, reports))?;
    let url = format!("ws://{}", ready(&mut server)?);
    let mut command = Command::new(binary);
    command.args([&url, "--agent", AGENT]);
    let mut client = Running::start(command)?;
    while let Some(line) = client.line(start + ROLE)? {
        screen::say(line);
    }
    let status = client.wait(start + ROLE)?;
    if !status.success() {
        return Err(format!("the echo client ended with {status}"));
    }
    report_in(reports)
}

fn server_specification(port: u16, reports: &Path) -> Value {
    json!({
        "url": format!("ws://127.0.0.1:{port}"),
        "outdir": reports,
        "cases": CASES,
        "exclude-cases": [],
        "exclude-agent-cases": {},
    })
}

/// Reads on until the child says `ready ADDRESS`.
fn ready(server: &mut Running) -> Result<String, String> {
    let until = Instant::now() + MOMENT;
    let mut last = String::from("it said nothing");
    while let Some(line) = server.line(until)? {
        if let Some(address) = line.strip_prefix("ready ") {
            return Ok(address.trim().to_owned());
        }
        if !line.trim().is_empty() {
            last = line;
        }
    }
    Err(format!("the server ended before it was ready: {last}"))
}

/// A port that was free a moment ago; the suite cannot pick one itself.
fn free_port() -> Result<u16, String> {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|e| format!("no free port: {e}"))
}

/// The report, as soon as it is whole: the fuzzing server writes it while the client leaves.
fn report_in(reports: &Path) -> Result<(Tally, Vec<String>), String> {
    let until = Instant::now() + MOMENT;
    loop {
        let found = std::fs::read_to_string(reports.join("index.json"))
            .map_err(|e| format!("no report in {}: {e}", reports.display()))
            .and_then(|json| report::read(&json, COUNT));
        if found.is_ok() || Instant::now() > until {
            return found;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_broke_off_is_one_failure() {
        assert_eq!(role("server", Err("it crashed".into())), Tally::FAILED);
    }

    #[test]
    fn the_fuzzing_server_stays_on_the_loopback_address() {
        let specification = server_specification(9001, Path::new("reports"));
        assert_eq!(specification["url"], "ws://127.0.0.1:9001");
        assert_eq!(specification["cases"][8], "10.*");
    }

    #[cfg(unix)]
    #[test]
    fn a_server_is_ready_when_it_says_so_and_broken_when_it_ends_first() {
        let server = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            Running::start(command).unwrap()
        };
        let address = ready(&mut server("echo hello; echo ready 127.0.0.1:5; sleep 20"));
        assert_eq!(address.unwrap(), "127.0.0.1:5");
        assert!(ready(&mut server("echo no such port; exit 1")).unwrap_err().ends_with("no such port"));
    }
}
