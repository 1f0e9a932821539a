//! Runs the tests of the chat's page in a headless Chromium.
//! A machine without a browser, and without the right to install one, skips the step.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::client;
use crate::running::{output_of, tee};
use crate::screen;
use crate::step::Outcome;
use crate::workspace::Workspace;

/// Where Debian's packages put it.
const CHROMIUM: [&str; 2] = ["/usr/bin/chromium", "/usr/bin/chromium-headless-shell"];
const INSTALL: Duration = Duration::from_secs(300);
const TESTS: Duration = Duration::from_secs(400);

/// `npm run test:browser` of the client; each test counts as one.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, String> {
    client::npm(workspace, chromium, "test:browser", &[("WSE_CHAT", "chat")], TESTS)
}

/// Installs Chromium if it is missing and this user may; the error says why there is none.
fn chromium() -> Result<(), String> {
    let there = || CHROMIUM.iter().any(|path| Path::new(path).exists());
    if there() {
        return Ok(());
    }
    let mut user = Command::new("id");
    user.arg("-u");
    if output_of(user, INSTALL).is_ok_and(|user| user.trim() != "0") || !Path::new("/usr/bin/apt-get").exists() {
        return Err("no Chromium, and no right to install it".into());
    }
    screen::say("installing Chromium, this happens once");
    for arguments in [&["update"][..], &["install", "--yes", "--no-install-recommends", "chromium"]] {
        let mut apt = Command::new("apt-get");
        apt.arg("--quiet").args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        // whether it worked is checked below
        let _ = tee(apt, INSTALL, |_| {});
    }
    if there() { Ok(()) } else { Err("Chromium cannot be installed".into()) }
}
