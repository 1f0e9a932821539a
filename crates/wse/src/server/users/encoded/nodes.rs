//! Messages on their way between the servers of a cluster: made for what devices of other nodes speak, and from
//! what another node has sent.

use super::Encoded;
use crate::{
    app::names::{Age, Message},
    connection::spoken::Spoken,
    error::SendError,
    server::{
        Inner,
        cluster::{
            codecs::{OTHER, number_of},
            message::forms::{Forms, Wanted},
        },
    },
};
use serde::Serialize;
use wse_proto::{Codec, Format};

/// The numbers of the codecs that a server has, as a set of bits.
pub(crate) fn known(server: &Inner) -> u8 {
    numbered(server).fold(0, |known, (codec, _)| known | 1 << codec)
}

/// What a server has for the codecs of such a set.
pub(crate) fn spoken_of(server: &Inner, codecs: u8) -> impl Iterator<Item = (u8, &Spoken)> + Clone {
    numbered(server).filter(move |(codec, _)| codecs & 1 << codec != 0)
}

fn numbered(server: &Inner) -> impl Iterator<Item = (u8, &Spoken)> + Clone {
    let numbered = server.spoken.iter().map(|spoken| (number_of(&spoken.codec), &**spoken));
    numbered.filter(|(codec, _)| *codec != OTHER)
}

impl Encoded {
    /// Encodes a message for receivers here and elsewhere: the frames of all of these codecs, and the payload alone
    /// for those elsewhere who need it.
    ///
    /// # Errors
    /// When none of them can carry it.
    pub(crate) fn for_nodes<'a, P: Serialize>(
        server: &Inner,
        message: &impl Message<P>,
        payload: &P,
        spoken: impl Iterator<Item = &'a Spoken>,
        wanted: Wanted,
    ) -> Result<Self, SendError> {
        Codec::Json.can_name(message.name())?;
        let message = Self::empty(server, message.name(), message.age());
        let keep = server.env.hooks.sees_outgoing();
        let framed = message.encode(server, spoken, payload, keep);
        if wanted.json {
            message.keep_bounded(server, Format::Json, payload);
        }
        if wanted.msgpack || wanted.json && !message.is_kept() {
            message.keep_bounded(server, Format::MessagePack, payload);
        }
        if !message.is_kept() && !message.is_framed_exactly(server) {
            // What was to be the exact form does not encode. Where it arrives the application is told of the others.
            message.keep_bounded(server, Format::Json, payload);
        }
        if message.is_kept() { Ok(message) } else { framed.map(|()| message) }
    }

    /// A message that another node has sent.
    pub(crate) fn arrived(server: &Inner, name: &str, age: Option<&Age>, forms: Forms) -> Self {
        Self { forms: Some(Box::new(forms)), ..Self::empty(server, name, age) }
    }

    /// Keeps the payload in a format, if it has one there that fits into a queue.
    fn keep_bounded<P: Serialize>(&self, server: &Inner, format: Format, payload: &P) {
        let fits = |payload: &wse_proto::Payload<'_>| payload.as_bytes().len() <= server.env.limits.queue_bytes;
        if let Ok(payload) = wse_proto::Payload::encode(format, payload)
            && fits(&payload)
        {
            let _ = self.slot(format).set(payload); // the same may be kept there already
        }
    }

    fn is_kept(&self) -> bool {
        self.json.get().or(self.msgpack.get()).is_some()
    }

    /// Whether one of its frames says all of the message.
    fn is_framed_exactly(&self, server: &Inner) -> bool {
        spoken_of(server, 0b110).any(|(_, spoken)| {
            let framed = self.frames.get(spoken.index).and_then(std::sync::OnceLock::get);
            matches!(framed, Some(super::Framed::Frame(_)))
        })
    }
}
