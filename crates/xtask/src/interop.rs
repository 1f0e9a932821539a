//! Runs the tests of `interop/`: npm `ws-messaging` against our testbed and our test client.
//! It installs packages below the build output alone.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::node;
use crate::step::Outcome;
use crate::workspace::Workspace;

/// The oldest Node whose test runner can be told how to report.
const NODE: (u32, u32) = (18, 15);
const TESTS: Duration = Duration::from_secs(300);

/// Every test file of `interop/`; each test in them counts as one.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, String> {
    if let Err(why) = node::tools(NODE) {
        return Ok(Outcome::Skipped(why));
    }
    let source = workspace.root.join("interop");
    let folder = workspace.target.join("interop");
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for name in node::MANIFESTS {
        std::fs::copy(source.join(name), folder.join(name)).map_err(|e| format!("{name}: {e}"))?;
    }
    if let Some(why) = node::install(&folder)? {
        return Ok(Outcome::Skipped(why));
    }
    node::build(workspace, &["testbed", "testclient"])?;
    let files = test_files(&source)?;
    let mut tests = Command::new("node");
    tests.current_dir(&workspace.root).args(["--test", "--test-reporter=spec"]).args(files);
    tests.env("WSE_INTEROP_PACKAGES", &folder);
    tests.env("WSE_TESTBED", workspace.example("testbed"));
    tests.env("WSE_TESTCLIENT", workspace.example("testclient"));
    Ok(Outcome::Ran(node::count(tests, TESTS)))
}

/// By name, since Node's own search differs between its versions.
fn test_files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let of_tests = |path: &PathBuf| path.to_string_lossy().ends_with(".test.mjs");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(of_tests).collect();
    files.sort();
    if files.is_empty() { Err(format!("{} holds no tests", folder.display())) } else { Ok(files) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_tests_is_an_error() {
        assert!(test_files(Path::new("there-is-no-such-folder")).is_err());
        assert!(test_files(Path::new("src")).unwrap_err().ends_with("holds no tests"));
    }
}
