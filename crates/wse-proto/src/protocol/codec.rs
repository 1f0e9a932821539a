//! The codec of a connection: it reads and writes envelopes in one wire format. A codec must not decode
//! a payload, and knows no framing.

use crate::{
    features::Features,
    protocol::ws_messaging::WsMessaging,
    session::grant::SessionGrant,
    wire::{
        custom::CustomCodec,
        depth::refuse_deep,
        envelope::{Envelope, Kind},
        error::{EncodeError, ProtocolError},
        json, msgpack,
        payload::{Format, Payload},
        ws_messaging::{self, frame::own_frame, names::is_reserved},
    },
};
use serde::Serialize;
use std::sync::Arc;

/// The wire format of a connection's envelopes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Codec {
    /// `wse-default-json`: a JSON array of three in a text frame.
    Json,
    /// `wse-msgpack`: a MessagePack array of three in a binary frame.
    MessagePack,
    /// `ws-messaging`, in one of its two formats.
    WsMessaging(Arc<WsMessaging>, Format),
    /// A wire format of the application's own.
    Custom(Arc<dyn CustomCodec>),
}

impl Codec {
    pub(crate) fn ws_messaging(options: &Arc<WsMessaging>, binary: bool) -> Self {
        Codec::WsMessaging(options.clone(), if binary { Format::MessagePack } else { Format::Json })
    }

    /// The format of the payloads it reads and writes.
    pub fn format(&self) -> Format {
        match self {
            Codec::Json | Codec::Custom(_) => Format::Json,
            Codec::MessagePack => Format::MessagePack,
            Codec::WsMessaging(_, format) => *format,
        }
    }

    /// Whether its envelopes travel in binary frames.
    pub fn binary(&self) -> bool {
        match self {
            Codec::Json | Codec::MessagePack | Codec::WsMessaging(..) => self.format() == Format::MessagePack,
            Codec::Custom(codec) => codec.binary(),
        }
    }

