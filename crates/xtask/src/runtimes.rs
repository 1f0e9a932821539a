//! Runs the TypeScript client where applications run it: in Jest with jsdom, and on Node's own WebSocket.
//! It installs Jest and newer Nodes below the build output alone.

use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::client;
use crate::node;
use crate::running::tee;
use crate::screen;
use crate::step::Outcome;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// Where the packages are pinned, and the tests that need them.
const SOURCE: &str = "clients/js/test/runtimes";
/// The releases of Node that have a WebSocket of their own and are kept up.
const NODES: [u32; 2] = [22, 24];
const TESTS: Duration = Duration::from_secs(150);

/// Jest's tests, then the tests against the testbed once for each Node; each test counts as one.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, String> {
    if let Err(why) = node::tools(client::NODE) {
        return Ok(Outcome::Skipped(why));
    }
    let folder = workspace.root.join(client::FOLDER);
    if let Some(why) = node::install(&folder)? {
        return Ok(Outcome::Skipped(why));
    }
    let packages = match node::packages(workspace, SOURCE, "runtimes")? {
        Ok(packages) => packages,
        Err(why) => return Ok(Outcome::Skipped(why)),
    };
    node::build(workspace, &["testbed", "faults"])?;
    build(&folder)?;
    let files = node::test_files(&folder.join("test/testbed"), ".test.js")?;
    let here = |mut tests: Command| {
        tests.current_dir(&folder).env("WSE_TESTBED", workspace.example("testbed"));
        tests.env("WSE_FAULTS", workspace.example("faults")).env("WSE_RUNTIMES", &packages);
        tests
    };
    let mut tally = node::count(here(jest(&packages)), TESTS, Tally::of_jest_line);
    for release in NODES {
        let program = program(&packages, release);
        tally += if program.exists() {
            screen::say(format!("Node {release}:"));
            node::count(here(on_node(&program, &files)), TESTS, Tally::of_node_line)
        } else {
            screen::say(format!("skipped: there is no Node {release} for this machine"));
            Tally::SKIPPED
        };
    }
    Ok(Outcome::Ran(tally))
}

/// Builds the client that the tests load.
fn build(folder: &Path) -> Result<(), String> {
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(["run", "--silent", "build"]);
    let status = tee(npm, TESTS, |_| {})?;
    if status.success() { Ok(()) } else { Err("the client does not build".into()) }
}

fn jest(packages: &Path) -> Command {
    let mut jest = Command::new("node");
    jest.arg(packages.join("node_modules/jest/bin/jest.js"));
    jest.args(["--ci", "--config", "test/runtimes/jest.config.cjs"]);
    jest
}

/// The tests against the testbed, with the WebSocket of this Node.
fn on_node(program: &Path, files: &[PathBuf]) -> Command {
    let mut node = Command::new(program);
    node.args(["--test", "--test-reporter=spec"]).args(files).env("WSE_WEBSOCKET", "native");
    node
}

/// Where npm has put a release of Node, if there is one for this machine.
fn program(packages: &Path, release: u32) -> PathBuf {
    let machine = if ARCH == "aarch64" { "arm64" } else { "x64" };
    packages.join(format!("node_modules/node-{release}-{machine}/bin/node"))
}
