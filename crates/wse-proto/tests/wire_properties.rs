//! What holds for the JSON codec, for errors on the wire and for pending calls, whatever comes.

mod json;
mod value;

use json::json;
use proptest::{collection::vec, option, prelude::*};
use serde_json::Value;
use std::collections::HashMap;
use value::{config, object_of, value};
use wse_proto::{Busy, Code, Codec, Envelope, Pending, RpError, Settled, Stamp};

fn name() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("never empty", |name| !name.is_empty())
}

fn read(frame: &[u8]) -> Option<Envelope<'_>> {
    Codec::Json.read(frame, false).ok()
}

fn write(envelope: &Envelope<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    Codec::Json
        .write_encoded(&mut frame, &envelope.name, &envelope.payload, envelope.stamp.as_deref())
        .expect("raw JSON");
    frame
}

/// A value that holds so many arrays inside one another.
fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

proptest! {
    #![proptest_config(config(1024))]

    #[test]
    fn bytes_are_refused_or_mean_the_same_when_written_again(
        frame in prop_oneof![
            vec(any::<u8>(), 0..64),
            any::<String>().prop_map(String::into_bytes),
            r#"[\[\]{}":,a\\u0-9 ~.eE+-]{0,24}"#.prop_map(String::into_bytes),
            r#" ?\[ ?"(a|\\u00e9|\\n|~wse:hi){0,2}" ?(, ?[a0-9\[\]{}":,]{0,8} ?){0,2}(, ?"[a-c]{0,2}"|,null)? ?\] ?"#
                .prop_map(String::into_bytes),
        ],
    ) {
        if let Some(envelope) = read(&frame) {
            prop_assert!(!envelope.name.is_empty());
            prop_assert!(envelope.stamp.as_deref() != Some(""));
            let again = write(&envelope);
            prop_assert_eq!(read(&again), Some(envelope));
        }
        prop_assert!(Codec::Json.read(&frame, true).is_err(), "no binary frame is JSON");
    }
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn what_is_written_is_read_again(name in name(), value in value(), stamp in option::of(name())) {
        let mut frame = Vec::new();
        Codec::Json.write(&mut frame, &name, &value, stamp.as_deref()).unwrap();
        let envelope = read(&frame).unwrap();
        prop_assert_eq!(&envelope.name, &name);
        prop_assert_eq!(envelope.stamp.as_deref(), stamp.as_deref());
        prop_assert_eq!(envelope.payload.as_bytes(), serde_json::to_vec(&value).unwrap());
        prop_assert_eq!(envelope.payload.decode::<Value>().unwrap(), value);
        prop_assert_eq!(write(&envelope), frame, "encoded before or on the way, it is one frame");
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_no_envelope(name in name(), value in value(), cut in any::<prop::sample::Index>()) {
        let mut frame = Vec::new();
        Codec::Json.write(&mut frame, &name, &value, Some("S")).unwrap();
        prop_assert_eq!(read(&frame[..cut.index(frame.len())]), None);
        let twice = frame.repeat(2);
        prop_assert_eq!(read(&twice), None);
    }

    #[test]
    fn an_error_made_on_purpose_is_read_as_it_was_made(
        code in any::<String>(), message in option::of(any::<String>()), mut details in object_of(value()),
        own in prop::collection::btree_map(prop::sample::select(&["rp", "rpc", "payload"][..]), value(), 0..3),
        rp in name(), payload in value(), expose in any::<bool>(),
    ) {
        details.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let error = RpError::new(code.as_str()).details(&details);
        let error = match &message {
            Some(text) => error.message(text.as_str()),
            None => error,
        };
        let read = RpError::read(&error.answer(&rp, &json(payload.to_string()), expose));
        prop_assert_eq!((&read.code, &read.message), (&code, &message));
        for (name, value) in [("rp", rp.clone().into()), ("rpc", rp.into()), ("payload", payload)] {
            let kept = details.get(name).is_some_and(|own| match own {
                Value::Null => false,
                Value::Bool(own) => *own,
                Value::Number(own) => own.as_f64() != Some(0.0),
                Value::String(own) => !own.is_empty(),
                Value::Array(_) | Value::Object(_) => true,
            });
            if !kept {
                details.insert(name.to_owned(), value);
            }
        }
        prop_assert_eq!(read.decode_details::<Value>().unwrap(), Some(details.into()));
    }

    #[test]
    fn the_text_of_any_other_error_leaves_only_when_exposed(text in "[a-z\"\\\\]{12,20}", expose in any::<bool>()) {
        let error = RpError::from(std::io::Error::other(text.clone()));
        let answer = error.answer("rp", &json("1"), expose);
        let quoted = serde_json::to_string(&text).unwrap();
        let sent = String::from_utf8(answer.as_bytes().to_vec()).unwrap();
        prop_assert_eq!(sent.contains(quoted.trim_matches('"')), expose, "{}", sent);
        let read = RpError::read(&answer);
        prop_assert_eq!(read.code, Code::RP_FAILED);
        prop_assert_eq!(read.message == Some(text), expose);
    }

    #[test]
    fn what_is_no_error_object_is_kept_as_the_details_of_a_failure(value in value()) {
        prop_assume!(!value["code"].is_string());
        let read = RpError::read(&json(value.to_string()));
        prop_assert_eq!((read.code.as_str(), &read.message), (Code::RP_FAILED, &None));
        prop_assert_eq!(read.decode_details::<Value>().unwrap(), Some(value));
    }

    #[test]
    fn an_answer_settles_the_call_of_its_stamp_and_no_other(
        limit in 0..5usize,
        steps in vec((0..4u8, prop_oneof![9 => (0..8u128).boxed(), 1 => any::<u128>().boxed()]), 0..64),
    ) {
        let mut pending = Pending::new(limit, false);
        let mut model: HashMap<String, usize> = HashMap::new();
        for (waiter, (step, random)) in steps.into_iter().enumerate() {
            let stamp = Stamp::new(random);
            let text = stamp.as_str().to_owned();
            match step {
                0 | 1 => {
                    let free = model.len() < limit && !model.contains_key(&text);
                    prop_assert_eq!(pending.open(random, waiter), if free { Ok(stamp) } else { Err(Busy) });
                    if free {
                        model.insert(text, waiter);
                    }
                }
                2 => {
                    let settled = model.remove(&text).map_or(Settled::Unknown, Settled::Call);
                    prop_assert_eq!(pending.settle(&text), settled);
                }
                _ => prop_assert_eq!(pending.cancel(&stamp), model.remove(&text)),
            }
        }
        let mut left: Vec<usize> = pending.drain().collect();
        let mut expected: Vec<usize> = model.into_values().collect();
        left.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(left, expected);
        prop_assert_eq!(pending.drain().count(), 0);
    }

    #[test]
    fn numbered_calls_count_up_and_only_the_last_ping_is_waited_for(
        limit in 0..5usize,
        steps in vec((0..4u8, 0..24u64), 0..64),
    ) {
        let mut pending = Pending::new(limit, true);
        let (mut model, mut ping, mut count) = (HashMap::new(), 0, 0);
        for (step, number) in steps {
            match step {
                0 if model.len() >= limit => prop_assert_eq!(pending.open(7, count), Err(Busy)),
                0 => {
                    count += 1;
                    model.insert(count, count);
                    let stamp = pending.open(7, count).unwrap();
                    prop_assert_eq!(stamp.as_str(), count.to_string());
                }
                1 => {
                    count += 1;
                    ping = count;
                    let stamp = pending.ping(7);
                    prop_assert_eq!(stamp.as_str(), count.to_string());
                }
                _ => {
                    let settled = match model.remove(&number) {
                        Some(waiter) => Settled::Call(waiter),
                        None if number == ping && ping > 0 => {
                            ping = 0;
                            Settled::Ping
                        }
                        None => Settled::Unknown,
                    };
                    prop_assert_eq!(pending.settle(&number.to_string()), settled);
                }
            }
        }
    }

    #[test]
    fn a_made_up_stamp_settles_nothing(made_up in prop_oneof![any::<String>(), "[A-Za-z0-9_-]{15,17}"]) {
        let mut pending = Pending::new(1, false);
        let stamp = pending.open(7, "waiter").unwrap();
        prop_assume!(made_up != stamp.as_str());
        prop_assert_eq!(pending.settle(&made_up), Settled::Unknown);
        prop_assert_eq!(pending.settle(stamp.as_str()), Settled::Call("waiter"));
    }
}

#[test]
fn a_payload_as_deep_as_the_reader_allows_decodes_and_a_deeper_one_is_refused() {
    for depth in 120..140 {
        let frame = format!(r#"["m",{}]"#, nested(depth));
        let decoded = read(frame.as_bytes()).map(|envelope| envelope.payload.decode::<Value>().is_ok());
        assert_eq!(decoded, (depth < 128).then_some(true), "{depth}");
    }
}

#[test]
fn the_failure_of_every_call_that_was_read_can_be_read_by_the_caller() {
    for depth in 1..128 {
        let call = format!(r#"["rp",{},"S"]"#, nested(depth));
        let envelope = read(call.as_bytes()).unwrap();
        let answer = RpError::new("X").answer(&envelope.name, &envelope.payload, false);
        let frame = write(&Envelope { name: "~wse:response-err".into(), payload: answer, stamp: envelope.stamp });
        assert!(read(&frame).is_some(), "the answer to a call {depth} deep ends the connection");
    }
}

#[test]
fn an_array_is_never_taken_for_an_error_object() {
    let read = RpError::read(&json(r#"["X","why",null]"#));
    assert_eq!((read.code.as_str(), read.message), (Code::RP_FAILED, None));
}
