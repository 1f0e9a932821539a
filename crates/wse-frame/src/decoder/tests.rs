//! The decoder's rules, each with its edges. May never reach into a decoder where a peer could not.

use super::*;

const BIG: Limits = Limits { frame: 1 << 17, message: 1 << 17, fragments: 1024 };

/// A frame as a server sends it: the first byte, the payload with the shortest length.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(len as u8),
        len @ 126..=65535 => {
            bytes.push(126);
            bytes.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            bytes.push(127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

fn client() -> Decoder {
    Decoder::new(Role::Client, BIG)
}

/// What comes out of `bytes`, each item in short, and how it ends.
pub(super) fn read_with(decoder: &mut Decoder, bytes: &[u8]) -> (Vec<String>, Result<(), FrameError>) {
    let mut bytes = bytes.to_vec();
    let mut input = &mut bytes[..];
    let mut items = Vec::new();
    loop {
        match decoder.next(&mut input) {
            Ok(Some(item)) => items.push(short(item)),
            Ok(None) => {
                assert!(input.is_empty(), "all input is used up");
                return (items, Ok(()));
            }
            Err(error) => return (items, Err(error)),
        }
    }
}

fn short(item: Item<'_>) -> String {
    let (kind, bytes) = match &item {
        Item::Message(message) if message.opcode == Opcode::Text => ("text", message.payload.as_slice()),
        Item::Message(message) => ("binary", message.payload.as_slice()),
        Item::Ping(control) => ("ping", control.as_slice()),
        Item::Pong(control) => ("pong", control.as_slice()),
        Item::Close(None) => return "close".into(),
        Item::Close(Some(close)) => return format!("close {} {}", close.code, close.reason),
    };
    match bytes.len() {
        0..=20 => format!("{kind} {}", String::from_utf8_lossy(bytes)),
        len => format!("{kind} of {len}"),
    }
}

fn items(bytes: &[u8]) -> Vec<String> {
    let (items, end) = read_with(&mut client(), bytes);
    assert_eq!(end, Ok(()));
    items
}

fn refusal(bytes: &[u8]) -> FrameError {
    read_with(&mut client(), bytes).1.unwrap_err()
}

#[test]
fn a_decoder_is_small_and_holds_nothing_while_idle() {
    assert!(size_of::<Decoder>() <= 128, "{}", size_of::<Decoder>());
    let mut decoder = client();
    assert_eq!(decoder.buffered(), 0);
    let bytes = [frame(0x01, b"a"), frame(0x89, b"b"), frame(0x80, b"c")].concat();
    assert_eq!(read_with(&mut decoder, &bytes).0, ["ping b", "text ac"]);
    assert_eq!(decoder.buffered(), 0);
}

#[test]
fn every_length_around_an_edge_of_its_form_is_read() {
    for len in [0, 1, 125, 126, 127, 65535, 65536] {
        let payload = vec![b'x'; len];
        let mut bytes = frame(0x82, &payload);
        let mut input = &mut bytes[..];
        let Ok(Some(Item::Message(message))) = client().next(&mut input) else { panic!("{len}") };
        assert!(matches!(message.payload, Payload::Borrowed(_)));
        assert_eq!(message.payload.as_slice(), payload);
        assert!(input.is_empty());
    }
}

#[test]
fn a_length_that_is_not_in_its_shortest_form_is_refused() {
    assert_eq!(refusal(&[0x82, 126, 0, 125]), FrameError::LengthNotMinimal);
    assert_eq!(refusal(&[0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), FrameError::LengthNotMinimal);
    assert_eq!(items(&[0x82, 126, 0, 126]), [""; 0], "126 in two bytes is the shortest form");
    assert_eq!(items(&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]), [""; 0], "65536 in eight bytes as well");
}

#[test]
fn a_length_with_its_highest_bit_set_is_no_length() {
    assert_eq!(refusal(&[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]), FrameError::LengthHighBit);
    assert_eq!(refusal(&[0x82, 127, 0x7f, 0, 0, 0, 0, 0, 0, 0]), FrameError::TooBig);
}

#[test]
fn a_server_takes_masked_frames_only_and_a_client_unmasked_ones_only() {
    let mut server = Decoder::new(Role::Server, BIG);
    let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(read_with(&mut server, &masked).0, ["text Hello"]);
    assert_eq!(read_with(&mut server, &frame(0x81, b"Hello")).1, Err(FrameError::NotMasked));
    assert_eq!(items(&frame(0x81, b"Hello")), ["text Hello"]);
    assert_eq!(refusal(&masked), FrameError::Masked);
}

#[test]
fn control_frames_are_whole_and_short() {
    for opcode in [0x8, 0x9, 0xa] {
        assert_eq!(refusal(&[opcode, 0]), FrameError::ControlFragmented);
        assert_eq!(refusal(&[0x80 | opcode, 126]), FrameError::ControlTooLong);
        assert_eq!(refusal(&[0x80 | opcode, 127]), FrameError::ControlTooLong);
    }
    assert_eq!(items(&frame(0x89, &[b'x'; 125])), ["ping of 125"]);
    assert_eq!(items(&frame(0x8a, b"")), ["pong "]);
}

#[test]
fn control_frames_may_come_between_fragments() {
    let bytes = [frame(0x01, b"he"), frame(0x89, b"1"), frame(0x00, b"ll"), frame(0x8a, b"2"), frame(0x80, b"o")];
    assert_eq!(items(&bytes.concat()), ["ping 1", "pong 2", "text hello"]);
}

#[test]
fn a_control_frame_may_come_in_pieces_while_a_message_does() {
    let mut decoder = client();
    let bytes = [frame(0x01, b"he"), frame(0x89, b"pingpong"), frame(0x80, b"y")].concat();
    let (first, rest) = bytes.split_at(9);
    assert_eq!(read_with(&mut decoder, first), (vec![], Ok(())));
    assert_eq!(read_with(&mut decoder, rest).0, ["ping pingpong", "text hey"]);
}

#[test]
fn fragments_make_one_message_also_where_they_are_empty() {
    let bytes = [frame(0x02, b""), frame(0x00, b"a"), frame(0x00, b""), frame(0x80, b""), frame(0x81, b"next")];
    assert_eq!(items(&bytes.concat()), ["binary a", "text next"]);
    assert_eq!(items(&[frame(0x01, b""), frame(0x80, b"")].concat()), ["text "]);
}

#[test]
fn a_continuation_needs_a_beginning() {
    assert_eq!(refusal(&frame(0x80, b"x")), FrameError::NothingToContinue);
    assert_eq!(refusal(&frame(0x00, b"")), FrameError::NothingToContinue);
    let ended = [frame(0x01, b"a"), frame(0x80, b"b"), frame(0x80, b"c")].concat();
    assert_eq!(read_with(&mut client(), &ended), (vec!["text ab".into()], Err(FrameError::NothingToContinue)));
}

#[test]
fn a_message_may_not_begin_inside_another() {
    for second in [0x01, 0x81, 0x02, 0x82] {
        assert_eq!(refusal(&[frame(0x01, b""), frame(second, b"x")].concat()), FrameError::MessageUnfinished);
    }
}

#[test]
fn opcodes_kept_for_later_are_refused() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        assert_eq!(refusal(&[0x80 | opcode, 0]), FrameError::ReservedOpcode(opcode));
        assert_eq!(refusal(&[opcode, 0]), FrameError::ReservedOpcode(opcode));
    }
}

