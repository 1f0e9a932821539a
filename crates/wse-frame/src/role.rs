//! `Role`: which side of a connection we are. May never change during one.

/// Who we are on a connection; it decides which side masks (RFC 6455 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// We accepted the connection: what comes in must be masked.
    Server,
    /// We opened the connection: what comes in must not be masked.
    Client,
}
