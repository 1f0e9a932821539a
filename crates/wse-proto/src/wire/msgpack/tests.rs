//! The scan, the reader and the envelope in MessagePack, byte by byte.

use crate::wire::{
    depth::DEPTH,
    msgpack::{
        envelope::{read, write, write_raw},
        scan::scan,
        token::{Reader, Token},
    },
    payload::Payload,
};

/// One value of every token there is, in one array.
const EVERY_TOKEN: &[u8] = b"\xdc\x00\x29\
    \x00\x7f\xe0\xff\xc0\xc2\xc3\
    \xcc\xff\xcd\x01\x00\xce\0\x01\0\0\xcf\0\0\0\x01\0\0\0\0\
    \xd0\x80\xd1\x80\0\xd2\x80\0\0\0\xd3\x80\0\0\0\0\0\0\0\
    \xca\x3f\x80\0\0\xcb\x3f\xf8\0\0\0\0\0\0\
    \xa0\xa1a\xd9\x01b\xda\0\x01c\xdb\0\0\0\x01d\
    \xc4\x01\xff\xc5\0\x01\xfe\xc6\0\0\0\x01\xfd\
    \xd4\x01a\xd5\x02ab\xd6\x03abcd\xd7\x04abcdefgh\xd8\x05abcdefghijklmnop\
    \xc7\x01\x06a\xc8\0\x01\x07a\xc9\0\0\0\x01\xffa\
    \x90\x91\x01\xdc\0\x01\x02\xdd\0\0\0\x01\x03\
    \x80\x81\x01\x02\xde\0\x01\x03\x04\xdf\0\0\0\x01\x05\x06";

fn refused(bytes: &[u8]) -> String {
    scan(bytes, DEPTH).map_or_else(|error| error.why().to_owned(), |found| panic!("{bytes:02x?} ends at {}", found.end))
}

#[test]
fn a_value_of_every_token_ends_where_its_bytes_end() {
    assert_eq!(scan(EVERY_TOKEN, DEPTH).unwrap().end, EVERY_TOKEN.len());
    let followed = [EVERY_TOKEN, b"\xc1\xc1"].concat();
    assert_eq!(scan(&followed, DEPTH).unwrap().end, EVERY_TOKEN.len(), "what follows is not looked at");
}

#[test]
fn a_value_cut_off_at_any_byte_is_refused() {
    for end in 0..EVERY_TOKEN.len() {
        assert!(scan(&EVERY_TOKEN[..end], DEPTH).is_err(), "cut at {end}");
    }
    for marker in 0..=0xffu8 {
        let needs_more = !matches!(marker, 0..=0x80 | 0x90 | 0xa0 | 0xc0 | 0xc2 | 0xc3 | 0xe0..);
        assert_eq!(scan(&[marker], DEPTH).is_err(), needs_more, "{marker:02x}");
    }
}

