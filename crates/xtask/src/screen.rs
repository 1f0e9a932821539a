//! The one door to the terminal: everything xtask and its children say goes to stdout, in order.
//! It may never fail or panic: a reader that has gone away (`| head`) is no reason to stop.

use std::fmt::Display;
use std::io::Write;

/// Prints one line, at once.
pub(crate) fn say(text: impl Display) {
    if cfg!(test) {
        // what the test harness can capture
        println!("{text}");
        return;
    }
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}
