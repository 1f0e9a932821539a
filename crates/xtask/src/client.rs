//! Runs the tests of `clients/js`: the TypeScript client alone, its types, its size, the recordings,
//! and against our testbed. It may never know how they are made: `npm test` does.

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
    if let Err(why) = node::tools(NODE) {
        return Ok(Outcome::Skipped(why));
    }
    let folder = workspace.root.join("clients/js");
    if let Some(why) = node::install(&folder)? {
        return Ok(Outcome::Skipped(why));
    }
    node::build(workspace, &["testbed"])?;
    let mut tests = Command::new("npm");
    tests.current_dir(folder).args(["test", "--silent"]);
    tests.env("WSE_TESTBED", workspace.example("testbed"));
    Ok(Outcome::Ran(node::count(tests, TESTS)))
}
