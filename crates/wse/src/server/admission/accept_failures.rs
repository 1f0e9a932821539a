//! How often the log says that no connection can be accepted. The trouble comes back with every try, and
//! one line says it.

use std::{io, time::Duration};
use tokio::time::Instant;

/// The beginning is said at most once in that time.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// A failure that did not come back for that time is over.
const OVER_AFTER: Duration = Duration::from_secs(1);

/// The failures of one listener.
#[derive(Debug, Default)]
pub(crate) struct AcceptFailures {
    /// When the beginning was said.
    said: Option<Instant>,
    /// The last failure, if the beginning was said and the end was not.
    last: Option<Instant>,
}

impl AcceptFailures {
    /// An accept has failed. Returns whether to say so.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        let say = self.said.is_none_or(|said| now >= said + SAID_EVERY);
        if say {
            self.said = Some(now);
        }
        if say || self.last.is_some() {
            self.last = Some(now);
        }
        say
    }

    /// A connection was accepted. Returns whether to say that the failures are over.
    pub(crate) fn accepted(&mut self, now: Instant) -> bool {
        self.last.take_if(|last| now >= *last + OVER_AFTER).is_some()
    }
}

/// Whether the process or the machine has no file descriptor left: `EMFILE` and `ENFILE`, which have no
/// kind.
pub(crate) fn is_out_of_files(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|number| matches!(number, 23 | 24 | 10024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_said_once_a_minute_and_the_end_once() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut failures = AcceptFailures::default();
        assert!(!failures.accepted(at(0)), "nothing was wrong");
        let said: Vec<u64> = (0..200_000).step_by(50).filter(|millis| failures.failed(at(*millis))).collect();
        assert_eq!(said, [0, 60_000, 120_000, 180_000]);
        assert!(!failures.accepted(at(200_100)), "it comes back in between");
        assert!(!failures.failed(at(200_150)));
        assert!(failures.accepted(at(201_150)));
        assert!(!failures.accepted(at(201_200)), "that was said");
        assert!(!failures.failed(at(210_000)), "within the minute");
        assert!(!failures.accepted(at(220_000)), "its beginning was not said either");
        assert!(failures.failed(at(240_000)));
    }

    #[test]
    fn no_file_descriptor_left_is_told_apart_from_other_errors() {
        assert!(is_out_of_files(&io::Error::from_raw_os_error(24)));
        assert!(!is_out_of_files(&io::ErrorKind::OutOfMemory.into()));
    }
}
