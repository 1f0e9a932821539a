//! The steps that are cargo's work: format, lints, docs and tests.
//! All of them use the profile dev, so that everything is compiled once.

use std::process::Command;
use std::time::Duration;

use crate::running::tee;
use crate::screen;
use crate::step::Outcome;
use crate::tally::Tally;
use crate::workspace::Workspace;

const MINUTE: Duration = Duration::from_secs(60);

/// `cargo fmt --check` over the workspace.
pub(crate) fn format(workspace: &Workspace) -> Result<Outcome, String> {
    must(workspace.cargo(), &["fmt", "--all", "--check"], 2 * MINUTE)?;
    Ok(Outcome::Ran(Tally::PASSED))
}

/// Clippy with warnings as errors, then what `--all-targets` leaves out, and the library without its features.
pub(crate) fn lints(workspace: &Workspace) -> Result<Outcome, String> {
    let lint =
        |what: &[&str]| must(workspace.cargo(), &[&["clippy"], what, &["--", "-D", "warnings"]].concat(), 10 * MINUTE);
    let all = lint(&["--workspace", "--all-targets"]);
    let engines = ["--test", "nats_engines", "--test", "redis_engines", "--test", "engines"];
    let left_out = lint(&[&["--workspace", "--test", "proxies"], &engines[..]].concat());
    let bare = lint(&["-p", "wse", "--no-default-features"]);
    all.and(left_out).and(bare)?;
    Ok(Outcome::Ran(Tally::PASSED))
}

/// Rustdoc with warnings as errors.
pub(crate) fn docs(workspace: &Workspace) -> Result<Outcome, String> {
    let mut command = workspace.cargo();
    command.env("RUSTDOCFLAGS", "-D warnings");
    must(command, &["doc", "--workspace", "--no-deps"], 5 * MINUTE)?;
    Ok(Outcome::Ran(Tally::PASSED))
}

/// All tests of the workspace, counted one by one; a failed one does not stop the others. Other steps build meanwhile.
pub(crate) fn tests(workspace: &Workspace) -> Result<Outcome, String> {
    Ok(Outcome::Ran(count(workspace, &["test", "--workspace", "--no-fail-fast"], 20 * MINUTE)))
}

/// Runs `cargo test` with these arguments and counts the tests.
pub(crate) fn count(workspace: &Workspace, args: &[&str], limit: Duration) -> Tally {
    let mut command = workspace.cargo();
    command.args(args);
    say_command(args);
    let mut tally = Tally::default();
    let status = tee(command, limit, |line| {
        if let Some(part) = Tally::of_line(line) {
            tally += part;
        }
    });
    // what did not compile, crashed or hung has no result line, and is a failure all the same
    match status {
        Ok(status) if status.success() => {}
        Ok(_) if tally.failed > 0 => {}
        Ok(status) => {
            screen::say(format!("cargo test ended with {status}"));
            tally += Tally::FAILED;
        }
        Err(why) => {
            screen::say(why);
            tally += Tally::FAILED;
        }
    }
    tally
}

/// Runs cargo, shows what it says, and turns a bad end into an error.
fn must(mut command: Command, args: &[&str], limit: Duration) -> Result<(), String> {
    command.args(args);
    say_command(args);
    let status = tee(command, limit, |_| {})?;
    if status.success() {
        return Ok(());
    }
    Err(format!("cargo {} ended with {status}", args.join(" ")))
}

fn say_command(args: &[&str]) {
    screen::say(format!("$ cargo {}", args.join(" ")));
}
