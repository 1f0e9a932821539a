//! What is said of a frame that is refused: the kind and the place, by which a mistake is found, in the same words
//! whatever reads the frame. The text never quotes it.

use std::sync::Arc;
use wse_proto::{Codec, Format, WsMessaging};

#[track_caller]
fn refused(codec: &Codec, frame: impl AsRef<[u8]>, expected: &str) {
    let frame = frame.as_ref();
    let error = codec.read(frame, codec.binary()).expect_err("it is refused").to_string();
    assert_eq!(error, format!("not an envelope: {expected}"), "{:?}", String::from_utf8_lossy(frame));
}

#[test]
fn json_that_is_no_envelope_is_told_where() {
    for (frame, kind, line, column) in [
        ("", "Eof", 1, 0),
        (" ", "Eof", 1, 1),
        ("null", "Data", 1, 4),
        ("{}", "Data", 1, 0),
        ("[]", "Data", 1, 2),
        ("[null,1,null]", "Data", 1, 5),
        ("[1]", "Data", 1, 2),
        (r#"["m",1,2]"#, "Data", 1, 8),
        (r#"["m",1,{}]"#, "Data", 1, 7),
        (r#"["m",1,"s",4]"#, "Data", 1, 13),
        (r#"["m",]"#, "Syntax", 1, 6),
        (r#"["m""#, "Eof", 1, 4),
        (r#"["m",1,null]x"#, "Syntax", 1, 13),
        ("{{{", "Data", 1, 0),
        ("not json at all", "Syntax", 1, 2),
        (r#"["m",{]"#, "Syntax", 1, 7),
        ("[\"m\",\n01]", "Syntax", 2, 2),
        (r#"["\ud800"]"#, "Syntax", 1, 9),
        ("[\"m\",1,\n \"\\ud800\"]", "Syntax", 2, 9),
        ("[\"m\",\"a\nb\"]", "Syntax", 1, 7),
        (r#"["m","\x"]"#, "Syntax", 1, 8),
        ("[\"m\",\n\n  tru]", "Syntax", 3, 6),
        (r#"["m" 1]"#, "Syntax", 1, 6),
        (r#"["m",{"a" 1}]"#, "Syntax", 1, 11),
        (r#"["m",{"a":1,}]"#, "Syntax", 1, 13),
        (r#"["m",1,null,]"#, "Syntax", 1, 13),
        ("\u{feff}[\"m\"]", "Syntax", 1, 1),
        ("[\"m\",1]\0", "Syntax", 1, 8),
        (r#"["~wse:welcome",1,7]"#, "Data", 1, 1),
        (r#"["~wse:welcome",1,[]]"#, "Data", 1, 0),
        (r#"["~wse:welcome",1,{]"#, "Syntax", 1, 20),
        (r#"["~wse:welcome",1,"\udc00"]"#, "Data", 1, 7),
        (r#"{"c":1}"#, "Data", 1, 0),
        (r#"["m","secret" "secret"]"#, "Syntax", 1, 15),
        (r#"["m","\u12"]"#, "Syntax", 1, 12),
        (r#"["m",-]"#, "Syntax", 1, 7),
        (r#"["m",1.]"#, "Syntax", 1, 8),
        (r#"["m",1e]"#, "Syntax", 1, 8),
        (r#"["m","cut"#, "Eof", 1, 9),
    ] {
        refused(&Codec::Json, frame, &format!("{kind} error at column {column} of line {line}"));
    }
    refused(&Codec::Json, r#"{"c":"m","dat":1}"#, "a frame of npm wse 2");
    refused(&Codec::Json, r#"[""]"#, "an empty type");
    for frame in [&b"\xff"[..], b"[\"\xc3\"]", b"[\"m\",\"\xff\"]"] {
        refused(&Codec::Json, frame, "not UTF-8");
    }
}

#[test]
fn a_frame_that_nests_too_deep_is_told_so_whatever_else_is_wrong_with_it() {
    let deep = "nested deeper than 128";
    refused(&Codec::Json, format!("[\"m\",{}", "[".repeat(127)), "Eof error at column 132 of line 1");
    for frame in [
        format!("[\"m\",{}", "[".repeat(128)),
        format!("[\"m\",1,{}", "{\"a\":".repeat(128)),
        format!("[{}", "[".repeat(128)),
        format!("{}{}{}", "[]".repeat(40), "]".repeat(20), "[".repeat(129)),
        format!("[\"m\",{}{}]", "[".repeat(128), "]".repeat(128)),
    ] {
        refused(&Codec::Json, &frame, deep);
        refused(&Codec::Json, [frame.as_bytes(), b"\xff"].concat(), deep);
    }
    for head in [&b"\x92\xa1m"[..], b"\x93\xa1m\x01"] {
        for levels in [128, 200] {
            refused(&Codec::MessagePack, [head, &vec![0x91; levels], b"\x01"].concat(), deep);
        }
    }
    let codec = Codec::WsMessaging(Arc::new(WsMessaging::new()), Format::Json);
    let frame = |levels: usize| format!(r#"{{"name":"m","args":[{}{}]}}"#, "[".repeat(levels), "]".repeat(levels));
    assert!(codec.read(frame(126).as_bytes(), false).is_ok());
    refused(&codec, frame(127), "SyntaxError: nested deeper than 128");
}

#[test]
fn a_frame_of_ws_messaging_is_told_whether_it_is_json_at_all() {
    for skip_validation in [false, true] {
        let options = WsMessaging::new().skip_validation(skip_validation);
        let codec = Codec::WsMessaging(Arc::new(options), Format::Json);
        for frame in [
            "1",
            "[]",
            "{}",
            r#"{"name":1,"args":[]}"#,
            r#"{"name":"m","args":1}"#,
            r#"{"name":"m","args":{}}"#,
            r#"{"name":"\ud800","args":[]}"#,
            r#"{"name":"","args":[]}"#,
            r#"{"name":"~wse:hi","args":[]}"#,
            r#"{"id":1}"#,
            r#"{"\ud800":1,"name":"m","args":[]}"#,
        ] {
            refused(&codec, frame, "Error: Validation error");
        }
        for (frame, kind, line, column) in [
            ("", "Eof", 1, 0),
            ("{", "Eof", 1, 1),
            (r#"{"name":"m","args":[1,]}"#, "Syntax", 1, 23),
            (r#"{"name":"m","args":[],}"#, "Syntax", 1, 23),
            (r#"{"name":"m","args":[]} x"#, "Syntax", 1, 24),
            (r#"{"name":"m","args":[1 2]}"#, "Syntax", 1, 23),
            ("{\"name\":\"m\",\n\"args\":[tru]}", "Syntax", 2, 12),
            (r#"{"name" "m"}"#, "Syntax", 1, 9),
            (r#"{"name":"m""args":[]}"#, "Syntax", 1, 12),
            (r#"{"a"}"#, "Syntax", 1, 5),
            ("{1:1}", "Syntax", 1, 2),
        ] {
            refused(&codec, frame, &format!("SyntaxError: {kind} error at column {column} of line {line}"));
        }
        refused(&codec, b"{\"name\":\"\xff\"}", "SyntaxError: not UTF-8");
        for (frame, expected) in [
            (r#"{"name":"m","name":"n","args":[1],"args":[2,3]}"#, "[2,3]"),
            (r#"{"name":"m","args":[[1]]}"#, "[[1]]"),
            (r#"{"name":"m","args":[ 1 ]}"#, "1"),
            (r#"{"name":"m","args":[ ]}"#, "[ ]"),
            (r#" { "args" : [ {"a": 1} , 2 ] , "name" : "m" } "#, r#"[ {"a": 1} , 2 ]"#),
        ] {
            let envelope = codec.read(frame.as_bytes(), false).expect(frame);
            assert_eq!(envelope.payload.as_bytes(), expected.as_bytes());
        }
    }
}

#[test]
fn messagepack_that_is_no_envelope_is_told_what_it_is() {
    let no_stamp = "the payload is no `core::option::Option<alloc::string::String>`: expected a string, got an integer";
    for (frame, expected) in [
        (&b""[..], "it ends in the middle of a value"),
        (b"\x90", "not an array of one to three"),
        (b"\x94\xa1m\x01\xc0\xc0", "not an array of one to three"),
        (b"\x91\xa1m\x00", "bytes after the envelope"),
        (b"\x91\x01", "not a string"),
        (b"\x93\xa1m\x01\x02", "not a string"),
        (b"\x93\xa1m\x01\x02\x02", "bytes after the envelope"),
        (b"\x93\xa1m\x01", "it ends in the middle of a value"),
        (b"\x92\xa1m\xc1", "the byte c1, which MessagePack never uses"),
        (b"\x92\xa1m\xa1\xff", "a str that is not UTF-8"),
        (b"\x91\xa1\xff", "a str that is not UTF-8"),
        (b"\x81\xa1m\x01", "not an array"),
        (b"\x92\xa1m\xdd\xff\xff\xff\xff", "more elements are announced than there are bytes"),
        (b"\x93\xac~wse:welcome\x01\x07", no_stamp),
    ] {
        refused(&Codec::MessagePack, frame, expected);
    }
}
