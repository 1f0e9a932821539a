//! Messages and calls that wait for their handlers, in the order in which they came. The connection's
//! task compares its bytes with the bound and stops reading above it.

use std::collections::VecDeque;
use wse_proto::Envelope;

/// It owns nothing while it is empty, as most often.
#[derive(Default)]
pub(crate) struct Inbox(Option<Box<Waiting>>);

#[derive(Default)]
struct Waiting {
    envelopes: VecDeque<Envelope<'static>>,
    bytes: usize,
}

/// While the application waits for the peer, its answers may come behind so many times the bound: what
/// frees a handler is never kept from it by what waits for a handler.
const BEFORE_ANSWERS: usize = 8;

/// What an entry costs besides its text, so that empty messages are bounded too.
const ENTRY: usize = size_of::<Envelope<'static>>();

impl Inbox {
    pub(crate) fn push(&mut self, envelope: Envelope<'_>) {
        let waiting = self.0.get_or_insert_default();
        waiting.bytes += ENTRY + envelope.weight();
        waiting.envelopes.push_back(envelope.into_owned());
    }

    pub(crate) fn pop(&mut self) -> Option<Envelope<'static>> {
        let waiting = self.0.as_deref_mut()?;
        let envelope = waiting.envelopes.pop_front()?;
        waiting.bytes -= ENTRY + envelope.weight();
        if waiting.envelopes.is_empty() {
            self.0 = None;
        }
        Some(envelope)
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
