//! Compresses what a connection sends and inflates what it reads, where its stream has agreed on it (RFC 7692).

use crate::{
    connection::{
        handle::Handle,
        outbox::{Queued, compressed::Compressed},
        owner::Owner,
        queue::Out,
        shared_frame::{SharedFrame, compress},
        spare,
        task::Connection,
        turn,
    },
    error::SendError,
};
use bytes::Bytes;
use std::{cell::Cell, task::Context};
use wse_frame::{
    Message, Payload,
    deflate::{Deflate, Inflater},
};

thread_local! {
    /// Taken while it works. One inflater serves all connections of the thread.
    static INFLATER: Cell<Option<Box<Inflater>>> = const { Cell::new(None) };
}

impl Handle {
    /// Sets what the stream has agreed on, before anything is sent over it.
    pub(crate) fn agree(&self, deflate: Option<Deflate>) {
        self.outbox.agree(deflate);
    }

    /// Queues a frame of the application, compressed if that makes it smaller.
    #[cold]
    pub(super) fn send_compressed(&self, frame: Out<'_>) -> Result<Queued, SendError> {
        let compressed = self.compressed(frame.as_slice());
        self.outbox.send_either(frame, compressed.as_ref().map(Compressed::from))
    }

    /// The same for a frame that many connections share.
    #[cold]
    pub(super) fn send_shared_compressed(&self, frame: &SharedFrame) -> Result<Queued, SendError> {
        let agreed = self.outbox.agreed();
        let compressed = agreed.and_then(|agreed| Some((frame.compressed(agreed)?, agreed)));
        self.outbox.send_either(Out::Shared(frame.plain()), compressed.as_ref().map(Compressed::from))
    }

    /// A frame compressed, where the stream has agreed on that and it makes it smaller.
    pub(super) fn compressed(&self, frame: &[u8]) -> Option<(Bytes, Deflate)> {
        if !self.outbox.compresses(frame.len()) {
            return None;
        }
        let agreed = self.outbox.agreed()?;
        Some((compress(frame, self.masked(), agreed)?, agreed))
    }
}

impl<'a> From<&'a (Bytes, Deflate)> for Compressed<'a> {
    fn from((frame, agreed): &'a (Bytes, Deflate)) -> Self {
        Compressed { frame: Out::Shared(frame), agreed: *agreed }
    }
}

impl<O: Owner> Connection<O> {
    /// Takes in a compressed message: as one that came plain, if it can be inflated within the limit of messages.
    #[cold]
    pub(super) fn inflate(&mut self, message: Message<'_>, cx: &mut Context<'_>) {
        if !self.listens() {
            return;
        }
        let (mut inflater, mut inflated) = (INFLATER.take().unwrap_or_default(), spare::largest());
        let limit = self.decoder.limits().message;
        let result = inflater.inflate(message.opcode, message.payload.as_slice(), limit, &mut inflated);
        INFLATER.set(Some(inflater));
        match result {
            Ok(()) => {
                turn::produced(inflated.len()); // few bytes that are read can cause many to be worked on
                let payload = Payload::Borrowed(&mut inflated);
                self.message(&Message { opcode: message.opcode, reserved: 0, payload }, cx);
            }
            Err(error) => self.break_off(&error),
        }
        spare::keep(inflated);
        if let Payload::Owned(bytes) = message.payload {
            spare::keep(bytes);
        }
    }
}
