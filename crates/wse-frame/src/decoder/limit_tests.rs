//! The decoder's limits, each at its bound and one above. May never reach into a decoder where a peer could not.

use super::{
    tests::{frame, read_with},
    *,
};

const SMALL: Limits = Limits { frame: 10, message: 15, fragments: 3 };

fn end(limits: Limits, bytes: &[u8]) -> Result<(), FrameError> {
    read_with(&mut Decoder::new(Role::Client, limits), bytes).1
}

#[test]
fn a_frame_may_be_as_big_as_its_limit_and_no_bigger() {
    assert_eq!(end(SMALL, &frame(0x82, &[0; 10])), Ok(()));
    assert_eq!(end(SMALL, &[0x82, 11]), Err(FrameError::TooBig));
    assert_eq!(end(SMALL, &[0x02, 11]), Err(FrameError::TooBig));
}

#[test]
fn a_message_may_be_as_big_as_its_limit_and_no_bigger() {
    assert_eq!(end(SMALL, &[frame(0x02, &[0; 10]), frame(0x80, &[0; 5])].concat()), Ok(()));
    assert_eq!(end(SMALL, &[frame(0x02, &[0; 10]), vec![0x80, 6]].concat()), Err(FrameError::TooBig));
    let wide = Limits { frame: 100, ..SMALL };
    assert_eq!(end(wide, &frame(0x82, &[0; 15])), Ok(()));
    assert_eq!(end(wide, &[0x82, 16]), Err(FrameError::TooBig));
}

#[test]
fn a_message_may_have_as_many_fragments_as_its_limit_and_no_more_empty_ones_included() {
    let three = [frame(0x02, b""), frame(0x00, b""), frame(0x80, b"")].concat();
    assert_eq!(end(SMALL, &[three.clone(), three].concat()), Ok(()));
    let four = [frame(0x02, b""), frame(0x00, b""), frame(0x00, b""), frame(0x80, b"")].concat();
    assert_eq!(end(SMALL, &four), Err(FrameError::TooManyFragments));
    assert_eq!(end(Limits { fragments: 0, ..SMALL }, &frame(0x82, b"")), Err(FrameError::TooManyFragments));
}

#[test]
fn control_frames_are_not_counted_by_any_limit() {
    let nothing = Limits { frame: 0, message: 0, fragments: 1 };
    assert_eq!(end(nothing, &[frame(0x89, &[0; 125]), frame(0x82, b"")].concat()), Ok(()));
    assert_eq!(end(nothing, &[0x82, 1]), Err(FrameError::TooBig));
}

#[test]
fn limits_change_on_a_live_connection_from_the_next_header_on() {
    let mut decoder = Decoder::new(Role::Client, SMALL);
    assert_eq!(read_with(&mut decoder, &[0x02, 10, 1, 2]).1, Ok(()));
    decoder.set_limits(Limits { frame: 5, message: 12, fragments: 3 });
    assert_eq!(read_with(&mut decoder, &[0; 8]).1, Ok(()), "a frame let in stays in");
    assert_eq!(read_with(&mut decoder, &frame(0x00, &[0; 2])).1, Ok(()));
    assert_eq!(read_with(&mut decoder, &[0x80, 1]).1, Err(FrameError::TooBig), "12 bytes are in");

    let mut decoder = Decoder::new(Role::Client, SMALL);
    decoder.set_limits(Limits::default());
    assert_eq!(read_with(&mut decoder, &frame(0x82, &[0; 1000])).1, Ok(()));
}

#[test]
fn a_limit_below_what_has_arrived_refuses_the_next_frame_without_a_fuss() {
    let mut decoder = Decoder::new(Role::Client, SMALL);
    assert_eq!(read_with(&mut decoder, &frame(0x02, &[0; 10])).1, Ok(()));
    decoder.set_limits(Limits { message: 3, ..SMALL });
    assert_eq!(read_with(&mut decoder, &[0x80, 1]).1, Err(FrameError::TooBig));
}

#[test]
fn an_announced_length_takes_no_memory() {
    let unlimited = Limits { frame: usize::MAX, message: usize::MAX, fragments: usize::MAX };
    let mut decoder = Decoder::new(Role::Client, unlimited);
    assert_eq!(read_with(&mut decoder, &[0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).1, Ok(()));
    assert_eq!(decoder.buffered(), 0);
    assert_eq!(read_with(&mut decoder, &[0; 100]).1, Ok(()));
    assert!(decoder.buffered() <= 200);
}

#[test]
fn a_message_in_pieces_ends_with_no_memory_to_spare_if_it_is_one_frame() {
    let mut decoder = Decoder::new(Role::Client, Limits::default());
    let bytes = frame(0x82, &[7; 100_000]);
    let (pieces, last) = bytes.split_at(99_000);
    for piece in pieces.chunks(1000) {
        assert_eq!(read_with(&mut decoder, piece).1, Ok(()));
    }
    let mut last = last.to_vec();
    let Ok(Some(Item::Message(message))) = decoder.next(&mut &mut last[..]) else { panic!() };
    assert_eq!(message.payload.into_owned().capacity(), 100_000);
}

#[test]
fn a_breach_closes_with_1009_bad_text_with_1007_and_all_else_with_1002() {
    use FrameError::*;
    for error in [TooBig, TooManyFragments] {
        assert_eq!(error.close_code(), 1009);
    }
    assert_eq!(NotUtf8.close_code(), 1007);
    for error in [
        ReservedBits(0x40),
        ReservedOpcode(3),
        NotMasked,
        Masked,
        LengthNotMinimal,
        LengthHighBit,
        ControlFragmented,
        ControlTooLong,
        NothingToContinue,
        MessageUnfinished,
        CloseTooShort,
        CloseCode(1005),
    ] {
        assert_eq!(error.close_code(), 1002, "{error}");
    }
}
