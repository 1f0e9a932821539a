//! Runs the simulation of sessions on fresh seeds, for a number of seconds.
//! The simulation chooses the seeds and names the one that fails.

use std::time::Duration;

use crate::running::tee;
use crate::workspace::Workspace;

/// How long, when no number is given.
const SECONDS: u64 = 60;
/// What is added to the limit for building it and for the last seed.
const MORE: Duration = Duration::from_secs(600);

/// Runs it for this many seconds, given as text. The error says why it could not run, or that it failed.
pub(crate) fn run(seconds: Option<&str>) -> Result<(), String> {
    let seconds = match seconds {
        None => SECONDS,
        Some(text) => text.parse().map_err(|_| format!("`{text}` is no number of seconds"))?,
    };
    let mut command = Workspace::find()?.cargo();
    command.args(["test", "-p", "wse-proto", "--test", "simulation", "every_guarantee", "--", "--nocapture"]);
    command.env_remove("WSE_SEED").env("WSE_SOAK", seconds.to_string());
    let status = tee(command, Duration::from_secs(seconds) + MORE, |_| {})?;
    if status.success() { Ok(()) } else { Err(format!("the simulation ended with {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_a_number() {
        assert_eq!(run(Some("long")), Err("`long` is no number of seconds".into()));
    }
}
