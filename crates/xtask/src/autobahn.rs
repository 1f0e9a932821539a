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

/// The cases: all.
const CASES: [&str; 1] = ["*"];
/// How many these are in the pinned suite: 301 of the framing, 216 of compression (12 and 13).
const COUNT: usize = 517;
/// With this variable all cases run. Otherwise those of compression that repeat 12.1 with other payloads and 13.1
/// with other parameters do not: in Python they take a quarter of an hour.
const ALL: &str = "AUTOBAHN_ALL";
const REPEATING: [&str; 10] =
    ["12.2.*", "12.3.*", "12.4.*", "12.5.*", "13.2.*", "13.3.*", "13.4.*", "13.5.*", "13.6.*", "13.7.*"];
/// Cases in each of these.
const REPEATED: usize = 18;
const AGENT: &str = "wse-frame";
/// The limit for a whole role: several times what it takes, as the machine may be busy.
const ROLE: Duration = Duration::from_secs(2400);
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
    let left_out = excluded();
    screen::say(format!("{} cases a role, both at once, some minutes; reports in {}", count(), reports.display()));
    if !left_out.is_empty() {
        screen::say(format!("not run: {}; with {ALL}=1 they are", left_out.join(" ")));
    }
    let server =
        || role("server", against_server(&suite, &workspace.released_example("echo_server"), &reports.join("server")));
    let client =
        || role("client", against_client(&suite, &workspace.released_example("echo_client"), &reports.join("client")));
    // Each is busy in one Python, and the cases of compression take long.
    let (mut tally, other) = thread::scope(|scope| {
        let server = scope.spawn(server);
        let other = client();
        (server.join().unwrap_or(Tally::FAILED), other)
    });
    tally += other;
    Ok(Outcome::Ran(tally))
}

fn build(workspace: &Workspace) -> Result<(), String> {
    let mut command = workspace.cargo();
    // Optimized, since the cases of compression take long.
    command.args(["build", "--release", "-p", "wse-frame", "--example", "echo_server", "--example", "echo_client"]);
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
    let url = format!("ws://{}", server.ready(start + MOMENT)?);
    let mut client = suite.start(
        "fuzzingclient",
        &json!({
            "outdir": reports,
            "servers": [{"agent": AGENT, "url": url}],
            "cases": CASES,
            "exclude-cases": excluded(),
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
    let url = format!("ws://{}", server.ready(start + MOMENT)?);
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
        "exclude-cases": excluded(),
        "exclude-agent-cases": {},
    })
}

/// The cases that are left out.
fn excluded() -> &'static [&'static str] {
    if std::env::var_os(ALL).is_some() { &[] } else { &REPEATING }
}

/// How many cases run.
fn count() -> usize {
    COUNT - excluded().len() * REPEATED
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
            .and_then(|json| report::read(&json, count()));
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
        assert_eq!(specification["cases"][0], "*");
    }
}
