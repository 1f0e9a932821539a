//! The MessagePack codecs under any bytes: no panic, and what is read, written again, reads the same.
//!
//! The whole input is a frame. It sees what a connection sees, and does not look into the codecs.

#![no_main]

mod wire;

use libfuzzer_sys::fuzz_target;
use wse_proto::Codec;

fuzz_target!(|frame: &[u8]| wire::frame(&Codec::MessagePack, frame));
