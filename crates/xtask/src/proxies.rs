//! Runs the tests of `wse` behind a real nginx and a real HAProxy.
//! A machine without them, and without the right to install them, skips the step.

use std::time::Duration;

use crate::cargo;
use crate::debian;
use crate::step::Outcome;
use crate::workspace::Workspace;

const LIMIT: Duration = Duration::from_secs(400);

/// The program `proxies` among the tests of `wse`, which plain `cargo test` leaves out; each test counts as one.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, String> {
    if let Err(why) = debian::provide(&["nginx-light", "haproxy"], &[&["/usr/sbin/nginx"], &["/usr/sbin/haproxy"]]) {
        return Ok(Outcome::Skipped(why));
    }
    Ok(Outcome::Ran(cargo::count(workspace, &["test", "--workspace", "--test", "proxies"], LIMIT)))
}
