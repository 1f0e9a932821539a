//! `FrameError`: why the peer's bytes are refused. May never carry what the peer sent beyond a
//! number.

use thiserror::Error;

/// Why the peer's bytes are refused.
///
/// The connection cannot go on after any of them: send a close frame with
/// [`close_code`](FrameError::close_code) and end it (RFC 6455 section 7.1.7). The
/// [`Decoder`](crate::Decoder) gives the same error from then on.
///
/// ```
/// use wse_frame::{Decoder, FrameError, Limits, Role};
///
/// let mut bytes = *b"\x81\x05hello"; // a client must mask
/// let refused = Decoder::new(Role::Server, Limits::default()).next(&mut &mut bytes[..]).unwrap_err();
/// assert_eq!(refused, FrameError::NotMasked);
/// assert_eq!(refused.close_code(), 1002);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A reserved bit is set that no extension has negotiated, or not on a message's first frame
    /// (section 5.2).
    #[error("reserved bits {0:#04x} are set and mean nothing here")]
    ReservedBits(u8),
    /// The opcode is one that the RFC keeps for later (section 5.2).
    #[error("opcode {0} is reserved")]
    ReservedOpcode(u8),
    /// A client sent a frame without masking it (section 5.1).
    #[error("a frame from a client is not masked")]
    NotMasked,
    /// A server sent a masked frame (section 5.1).
    #[error("a frame from a server is masked")]
    Masked,
    /// The length takes more bytes than it needs (section 5.2).
    #[error("a length is not in its shortest form")]
    LengthNotMinimal,
    /// The most significant bit of a 64-bit length is set (section 5.2).
    #[error("a 64-bit length has its highest bit set")]
    LengthHighBit,
    /// A close, ping or pong is not a final frame (section 5.5).
    #[error("a control frame is fragmented")]
    ControlFragmented,
    /// A close, ping or pong has more than 125 bytes (section 5.5).
    #[error("a control frame is longer than 125 bytes")]
    ControlTooLong,
    /// A continuation came with no message begun (section 5.4).
    #[error("a continuation frame continues nothing")]
    NothingToContinue,
    /// A new message came before the last one ended (section 5.4).
    #[error("a message begins inside another one")]
    MessageUnfinished,
    /// A close frame has one byte, half a code (section 5.5.1).
    #[error("a close frame has half a code")]
    CloseTooShort,
    /// A close frame has a code that must not be sent (section 7.4).
    #[error("close code {0} must not be sent")]
    CloseCode(u16),
    /// A text message or a close reason is not UTF-8 (section 8.1).
    #[error("text is not UTF-8")]
    NotUtf8,
    /// A compressed message does not inflate (RFC 7692 section 7.2.2). No RFC names the code for it; 1007 is for
    /// content that is not what its kind of message says.
    #[error("compressed data is damaged")]
    BadDeflate,
    /// A frame or its message is announced to be larger than [`Limits`](crate::Limits) allow,
    /// or inflates to more (section 10.4).
    #[error("a message is too big")]
    TooBig,
    /// A message comes in more frames than [`Limits::fragments`](crate::Limits::fragments) allows
    /// (section 10.4).
    #[error("a message has too many fragments")]
    TooManyFragments,
}

impl FrameError {
    /// The code to close the connection with: 1002, 1007 or 1009 (section 7.4.1).
    pub fn close_code(&self) -> u16 {
        match self {
            FrameError::NotUtf8 | FrameError::BadDeflate => 1007,
            FrameError::TooBig | FrameError::TooManyFragments => 1009,
            _ => 1002,
        }
    }
}
