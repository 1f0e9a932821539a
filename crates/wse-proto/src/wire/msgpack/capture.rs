//! Writes the values of any self-describing deserializer as MessagePack, without a tree in memory. It
//! recurses as deep as the deserializer does, which bounds it.

use rmp::encode as put;
use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};
use std::fmt;

/// Appends the deserializer's value.
pub(crate) fn capture<'de, D: Deserializer<'de>>(deserializer: D, out: &mut Vec<u8>) -> Result<(), D::Error> {
    deserializer.deserialize_any(Capture(out))
}

struct Capture<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Capture<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        capture(deserializer, self.0)
    }
}

/// The long head of a list: a marker and how many values follow.
const HEAD: usize = 5;

/// The most bytes that are moved to make the head of a list as short as it can be.
const MOVED: usize = 4 << 10;

/// The markers of a list's short, middle and long head.
type Markers = [u8; 3];
const ARRAY: Markers = [0x90, 0xdc, 0xdd];
const MAP: Markers = [0x80, 0xde, 0xdf];

/// The shortest head of a list of so many values, and its length.
fn head([short, middle, long]: Markers, count: u32) -> ([u8; HEAD], usize) {
    let [a, b, c, d] = count.to_be_bytes();
    match count {
        0..0x10 => ([short | d, 0, 0, 0, 0], 1),
        0x10..0x1_0000 => ([middle, c, d, 0, 0], 3),
        _ => ([long, a, b, c, d], HEAD),
    }
}

/// Appends a list. Its length comes before it, and is known only when the list is written.
fn list<E: Error>(
    out: &mut Vec<u8>,
    markers: Markers,
    hint: Option<usize>,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<u32, E>,
) -> Result<(), E> {
    let start = out.len();
    let expected = hint.and_then(|hint| u32::try_from(hint).ok());
    let room = expected.map_or(HEAD, |count| head(markers, count).1);
    out.extend(&[0; HEAD][..room]);
    let count = fill(out)?;
    let (bytes, length) = if expected == Some(count) || out.len() - start <= MOVED {
        head(markers, count)
    } else {
        let [a, b, c, d] = count.to_be_bytes();
        ([markers[2], a, b, c, d], HEAD)
    };
    out.splice(start..start + room, bytes.into_iter().take(length));
    Ok(())
}

impl<'de> Visitor<'de> for Capture<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        put::write_nil(self.0).map_err(E::custom)
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        capture(deserializer, self.0)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        put::write_bool(self.0, value).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        put::write_uint(self.0, value).map(drop).map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        put::write_sint(self.0, value).map(drop).map_err(E::custom)
    }

    fn visit_f32<E: Error>(self, value: f32) -> Result<(), E> {
        put::write_f32(self.0, value).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        put::write_f64(self.0, value).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        put::write_str(self.0, value).map_err(E::custom)
    }

    fn visit_bytes<E: Error>(self, value: &[u8]) -> Result<(), E> {
        put::write_bin(self.0, value).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let hint = seq.size_hint();
        list(self.0, ARRAY, hint, |out| {
            let mut count = 0;
            while seq.next_element_seed(Capture(out))?.is_some() {
                count += 1; // fewer than 2^32 values fit into memory
            }
            Ok(count)
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let hint = map.size_hint();
        list(self.0, MAP, hint, |out| {
            let mut count = 0;
            while map.next_key_seed(Capture(out))?.is_some() {
                map.next_value_seed(Capture(out))?;
                count += 1;
            }
            Ok(count)
        })
    }

    /// An extension.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let (kind, bytes) = deserializer.deserialize_tuple(2, Extension)?;
        let length = u32::try_from(bytes.len()).map_err(D::Error::custom)?;
        put::write_ext_meta(self.0, length, kind).map_err(D::Error::custom)?;
        self.0.extend_from_slice(&bytes);
        Ok(())
    }
}

/// Its type and its bytes.
struct Extension;

impl<'de> Visitor<'de> for Extension {
    type Value = (i8, Vec<u8>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an extension")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let missing = || A::Error::custom("an extension lacks a part");
        let kind = seq.next_element()?.ok_or_else(missing)?;
        Ok((kind, seq.next_element_seed(ExtensionBytes)?.ok_or_else(missing)?))
    }
}

struct ExtensionBytes;

impl<'de> DeserializeSeed<'de> for ExtensionBytes {
    type Value = Vec<u8>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for ExtensionBytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}
