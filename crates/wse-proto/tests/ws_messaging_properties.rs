//! Arguments and payloads of `ws-messaging`: nothing is lost either way, whatever they are.

mod value;

use proptest::{collection::vec, option, prelude::*};
use serde_json::{Value, json};
use std::sync::Arc;
use value::{config, value};
use wse_proto::{Codec, Format, Payload, WsMessaging};

const FORMATS: [Format; 2] = [Format::Json, Format::MessagePack];

fn codec(format: Format) -> Codec {
    Codec::WsMessaging(Arc::new(WsMessaging::new()), format)
}

fn encode(format: Format, value: &Value) -> Vec<u8> {
    Payload::encode(format, value).expect("JSON has a form").as_bytes().to_vec()
}

fn decode(format: Format, frame: &[u8]) -> Value {
    match format {
        Format::Json => serde_json::from_slice(frame).expect("JSON"),
        _ => rmp_serde::from_slice(frame).expect("MessagePack"),
    }
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn arguments_become_a_payload_and_the_same_arguments_again(
        args in vec(value(), 0..4),
        id in option::of(1..=u64::MAX),
    ) {
        let mut frame = json!({"name": "n", "args": args});
        if let Some(id) = id {
            frame["id"] = id.into();
        }
        for from in FORMATS {
            let bytes = encode(from, &frame);
            let envelope = codec(from).read(&bytes, codec(from).binary()).unwrap();
            let expected = match &args[..] {
                [single] if !single.is_array() => single.clone(),
                list => list.into(),
            };
            prop_assert_eq!(envelope.payload.decode::<Value>().unwrap(), expected);
            prop_assert_eq!(&envelope.payload.decode::<Vec<Value>>().unwrap(), &args, "a handler may take the list");
            for to in FORMATS {
                let mut written = Vec::new();
                codec(to).write_encoded(&mut written, "n", &envelope.payload, envelope.stamp.as_deref()).unwrap();
                prop_assert_eq!(decode(to, &written), frame.clone(), "{:?} to {:?}", from, to);
            }
        }
    }

    #[test]
    fn an_array_is_spread_over_the_arguments_and_anything_else_is_the_only_one(payload in value()) {
        let args = match &payload {
            Value::Array(list) => list.clone(),
            single => vec![single.clone()],
        };
        for format in FORMATS {
            let mut written = Vec::new();
            codec(format).write(&mut written, "n", &payload, None).unwrap();
            prop_assert_eq!(decode(format, &written), json!({"name": "n", "args": args}));
            let mut relayed = Vec::new();
            let encoded = Payload::encode(format, &payload).unwrap();
            codec(format).write_encoded(&mut relayed, "n", &encoded, None).unwrap();
            prop_assert_eq!(relayed, written, "encoded before or on the way, it is one frame");
        }
    }

    #[test]
    fn bytes_are_refused_or_mean_the_same_when_written_again(
        frame in prop_oneof![
            vec(any::<u8>(), 0..48),
            r#"\{("(name|args|id|result|error|x)" ?: ?("n"|\[[0-9,\[\]" ]{0,4}\]|[0-9.e-]{1,3}|null),?){0,3}\}"#
                .prop_map(String::into_bytes),
        ],
        skip in any::<bool>(),
    ) {
        for format in FORMATS {
            let codec = Codec::WsMessaging(Arc::new(WsMessaging::new().skip_validation(skip)), format);
            let Ok(envelope) = codec.read(&frame, codec.binary()) else { continue };
            let mut again = Vec::new();
            let write = codec.write_encoded(&mut again, &envelope.name, &envelope.payload, envelope.stamp.as_deref());
            prop_assert!(write.is_ok());
            let read = codec.read(&again, codec.binary()).unwrap();
            prop_assert_eq!((&read.name, &read.stamp), (&envelope.name, &envelope.stamp));
            let canonical = Payload::encode(format, &envelope.payload).unwrap();
            prop_assert_eq!(read.payload.as_bytes(), canonical.as_bytes());
        }
    }
}
