//! The frames of `ws-messaging`: which are valid and what they mean, in JSON and in MessagePack.

mod json;
mod packed;

use json::json;
use packed::packed;
use std::sync::Arc;
use wse_proto::{Codec, Format, Kind, Payload, WsMessaging};

fn codec(format: Format, skip_validation: bool) -> Codec {
    Codec::WsMessaging(Arc::new(WsMessaging::new().skip_validation(skip_validation)), format)
}

/// What the frame means, `invalid`, or the error.
fn meaning(codec: &Codec, frame: &[u8]) -> String {
    let envelope = match codec.read(frame, codec.binary()) {
        Ok(envelope) => envelope,
        Err(error) if error.to_string() == "not an envelope: Error: Validation error" => return "invalid".to_owned(),
        Err(error) => return error.to_string(),
    };
    assert_eq!(envelope.payload.format(), codec.format());
    let payload = envelope.payload.translated(Format::Json).expect("a test has JSON only");
    let id = envelope.stamp.map_or(String::new(), |id| format!(" #{id}"));
    format!("{} {}{id}", envelope.name, std::str::from_utf8(payload.as_bytes()).expect("JSON is text"))
}

/// `frame | what it means | what it means without validation`: `=` the same, `-` anything but a panic.
///
/// The second column is what `validate()` of npm `ws-messaging` 2.0.0 says to the same JSON.
const FRAMES: &str = r#"
    {"name":"n","args":[]}                       | n []                     | =
    {"args":[],"name":"n"}                       | n []                     | =
    {"name":"n","args":[5]}                      | n 5                      | =
    {"name":"n","args":[null]}                   | n null                   | =
    {"name":"n","args":["a"]}                    | n "a"                    | =
    {"name":"n","args":[{"a":[1]}]}              | n {"a":[1]}              | =
    {"name":"n","args":[[]]}                     | n [[]]                   | =
    {"name":"n","args":[[5]]}                    | n [[5]]                  | =
    {"name":"n","args":[1,2]}                    | n [1,2]                  | =
    {"name":"n","args":[[1],[2]]}                | n [[1],[2]]              | =
    {"name":"n","args":[1,[]]}                   | n [1,[]]                 | =
    {"name":"\u006e","args":["]"]}               | n "]"                    | =

    {"name":"n","args":[],"id":1}                | n [] #1                  | =
    {"id":2,"args":[7],"name":"n"}               | n 7 #2                   | =
    {"name":"n","args":[],"id":1.0}              | n [] #1                  | =
    {"name":"n","args":[],"id":1e3}              | n [] #1000               | =
    {"name":"n","args":[],"id":1.0000000000000000001} | n [] #1             | =
    {"name":"n","args":[],"id":9007199254740993} | n [] #9007199254740993   | =
    {"name":"n","args":[],"id":0}                | invalid                  | n []
    {"name":"n","args":[],"id":null}             | invalid                  | n []
    {"name":"n","args":[],"id":-0}               | invalid                  | n []
    {"name":"n","args":[],"id":-1}               | invalid                  | -
    {"name":"n","args":[],"id":1.5}              | invalid                  | -
    {"name":"n","args":[],"id":1e400}            | invalid                  | -
    {"name":"n","args":[],"id":"1"}              | invalid                  | -
    {"name":"n","args":[],"id":true}             | invalid                  | -
    {"name":"n","args":[],"id":[1]}              | invalid                  | -

    {"id":1,"result":5}                          | ~wse:response 5 #1       | =
    {"id":1,"result":null}                       | ~wse:response null #1    | =
    {"result":[1],"id":1.0}                      | ~wse:response [1] #1     | =
    {"id":1,"error":"Error: no"}                 | ~wse:response-err "Error: no" #1 | =
    {"error":null,"id":7}                        | ~wse:response-err null #7 | =
    {"id":1,"result":1,"error":2}                | invalid                  | ~wse:response-err 2 #1
    {"id":1,"result":1,"data":2}                 | invalid                  | ~wse:response 1 #1
    {"id":1,"result":1,"args":[]}                | invalid                  | ~wse:response 1 #1
    {"id":1,"data":1}                            | invalid                  | -
    {"id":1}                                     | invalid                  | -
    {"id":-1}                                    | invalid                  | -
    {"result":1}                                 | invalid                  | -
    {"id":0,"result":1}                          | invalid                  | -
    {"id":1.5,"error":1}                         | invalid                  | -
    {"id":"1","result":1}                        | invalid                  | -
    {"id":null,"result":1}                       | invalid                  | -

    {"name":"","args":[]}                        | invalid                  | -
    {"name":null,"args":[]}                      | invalid                  | -
    {"name":5,"args":[]}                         | invalid                  | -
    {"name":true,"args":[],"id":1}               | invalid                  | -
    {"name":["n"],"args":[]}                     | invalid                  | -
    {"name":"","id":1,"result":1}                | invalid                  | -
    {"name":"n"}                                 | invalid                  | n []
    {"name":"n","id":1}                          | invalid                  | n [] #1
    {"name":"n","result":1}                      | invalid                  | n []
    {"name":"n","args":""}                       | invalid                  | -
    {"name":"n","args":null}                     | invalid                  | -
    {"name":"n","args":{}}                       | invalid                  | -
    {"name":"n","args":{"0":1,"length":1},"id":1} | invalid                 | -
    {"args":[]}                                  | invalid                  | invalid
    {"args":[],"id":1}                           | invalid                  | invalid
    {}                                           | invalid                  | invalid
    {"name":"n","args":[],"data":1}              | invalid                  | n []
    {"name":"n","args":[],"result":1}            | invalid                  | n []
    {"name":"n","args":[],"__proto__":1}         | invalid                  | n []
    {"name":"n","args":[],"":1}                  | invalid                  | n []
    {"name":"n","args":[3],"id":1,"data":1}      | invalid                  | n 3 #1
    {"name":"n","args":[3],"id":1,"result":1}    | invalid                  | n 3 #1

    {"name":"a","name":"n","args":[]}            | n []                     | =
    {"name":5,"name":"n","args":[]}              | n []                     | =
    {"name":"n","name":5,"args":[]}              | invalid                  | -
    {"name":"n","args":"","args":[1]}            | n 1                      | =
    {"name":"n","args":[1],"args":""}            | invalid                  | -
    {"name":"n","id":0,"args":[],"id":2}         | n [] #2                  | =
    {"name":"n","id":2,"args":[],"id":0}         | invalid                  | n []
    {"name":"n","args":[],"data":1,"data":1}     | invalid                  | n []
    {"id":9,"result":1,"result":2,"id":1}        | ~wse:response 2 #1       | =
    {"id":1,"error":1,"error":2}                 | ~wse:response-err 2 #1   | =

    []                                           | invalid                  | invalid
    [1,2]                                        | invalid                  | invalid
    ["n",[],1]                                   | invalid                  | invalid
    "str"                                        | invalid                  | invalid
    5                                            | invalid                  | invalid
    1e400                                        | invalid                  | invalid
    null                                         | invalid                  | invalid
    true                                         | invalid                  | invalid
