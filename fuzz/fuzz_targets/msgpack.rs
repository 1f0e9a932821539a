//! The MessagePack codecs under any bytes: no panic, and what is read, written again, reads the same.
//!
//! The whole input is a frame. May never look into the codecs: it sees what a connection sees.

#![no_main]

mod wire;

use libfuzzer_sys::fuzz_target;
use wse_proto::Codec;

fuzz_target!(|frame: &[u8]| wire::frame(&Codec::MessagePack, frame));