    /// Reads one whole message; `binary` says which kind of frame it came in. An empty stamp counts as
    /// none.
    ///
    /// # Errors
    /// When it is not an envelope of this codec, has an empty type, or came in the other kind of
    /// frame.
    pub fn read<'a>(&self, message: &'a [u8], binary: bool) -> Result<Envelope<'a>, ProtocolError> {
        if binary != self.binary() {
            return Err(ProtocolError::new("Error: a frame of the wrong kind, text for binary or the reverse"));
        }
        let mut envelope = match self {
            Codec::Json => json::envelope::read(message)?,
            Codec::MessagePack => msgpack::envelope::read(message)?,
            Codec::WsMessaging(options, Format::Json) => ws_messaging::json::read(message, options.skip_validation)?,
            Codec::WsMessaging(options, Format::MessagePack) => {
                ws_messaging::msgpack::read(message, options.skip_validation)?
            }
            Codec::Custom(codec) => codec.read(message)?,
        };
        if envelope.name.is_empty() {
            return Err(ProtocolError::new("an empty type"));
        }
        if envelope.stamp.as_deref() == Some("") {
            envelope.stamp = None;
        }
        Ok(envelope)
    }

    /// Reads the first frame of a `ws-messaging` client, which is a value and not an envelope.
    pub(crate) fn read_auth<'a>(&self, message: &'a [u8]) -> Result<Envelope<'a>, ProtocolError> {
        let payload = match self.format() {
            Format::Json => ws_messaging::json::read_auth(message)?,
            Format::MessagePack => ws_messaging::msgpack::read_auth(message)?,
        };
        Ok(Envelope { name: Kind::Hi.as_str().into(), payload, stamp: None })
    }

    /// Appends a message or call of the application's, and encodes its payload.
    ///
    /// # Errors
    /// When the payload does not encode or nests too deep to be read, or the name is empty or one of the
    /// protocol's own; `out` may then hold a part of the frame.
    pub fn write<P: Serialize + ?Sized>(
        &self,
        out: &mut Vec<u8>,
        name: &str,
        payload: &P,
        stamp: Option<&str>,
    ) -> Result<(), EncodeError> {
        self.can_name(name)?;
        match self {
            Codec::Json => json::envelope::write(out, name, payload, stamp),
            Codec::MessagePack => msgpack::envelope::write(out, name, payload, stamp),
            Codec::WsMessaging(_, Format::Json) => ws_messaging::json::write(out, name, payload, stamp),
            Codec::WsMessaging(_, Format::MessagePack) => ws_messaging::msgpack::write(out, name, payload, stamp),
            Codec::Custom(_) => {
                let payload = Payload::encode(self.format(), payload)?;
                self.write_encoded(out, name, &payload, stamp)
            }
        }
    }

    /// Whether a message or procedure can have that name on this wire.
    ///
    /// # Errors
    /// When it is empty, one of the protocol's own, or [reserved](Codec::reserves).
    pub fn can_name(&self, name: &str) -> Result<(), EncodeError> {
        if name.is_empty() || Kind::of(name).is_some() {
            return Err(EncodeError::new(format!("{name:?} cannot name a message or procedure")));
        }
        if self.reserves(name) {
            return Err(EncodeError::new(format!("{name:?} is a reserved name of ws-messaging")));
        }
        Ok(())
    }

    /// Whether the peer would take that name for one of its own, so that nothing can be sent under it.
    pub fn reserves(&self, name: &str) -> bool {
        matches!(self, Codec::WsMessaging(..)) && is_reserved(name)
    }

    /// Appends a welcome. Its third element is the session that it grants, if there is one, and what the server can.
    ///
    /// # Errors
    /// As [`write_encoded`](Codec::write_encoded).
    pub fn write_welcome(
        &self,
        out: &mut Vec<u8>,
        payload: &Payload<'_>,
        granted: Option<&SessionGrant>,
        features: Features,
    ) -> Result<(), EncodeError> {
        let granted = match granted {
            Some(granted) => granted.write(features),
            None if features.is_empty() => return self.write_encoded(out, Kind::Welcome.as_str(), payload, None),
            None => format!(r#"{{"can":{}}}"#, features.json()),
        };
        let payload = payload.translated(self.format())?;
        match self {
            Codec::Json => json::envelope::write_welcome(out, &payload, &granted),
            Codec::MessagePack => msgpack::envelope::write_welcome(out, &payload, &granted),
            _ => self.write_encoded(out, Kind::Welcome.as_str(), &payload, Some(&granted)),
        }
    }

    /// Appends an envelope whose payload is encoded already. A payload of another
    /// [`format`](Codec::format) is translated.
    ///
    /// # Errors
    /// When the codec has no form for the envelope; `out` may then hold a part of the frame.
    pub fn write_encoded(
        &self,
        out: &mut Vec<u8>,
        name: &str,
        payload: &Payload<'_>,
        stamp: Option<&str>,
    ) -> Result<(), EncodeError> {
        if payload.format() != self.format() {
            return self.write_encoded(out, name, &payload.translated(self.format())?, stamp);
        }
        match self {
            Codec::Json => json::envelope::write_raw(out, name, payload, stamp),
            Codec::MessagePack => msgpack::envelope::write_raw(out, name, payload, stamp),
            Codec::WsMessaging(_, format) => match (own_frame(name), format) {
                (None, _) => self.write(out, name, payload, stamp),
                (Some(own), Format::Json) => ws_messaging::json::write_own(out, &own?, payload, stamp),
                (Some(own), Format::MessagePack) => ws_messaging::msgpack::write_own(out, &own?, payload, stamp),
            },
            Codec::Custom(codec) => {
                // One level is the envelope's, as on every other wire.
                refuse_deep(1, payload.depth())?;
                let payload = payload.borrowed();
                codec.write(&Envelope { name: name.into(), payload, stamp: stamp.map(Into::into) }, out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_stamp_is_none_and_an_empty_type_an_error() {
        let envelope = Codec::Json.read(br#"["m",null,""]"#, false).unwrap();
        assert_eq!(envelope.stamp, None);
        assert!(Codec::Json.read(br#"[""]"#, false).is_err());
        assert!(Codec::MessagePack.read(b"\x91\xa0", true).is_err());
    }

    #[test]
    fn the_other_kind_of_frame_is_an_error() {
        assert!(Codec::Json.read(br#"["m"]"#, true).is_err());
        assert!(Codec::MessagePack.read(b"\x91\xa1m", false).is_err());
    }

    /// A codec of an application that does not look at what it writes.
    struct Naive;

    impl CustomCodec for Naive {
        fn name(&self) -> &'static str {
            "naive"
        }
        fn write(&self, envelope: &Envelope<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
            out.extend_from_slice(envelope.payload.as_bytes());
            Ok(())
        }
        fn read<'a>(&self, _: &'a [u8]) -> Result<Envelope<'a>, ProtocolError> {
            Err(ProtocolError::new("it never reads"))
        }
    }

    #[test]
    fn what_no_peer_could_read_is_not_written() {
        let ours = Arc::new(WsMessaging::new());
        let codecs =
            [Codec::Json, Codec::MessagePack, Codec::ws_messaging(&ours, false), Codec::ws_messaging(&ours, true)];
        let nested = |depth| (0..depth).fold(serde_json::json!([]), |inner, _| serde_json::json!([inner]));
        for codec in codecs.into_iter().chain([Codec::Custom(Arc::new(Naive))]) {
            let write = |name: &str, payload: &serde_json::Value| {
                codec.write(&mut Vec::new(), name, payload, None).map_err(|error| error.to_string())
            };
            assert!(write("m", &nested(100)).is_ok());
            assert!(write("m", &nested(127)).unwrap_err().contains("nested deeper"), "{codec:?}");
            for name in ["", "~wse:hi", "~wse:response"] {
                assert!(write(name, &nested(0)).unwrap_err().contains("cannot name"), "{name}");
            }
            for name in ["close", "open", "error", "pong", "retry", "connect"] {
                assert_eq!(write(name, &nested(0)).is_err(), codec.numbers_calls(), "{name}");
            }
        }
    }
}
