//! Messages and calls that wait for their handlers, in the order in which they came. The connection's
//! task compares its bytes with the bound and stops reading above it.

use std::collections::VecDeque;
use tokio::time::Instant;
use wse_proto::{Envelope, bare};

/// It owns nothing while it is empty, as most often.
#[derive(Default)]
pub(crate) struct Inbox(Option<Box<Waiting>>);

#[derive(Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    bytes: usize,
}

/// An envelope, and when its caller does not wait any more.
type Entry = (Envelope<'static>, Option<Instant>);

/// While the application waits for the peer, its answers may come behind so many times the bound: what
/// frees a handler is never kept from it by what waits for a handler.
const BEFORE_ANSWERS: usize = 8;

/// What an entry costs besides its text, so that empty messages are bounded too.
const ENTRY: usize = size_of::<Entry>();

impl Inbox {
    /// `until` is for a call whose caller waits no longer.
    pub(crate) fn push(&mut self, envelope: Envelope<'_>, until: Option<Instant>) {
        let waiting = self.0.get_or_insert_default();
        waiting.bytes += ENTRY + envelope.weight();
        waiting.entries.push_back((envelope.into_owned(), until));
    }

    pub(crate) fn pop(&mut self) -> Option<Entry> {
        self.take(0)
    }

    /// Removes a call by its stamp, without the time in it. False when it is not here.
    pub(crate) fn remove(&mut self, stamp: &str) -> bool {
        let Some(waiting) = &self.0 else { return false };
        let has_stamp = |(envelope, _): &Entry| envelope.stamp.as_deref().map(bare) == Some(stamp);
        waiting.entries.iter().position(has_stamp).and_then(|place| self.take(place)).is_some()
    }

    fn take(&mut self, place: usize) -> Option<Entry> {
        let waiting = self.0.as_deref_mut()?;
        let entry = waiting.entries.remove(place)?;
        waiting.bytes -= ENTRY + entry.0.weight();
        if waiting.entries.is_empty() {
            self.0 = None;
        }
        Some(entry)
    }

    /// Each envelope, in order, and when its caller does not wait any more.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter().flat_map(|waiting| waiting.entries.iter())
    }

    /// How many envelopes wait.
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.entries.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |waiting| waiting.bytes)
    }

    /// Whether more may come in, above the bound only while the application waits for the peer.
    pub(crate) fn has_room(&self, bound: usize, awaits_peer: impl FnOnce() -> bool) -> bool {
        self.bytes() <= bound || !self.is_beyond_answers(bound) && awaits_peer()
    }

    /// Whether nothing more may come in before an answer.
    pub(crate) fn is_beyond_answers(&self, bound: usize) -> bool {
        self.bytes() > bound.saturating_mul(BEFORE_ANSWERS)
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}
