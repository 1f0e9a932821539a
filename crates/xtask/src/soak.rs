//! Runs the simulation of sessions on fresh seeds, for a number of seconds, and then that of nodes, so many of each mode.
//! The simulations name the seed that fails.

use std::time::{Duration, UNIX_EPOCH};

use crate::running::tee;
use crate::workspace::Workspace;

/// How long, when no number is given.
const SECONDS: u64 = 60;
/// What is added to the limit for building it and for the last seed.
const MORE: Duration = Duration::from_secs(600);

/// Fresh seeds of each mode of the simulation of nodes.
const OF_EACH_MODE: u64 = 2_000;
/// They take four minutes of one core.
const NODES: Duration = Duration::from_secs(1_800);

/// Runs the first for this many seconds, given as text. The error says why one could not run, or that it failed.
pub(crate) fn run(seconds: Option<&str>) -> Result<(), String> {
    let seconds = match seconds {
        None => SECONDS,
        Some(text) => text.parse().map_err(|_| format!("`{text}` is no number of seconds"))?,
    };
    let mut command = Workspace::find()?.cargo();
    command.args(["test", "-p", "wse-proto", "--test", "simulation", "every_guarantee", "--", "--nocapture"]);
    command.env_remove("WSE_SEED").env("WSE_SOAK", seconds.to_string());
    let status = tee(command, Duration::from_secs(seconds) + MORE, |_| {})?;
    if !status.success() {
        return Err(format!("the simulation of sessions ended with {status}"));
    }
    let first = UNIX_EPOCH.elapsed().map_or(0, |now| now.as_secs());
    println!("nodes: {OF_EACH_MODE} seeds of each mode, from {first} on");
    let mut command = Workspace::find()?.cargo();
    command.args(["test", "-p", "wse-cluster", "--lib", "simulation::", "--", "--nocapture"]);
    command.env_remove("WSE_SEED").env("WSE_SEEDS", OF_EACH_MODE.to_string()).env("WSE_FIRST", first.to_string());
    let status = tee(command, NODES + MORE, |_| {})?;
    if status.success() { Ok(()) } else { Err(format!("the simulation of nodes ended with {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_a_number() {
        assert_eq!(run(Some("long")), Err("`long` is no number of seconds".into()));
    }
}