#[test]
fn reserved_bits_are_refused_unless_allowed_on_the_first_frame_of_a_message() {
    for bits in (0x10..=0x70).step_by(0x10) {
        assert_eq!(refusal(&[0x81 | bits, 0]), FrameError::ReservedBits(bits));
    }
    let allowing = |bytes: &[u8]| {
        let mut decoder = client();
        decoder.allow_reserved(!0x30);
        read_with(&mut decoder, bytes).1
    };
    assert_eq!(allowing(&[0xc1, 0]), Ok(()));
    assert_eq!(allowing(&[0x42, 0]), Ok(()));
    assert_eq!(allowing(&[0xe1, 0]), Err(FrameError::ReservedBits(0x20)));
    for control in [0xc8, 0xc9, 0xca] {
        assert_eq!(allowing(&[control, 0]), Err(FrameError::ReservedBits(0x40)));
    }
    assert_eq!(allowing(&[0x42, 0, 0xc0, 0]), Err(FrameError::ReservedBits(0x40)));
}

#[test]
fn the_text_of_an_extension_is_handed_out_with_its_bits_and_unchecked() {
    for bytes in [frame(0xc1, b"\xff"), [frame(0x41, b"\xff"), frame(0x80, b"")].concat()] {
        let mut decoder = client();
        decoder.allow_reserved(0x40);
        let mut bytes = bytes;
        let Ok(Some(Item::Message(message))) = decoder.next(&mut &mut bytes[..]) else { panic!() };
        assert_eq!((message.reserved, message.opcode), (0x40, Opcode::Text));
        assert_eq!(message.text(), None);
        assert_eq!(message.payload.into_owned(), b"\xff");
    }
}

#[test]
fn a_close_frame_has_no_body_or_a_code_and_a_reason() {
    assert_eq!(items(&frame(0x88, b"")), ["close"]);
    assert_eq!(items(&frame(0x88, b"\x03\xe8")), ["close 1000 "]);
    assert_eq!(items(&frame(0x88, b"\x0f\xa0bye")), ["close 4000 bye"]);
}

#[test]
fn half_a_code_is_refused_at_the_header() {
    assert_eq!(refusal(&[0x88, 1]), FrameError::CloseTooShort);
}

#[test]
fn a_close_code_is_one_that_may_travel() {
    for code in 0..=u16::MAX {
        let read = read_with(&mut client(), &frame(0x88, &code.to_be_bytes())).1;
        let good = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        assert_eq!(read, if good { Ok(()) } else { Err(FrameError::CloseCode(code)) });
    }
}

