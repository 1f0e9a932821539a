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

/// Clippy with warnings as errors, then the library once more without its features.
pub(crate) fn lints(workspace: &Workspace) -> Result<Outcome, String> {
    let all = must(workspace.cargo(), &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], 10 * MINUTE);
    let bare =
        must(workspace.cargo(), &["clippy", "-p", "wse", "--no-default-features", "--", "-D", "warnings"], 5 * MINUTE);
    all.and(bare)?;
    Ok(Outcome::Ran(Tally::PASSED))
}

/// Rustdoc with warnings as errors.
pub(crate) fn docs(workspace: &Workspace) -> Result<Outcome, String> {
    let mut command = workspace.cargo();
    command.env("RUSTDOCFLAGS", "-D warnings");
    must(command, &["doc", "--workspace", "--no-deps"], 5 * MINUTE)?;
    Ok(Outcome::Ran(Tally::PASSED))
}

/// All tests of the workspace, counted one by one; a failed one does not stop the others.
pub(crate) fn tests(workspace: &Workspace) -> Result<Outcome, String> {
    let mut command = workspace.cargo();
    let args = ["test", "--workspace", "--no-fail-fast"];
    command.args(args);
    say_command(&args);
    let mut tally = Tally::default();
    let status = tee(command, 12 * MINUTE, |line| {
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
    Ok(Outcome::Ran(tally))
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
