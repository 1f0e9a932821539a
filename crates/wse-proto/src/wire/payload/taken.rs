//! Takes the payload out of a value that is to be encoded and is one, so that it is sent as it stands. A
//! value that only has a payload in it is none.

use crate::wire::payload::{Content, Format, Payload};
use serde::{
    Serialize, Serializer,
    ser::{Error, Impossible},
};
use std::fmt;

/// Appends the payload that a value is, and returns its depth; `None` where the value is none, or one of another
/// format. To read it with `serde_json` and scan it again would be 50,000 instructions for a string of 16 KiB.
#[inline]
pub(super) fn append<P: Serialize + ?Sized>(out: &mut Vec<u8>, format: Format, value: &P) -> Option<u8> {
    let mut depth = None;
    take(value, Taker { format, place: Place::Bytes(out, &mut depth), depth: 0 });
    depth
}

/// A copy of the payload that a value is; `None` where the value is none, or one of another format.
#[inline]
pub(super) fn copy<P: Serialize + ?Sized>(format: Format, value: &P) -> Option<Payload<'static>> {
    let mut copy = None;
    take(value, Taker { format, place: Place::Payload(&mut copy), depth: 0 });
    copy
}

/// Whether the value is a payload is known when this is compiled.
#[inline]
fn take<P: Serialize + ?Sized>(value: &P, taker: Taker<'_>) {
    let is_one =
        typeid::of::<P>() == typeid::of::<Payload<'static>>() || typeid::of::<P>() == typeid::of::<&Payload<'static>>();
    if is_one {
        let _ = value.serialize(taker); // an error is a payload that was not taken
    }
}

/// Hands a payload to a [`Taker`], if the serializer is one.
#[inline]
pub(super) fn offer<S: Serializer>(payload: &Payload<'_>, serializer: S) -> Result<S, Result<S::Ok, S::Error>> {
    if typeid::of::<S>() != typeid::of::<Taker<'static>>() {
        return Ok(serializer);
    }
    let depth = payload.depth.into();
    Err(match payload.content() {
        Content::Json(text) => serializer.serialize_newtype_variant("", depth, "", text),
        Content::MessagePack(bytes) => serializer.serialize_newtype_variant("", depth, "", &Bytes(bytes)),
    })
}

/// The serializer that a payload gives itself to: first its depth, then its bytes.
struct Taker<'t> {
    format: Format,
    place: Place<'t>,
    depth: u8,
}

/// Where the payload goes.
enum Place<'t> {
    /// Behind these bytes; its depth is noted.
    Bytes(&'t mut Vec<u8>, &'t mut Option<u8>),
    Payload(&'t mut Option<Payload<'static>>),
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Everything that a payload does not give.
macro_rules! refuse {
    ($($method:ident($($argument:ty),*) -> $made:ty;)*) => {
        $(fn $method(self, $(_: $argument),*) -> Result<$made, fmt::Error> {
            Err(fmt::Error::custom("not a payload"))
        })*
    };
}

impl Serializer for Taker<'_> {
    type Ok = ();
    type Error = fmt::Error;
    type SerializeSeq = Impossible<(), fmt::Error>;
    type SerializeTuple = Impossible<(), fmt::Error>;
    type SerializeTupleStruct = Impossible<(), fmt::Error>;
    type SerializeTupleVariant = Impossible<(), fmt::Error>;
    type SerializeMap = Impossible<(), fmt::Error>;
    type SerializeStruct = Impossible<(), fmt::Error>;
    type SerializeStructVariant = Impossible<(), fmt::Error>;

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        depth: u32,
        _: &'static str,
        bytes: &T,
    ) -> Result<(), fmt::Error> {
        bytes.serialize(Taker { depth: depth as u8, ..self })
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<(), fmt::Error> {
        match self.place {
            _ if self.format != Format::Json => return Err(fmt::Error),
            Place::Bytes(out, depth) => {
                out.extend_from_slice(text.as_bytes());
                *depth = Some(self.depth);
            }
            Place::Payload(copy) => *copy = Some(Payload::text(text.to_owned(), self.depth)),
        }
        Ok(())
    }

    #[inline]
    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), fmt::Error> {
        match self.place {
            _ if self.format != Format::MessagePack => return Err(fmt::Error),
            Place::Bytes(out, depth) => {
                out.extend_from_slice(bytes);
                *depth = Some(self.depth);
            }
            Place::Payload(copy) => *copy = Some(Payload::scanned(bytes.to_owned(), self.depth)),
        }
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), fmt::Error> {
        self.serialize_none()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<(), fmt::Error> {
        self.serialize_none()
    }

    refuse! {
        serialize_bool(bool) -> ();
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}
