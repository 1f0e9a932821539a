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
fn a_length_that_is_only_announced_makes_no_room() {
    let mut decoder = Decoder::new(Role::Client, Limits::default());
    let mut left = 1 << 20;
    assert!(decoder.room(1).is_none());
    assert_eq!(read_with(&mut decoder, &[0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 0]).1, Ok(()));
    assert!(decoder.room(1).is_none());
    assert_no_item(&mut decoder, &[0; 10]);
    left -= 10;
    assert_eq!(decoder.room(11).map(drop), None);
    assert_eq!(decoder.room(1).map(|room| room.remaining_mut()), Some(10));
    while left > 0 {
        decoder.room(1).expect("more is missing").put_u8(0);
        left -= 1;
        let arrived = (1 << 20) - left;
        assert!(decoder.buffered() <= 2 * arrived, "{} bytes for {arrived}", decoder.buffered());
        let message = decoder.next(&mut &mut [][..]);
        assert_eq!(message.is_ok_and(|item| item.is_some()), left == 0);
    }
    assert_eq!(decoder.buffered(), 0);
}

fn assert_no_item(decoder: &mut Decoder, bytes: &[u8]) {
    assert_eq!(read_with(decoder, bytes), (vec![], Ok(())));
}

#[test]
fn there_is_room_for_the_frame_that_has_begun_and_for_nothing_behind_it() {
    let mut decoder = Decoder::new(Role::Client, Limits::default());
    assert_no_item(&mut decoder, &[0x02, 100, 1, 2, 3]);
    assert_no_item(&mut decoder, &[7; 90]);
    assert_eq!(decoder.room(1).map(|room| room.remaining_mut()), Some(7));
    assert_no_item(&mut decoder, &[7; 7]);
    assert!(decoder.room(1).is_none(), "a header is next");
    assert_no_item(&mut decoder, &[0x89, 5, 1]);
    assert!(decoder.room(1).is_none(), "a ping is next");
    assert_eq!(read_with(&mut decoder, &[1; 4]).0.len(), 1);
    assert_no_item(&mut decoder, &[0x80, 50]);
    assert_eq!(decoder.room(1).map(|room| room.remaining_mut()), Some(50));
    assert_eq!(decoder.next(&mut &mut [1, 1][..]), Ok(None));
    assert_no_item(&mut decoder, &[1; 47]);
    assert_eq!(decoder.next(&mut &mut [7][..]).map(|item| item.is_some()), Ok(true));
    assert_eq!(decoder.next(&mut &mut [0xf2, 0][..]), Err(FrameError::ReservedBits(0x70)));
    assert!(decoder.room(1).is_none(), "nothing more counts");
}

#[test]
fn a_message_in_pieces_is_put_together_in_memory_of_the_callers_if_that_is_neither_small_nor_large() {
    for (lent, capacity) in [(0, 8), (7, 8), (8, 8), (10, 10), (12, 12), (13, 8)] {
        let mut lent = Some(Vec::with_capacity(lent));
        let mut decoder = Decoder::new(Role::Client, Limits::default());
        let mut memory = |least, most| {
            assert_eq!((least, most), (8, 12), "6 have arrived, and 2 are missing");
            lent.take().expect("asked once")
        };
        let mut first = frame(0x82, &[7; 8]);
        let mut last = first.split_off(8);
        assert_eq!(decoder.next_in(&mut &mut first[..], &mut memory), Ok(None));
        assert!(decoder.buffered() <= 12);
        let Ok(Some(Item::Message(message))) = decoder.next_in(&mut &mut last[..], &mut memory) else { panic!() };
        assert_eq!(message.payload.as_slice(), [7; 8]);
        assert_eq!(message.payload.into_owned().capacity(), capacity);
    }
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