#[test]
fn every_token_is_read_as_what_it_is() {
    let cases: &[(&[u8], Token<'_>)] = &[
        (b"\x7f", Token::Unsigned(127)),
        (b"\xe0", Token::Signed(-32)),
        (b"\xff", Token::Signed(-1)),
        (b"\xc0", Token::Nil),
        (b"\xc2", Token::Bool(false)),
        (b"\xc3", Token::Bool(true)),
        (b"\xcc\xff", Token::Unsigned(255)),
        (b"\xcd\x01\x02", Token::Unsigned(0x0102)),
        (b"\xce\x01\x02\x03\x04", Token::Unsigned(0x0102_0304)),
        (b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", Token::Unsigned(u64::MAX)),
        (b"\xd0\x80", Token::Signed(-128)),
        (b"\xd1\x80\x00", Token::Signed(-32768)),
        (b"\xd2\x7f\xff\xff\xff", Token::Signed(i32::MAX.into())),
        (b"\xd3\x80\0\0\0\0\0\0\0", Token::Signed(i64::MIN)),
        (b"\xca\x3f\x80\0\0", Token::F32(1.0)),
        (b"\xcb\x3f\xf8\0\0\0\0\0\0", Token::F64(1.5)),
        (b"\xa2ab", Token::Text("ab")),
        (b"\xda\0\x02ab", Token::Text("ab")),
        (b"\xc5\0\x02\xff\xfe", Token::Binary(b"\xff\xfe")),
        (b"\xd5\xffab", Token::Extension(-1, b"ab")),
        (b"\xc8\0\x03\x07abc", Token::Extension(7, b"abc")),
        (b"\x9f", Token::Array(15)),
        (b"\xdc\x01\x00", Token::Array(256)),
        (b"\xdd\0\x01\0\0", Token::Array(65536)),
        (b"\x8f", Token::Map(15)),
        (b"\xde\x01\x00", Token::Map(256)),
        (b"\xdf\0\x01\0\0", Token::Map(65536)),
    ];
    for (bytes, token) in cases {
        let mut reader = Reader::new(bytes);
        assert_eq!(reader.token().unwrap(), *token, "{bytes:02x?}");
        assert_eq!(reader.left(), 0, "{bytes:02x?}");
        assert_eq!(reader.last_was_container(), matches!(token, Token::Array(_) | Token::Map(_)), "{bytes:02x?}");
        assert!(reader.token().is_err(), "{bytes:02x?}: there is no second token");
    }
}

#[test]
fn a_length_that_is_announced_and_not_there_is_refused_at_its_header() {
    // Lengths of 2^32 - 1: what took memory for them would take 4 GiB and more.
    for marker in [0xddu8, 0xdf] {
        let head = [marker, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(refused(&head), "more elements are announced than there are bytes");
        let deep = head.repeat(100);
        assert_eq!(refused(&deep), "more elements are announced than there are bytes");
        let envelope = [b"\x92\xa1m", &head[..], &[0; 64]].concat();
        assert!(read(&envelope).is_err());
    }
    for marker in [0xc6u8, 0xc9, 0xdb] {
        assert_eq!(refused(&[marker, 0xff, 0xff, 0xff, 0xff]), "it ends in the middle of a value");
    }
    // A map has two values a pair.
    assert_eq!(refused(b"\x82\x01\x02\x03"), "more elements are announced than there are bytes");
    assert_eq!(scan(b"\x82\x01\x02\x03\x04", DEPTH).unwrap().end, 5);
}

#[test]
fn what_stands_inside_may_not_use_up_the_bytes_of_what_follows() {
    // Two elements are announced and two bytes are there, but the first takes both.
    assert_eq!(refused(b"\x92\xcc\x01"), "it ends in the middle of a value");
    assert_eq!(refused(b"\x92\x91\x01"), "it ends in the middle of a value");
}

#[test]
fn depth_is_counted_in_arrays_and_maps_full_or_empty() {
    let nested = |open: &[u8], depth: usize, last: &[u8]| [&open.repeat(depth)[..], last].concat();
    for (open, what) in [(&b"\x91"[..], "arrays"), (b"\x81\x01", "maps"), (b"\xdd\0\0\0\x01", "long arrays")] {
        assert!(scan(&nested(open, 128, b"\xc0"), 128).is_ok(), "128 {what}");
        assert_eq!(refused(&nested(open, 129, b"\xc0")), "nested deeper than 128", "129 {what}");
        for empty in [&b"\x90"[..], b"\x80", b"\xdc\0\0", b"\xde\0\0"] {
            assert!(scan(&nested(open, 127, empty), 128).is_ok(), "127 {what} and an empty one");
            assert_eq!(refused(&nested(open, 128, empty)), "nested deeper than 128", "128 {what} and an empty one");
        }
    }
    assert!(scan(&nested(b"\x91", 1_000_000, b"\xc0"), DEPTH).is_err());
    let wide = [b"\xdd\0\0\x01\x00", &b"\x90".repeat(256)[..]].concat();
    assert_eq!(scan(&wide, 2).unwrap().end, wide.len(), "what was closed does not count");
}

#[test]
fn the_byte_that_is_never_used_is_refused_wherever_it_stands() {
    for bytes in [&b"\xc1"[..], b"\x91\xc1", b"\x81\xa1k\xc1", b"\x81\xc1\x01"] {
        assert_eq!(refused(bytes), "the byte c1, which MessagePack never uses", "{bytes:02x?}");
    }
    assert!(scan(b"\xc4\x01\xc1", DEPTH).is_ok(), "within a binary it is a byte");
}

#[test]
fn an_array_of_one_to_three_is_an_envelope() {
    type Case = (&'static [u8], &'static str, &'static [u8], Option<&'static str>);
    let cases: &[Case] = &[
        (b"\x91\xa1m", "m", b"\xc0", None),
        (b"\x92\xa1m\x05", "m", b"\x05", None),
        (b"\x93\xa1m\x05\xc0", "m", b"\x05", None),
        (b"\x93\xa1m\x92\x01\x02\xa1S", "m", b"\x92\x01\x02", Some("S")),
        (b"\x93\xa1m\xc4\x01\xff\xd9\x02S1", "m", b"\xc4\x01\xff", Some("S1")),
        (b"\xdc\0\x02\xda\0\x01m\xc0", "m", b"\xc0", None),
        (b"\xdd\0\0\0\x01\xa2\xc3\xa9", "é", b"\xc0", None),
    ];
    for (frame, name, payload, stamp) in cases {
        let envelope = read(frame).unwrap();
        assert_eq!((&*envelope.name, envelope.payload.as_bytes()), (*name, *payload), "{frame:02x?}");
        assert_eq!(envelope.stamp.as_deref(), *stamp, "{frame:02x?}");
    }
}

#[test]
fn whatever_is_not_such_an_array_is_refused() {
    let cases: &[(&[u8], &str)] = &[
        (b"", "it ends in the middle of a value"),
        (b"\x90", "not an array of one to three"),
        (b"\x94\xa1m\x05\xc0\xc0", "not an array of one to three"),
        (b"\xc0", "not an array"),
        (b"\xa1m", "not an array"),
        (b"\x81\xa1m\x05", "not an array"),
        (b"\x91\xc0", "nil for a string"),
        (b"\x91\x05", "not a string"),
        (b"\x91\xc4\x01m", "not a string"),
        (b"\x91\x91\xa1m", "not a string"),
        (b"\x91\xa1\xff", "a str that is not UTF-8"),
        (b"\x92\xa1m\xa1\xff", "a str that is not UTF-8"),
        (b"\x93\xa1m\x05\x01", "not a string"),
        (b"\x93\xa1m\x05\xc2", "not a string"),
        (b"\x93\xa1m\x05\xc4\x01S", "not a string"),
        (b"\x93\xa1m\x05\xa1\xff", "a str that is not UTF-8"),
        (b"\x91\xa1m\xc0", "bytes after the envelope"),
        (b"\x92\xa1m", "it ends in the middle of a value"),
    ];
    for (frame, why) in cases {
        assert_eq!(read(frame).unwrap_err().why(), *why, "{frame:02x?}");
    }
}

#[test]
fn an_envelope_is_written_as_an_array_of_three() {
    let mut out = b"before".to_vec();
    write(&mut out, "m", &(1, "x"), Some("S")).unwrap();
    assert_eq!(out, b"before\x93\xa1m\x92\x01\xa1x\xa1S");
    let mut raw = Vec::new();
    write_raw(&mut raw, "m", &Payload::msgpack(b"\x92\x01\xa1x").unwrap(), None).unwrap();
    assert_eq!(raw, b"\x93\xa1m\x92\x01\xa1x\xc0");
}
