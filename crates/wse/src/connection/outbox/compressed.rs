//! Compressed frames in an outbox: what its stream has agreed on, and which form of a frame is queued.

use crate::{
    connection::{
        outbox::{Outbox, Queued, State},
        queue::Out,
    },
    error::SendError,
    sync::atomic::Ordering,
};
use wse_frame::deflate::Deflate;

/// The compressed form of a frame.
#[derive(Clone, Copy)]
pub(crate) struct Compressed<'a> {
    pub(crate) frame: Out<'a>,
    /// What it was compressed for.
    pub(crate) agreed: Deflate,
}

impl Outbox {
    /// Notes what the stream has agreed on. Nothing is compressed yet.
    pub(crate) fn agree(&self, deflate: Option<Deflate>) {
        self.lock().deflate = deflate;
    }

    /// What the stream of now has agreed on.
    pub(crate) fn agreed(&self) -> Option<Deflate> {
        self.lock().deflate
    }

    /// The peer is admitted: frames of so many bytes are compressed, if the stream has agreed on it.
    pub(crate) fn compress_from(&self, bytes: usize) {
        let state = self.lock();
        if state.deflate.is_some() {
            self.compress_from.store(bytes, Ordering::Relaxed);
        }
    }

    /// The stream is lost, and what it has agreed on.
    pub(super) fn forget_agreement(&self, state: &mut State) {
        state.deflate = None;
        self.compress_from.store(usize::MAX, Ordering::Relaxed);
    }

    /// Whether a frame of that length is compressed. One that is refused for its length is not, in vain.
    #[inline]
    pub(crate) fn compresses(&self, length: usize) -> bool {
        length >= self.compress_from.load(Ordering::Relaxed) && self.can_hold(length).is_ok()
    }

    /// Queues a frame of the application, and keeps its plain form where it may have to be sent again.
    pub(crate) fn send_either(&self, plain: Out<'_>, compressed: Option<Compressed<'_>>) -> Result<Queued, SendError> {
        self.can_hold(plain.len())?;
        let state = self.lock();
        let frame = state.form(plain, compressed);
        self.admit_in(state, frame, plain, true)
    }
}

impl State {
    /// The compressed form, where the stream has agreed on that: it may be another stream than a moment ago.
    pub(super) fn form<'a>(&self, plain: Out<'a>, compressed: Option<Compressed<'a>>) -> Out<'a> {
        let now = |agreed: Deflate| self.deflate.is_some_and(|deflate| deflate.compresses_as(agreed));
        compressed.filter(|compressed| now(compressed.agreed)).map_or(plain, |found| found.frame)
    }
}