"#;

#[test]
fn a_frame_is_what_the_other_system_takes_it_for_in_both_formats() {
    for line in FRAMES.lines().filter(|line| !line.trim().is_empty()) {
        let cells: Vec<&str> = line.split(" | ").map(str::trim).collect();
        let [frame, strict, lenient] = cells[..] else { panic!("three cells a line: {line}") };
        for (format, bytes) in [(Format::Json, frame.as_bytes().to_vec()), (Format::MessagePack, packed(frame))] {
            assert_eq!(meaning(&codec(format, false), &bytes), strict, "{format:?}: {frame}");
            let said = meaning(&codec(format, true), &bytes);
            let expected = if lenient == "=" { strict } else { lenient };
            assert!(lenient == "-" || said == expected, "{format:?} without validation: {frame}: {said}");
        }
    }
}

#[test]
fn a_name_of_the_other_wire_is_no_name_here() {
    for name in [
        "~wse:hi",
        "~wse:welcome",
        "~wse:challenge",
        "~wse:response",
        "~wse:response-err",
        "~wse:ping",
        "~wse:identity",
    ] {
        let frame = format!(r#"{{"name":"{name}","args":[1],"id":1}}"#);
        for skip in [false, true] {
            assert_eq!(meaning(&codec(Format::Json, skip), frame.as_bytes()), "invalid", "{frame}");
            assert_eq!(meaning(&codec(Format::MessagePack, skip), &packed(&frame)), "invalid", "{frame}");
        }
    }
    let frame = r#"{"name":"~wse:other","args":[1]}"#;
    assert_eq!(meaning(&codec(Format::Json, false), frame.as_bytes()), "~wse:other 1");
}

#[test]
fn an_id_beyond_what_a_double_counts_in_ones_is_answered_with_the_same_number_and_in_json_the_same_text() {
    for id in [
        "9007199254740993",
        "18446744073709551615",
        "18446744073709551616",
        "18446744073709551617",
        "123456789012345678901234567890",
        "1e300",
        "1.5e19",
        "150e17",
        "1E+20",
    ] {
        let frame = format!(r#"{{"name":"n","args":[],"id":{id}}}"#);
        for (codec, bytes) in [
            (codec(Format::Json, false), frame.clone().into_bytes()),
            (codec(Format::MessagePack, false), packed(&frame)),
        ] {
            let stamp = codec.read(&bytes, codec.binary()).unwrap().stamp.unwrap().into_owned();
            let mut answer = Vec::new();
            codec
                .write_encoded(&mut answer, Kind::Response.as_str(), &Payload::null(codec.format()), Some(&stamp))
                .unwrap();
            if codec.format() == Format::Json {
                assert_eq!(String::from_utf8(answer.clone()).unwrap(), format!(r#"{{"id":{id},"result":null}}"#));
            }
            let answered: serde_json::Map<_, _> = match codec.format() {
                Format::Json => serde_json::from_slice(&answer).unwrap(),
                _ => rmp_serde::from_slice(&answer).unwrap(),
            };
            assert_eq!(answered["id"].as_f64(), id.parse().ok(), "{codec:?}");
        }
    }
}

#[test]
fn an_id_that_is_a_short_float_is_answered_with_the_number_that_it_is() {
    let packed = codec(Format::MessagePack, false);
    for (id, number) in [(123_456_792_f32, "123456792"), (1e20, "100000002004087730000")] {
        let frame = [&b"\x83\xa4name\xa1n\xa4args\x90\xa2id\xca"[..], &id.to_be_bytes()].concat();
        let stamp = packed.read(&frame, true).unwrap().stamp.unwrap().into_owned();
        assert_eq!(stamp, number);
        let mut answer = Vec::new();
        packed.write_encoded(&mut answer, "~wse:response", &Payload::null(Format::MessagePack), Some(&stamp)).unwrap();
        let answered: serde_json::Map<_, _> = rmp_serde::from_slice(&answer).unwrap();
        assert_eq!(answered["id"].as_f64(), Some(f64::from(id)));
    }
}

#[test]
fn what_does_not_decode_is_named_so_and_never_quoted() {
    let json = codec(Format::Json, false);
    let deep = format!(r#"{{"name":"secret","args":{}{}}}"#, "[".repeat(128), "]".repeat(128));
    let cases = [
        ("secret", "Syntax error at column 1 of line 1"),
        ("", "Eof error at column 0 of line 1"),
        (r#"{"name":"secret""#, "Eof error at column 16 of line 1"),
        (r#"{"name":5,"secret""#, "Eof error at column 18 of line 1"),
        (r#"{"name":"secret","args":[1,]}"#, "Syntax error at column 28 of line 1"),
        (r#"{"name":"secret","args":[]} secret"#, "Syntax error at column 29 of line 1"),
        ("{'name':'secret'}", "Syntax error at column 2 of line 1"),
        (&deep, "nested deeper than 128"),
    ];
    for (frame, why) in cases {
        assert_eq!(meaning(&json, frame.as_bytes()), format!("not an envelope: SyntaxError: {why}"), "{frame}");
    }
    assert_eq!(meaning(&json, b"\"secret\xff\""), "not an envelope: SyntaxError: not UTF-8");

    let packed_codec = codec(Format::MessagePack, false);
    let mut whole = packed(r#"{"name":"secret","args":["secret"]}"#);
    let cut = &whole[..whole.len() - 1];
    assert_eq!(meaning(&packed_codec, cut), "not an envelope: Error: it ends in the middle of a value");
    assert_eq!(meaning(&packed_codec, b""), "not an envelope: Error: it ends in the middle of a value");
    assert!(meaning(&packed_codec, b"\xc1").starts_with("not an envelope: Error: the byte c1"));
    whole.push(0);
    assert_eq!(meaning(&packed_codec, &whole), "not an envelope: Error: bytes after the frame");
}

#[test]
fn the_other_kind_of_frame_does_not_decode() {
    let frame = r#"{"name":"n","args":[]}"#;
    let refused = [
        codec(Format::Json, true).read(frame.as_bytes(), true).unwrap_err(),
        codec(Format::MessagePack, true).read(&packed(frame), false).unwrap_err(),
    ];
    for error in refused {
        assert!(error.to_string().starts_with("not an envelope: Error: a frame of the wrong kind"), "{error}");
    }
}

#[test]
fn what_is_written_is_what_the_other_system_writes() {
    let own = |kind: Kind| kind.as_str();
    let cases = [
        ("e0", "[]", None, r#"{"name":"e0","args":[]}"#),
        ("e1", r#"{"x":1}"#, None, r#"{"name":"e1","args":[{"x":1}]}"#),
        ("e2", r#"[1,"two",null]"#, None, r#"{"name":"e2","args":[1,"two",null]}"#),
        ("ea", "[[1,2]]", None, r#"{"name":"ea","args":[[1,2]]}"#),
        ("sum", "[2,3]", Some("1"), r#"{"name":"sum","args":[2,3],"id":1}"#),
        ("ping", "[]", Some("12"), r#"{"name":"ping","args":[],"id":12}"#),
        ("sum", "[]", Some("+1"), r#"{"name":"sum","args":[],"id":1}"#),
        ("sum", "[]", Some("007."), r#"{"name":"sum","args":[],"id":7}"#),
        ("sum", "[]", Some("9007199254740993"), r#"{"name":"sum","args":[],"id":9007199254740993}"#),
        (own(Kind::Hi), "[1]", None, "[1]"),
        (own(Kind::Hi), "{}", None, "{}"),
        (own(Kind::Welcome), "null", None, r#"{"name":"connect","args":[null]}"#),
        (own(Kind::Welcome), r#"{"user":"t1"}"#, None, r#"{"name":"connect","args":[{"user":"t1"}]}"#),
        (own(Kind::Welcome), "[1,2]", None, r#"{"name":"connect","args":[[1,2]]}"#),
        (own(Kind::Welcome), "[]", None, r#"{"name":"connect","args":[[]]}"#),
        (own(Kind::Response), "[5]", Some("1"), r#"{"id":1,"result":[5]}"#),
        (own(Kind::Response), "null", Some("2"), r#"{"id":2,"result":null}"#),
        (own(Kind::ResponseErr), r#""Error: Some error""#, Some("3"), r#"{"id":3,"error":"Error: Some error"}"#),
    ];
    for (name, payload, id, frame) in cases {
        for (format, bytes) in [(Format::Json, frame.as_bytes().to_vec()), (Format::MessagePack, packed(frame))] {
            let mut written = Vec::new();
            codec(format, false).write_encoded(&mut written, name, &json(payload), id).unwrap();
            assert_eq!(written, bytes, "{format:?}: {frame}");
        }
    }
}

#[test]
fn what_this_wire_has_no_form_for_is_not_written() {
    let refused = [
        ("~wse:challenge", None),
        ("~wse:call", Some("1")),
        ("~wse:ping", Some("1")),
        ("~wse:identity", Some("1")),
        ("~wse:response", None),
        ("~wse:response", Some("0")),
        ("~wse:response-err", Some("S")),
        ("n", Some("S")),
        ("n", Some("-1")),
        ("n", Some("1.5")),
        ("n", Some("inf")),
        ("", None),
        ("connect", None),
        ("close", Some("1")),
    ];
    for format in [Format::Json, Format::MessagePack] {
        for (name, id) in refused {
            let written = codec(format, false).write_encoded(&mut Vec::new(), name, &Payload::null(format), id);
            assert!(written.is_err(), "{format:?}: {name} {id:?}");
        }
    }
}
