//! Writes values of Rust as JSON text, and counts on the way how deep they nest. It must not look again at
//! what it has written.

use crate::wire::{
    depth::{DEPTH, TOO_DEEP},
    error::EncodeError,
    json::scan::{is_plain, scan},
};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use std::io::{self, Write};

/// Appends a value; returns how many arrays and objects are inside one another.
pub(crate) fn encode<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<u8, EncodeError> {
    let mut depth = Depth::default();
    let mut serializer = Serializer::with_formatter(out, &mut depth);
    value.serialize(&mut serializer).map_err(EncodeError::new)?;
    Ok(depth.deepest)
}

/// What [`encode`] has written, as text. `String::from_utf8` is slow where text is not ASCII, and `simdutf8`
/// has no form of it: a copy of the same size is cheaper.
pub(crate) fn into_text(written: Vec<u8>) -> Result<String, EncodeError> {
    if written.len() < 64 {
        return String::from_utf8(written).map_err(EncodeError::new);
    }
    simdutf8::basic::from_utf8(&written).map(str::to_owned).map_err(EncodeError::new)
}

/// Appends what stands between the quotes of a string. Names and stamps hardly ever need an escape, and cost
/// half of what `serde_json` takes to find that out.
pub(crate) fn escape(out: &mut Vec<u8>, text: &str) -> Result<(), EncodeError> {
    if is_plain(text) {
        out.extend_from_slice(text.as_bytes());
        return Ok(());
    }
    let quoted = serde_json::to_string(text).map_err(EncodeError::new)?;
    out.extend_from_slice(quoted.get(1..quoted.len() - 1).unwrap_or_default().as_bytes());
    Ok(())
}

/// Compact JSON, which is what the trait's own methods write, and its depth.
#[derive(Default)]
struct Depth {
    open: u8,
    deepest: u8,
}

impl Depth {
    #[inline]
    fn begin(&mut self) {
        self.open = self.open.saturating_add(1);
        self.deepest = self.deepest.max(self.open);
    }

    #[inline]
    fn end(&mut self) {
        // What is too deep is refused, however it is counted from there.
        self.open = self.open.saturating_sub(1);
    }
}

impl Formatter for &mut Depth {
    #[inline]
    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin();
        writer.write_all(b"[")
    }

    #[inline]
    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end();
        writer.write_all(b"]")
    }

    #[inline]
    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.begin();
        writer.write_all(b"{")
    }

    #[inline]
    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.end();
        writer.write_all(b"}")
    }

    /// JSON that the application, or a payload within its type, brings as text.
    fn write_raw_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        let depth = scan(text, DEPTH).map_or(TOO_DEEP, |found| found.depth);
        self.deepest = self.deepest.max(self.open.saturating_add(depth));
        writer.write_all(text.as_bytes())
    }
}
