//! `Limits`: how much a peer may send at once. May never be consulted after memory has been taken.

/// How much a peer may send at once.
///
/// A breach is found on the header that announces it, before memory is taken for the payload, and
/// closes with 1009 (RFC 6455 section 7.4.1). Control frames are not counted: RFC 6455 section 5.5
/// bounds them to 125 bytes.
///
/// ```
/// use wse_frame::{Decoder, Limits, Role};
///
/// let before_the_welcome = Limits { message: 16 * 1024, ..Limits::default() };
/// let mut decoder = Decoder::new(Role::Server, before_the_welcome);
/// decoder.set_limits(Limits::default()); // now we know who it is
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of payload in one data frame: 1 MiB by default.
    pub frame: usize,
    /// Bytes of payload in one message, over all its frames: 1 MiB by default.
    ///
    /// It bounds what a [`Decoder`](crate::Decoder) can be made to hold.
    pub message: usize,
    /// Frames in one message, empty ones included: 1024 by default.
    ///
    /// A message in a single frame counts as one, so 0 refuses every message.
    pub fragments: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { frame: 1 << 20, message: 1 << 20, fragments: 1024 }
    }
}
