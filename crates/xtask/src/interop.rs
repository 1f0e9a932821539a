//! Runs the tests of `interop/`: npm `ws-messaging` against our testbed and our test client.
//! It installs packages below the build output alone.

use std::process::Command;
use std::time::Duration;

use crate::node;
use crate::step::Outcome;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// The oldest Node whose test runner can be told how to report.
const NODE: (u32, u32) = (18, 15);
const TESTS: Duration = Duration::from_secs(300);

/// Every test file of `interop/`; each test in them counts as one.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, String> {
    if let Err(why) = node::tools(NODE) {
        return Ok(Outcome::Skipped(why));
    }
    let folder = match node::packages(workspace, "interop", "interop")? {
        Ok(folder) => folder,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    node::build(workspace, &["testbed", "testclient"])?;
    let files = node::test_files(&workspace.root.join("interop"), ".test.mjs")?;
    let mut tests = Command::new("node");
    tests.current_dir(&workspace.root).args(["--test", "--test-reporter=spec"]).args(files);
    tests.env("WSE_INTEROP_PACKAGES", &folder);
    tests.env("WSE_TESTBED", workspace.example("testbed"));
    tests.env("WSE_TESTCLIENT", workspace.example("testclient"));
    Ok(Outcome::Ran(node::count(tests, TESTS, Tally::of_node_line)))
}
