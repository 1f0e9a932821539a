//! The wire formats: each module turns the bytes of a frame into an envelope and back. A module in here
//! must not decode a payload, and knows neither a machine nor the options of a protocol.

pub(crate) mod custom;
pub(crate) mod depth;
pub(crate) mod envelope;
pub(crate) mod error;
pub(crate) mod json;
pub(crate) mod mismatch;
pub(crate) mod msgpack;
pub(crate) mod payload;
pub(crate) mod surrogates;
pub(crate) mod ws_messaging;
