//! What an error looks like on the wire, and what is read back.

use super::*;

fn json(text: &str) -> Payload<'_> {
    Payload::json(text).unwrap()
}

fn answer(error: &RpError, expose: bool) -> String {
    let payload = error.answer("boom", &json(r#"{"value":1}"#), expose);
    String::from_utf8(payload.as_bytes().to_vec()).unwrap()
}

#[test]
fn an_error_with_a_code_is_sent_whole_and_followed_by_the_call() {
    let error = RpError::new("test-err-code").details(&serde_json::json!({"fun": 1}));
    let expected = r#"{"code":"test-err-code","details":{"fun":1,"rp":"boom","rpc":"boom","payload":{"value":1}}}"#;
    assert_eq!(answer(&error, false), expected);
    assert_eq!(answer(&error, true), expected);
}

#[test]
fn bare_details_travel_under_the_code_of_failure() {
    #[derive(Serialize)]
    struct Details {
        code: &'static str,
        test_field: &'static str,
    }
    let error = RpError::bare(&Details { code: "INVALID_USER", test_field: "nope" });
    assert_eq!(
        answer(&error, false),
        r#"{"code":"wse.server.rp.failed","message":"RPC execution failed","details":{"code":"INVALID_USER","test_field":"nope","rp":"boom","rpc":"boom","payload":{"value":1}}}"#
    );
}

#[test]
fn the_text_of_any_other_error_is_sent_only_when_exposed() {
    let error = RpError::from(std::io::Error::other("Vanilla error"));
    assert_eq!(
        answer(&error, false),
        r#"{"code":"wse.server.rp.failed","message":"RPC execution failed","details":{"rp":"boom","rpc":"boom","payload":{"value":1}}}"#
    );
    assert_eq!(
        answer(&error, true),
        r#"{"code":"wse.server.rp.failed","message":"Vanilla error","details":{"origin":{"name":"Error","message":"Vanilla error"},"rp":"boom","rpc":"boom","payload":{"value":1}}}"#
    );
    assert_eq!(error.to_string(), "wse.server.rp.failed: Vanilla error");
    assert_eq!(
        answer(&RpError::from(std::io::Error::other("")), true),
        r#"{"code":"wse.server.rp.failed","message":"Unexpected error","details":{"origin":{"name":"Error","message":""},"rp":"boom","rpc":"boom","payload":{"value":1}}}"#
    );
    let told = error.message("try again");
    assert!(answer(&told, false).contains(r#""message":"try again""#));
}

#[test]
fn details_that_are_no_object_stand_in_a_field() {
    assert_eq!(
        answer(&RpError::new("ODD").details(&3), false),
        r#"{"code":"ODD","details":{"value":3,"rp":"boom","rpc":"boom","payload":{"value":1}}}"#
    );
}

#[test]
fn what_is_not_registered_is_named_in_the_details_alone() {
    let unknown = RpError::not_registered("go \"ne");
    let expected = br#"{"code":"wse.server.rp.not-registered","details":{"rp":"go \"ne"}}"#;
    assert_eq!(unknown.as_bytes(), expected);
    let long = RpError::not_registered(&"x".repeat(REPEATED + 1));
    assert_eq!(long.as_bytes(), br#"{"code":"wse.server.rp.not-registered"}"#);
}

#[test]
fn true_fields_of_the_application_are_kept_and_false_ones_filled_in() {
    let own = serde_json::json!({"rp": "mine", "rpc": "mine too", "payload": "my own"});
    let kept = r#"{"code":"X","details":{"payload":"my own","rp":"mine","rpc":"mine too"}}"#;
    assert_eq!(answer(&RpError::new("X").details(&own), false), kept);
    for yes in ["1", "-0.5", "\"0\"", "[]", "{}", "true", "\"null\""] {
        let error = RpError::new("X").details(&json(&format!(r#"{{"rp":{yes}}}"#)));
        let expected = format!(r#"{{"code":"X","details":{{"rp":{yes},"rpc":"boom","payload":{{"value":1}}}}}}"#);
        assert_eq!(answer(&error, false), expected);
    }
    for no in ["null", "false", "0", "-0", "0.0", "0e7", "\"\""] {
        let details = format!(r#"{{"rp":{no},"a":2,"payload":{no},"rpc":{no}}}"#);
        let expected = r#"{"code":"X","details":{"a":2,"rp":"boom","rpc":"boom","payload":{"value":1}}}"#;
        assert_eq!(answer(&RpError::new("X").details(&json(&details)), false), expected, "{no}");
    }
}

#[test]
fn the_name_of_the_procedure_is_read_in_the_words_of_either_version() {
    for (details, rp) in [
        (r#"{"rp":"a"}"#, Some("a")),
        (r#"{"rpc":"a"}"#, Some("a")),
        (r#"{"rpc":"b","rp":"a"}"#, Some("a")),
        (r#"{"rp":5,"rpc":"a"}"#, Some("a")),
        (r#"{"rp":5}"#, None),
        (r#"["rp"]"#, None),
        ("{}", None),
    ] {
        let read = RpError::read(&json(&format!(r#"{{"code":"X","details":{details}}}"#)));
        assert_eq!(read.rp().as_deref(), rp, "{details}");
    }
    assert_eq!(RpError::new("X").rp(), None);
}

#[test]
fn a_large_payload_is_not_repeated() {
    let large = format!("\"{}\"", "x".repeat(REPEATED));
    let answer = RpError::new("X").answer("rp", &json(&large), false);
    assert_eq!(answer.as_bytes(), br#"{"code":"X","details":{"rp":"rp","rpc":"rp"}}"#);
}

#[test]
fn what_was_sent_is_read_again() {
    let sent = RpError::new("X").message("why").details(&serde_json::json!({"a": [1, 2]}));
    let read = RpError::read(&sent.answer("rp", &json("null"), false));
    assert_eq!((read.code.as_str(), read.message.as_deref()), ("X", Some("why")));
    let details: serde_json::Value = read.decode_details().unwrap().unwrap();
    assert_eq!(details, serde_json::json!({"a": [1, 2], "rp": "rp", "rpc": "rp", "payload": null}));
}

#[test]
fn anything_read_as_an_error_is_one() {
    let read = RpError::read(&json(r#""just text""#));
    assert_eq!(read.code, Code::RP_FAILED);
    assert_eq!(read.decode_details::<String>().unwrap().as_deref(), Some("just text"));
    let unknown = RpError::read(&RpError::not_registered("gone"));
    assert_eq!((unknown.code.as_str(), unknown.rp().as_deref()), (Code::RP_NOT_REGISTERED, Some("gone")));
    let odd = RpError::read(&json(r#"{"code":"X","message":5,"details":[1],"more":{}}"#));
    assert_eq!((odd.code.as_str(), odd.message.as_deref()), ("X", None));
    assert_eq!(odd.decode_details::<Vec<u8>>().unwrap(), Some(vec![1]));
}

#[test]
fn an_error_that_is_passed_on_keeps_code_text_and_details_and_names_no_other_call() {
    let error = RpError::new("full").message("no seat is left").details(&serde_json::json!({"seats": 0}));
    let of_other = RpError::read(&error.answer("find", &json(r#"{"secret":1}"#), false));
    assert_eq!(
        answer(&of_other.without_call(), false),
        r#"{"code":"full","message":"no seat is left","details":{"seats":0,"rp":"boom","rpc":"boom","payload":{"value":1}}}"#
    );
    let bare = RpError::read(&RpError::new("full").answer("find", &json("1"), false)).without_call();
    assert_eq!(bare.decode_details::<serde_json::Value>().unwrap(), None);
    let listed = RpError::new("full").details(&[1, 2]).without_call();
    assert_eq!(listed.decode_details::<Vec<u8>>().unwrap(), Some(vec![1, 2]), "only fields name the call");
}

#[test]
fn an_error_crosses_from_server_to_server_as_it_is() {
    let passed = |error: &RpError| RpError::read(&error.write());
    let whole = passed(&RpError::new("X").message("why").details(&serde_json::json!({"a": [1, 2]})));
    assert_eq!((whole.code.as_str(), whole.message.as_deref()), ("X", Some("why")));
    assert_eq!(whole.decode_details::<serde_json::Value>().unwrap(), Some(serde_json::json!({"a": [1, 2]})));
    let bare = passed(&RpError::new("X"));
    assert_eq!((bare.message.as_deref(), bare.decode_details::<u8>().unwrap()), (None, None));
    let packed = passed(&RpError::of_details(&Payload::msgpack(b"\x93\x01\x02\x03").unwrap()));
    assert_eq!(packed.decode_details::<Vec<u8>>().unwrap(), Some(vec![1, 2, 3]));
    let without_form = passed(&RpError::of_details(&Payload::msgpack(b"\x81\x90\x01").unwrap()));
    assert_eq!((without_form.code.as_str(), without_form.decode_details::<u8>().unwrap()), (Code::RP_FAILED, None));
    let inner: RpError = std::io::Error::other("secret").into();
    assert!(!String::from_utf8_lossy(inner.write().as_bytes()).contains("secret"));
}
