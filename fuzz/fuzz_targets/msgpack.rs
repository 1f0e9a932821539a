//! The MessagePack codecs under any bytes: no panic, and what is read, written again, reads the same.
//!
//! The whole input is a frame of `wse-msgpack`, the first of a `ws-messaging` client, and a later one of it, with and
//! without validation. May never look into the codecs: it sees what a connection sees.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{sync::Arc, time::Instant};
use wse_proto::{
    Codec, Envelope, Format, Input, Payload, Session, Step, Verdict, WsMessaging, ws_messaging::ServerSession,
};

fuzz_target!(|frame: &[u8]| {
    if let Ok(envelope) = Codec::MessagePack.read(frame, true) {
        assert!(!envelope.name.is_empty(), "an empty type");
        assert!(envelope.stamp.as_deref() != Some(""), "an empty stamp");
        let again = write(&Codec::MessagePack, &envelope).expect("MessagePack stays as it is");
        assert_eq!(Codec::MessagePack.read(&again, true).expect("it was written"), envelope);
        decode(&envelope.payload);
    }
    first(frame);
    for skip_validation in [false, true] {
        later(frame, Arc::new(WsMessaging::new().skip_validation(skip_validation)));
    }
});

fn write(codec: &Codec, envelope: &Envelope<'_>) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    codec.write_encoded(&mut frame, &envelope.name, &envelope.payload, envelope.stamp.as_deref()).ok()?;
    Some(frame)
}

/// What a handler may do with a payload.
fn decode(payload: &Payload<'_>) {
    let _ = payload.decode::<serde_json::Value>();
    let _ = payload.translated(Format::Json).map(|json| json.translated(Format::MessagePack).map(drop));
    let Ok(once) = Payload::encode(Format::MessagePack, payload) else { return };
    assert_eq!(payload.decode::<Payload<'static>>().expect("it has a form"), once, "captured is not serialized");
    assert_eq!(Payload::encode(Format::MessagePack, &once).expect("it has a form"), once, "no canonical form");
}

/// The first frame: whatever it is, it asks or it ends.
fn first(frame: &[u8]) {
    let now = Instant::now();
    let mut session = ServerSession::new(Arc::new(WsMessaging::new()), now);
    match session.read(frame, true) {
        Ok(auth) => {
            let Step::Ask(question) = session.step(Input::Envelope(auth), now) else { panic!("a first frame asks") };
            assert_eq!(question.hello.identity.as_bytes(), frame);
            decode(&question.hello.identity);
        }
        Err(error) => {
            let Step::Close(closed) = session.step(Input::Garbage(error), now) else { panic!("garbage ends it") };
            assert_eq!(closed.code, 4003);
        }
    }
}

/// A frame once the conversation is open: it never ends it.
fn later(frame: &[u8], options: Arc<WsMessaging>) {
    let now = Instant::now();
    let codec = Codec::WsMessaging(options.clone(), Format::MessagePack);
    let mut session = ServerSession::new(options, now);
    let auth = session.read(b"\x80", true).expect("an empty map is a value");
    assert!(matches!(session.step(Input::Envelope(auth), now), Step::Ask(_)));
    assert!(matches!(session.step(Input::Answer(Verdict::accept("ann")), now), Step::Open(_)));
    let input = match session.read(frame, true) {
        Ok(envelope) => {
            again(&codec, &envelope);
            Input::Envelope(envelope)
        }
        Err(error) => Input::Garbage(error),
    };
    match session.step(input, now) {
        Step::Wait => {}
        Step::Deliver { payload, .. } | Step::Invoke { payload, .. } => decode(&payload),
        Step::Settle { outcome: Ok(payload) | Err(payload), .. } => decode(&payload),
        Step::Send(envelope) => {
            let sent = write(&codec, &envelope).expect("what the machine sends can be sent");
            assert!(codec.read(&sent, true).is_ok(), "what the machine sends can be read");
        }
        step => panic!("{step:?}"),
    }
}

/// The payload is put into its canonical form on the way; the rest stays.
fn again(codec: &Codec, envelope: &Envelope<'_>) {
    let Ok(canonical) = Payload::encode(Format::MessagePack, &envelope.payload) else { return };
    let Some(frame) = write(codec, envelope) else {
        let reserved = ["close", "open", "error", "pong", "retry", "connect"];
        return assert!(reserved.contains(&&*envelope.name), "{:?} is not written", envelope.name);
    };
    let read = codec.read(&frame, true).expect("it was written");
    assert_eq!((&read.name, &read.stamp), (&envelope.name, &envelope.stamp));
    let read = Payload::encode(Format::MessagePack, &read.payload).expect("it has a form");
    assert_eq!(read, canonical, "another payload");
}
