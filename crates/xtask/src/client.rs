//! Runs the tests of `clients/js`: the TypeScript client alone, its types, its size, the recordings,
//! and against our testbed. It may never know how they are made: npm's scripts do.

use std::process::Command;
use std::time::Duration;

use crate::node;
use crate::step::Outcome;
use crate::workspace::Workspace;

/// What the tests and their tools are written for.
const NODE: (u32, u32) = (20, 0);
const TESTS: Duration = Duration::from_secs(300);

/// `npm test` of the client; each test counts as one.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, String> {
    npm(workspace, || Ok(()), "test", ("WSE_TESTBED", "testbed"), TESTS)
}

/// A script of the client's, which tests an example that it finds by a variable. What it `needs`
/// besides Node is seen to first; the error says why there is none.
pub(crate) fn npm(
    workspace: &Workspace,
    needs: fn() -> Result<(), String>,
    script: &str,
    (variable, example): (&str, &str),
    limit: Duration,
) -> Result<Outcome, String> {
    if let Err(why) = node::tools(NODE).and_then(|()| needs()) {
        return Ok(Outcome::Skipped(why));
    }
    let folder = workspace.root.join("clients/js");
    if let Some(why) = node::install(&folder)? {
        return Ok(Outcome::Skipped(why));
    }
    node::build(workspace, &[example])?;
    let mut tests = Command::new("npm");
    tests.current_dir(folder).args(["run", "--silent", script]).env(variable, workspace.example(example));
    Ok(Outcome::Ran(node::count(tests, limit)))
}
