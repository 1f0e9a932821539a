//! MessagePack: single values, and the envelope of `wse-msgpack`. Nothing in here takes memory for
//! what is only announced, or recurses deeper than the bound.

pub(crate) mod capture;
pub(crate) mod envelope;
pub(crate) mod scan;
pub(crate) mod serialize;
pub(crate) mod token;
pub(crate) mod value;

#[cfg(test)]
mod tests;
