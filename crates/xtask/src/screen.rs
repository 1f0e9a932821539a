//! Prints to the terminal: all output of xtask and its children goes to stdout, in order.
//! It never fails or panics: a reader that has closed the pipe (`| head`) does not stop the run.

use std::cell::RefCell;
use std::fmt::Display;
use std::io::Write;

thread_local! {
    /// What this thread has said and nobody has seen, while it holds its lines back.
    static HELD: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Prints one line, at once, unless this thread holds its lines back.
pub(crate) fn say(text: impl Display) {
    let held = HELD.with_borrow_mut(|held| held.as_mut().map(|lines| lines.push(text.to_string())).is_some());
    if !held {
        print(text);
    }
}

/// Does the work and returns what it gives with all lines that it said on this thread, none of which was printed.
pub(crate) fn held<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    HELD.set(Some(Vec::new()));
    let made = work();
    (made, HELD.take().unwrap_or_default())
}

fn print(text: impl Display) {
    if cfg!(test) {
        // what the test harness can capture
        println!("{text}");
        return;
    }
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_held_back_in_order_and_only_during_the_work() {
        let (made, lines) = held(|| {
            say("one");
            say(2);
            3
        });
        assert_eq!((made, lines), (3, vec!["one".to_owned(), "2".to_owned()]));
        say("printed");
        assert_eq!(held(|| ()).1, [""; 0]);
    }
}
