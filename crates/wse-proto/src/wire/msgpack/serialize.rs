//! Passes values of MessagePack to any serializer. Only scanned bytes may be passed to it, since the
//! scan bounds how deep it recurses.

use crate::wire::msgpack::token::{Reader, Token};
use serde::{
    Serialize, Serializer,
    ser::{Error, SerializeMap, SerializeSeq},
};
use std::cell::RefCell;

/// The name by which `rmp-serde` recognizes an extension.
const EXTENSION: &str = rmp_serde::MSGPACK_EXT_STRUCT_NAME;

/// Serializes the one value that the bytes hold.
pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    NextValue(&RefCell::new(Reader::new(bytes))).serialize(serializer)
}

/// The reader's next value.
struct NextValue<'a, 'b>(&'b RefCell<Reader<'a>>);

impl Serialize for NextValue<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let token = self.0.borrow_mut().token().map_err(S::Error::custom)?;
        match token {
            Token::Nil => serializer.serialize_unit(),
            Token::Bool(value) => serializer.serialize_bool(value),
            Token::Unsigned(value) => serializer.serialize_u64(value),
            Token::Signed(value) => serializer.serialize_i64(value),
            Token::F32(value) => serializer.serialize_f32(value),
            Token::F64(value) => serializer.serialize_f64(value),
            Token::Text(text) => serializer.serialize_str(text),
            Token::Binary(bytes) => serializer.serialize_bytes(bytes),
            Token::Extension(kind, bytes) => serializer.serialize_newtype_struct(EXTENSION, &(kind, RawBytes(bytes))),
            Token::Array(length) => {
                let mut seq = serializer.serialize_seq(Some(length))?;
                for _ in 0..length {
                    seq.serialize_element(self)?;
                }
                seq.end()
            }
            Token::Map(length) => {
                let mut map = serializer.serialize_map(Some(length))?;
                for _ in 0..length {
                    map.serialize_key(self)?;
                    map.serialize_value(self)?;
                }
                map.end()
            }
        }
    }
}

struct RawBytes<'a>(&'a [u8]);

impl Serialize for RawBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
