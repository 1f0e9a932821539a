//! The form of errors and ends in `ws-messaging`, and what the dialects differ in.

use super::*;
use crate::protocol::codec::Codec;

const FORMATS: [Format; 2] = [Format::Json, Format::MessagePack];

fn codec(options: WsMessaging, format: Format) -> Codec {
    Codec::WsMessaging(Arc::new(options), format)
}

fn vanilla() -> RpError {
    RpError::from(std::io::Error::other("Vanilla error"))
}

/// The error's value on the wire, as JSON.
fn sent(options: &WsMessaging, error: &RpError, expose: bool) -> String {
    let values = FORMATS.map(|format| {
        let payload = codec(options.clone(), format).error(error, "rp", &Payload::null(format), expose);
        assert_eq!(payload.format(), format);
        payload.decode::<serde_json::Value>().unwrap()
    });
    assert_eq!(values[0], values[1], "one value in both formats");
    values[0].to_string()
}

/// The frame that tells a peer of the error.
fn frame(options: &WsMessaging, error: &RpError, format: Format) -> Vec<u8> {
    let codec = codec(options.clone(), format);
    let Envelope { name, payload, stamp } = codec.stopped("n", error, false).unwrap();
    let mut frame = Vec::new();
    codec.write_encoded(&mut frame, &name, &payload, stamp.as_deref()).unwrap();
    frame
}

