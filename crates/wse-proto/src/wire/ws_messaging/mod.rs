//! The frames of npm `ws-messaging` 2.0, in JSON and in MessagePack.

pub(crate) mod frame;
pub(crate) mod json;
pub(crate) mod msgpack;
pub(crate) mod names;
