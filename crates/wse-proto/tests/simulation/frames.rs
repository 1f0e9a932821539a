//! Frames on the sockets of this network: length, kind, payload.

pub(crate) const MESSAGE: u8 = 0;
pub(crate) const PING: u8 = 1;
pub(crate) const PONG: u8 = 2;
pub(crate) const CLOSE: u8 = 3;

pub(crate) fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_le_bytes()[..], &[kind], payload].concat()
}