#[test]
fn a_close_reason_is_utf8() {
    let reason = "grüße".as_bytes();
    assert_eq!(items(&frame(0x88, &[&[3, 0xe8], reason].concat())), ["close 1000 grüße"]);
    assert_eq!(refusal(&frame(0x88, b"\x03\xe8\xff")), FrameError::NotUtf8);
    assert_eq!(refusal(&frame(0x88, b"\x03\xe8gr\xc3")), FrameError::NotUtf8, "it ends inside a char");
}

#[test]
fn everything_behind_a_close_frame_is_swallowed() {
    let mut decoder = client();
    let bytes = [frame(0x01, b"begun"), frame(0x88, b""), frame(0x80, b"x"), vec![0xff; 9]].concat();
    assert_eq!(read_with(&mut decoder, &bytes), (vec!["close".into()], Ok(())));
    assert_eq!(read_with(&mut decoder, &frame(0x81, b"late")), (vec![], Ok(())));
    assert_eq!(decoder.buffered(), 0, "the message that had begun is given up");
}

#[test]
fn an_error_comes_after_what_precedes_it_and_stays() {
    let mut decoder = client();
    let bytes = [frame(0x81, b"good"), frame(0x89, b""), frame(0x01, b"begun"), vec![0x83, 0]].concat();
    let (items, end) = read_with(&mut decoder, &bytes);
    assert_eq!(items, ["text good", "ping "]);
    assert_eq!(end, Err(FrameError::ReservedOpcode(3)));
    assert_eq!(decoder.next(&mut &mut frame(0x81, b"late")[..]), Err(FrameError::ReservedOpcode(3)));
    assert_eq!(decoder.next(&mut &mut [][..]), Err(FrameError::ReservedOpcode(3)));
    assert_eq!(decoder.buffered(), 0);
}

#[test]
fn text_is_checked_to_the_byte_also_in_the_middle_of_a_frame() {
    let mut decoder = client();
    assert_eq!(read_with(&mut decoder, &[0x81, 100, b'a', 0xf4]), (vec![], Ok(())));
    assert_eq!(read_with(&mut decoder, &[0x90]).1, Err(FrameError::NotUtf8), "above the last char");
    for bad in [&b"\xc0"[..], b"\xed\xa0", b"\xe0\x80", b"\xf5", b"\x80", b"\xc3("] {
        assert_eq!(refusal(&[&[0x81, 100], bad].concat()), FrameError::NotUtf8, "{bad:x?}");
        assert_eq!(refusal(&frame(0x81, bad)), FrameError::NotUtf8, "{bad:x?}");
    }
}

#[test]
fn a_char_may_lie_across_fragments_but_not_across_messages() {
    for cut in 0..=4 {
        let (front, back) = "😀".as_bytes().split_at(cut);
        assert_eq!(items(&[frame(0x01, front), frame(0x00, b""), frame(0x80, back)].concat()), ["text 😀"]);
    }
    assert_eq!(refusal(&frame(0x81, b"\xf0\x9f")), FrameError::NotUtf8);
    assert_eq!(refusal(&[frame(0x01, b"\xf0\x9f"), frame(0x80, b"")].concat()), FrameError::NotUtf8);
    assert_eq!(refusal(&[frame(0x01, b"\xc3"), frame(0x80, b"a")].concat()), FrameError::NotUtf8);
}

#[test]
fn bytes_that_are_not_text_need_not_be_utf8() {
    assert_eq!(read_with(&mut client(), &[frame(0x82, b"\xff"), frame(0x02, b"\xff")].concat()).1, Ok(()));
}

#[test]
fn nothing_that_holds_bytes_of_the_peer_shows_them() {
    let mut decoder = client();
    // A header, a control frame and a message, each half there.
    let mut half = [frame(0x01, b"secret"), vec![0x89, 20], b"secret".to_vec()].concat();
    assert_eq!(decoder.next(&mut &mut half[..]), Ok(None));
    let mut header = client();
    header.next(&mut &mut b"\x82\x7e\x00"[..].to_vec()[..]).unwrap();
    header.next(&mut &mut b"\xffsecretsecretsecret"[..].to_vec()[..]).unwrap();
    let mut bytes = [frame(0x89, b"secret"), frame(0x81, b"secret")].concat();
    let (mut whole, mut input) = (client(), &mut bytes[..]);
    let ping = format!("{:?}", whole.next(&mut input));
    let text = format!("{:?}", whole.next(&mut input));
    let frame = crate::Frame::new(Opcode::Text, b"secret");
    let owned = Payload::Owned(b"secret".to_vec());
    let shown = [format!("{decoder:?}"), format!("{header:?}"), ping, text, format!("{frame:?}"), format!("{owned:?}")];
    let bytes = format!("{:?}", b"secret");
    for shown in shown {
        assert!(!shown.contains("secret") && !shown.contains(bytes.trim_matches(['[', ']'])), "{shown}");
    }
}
