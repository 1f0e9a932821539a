//! Runs the tests of `clients/js`: the client alone, types, size, recordings, and against the testbed.
//! It knows the names of npm's scripts and nothing of what they do.

use std::process::Command;
use std::time::Duration;

use crate::node;
use crate::step::Outcome;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// The oldest Node that the tests and their tools run on.
pub(crate) const NODE: (u32, u32) = (20, 0);
/// Where the client is.
pub(crate) const FOLDER: &str = "clients/js";
const TESTS: Duration = Duration::from_secs(300);

/// `npm test` of the client; each test counts as one.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, String> {
    npm(workspace, || Ok(()), "test", &[("WSE_TESTBED", "testbed"), ("WSE_FAULTS", "faults")], TESTS)
}

/// Runs a script of the client, which finds the examples that it tests by environment variables.
/// `needs` prepares what it needs besides Node; an error of `needs` skips the step and says why.
pub(crate) fn npm(
    workspace: &Workspace,
    needs: fn() -> Result<(), String>,
    script: &str,
    examples: &[(&str, &str)],
    limit: Duration,
) -> Result<Outcome, String> {
    if let Err(why) = node::tools(NODE).and_then(|()| needs()) {
        return Ok(Outcome::Skipped(why));
    }
    let folder = workspace.root.join(FOLDER);
    if let Some(why) = node::install(&folder)? {
        return Ok(Outcome::Skipped(why));
    }
    node::build(workspace, &examples.iter().map(|(_, example)| *example).collect::<Vec<_>>())?;
    let mut tests = Command::new("npm");
    tests.current_dir(folder).args(["run", "--silent", script]);
    tests.envs(examples.iter().map(|(variable, example)| (variable, workspace.example(example))));
    Ok(Outcome::Ran(node::count(tests, limit, Tally::of_node_line)))
}
