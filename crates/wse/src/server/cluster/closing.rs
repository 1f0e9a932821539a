//! How a connection ended or is to end, as bytes for another node: the code, then the reason.

use bytes::Bytes;
use wse_proto::{Closed, Reason};

/// Bytes of the longest reason, as in a close frame.
const REASON: usize = 123;

/// At most 125 bytes: of a longer reason the beginning.
pub(crate) fn write(closed: &Closed) -> Bytes {
    let reason = closed.reason.as_str();
    let whole = |end: &usize| reason.is_char_boundary(*end);
    let end = (0..=reason.len().min(REASON)).rev().find(whole).unwrap_or(0);
    [&closed.code.to_be_bytes(), &reason.as_bytes()[..end]].concat().into()
}

/// `None` for what [`write`] has not written.
pub(crate) fn read(bytes: &[u8]) -> Option<Closed> {
    let (code, reason) = bytes.split_first_chunk::<2>()?;
    let reason = std::str::from_utf8(reason).ok().filter(|reason| reason.len() <= REASON)?;
    let reason = if reason.is_empty() { Reason::default() } else { Reason::from(reason) };
    Some(Closed { code: u16::from_be_bytes(*code), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_read_as_it_was_written_and_a_long_reason_as_its_beginning() {
        for closed in [
            Closed::normal(Reason::CLIENTS_CONCURRENCY),
            Closed::broken(Reason::default()),
            Closed { code: 4999, reason: "\u{e4}\u{1f600}".into() },
        ] {
            assert_eq!(read(&write(&closed)), Some(closed));
        }
        let long = write(&Closed::normal("\u{e4}".repeat(100).into()));
        assert_eq!(long.len(), 2 + 122, "whole characters");
        assert_eq!(read(&long).map(|closed| closed.reason), Some("\u{e4}".repeat(61).into()));
        for bad in [&b""[..], b"1", b"\x03\xe8\xff", &[b'a'; 126]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }
}
