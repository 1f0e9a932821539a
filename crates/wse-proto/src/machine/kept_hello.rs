//! What a client has said of itself, in one allocation: the form in which it is kept while its connection
//! lasts.

use crate::{
    machine::hello::Hello,
    wire::payload::{Format, Payload},
};
use std::{fmt, sync::Arc};

/// A [`Hello`] that a connection keeps: 21 bytes and those of its payloads. A hello with its payloads takes
/// 96, and 8 to 40 more for each of them. Cheap to clone.
#[derive(Clone)]
pub struct KeptHello(Arc<[u8]>);

/// What stands before the payloads: their form, and the length of the identity.
const HEAD: usize = 5;

/// The payloads are MessagePack.
const MESSAGE_PACK: u8 = 1;

/// The identity was a list of arguments.
const ARGUMENTS: u8 = 2;

impl KeptHello {
    /// Whether it is a clone of the other.
    pub fn is_same(&self, other: &KeptHello) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What the client proves its identity with.
    pub fn identity(&self) -> Payload<'_> {
        let (identity, _) = self.payloads();
        let payload = self.payload(identity);
        if self.0[0] & ARGUMENTS != 0 { payload.of_arguments() } else { payload }
    }

    /// What it says of its device.
    pub fn meta(&self) -> Payload<'_> {
        let (_, meta) = self.payloads();
        self.payload(meta)
    }

    fn payloads(&self) -> (&[u8], &[u8]) {
        let [_, a, b, c, d, payloads @ ..] = &*self.0 else { return (&[], &[]) }; // never: it has a head
        payloads.split_at((u32::from_le_bytes([*a, *b, *c, *d]) as usize).min(payloads.len()))
    }

    /// Was checked when it came, so it is never an error.
    fn payload<'a>(&self, bytes: &'a [u8]) -> Payload<'a> {
        let (format, payload) = match self.0[0] & MESSAGE_PACK {
            0 => (Format::Json, std::str::from_utf8(bytes).ok().and_then(|text| Payload::json(text).ok())),
            _ => (Format::MessagePack, Payload::msgpack(bytes).ok()),
        };
        payload.unwrap_or_else(|| Payload::null(format))
    }
}

impl From<&Hello> for KeptHello {
    fn from(Hello { identity, meta }: &Hello) -> Self {
        let message_pack = if identity.format() == Format::MessagePack { MESSAGE_PACK } else { 0 };
        let arguments = if identity.is_of_arguments() { ARGUMENTS } else { 0 };
        let (identity, meta) = (identity.as_bytes(), meta.as_bytes());
        let mut bytes = Vec::with_capacity(HEAD + identity.len() + meta.len());
        bytes.push(message_pack | arguments);
        bytes.extend_from_slice(&(identity.len() as u32).to_le_bytes()); // a frame is shorter than 4 GiB
        bytes.extend_from_slice(identity);
        bytes.extend_from_slice(meta);
        KeptHello(bytes.into())
    }
}

impl fmt::Debug for KeptHello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptHello").finish_non_exhaustive() // it may hold secrets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_what_was_said() {
        for format in [Format::Json, Format::MessagePack] {
            for identity in ["ann", "grüße 世界", ""] {
                let identity = Payload::encode(format, &[identity]).unwrap();
                for meta in [Hello::no_meta(format), Payload::encode(format, &("a", [1.5])).unwrap()] {
                    let hello = Hello { identity: identity.clone(), meta };
                    let kept = KeptHello::from(&hello);
                    assert_eq!((kept.identity(), kept.meta()), (hello.identity.clone(), hello.meta.clone()));
                    assert!(!kept.identity().is_of_arguments());
                    assert!(kept.is_same(&kept.clone()) && !kept.is_same(&KeptHello::from(&hello)));
                }
            }
        }
    }

    #[test]
    fn a_list_of_arguments_stays_one() {
        let identity = Payload::encode(Format::Json, &"ann").unwrap().of_arguments();
        let kept = KeptHello::from(&Hello { identity, meta: Hello::no_meta(Format::Json) });
        assert!(kept.identity().is_of_arguments());
        assert_eq!(kept.identity().decode::<[String; 1]>().unwrap(), ["ann"]);
    }
}
