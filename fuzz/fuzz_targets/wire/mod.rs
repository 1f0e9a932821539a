//! The checks of a codec of either format: a frame that was read can be written and read again. They see what a
//! connection sees, and do not look into the codecs.

use std::{sync::Arc, time::Instant};
use wse_proto::{
    Codec, Decision, Envelope, Features, Format, Hello, Input, Machine, Payload, RpError, SessionGrant, SessionRequest, Step,
    WsMessaging, WsMessagingServerMachine,
};

/// The frame as one of `wse`, as the first of a `ws-messaging` client, and as a later one of it, with and without
/// validation.
pub fn frame(codec: &Codec, frame: &[u8]) {
    if let Ok(envelope) = codec.read(frame, codec.binary()) {
        assert!(!envelope.name.is_empty(), "an empty type");
        assert!(envelope.stamp.as_deref() != Some(""), "an empty stamp");
        come_back(codec, &envelope);
        decode(&envelope.payload);
        asked(&envelope.payload);
    }
    first(codec.format(), frame);
    for skip_validation in [false, true] {
        later(codec.format(), frame, Arc::new(WsMessaging::new().skip_validation(skip_validation)));
    }
}

/// Checks an envelope that was read. The third element of a welcome is what it grants; all others stay as they are.
fn come_back(codec: &Codec, envelope: &Envelope<'_>) {
    let granted = envelope.stamp.as_deref().filter(|_| envelope.name == "~wse:welcome").and_then(SessionGrant::read);
    let Some(granted) = granted else {
        let Some(again) = write(codec, envelope) else { panic!("{:?} is not written", envelope.name) };
        assert_eq!(&codec.read(&again, codec.binary()).expect("it was written"), envelope);
        return;
    };
    let json = granted.write(Features::ALL);
    assert!(!json.contains(char::is_whitespace), "{json:?}");
    let again = SessionGrant::read(&json).expect("it was written");
    assert_eq!(again.write(Features::ALL), json, "a grant does not come back");
    let mut frame = Vec::new();
    if codec.write_welcome(&mut frame, &envelope.payload, Some(&again), Features::ALL).is_ok() {
        let read = codec.read(&frame, codec.binary()).expect("it was written");
        assert_eq!(read.stamp.as_deref().and_then(SessionGrant::read), Some(again));
        assert_eq!(read.payload, envelope.payload);
    }
}

/// The payload as that of a hi, as what a hi asks of a session, and as an error.
fn asked(payload: &Payload<'_>) {
    for format in [Format::Json, Format::MessagePack] {
        if let Some(wanted) = SessionRequest::read(payload) {
            if let SessionRequest::Resume { token, .. } = &wanted {
                let _ = token.device();
            }
            assert_eq!(SessionRequest::read(&wanted.write(format)), Some(wanted));
        }
    }
    if let Ok((hello, wanted, features)) = Hello::read(payload) {
        let again = hello.write(wanted.as_ref(), features, payload.format());
        assert_eq!(Hello::read(&again).expect("it was written"), (hello, wanted, features));
    }
    let error = RpError::read(payload);
    let answer = error.answer("rp", payload, true);
    let again = RpError::read(&answer);
    let message = error.message.as_deref().unwrap_or(&error.code);
    assert_eq!((again.code.as_str(), again.to_string().contains(message)), (error.code.as_str(), true), "{again}");
}

fn write(codec: &Codec, envelope: &Envelope<'_>) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    codec.write_encoded(&mut frame, &envelope.name, &envelope.payload, envelope.stamp.as_deref()).ok()?;
    Some(frame)
}

/// What a handler may do with a payload.
fn decode(payload: &Payload<'_>) {
    let _ = payload.decode::<serde_json::Value>();
    for format in [Format::Json, Format::MessagePack] {
        let Ok(other) = payload.translated(format) else { continue };
        let _ = other.translated(payload.format()).map(drop);
    }
    let format = payload.format();
    assert_eq!(&Payload::encode(format, payload).expect("it is encoded"), payload, "not sent as it stands");
    let Ok(listed) = Payload::encode(format, &[payload]) else { return };
    let captured = payload.decode::<Payload<'static>>().expect("it has a form");
    assert_eq!(Payload::encode(format, &[&captured]).expect("it has a form"), listed, "captured is not serialized");
    assert_eq!(Payload::encode(format, &captured).expect("it has a form"), captured, "no canonical form");
}

/// The first frame of a client: every value asks the application, anything else ends the connection.
fn first(format: Format, frame: &[u8]) {
    let now = Instant::now();
    let mut machine = WsMessagingServerMachine::new(Arc::new(WsMessaging::new()), now);
    match machine.read(frame, format == Format::MessagePack) {
        Ok(auth) => {
            let Step::Ask(question) = machine.step(Input::Envelope(auth), now) else { panic!("a first frame asks") };
            let value = if format == Format::Json { frame.trim_ascii() } else { frame };
            assert_eq!(question.hello.identity.as_bytes(), value);
            decode(&question.hello.identity);
        }
        Err(error) => {
            let Step::Reject(closed, _) = machine.step(Input::Garbage(error), now) else { panic!("garbage ends it") };
            assert_eq!(closed.code, 4003);
        }
    }
}

/// A frame after the conversation was opened: no frame ends the conversation.
fn later(format: Format, frame: &[u8], options: Arc<WsMessaging>) {
    let (now, binary) = (Instant::now(), format == Format::MessagePack);
    let codec = Codec::WsMessaging(options.clone(), format);
    let mut machine = WsMessagingServerMachine::new(options, now);
    let auth = machine.read(if binary { b"\x80" } else { b"{}" }, binary).expect("an empty map is a value");
    assert!(matches!(machine.step(Input::Envelope(auth), now), Step::Ask(_)));
    assert!(matches!(machine.step(Input::Answer(Decision::accept("ann")), now), Step::Open(_)));
    let input = match machine.read(frame, binary) {
        Ok(envelope) => {
            again(&codec, &envelope);
            Input::Envelope(envelope)
        }
        Err(error) => Input::Garbage(error),
    };
    match machine.step(input, now) {
        Step::Wait | Step::Cancel { .. } => {}
        Step::Deliver(envelope) => decode(&envelope.payload),
        Step::Settle { outcome: Ok(payload) | Err(payload), .. } => decode(&payload),
        Step::Send(envelope) => {
            let sent = write(&codec, &envelope).expect("what the machine sends can be sent");
            assert!(codec.read(&sent, binary).is_ok(), "what the machine sends can be read");
        }
        step => panic!("{step:?}"),
    }
}

/// The payload is put into its canonical form on the way; the rest stays.
fn again(codec: &Codec, envelope: &Envelope<'_>) {
    let Ok(canonical) = Payload::encode(codec.format(), &envelope.payload) else { return };
    let Some(frame) = write(codec, envelope) else {
        let reserved = ["close", "open", "error", "pong", "retry", "connect"];
        return assert!(reserved.contains(&&*envelope.name), "{:?} is not written", envelope.name);
    };
    let read = codec.read(&frame, codec.binary()).expect("it was written");
    assert_eq!((&read.name, &read.stamp), (&envelope.name, &envelope.stamp));
    let read = Payload::encode(codec.format(), &read.payload).expect("it has a form");
    assert_eq!(read, canonical, "another payload");
}
