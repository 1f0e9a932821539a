//! JSON: the scan that finds and checks one value, values of Rust as text, and the envelope of
//! `wse-default-json`.

pub(crate) mod envelope;
mod runs;
pub(crate) mod scan;
pub(crate) mod value;
