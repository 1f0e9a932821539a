//! What a node asks another for: the session of a token.

use crate::session::bytes::{Reader, Writer};
use bytes::Bytes;
use wse_proto::{Cid, Format, Token};

const VERSION: u8 = 1;

/// A device has come with a token, and was accepted as that user.
pub(super) struct Ask {
    pub(super) cid: Cid,
    pub(super) token: Token,
    /// How many frames of the server it has taken in.
    pub(super) seen: u64,
    /// What it speaks: the frames of the session are of that codec.
    pub(super) protocol: String,
    pub(super) format: Format,
}

impl Ask {
    pub(super) fn write(&self) -> Bytes {
        let mut out = Writer::default();
        out.byte(VERSION);
        out.bytes(self.cid.as_str().as_bytes());
        out.bytes(self.token.as_str().as_bytes());
        out.number(self.seen);
        out.bytes(self.protocol.as_bytes());
        out.byte(u8::from(self.format == Format::MessagePack));
        out.end()
    }

    pub(super) fn read(bytes: &Bytes) -> Option<Self> {
        let mut input = Reader::new(bytes.clone());
        input.byte().filter(|version| *version == VERSION)?;
        let cid = Cid::from(input.text()?);
        let token = Token::read(&input.text()?)?;
        let (seen, protocol) = (input.number()?, input.text()?);
        let format = if input.flag()? { Format::MessagePack } else { Format::Json };
        input.is_empty().then_some(Ask { cid, token, seen, protocol, format })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_read_as_it_was_written_and_nothing_else_is() {
        let (cid, token) = (Cid::from("ann"), Token::new(1, 2, 3));
        let ask = Ask { cid, token, seen: 7, protocol: "wse-msgpack".into(), format: Format::MessagePack };
        let bytes = ask.write();
        let read = Ask::read(&bytes).unwrap();
        assert_eq!((read.cid, read.token, read.seen), (ask.cid, ask.token, 7));
        assert_eq!((read.protocol, read.format), (ask.protocol, ask.format));
        assert!((0..bytes.len()).all(|end| Ask::read(&bytes.slice(..end)).is_none()));
        assert!(Ask::read(&[&bytes[..], &[0]].concat().into()).is_none());
    }
}
