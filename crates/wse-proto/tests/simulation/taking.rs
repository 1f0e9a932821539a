//! Whether a peer takes bytes from a full socket, and for how long without a pause. It judges nothing but time.

use std::time::{Duration, Instant};

/// A pause that is no pause.
const PAUSE: Duration = Duration::from_secs(1);
/// What was taken within this time is taken now.
const NOW: Duration = Duration::from_millis(500);

/// Since when a peer takes bytes, and when it last did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taking(Option<(Instant, Instant)>);

impl Taking {
    pub(crate) fn note(&mut self, now: Instant) {
        let since = self.0.filter(|(_, last)| now - *last < PAUSE).map_or(now, |(since, _)| since);
        self.0 = Some((since, now));
    }

    pub(crate) fn last(self) -> Option<Instant> {
        self.0.map(|(_, last)| last)
    }

    /// Whether it has lasted so long, and lasts.
    pub(crate) fn lasts(self, time: Duration, now: Instant) -> bool {
        self.0.is_some_and(|(since, last)| now - last < NOW && now - since >= time)
    }
}
