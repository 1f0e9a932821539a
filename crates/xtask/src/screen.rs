//! Prints to the terminal: all output of xtask and its children goes to stdout, in order.
//! It never fails or panics: a reader that has closed the pipe (`| head`) does not stop the run.

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
