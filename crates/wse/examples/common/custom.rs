//! A wire format of the testbed's own: the frames of `wse-default-json` behind the word `CUSTOM:`.

use serde_json::value::RawValue;
use std::borrow::Cow;
use wse::codec::{CustomCodec, EncodeError, Envelope, Kind, Payload, ProtocolError};

/// The subprotocol `testbed-custom`: `CUSTOM:[type, payload, stamp]` in a text frame.
pub(super) struct Prefixed;

const WORD: &str = "CUSTOM:";

impl CustomCodec for Prefixed {
    fn name(&self) -> &str {
        "testbed-custom"
    }

    fn write(&self, envelope: &Envelope<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(WORD.as_bytes());
        out.push(b'[');
        serde_json::to_writer(&mut *out, &envelope.name).map_err(EncodeError::new)?;
        out.push(b',');
        out.extend_from_slice(envelope.payload.as_bytes());
        out.push(b',');
        match &envelope.stamp {
            // A welcome that grants a session: an object, as text.
            Some(granted) if envelope.name == Kind::Welcome.as_str() => out.extend_from_slice(granted.as_bytes()),
            stamp => serde_json::to_writer(&mut *out, stamp).map_err(EncodeError::new)?,
        }
        out.push(b']');
        Ok(())
    }

    fn read<'a>(&self, frame: &'a [u8]) -> Result<Envelope<'a>, ProtocolError> {
        let text = std::str::from_utf8(frame).map_err(|_| ProtocolError::new("not UTF-8"))?;
        let array = text.strip_prefix(WORD).ok_or_else(|| ProtocolError::new("not behind the word CUSTOM:"))?;
        let parts: Vec<&'a RawValue> = serde_json::from_str(array).map_err(|_| ProtocolError::new("not an array"))?;
        let (name, payload, stamp) = match parts[..] {
            [name] => (name, None, None),
            [name, payload] => (name, Some(payload), None),
            [name, payload, stamp] => (name, Some(payload), Some(stamp)),
            _ => return Err(ProtocolError::new("not one to three elements")),
        };
        let name: String = serde_json::from_str(name.get()).map_err(|_| ProtocolError::new("a type is a string"))?;
        let stamp = match stamp.map_or("null", RawValue::get) {
            granted if name == Kind::Welcome.as_str() && granted.starts_with('{') => Some(Cow::Borrowed(granted)),
            stamp => {
                let stamp: Option<String> =
                    serde_json::from_str(stamp).map_err(|_| ProtocolError::new("a stamp is a string or null"))?;
                stamp.filter(|stamp| !stamp.is_empty()).map(Cow::Owned)
            }
        };
        let payload = Payload::json(payload.map_or("null", RawValue::get))?;
        Ok(Envelope { name: name.into(), payload, stamp })
    }
}
