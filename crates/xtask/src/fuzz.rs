//! Runs every fuzz target for a short while, from the committed seeds.
//! It never writes into the seeds. A machine without a nightly toolchain skips the step.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::running::{Running, output_of, tee};
use crate::screen;
use crate::step::Outcome;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// How long one target is run.
const SECONDS: u64 = 10;
/// How many lines of a failed target's output are shown.
const LINES: usize = 80;
const MINUTE: Duration = Duration::from_secs(60);

/// All targets of `fuzz/`; each counts as one test.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, String> {
    if !workspace.root.join("fuzz/Cargo.toml").is_file() {
        return Ok(Outcome::Skipped("there are no fuzz targets".into()));
    }
    if let Err(why) = output_of(nightly(workspace, &["--version"]), MINUTE) {
        return Ok(Outcome::Skipped(format!("no nightly toolchain ({why})")));
    }
    if let Err(why) = install(workspace) {
        return Ok(Outcome::Skipped(format!("no cargo-fuzz ({why})")));
    }
    let list = output_of(nightly(workspace, &["fuzz", "list"]), MINUTE)?;
    succeed(nightly(workspace, &["fuzz", "build"]), 5 * MINUTE)?;
    let targets = Mutex::new(list.lines().map(str::trim).filter(|line| !line.is_empty()));
    let tally = Mutex::new(Tally::default());
    // On as many targets at a time as there are cores.
    let work = || {
        while let Some(target) = next(&targets) {
            let one = one(workspace, target);
            *tally.lock().unwrap_or_else(PoisonError::into_inner) += one;
        }
    };
    thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        (0..cores).for_each(|_| drop(scope.spawn(work)));
    });
    Ok(Outcome::Ran(tally.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

fn next<'a>(targets: &Mutex<impl Iterator<Item = &'a str>>) -> Option<&'a str> {
    targets.lock().unwrap_or_else(PoisonError::into_inner).next()
}

fn one(workspace: &Workspace, target: &str) -> Tally {
    screen::say(format!("fuzzing {target} for {SECONDS} s"));
    match fuzz(workspace, target) {
        Ok(runs) => {
            screen::say(format!("{target}: {runs}"));
            Tally::PASSED
        }
        Err(why) => {
            screen::say(format!("{target} FAILED: {why}"));
            Tally::FAILED
        }
    }
}

/// Runs one target and returns how much was run; its output is shown only for a failure. New inputs
/// go to the build output, so that the seeds stay as committed.
fn fuzz(workspace: &Workspace, target: &str) -> Result<String, String> {
    let corpus = workspace.target.join("fuzz-corpus").join(target);
    std::fs::create_dir_all(&corpus).map_err(|e| format!("{}: {e}", corpus.display()))?;
    let mut command = nightly(workspace, &["fuzz", "run", target]);
    command.arg(corpus);
    let seeds = workspace.root.join("fuzz/seeds").join(target);
    if seeds.is_dir() {
        command.arg(seeds);
    }
    command.args(["--", &format!("-max_total_time={SECONDS}"), "-print_final_stats=1"]);
    let until = Instant::now() + Duration::from_secs(SECONDS) + 3 * MINUTE;
    let mut running = Running::start(command)?;
    let mut lines = Vec::new();
    while let Some(line) = running.line(until)? {
        lines.push(line);
    }
    let status = running.wait(until)?;
    if !status.success() {
        let from = lines.len().saturating_sub(LINES);
        return Err(format!("it ended with {status}\n{}", lines[from..].join("\n")));
    }
    Ok(lines.into_iter().rev().find(|line| line.starts_with("Done ")).unwrap_or_default())
}

/// Installs cargo-fuzz into the build output, unless it is there or the machine has it.
fn install(workspace: &Workspace) -> Result<(), String> {
    if output_of(nightly(workspace, &["fuzz", "--version"]), MINUTE).is_ok() {
        return Ok(());
    }
    screen::say("cargo-fuzz is missing, installing it below the build output");
    let mut command = workspace.cargo();
    // It only starts other programs, so that optimizing it would not pay.
    command.args(["install", "cargo-fuzz", "--locked", "--quiet", "--debug", "--root"]).arg(tools(workspace));
    output_of(command, 5 * MINUTE).map(|_| ())
}

fn tools(workspace: &Workspace) -> PathBuf {
    workspace.target.join("tools")
}

/// A cargo of the nightly toolchain that finds our own tools first.
fn nightly(workspace: &Workspace, args: &[&str]) -> Command {
    let mut command = workspace.cargo();
    command.arg("+nightly").args(args);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(tools(workspace).join("bin")).chain(std::env::split_paths(&path));
    if let Ok(paths) = std::env::join_paths(paths) {
        command.env("PATH", paths);
    }
    command
}

fn succeed(command: Command, limit: Duration) -> Result<(), String> {
    let status = tee(command, limit, |_| {})?;
    if status.success() { Ok(()) } else { Err(format!("it ended with {status}")) }
}
