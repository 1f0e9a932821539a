//! Writes values of Rust as MessagePack, and reads them. Every type takes the shape that it has in
//! JSON, so that one handler serves both formats.

use crate::wire::{depth::TOO_DEEP, error::EncodeError, mismatch, msgpack::scan::scan};
use serde::{Serialize, de::DeserializeOwned};
use std::cell::Cell;

thread_local! {
    /// Whether a value is being read from or written in MessagePack on this thread.
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
}

/// Whether the value that is being serialized or deserialized on this thread is MessagePack. A
/// payload cannot tell by `is_human_readable`: types are told that the format is, so that they take
/// the shape that they have in JSON.
pub(crate) fn is_active() -> bool {
    ACTIVE.get()
}

fn while_active<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ACTIVE.set(self.0);
        }
    }
    let _restore = Restore(ACTIVE.replace(true));
    work()
}

/// Appends a value. Structs become maps, so that other languages read fields by name.
pub(crate) fn encode<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), EncodeError> {
    let mut serializer = rmp_serde::Serializer::new(out).with_struct_map().with_human_readable();
    while_active(|| value.serialize(&mut serializer)).map_err(EncodeError::new)
}

/// Appends a value; returns how many arrays and maps are inside one another.
pub(crate) fn encode_and_count<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<u8, EncodeError> {
    let start = out.len();
    encode(out, value)?;
    let found = scan(&out[start..], TOO_DEEP).map_err(EncodeError::new)?;
    Ok(found.depth)
}

/// Reads a value that was scanned.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    while_active(|| T::deserialize(&mut deserializer))
}

/// Where a value is not of that type.
pub(crate) fn fault<T: DeserializeOwned>(bytes: &[u8]) -> Option<String> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    while_active(|| mismatch::traced::fault::<T, _>(&mut deserializer))
}
