//! What holds for any input: encoding and decoding undo each other, splits do not matter, nothing panics, memory is
//! bounded by what arrived. May never test a single rule: those stand beside the code.

mod streams;

use std::convert::Infallible;

use proptest::{collection::vec, prelude::*};
use streams::{Seen, cut, read, read_into_place, streams};
use wse_frame::{Decoder, Frame, Limits, Opcode, Role, put_close, put_frame};

const LIMITS: Limits = Limits { frame: 300, message: 400, fragments: 4 };

fn decoder(masked: bool, limits: Limits) -> Decoder {
    Decoder::new(if masked { Role::Server } else { Role::Client }, limits)
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        ".{0,100}".prop_map(|text| Seen::Text(text.into_bytes())),
        vec(any::<u8>(), 0..300).prop_map(Seen::Binary),
        (any::<u8>(), 65_530usize..65_540).prop_map(|(byte, len)| Seen::Binary(vec![byte; len])),
        vec(any::<u8>(), 0..126).prop_map(Seen::Ping),
        vec(any::<u8>(), 0..126).prop_map(Seen::Pong),
    ]
}

fn close() -> impl Strategy<Value = Seen> {
    let code = prop_oneof![1000u16..=1003, 1007u16..=1014, 3000u16..=4999];
    proptest::option::of((code, "[a-zäöü]{0,60}")).prop_map(Seen::Close)
}

fn put(out: &mut Vec<u8>, seen: &Seen, key: Option<[u8; 4]>) {
    let (opcode, payload) = match seen {
        Seen::Text(payload) => (Opcode::Text, payload),
        Seen::Binary(payload) => (Opcode::Binary, payload),
        Seen::Ping(payload) => (Opcode::Ping, payload),
        Seen::Pong(payload) => (Opcode::Pong, payload),
        Seen::Close(close) => {
            let (code, reason) = close.clone().unwrap_or((1005, String::new()));
            return put_close(out, key, code, &reason);
        }
    };
    let before = out.len();
    let Ok(()) = put_frame(out, opcode, key, |out| {
        out.extend_from_slice(payload);
        Ok::<_, Infallible>(())
    });
    if key.is_none() {
        assert_eq!(Frame::new(opcode, payload).as_bytes()[..], out[before..]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_encoded_is_decoded_again_in_both_roles_however_it_is_split(
        masked: bool,
        key: [u8; 4],
        sent in vec(seen(), 0..6),
        end in close(),
        sizes in vec(0usize..3000, 1..10),
    ) {
        let mut bytes = Vec::new();
        let sent: Vec<Seen> = sent.into_iter().chain([end]).collect();
        for seen in &sent {
            put(&mut bytes, seen, masked.then_some(key));
        }
        let (seen, end) = read(&mut decoder(masked, Limits::default()), cut(&bytes, &sizes));
        prop_assert_eq!(&seen, &sent);
        prop_assert_eq!(end, Ok(()));
        let placed = read_into_place(&mut decoder(masked, Limits::default()), cut(&bytes, &sizes), sizes[0]);
        prop_assert_eq!(placed, (sent, Ok(())));
    }

    #[test]
    fn a_close_frame_made_for_sharing_reads_back(code: u16, reason in ".{0,60}") {
        let frame = Frame::close(code, &reason);
        let (seen, end) = read(&mut decoder(false, Limits::default()), [&frame.as_bytes()[..]]);
        prop_assert_eq!(end, Ok(()));
        match &seen[..] {
            [Seen::Close(None)] => {}
            [Seen::Close(Some((read, cut)))] => {
                prop_assert_eq!(*read, code);
                prop_assert!(reason.starts_with(cut.as_str()));
                prop_assert!(cut.len() == reason.len() || cut.len() > 119);
            }
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_split_of_any_stream_gives_the_same_items_and_the_same_end(
        (masked, bytes) in any::<bool>().prop_flat_map(|masked| (Just(masked), streams(masked))),
        allowed in prop::sample::select(&[0u8, 0, 0x40, 0x70][..]),
        sizes in vec(0usize..50, 1..10),
        least in 0usize..20,
    ) {
        let run = |pieces: Vec<&[u8]>| {
            let mut decoder = decoder(masked, LIMITS);
            decoder.allow_reserved(allowed);
            read(&mut decoder, pieces)
        };
        let whole = run(vec![&bytes]);
        prop_assert_eq!(&run(cut(&bytes, &sizes)), &whole);
        prop_assert_eq!(&run(cut(&bytes, &[1])), &whole);
        for sizes in [&sizes[..], &[1]] {
            let mut decoder = decoder(masked, LIMITS);
            decoder.allow_reserved(allowed);
            prop_assert_eq!(&read_into_place(&mut decoder, cut(&bytes, sizes), least), &whole, "into place");
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_hold_at_most_twice_what_has_arrived(
        masked: bool,
        allowed: u8,
        pieces in vec(vec(any::<u8>(), 0..40), 0..20),
    ) {
        let mut decoder = decoder(masked, Limits { frame: usize::MAX, message: usize::MAX, fragments: usize::MAX });
        decoder.allow_reserved(allowed);
        let (_, end) = read(&mut decoder, pieces.iter().map(Vec::as_slice));
        if end.is_err() {
            prop_assert_eq!(decoder.buffered(), 0);
            prop_assert_eq!(read(&mut decoder, [&b"\x81\x00"[..]]), (vec![], end));
        }
    }

    #[test]
    fn nothing_comes_out_behind_a_close_frame(masked: bool, key: [u8; 4], behind in vec(any::<u8>(), 0..60)) {
        let mut bytes = Vec::new();
        put_close(&mut bytes, masked.then_some(key), 1000, "");
        bytes.extend_from_slice(&behind);
        let (seen, end) = read(&mut decoder(masked, LIMITS), cut(&bytes, &[7]));
        prop_assert_eq!((seen, end), (vec![Seen::Close(Some((1000, String::new())))], Ok(())));
    }
}
