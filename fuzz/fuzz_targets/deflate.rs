//! Compression under any bytes. As a header: what is agreed on for an offer is what a client accepts. As a payload: it
//! inflates to no more than the limit, the same by a fresh inflater and one that has worked before. As a message: what is
//! compressed is smaller and inflates to the same.
//!
//! The first byte chooses the window and the masks, two more the limit; the rest is the data.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::Cell;
use wse_frame::{
    Decoder, FrameError, Item, Limits, Opcode, Role,
    deflate::{Deflate, Deflater, Inflater, RSV1},
    put_frame,
};

thread_local! {
    /// One for all inputs, as for all messages of a thread.
    static DEFLATER: Cell<Deflater> = Cell::default();
}

fuzz_target!(|data: &[u8]| {
    let Some((&[choice, high, low], data)) = data.split_first_chunk::<3>() else { return };
    if let Ok(line) = std::str::from_utf8(data) {
        negotiate(line);
    }
    inflate(data, usize::from(u16::from_be_bytes([high, low])));
    come_back(data, choice);
});

fn negotiate(line: &str) {
    if let Some(agreed) = Deflate::answer([line]) {
        let response = agreed.response();
        assert!(Deflate::accept([response.as_str()]).is_ok(), "an answer of ours is none: {response}");
        assert_eq!(Deflate::answer([line, "permessage-deflate"]), Some(agreed), "it is not the first");
    }
    let _ = Deflate::accept([line]);
}

fn inflate(data: &[u8], limit: usize) {
    let (mut fresh, mut used) = (Vec::new(), b"of before".to_vec());
    let first = Inflater::default().inflate(Opcode::Binary, data, limit, &mut fresh);
    let mut inflater = Inflater::default();
    let _ = inflater.inflate(Opcode::Text, &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07], 9, &mut Vec::new());
    let _ = inflater.inflate(Opcode::Text, &data[..data.len() / 2], limit, &mut Vec::new());
    let second = inflater.inflate(Opcode::Binary, data, limit, &mut used);
    assert_eq!((&first, &fresh), (&second, &used), "an earlier message is seen");
    assert!(fresh.len() <= limit, "more than the limit");
    assert!(fresh.capacity() <= limit + 1, "more memory than the limit");
    match first {
        Ok(()) => {
            let text = Inflater::default().inflate(Opcode::Text, data, limit, &mut used);
            assert_eq!(text.is_ok(), std::str::from_utf8(&fresh).is_ok());
            if limit > 0 && fresh.len() == limit {
                let less = Inflater::default().inflate(Opcode::Binary, data, limit - 1, &mut used);
                assert_eq!(less, Err(FrameError::TooBig));
            }
        }
        Err(error) => assert!(matches!(error, FrameError::TooBig | FrameError::BadDeflate) && fresh.is_empty()),
    }
}

/// As a client or a server sends it, to the other.
fn come_back(data: &[u8], choice: u8) {
    let window = format!("permessage-deflate; server_max_window_bits={}", 8 + (choice & 7));
    let agreed = Deflate::answer([window.as_str()]).expect("every window is agreed on");
    let (before, key) = ((choice & 8 != 0).then_some([1, 2, 0, 0xfe]), (choice & 16 != 0).then_some([3, 0x7c, 9, 0]));
    let (mut plain, mut out) = (Vec::new(), Vec::new());
    let Ok(()) = put_frame(&mut plain, Opcode::Binary, before, |out| {
        out.extend_from_slice(data);
        Ok::<_, std::convert::Infallible>(())
    });
    let mut deflater = DEFLATER.take();
    let smaller = deflater.put_frame(&mut out, &plain, key, agreed);
    DEFLATER.set(deflater);
    if !smaller {
        assert!(out.is_empty());
        return;
    }
    let role = if key.is_some() { Role::Server } else { Role::Client };
    let mut decoder = Decoder::new(role, Limits::default());
    decoder.allow_reserved(RSV1);
    let mut input = &mut out[..];
    let Ok(Some(Item::Message(message))) = decoder.next(&mut input) else { panic!("no message") };
    assert!(message.reserved == RSV1 && message.payload.as_slice().len() < data.len() && input.is_empty());
    let mut inflated = Vec::new();
    let payload = message.payload.as_slice();
    Inflater::default().inflate(message.opcode, payload, data.len(), &mut inflated).expect("it inflates");
    assert_eq!(inflated, data);
}
