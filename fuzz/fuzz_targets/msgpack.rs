//! The MessagePack codecs under any bytes: nothing panics, and a frame that was read can be written and read again.
//!
//! The whole input is a frame. The target sees what a connection sees, and does not look into the codecs.

#![no_main]

mod wire;

use libfuzzer_sys::fuzz_target;
use wse_proto::Codec;

fuzz_target!(|frame: &[u8]| wire::frame(&Codec::MessagePack, frame));
