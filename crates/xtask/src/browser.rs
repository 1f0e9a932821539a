//! Runs the tests in a headless Chromium: the page of the chat, and the client when network, server or computer stop.
//! A machine without a browser, and without the right to install one, skips the step.

use std::time::Duration;

use crate::client;
use crate::debian;
use crate::step::Outcome;
use crate::workspace::Workspace;

/// Where Debian's packages put it.
const CHROMIUM: [&str; 2] = ["/usr/bin/chromium", "/usr/bin/chromium-headless-shell"];
const TESTS: Duration = Duration::from_secs(400);

/// `npm run test:browser` of the client; each test counts as one.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, String> {
    let examples = [("WSE_CHAT", "chat"), ("WSE_TESTBED", "testbed"), ("WSE_FAULTS", "faults"), ("WSE_HTTP2", "http2")];
    client::npm(workspace, chromium, "test:browser", &examples, TESTS)
}

fn chromium() -> Result<(), String> {
    debian::provide(&["chromium"], &[&CHROMIUM])
}