#[test]
fn an_error_is_its_text_by_default() {
    let cases = [
        (RpError::new("CODE").message("Some error"), r#""Error: Some error""#, r#""Error: Some error""#),
        (RpError::new("CODE"), r#""Error: CODE""#, r#""Error: CODE""#),
        (RpError::new("CODE").details(&[1]), r#""Error: CODE""#, r#""Error: CODE""#),
        (RpError::bare(&[1]), r#""Error: RPC execution failed""#, r#""Error: RPC execution failed""#),
        (vanilla(), r#""Error: RPC execution failed""#, r#""Error: Vanilla error""#),
        (vanilla().message("try again"), r#""Error: try again""#, r#""Error: Vanilla error""#),
        (RpError::new(Code::RP_NOT_REGISTERED), r#""NoProcedureError""#, r#""NoProcedureError""#),
    ];
    for (error, hidden, exposed) in cases {
        assert_eq!(sent(&WsMessaging::new(), &error, false), hidden, "{error}");
        assert_eq!(sent(&WsMessaging::new(), &error, true), exposed, "{error}");
    }
}

#[test]
fn what_is_no_frame_is_told_in_its_own_words_or_in_the_form_that_was_set() {
    let error = ProtocolError::new("SyntaxError: x");
    let coded = WsMessaging::new().error_format(|error| (error.code.clone(), error.message.clone()));
    for format in FORMATS {
        let told =
            |options: &WsMessaging| options.garbage(&error, format).payload.decode::<serde_json::Value>().unwrap();
        assert_eq!(told(&WsMessaging::new()), "SyntaxError: x");
        assert_eq!(told(&coded).to_string(), r#"[["wse.server.protocol-violation","SyntaxError: x"]]"#);
    }
}

#[test]
fn a_format_of_ones_own_decides_alone_what_is_sent() {
    let options =
        WsMessaging::new().error_format(|error| (error.code.clone(), error.source().map(ToString::to_string)));
    for expose in [false, true] {
        assert_eq!(sent(&options, &vanilla(), expose), r#"["wse.server.rp.failed","Vanilla error"]"#);
        assert_eq!(sent(&options, &RpError::new("CODE").message("text"), expose), r#"["CODE",null]"#);
    }
    for format in FORMATS {
        let payload = codec(options.clone(), format).not_registered("gone");
        assert_eq!(payload.decode::<(String, ())>().unwrap().0, Code::RP_NOT_REGISTERED);
        assert_eq!(payload.format(), format);
    }
}

#[test]
fn a_format_that_panics_or_gives_what_does_not_encode_leaves_it_at_the_text() {
    let keyed_by_pairs = WsMessaging::new().error_format(|_| std::collections::HashMap::from([((1, 2), 3)]));
    let panics = WsMessaging::new().error_format(|error| -> String { panic!("{}", error.code) });
    for options in [keyed_by_pairs, panics] {
        let told = |error: &RpError| {
            let payload = codec(options.clone(), Format::Json).error(error, "rp", &Payload::null(Format::Json), false);
            payload.decode::<String>().unwrap()
        };
        assert_eq!(told(&RpError::new("CODE")), "Error: CODE");
        assert_eq!(told(&vanilla()), "Error: RPC execution failed");
    }
}

#[test]
fn what_a_hook_stops_is_told_as_openly_as_what_a_procedure_fails_with() {
    let codec = codec(WsMessaging::new(), Format::Json);
    let told = |expose| codec.stopped("n", &vanilla(), expose).unwrap().payload.decode::<String>().unwrap();
    assert_eq!((told(false), told(true)), ("Error: RPC execution failed".into(), "Error: Vanilla error".into()));
}

#[test]
fn an_unregistered_procedure_is_the_text_that_the_other_system_has_for_it() {
    for format in FORMATS {
        let codec = codec(WsMessaging::new(), format);
        assert_eq!(codec.not_registered("gone").decode::<String>().unwrap(), "NoProcedureError");
        assert_eq!(codec.read_error(&codec.not_registered("gone")).code, Code::RP_NOT_REGISTERED);
    }
}

#[test]
fn a_preprocessing_error_has_one_argument_whatever_the_format_gives() {
    let error = RpError::new("CODE").message("why");
    let as_list = WsMessaging::new().error_format(|error| (error.code.clone(), 1));
    let as_empty = WsMessaging::new().error_format(|_| [0; 0]);
    let as_object = WsMessaging::new().error_format(|error| serde_json::json!({"code": error.code}));
    let cases = [
        (WsMessaging::new(), r#"{"name":"preprocessingError","args":["Error: why"]}"#),
        (as_list, r#"{"name":"preprocessingError","args":[["CODE",1]]}"#),
        (as_empty, r#"{"name":"preprocessingError","args":[[]]}"#),
        (as_object, r#"{"name":"preprocessingError","args":[{"code":"CODE"}]}"#),
    ];
    for (options, expected) in cases {
        assert_eq!(String::from_utf8(frame(&options, &error, Format::Json)).unwrap(), expected);
        let packed: serde_json::Value = rmp_serde::from_slice(&frame(&options, &error, Format::MessagePack)).unwrap();
        assert_eq!(packed, serde_json::from_str::<serde_json::Value>(expected).unwrap());
    }
}

#[test]
fn a_hook_that_stops_a_message_is_told_on_this_wire_only_and_never_in_answer_to_being_told() {
    let error = RpError::new("CODE");
    for format in FORMATS {
        let codec = codec(WsMessaging::new(), format);
        assert_eq!(codec.stopped("n", &error, false).unwrap().name, PREPROCESSING_ERROR);
        assert_eq!(codec.stopped(PREPROCESSING_ERROR, &error, false), None);
    }
    assert_eq!(Codec::Json.stopped("n", &error, false), None);
    assert_eq!(Codec::MessagePack.stopped("n", &error, false), None);
}

#[test]
fn a_stopped_message_never_shows_what_was_not_meant_for_the_peer() {
    for format in FORMATS {
        let frame = frame(&WsMessaging::new(), &vanilla(), format);
        assert!(!String::from_utf8_lossy(&frame).contains("Vanilla"));
    }
}

#[test]
fn the_error_value_of_a_failed_call_becomes_its_details() {
    for format in FORMATS {
        let codec = codec(WsMessaging::new(), format);
        for value in [
            serde_json::json!("Error: no"),
            serde_json::json!({"code": "X"}),
            serde_json::json!([1]),
            serde_json::Value::Null,
        ] {
            let read = codec.read_error(&Payload::encode(format, &value).unwrap());
            assert_eq!((read.code.as_str(), &read.message), (Code::RP_FAILED, &None));
            assert_eq!(read.decode_details::<serde_json::Value>().unwrap(), Some(value));
        }
    }
}

#[test]
fn the_details_of_an_error_are_passed_on_alike_whatever_format_they_came_in() {
    for format in FORMATS {
        let value = Payload::encode(format, &serde_json::json!({"field": "n"})).unwrap();
        let passed_on = codec(WsMessaging::new(), format).read_error(&value);
        let answer = passed_on.answer("rp", &Payload::null(Format::Json), false);
        let answer = String::from_utf8(answer.as_bytes().to_vec()).unwrap();
        let expected = r#"{"code":"wse.server.rp.failed","details":{"field":"n","rp":"rp","rpc":"rp","payload":null}}"#;
        assert_eq!(answer, expected, "{format:?}");
    }
}

#[test]
fn an_end_has_the_code_by_which_this_wires_clients_stay_away_or_come_back() {
    let codec = codec(WsMessaging::new(), Format::Json);
    let cases = [
        (Closed::normal(Reason::BY_SERVER), false, "4003 wse.by-server"),
        (Closed::normal("".into()), false, "4003"),
        (Closed::normal(Reason::CLIENTS_CONCURRENCY), false, "4003 wse.clients-concurrency"),
        (Closed::auth_timeout(), false, "4003 wse.auth-timeout"),
        (Closed::later(), false, "1013 wse.later"),
        (Closed::later_after(Duration::from_secs(1)), false, "1013 wse.later after=1000"),
        (Closed::slow(), false, "1013 wse.slow"),
        (Closed::restart(Duration::from_secs(1)), false, "1012 wse.restart after=1000"),
        (Closed::normal(Reason::BY_CLIENT), true, "1000"),
        (Closed::normal("bye".into()), true, "1000 bye"),
        (Closed::jump(), true, "4000 jump"),
    ];
    for (closed, client, said) in cases {
        assert_eq!(codec.end(closed.clone(), client).to_string(), said, "{closed}");
        assert_eq!(Codec::Json.end(closed.clone(), client), closed, "the other wire says it as it is");
    }
    for code in 1000..5000 {
        let closed = Closed { code, reason: Reason::default() };
        assert_eq!((codec.is_temporary(&closed), codec.is_refusal(&closed)), (code != 4003, code == 4003), "{code}");
    }
}

#[test]
fn this_wire_numbers_its_calls_pings_by_a_call_and_knows_no_challenge() {
    for format in FORMATS {
        let codec = codec(WsMessaging::new(), format);
        assert!(codec.numbers_calls() && !codec.challenges());
        assert_eq!((codec.ping(), codec.binary()), (Some("ping"), format == Format::MessagePack));
    }
    for codec in [Codec::Json, Codec::MessagePack] {
        assert!(!codec.numbers_calls() && codec.challenges() && codec.ping().is_none());
    }
}
