//! What the protocol and the framing hold of a peer is in no `Debug` form of theirs.

use wse::{Limits, RpError};
use wse_frame::{Decoder, Frame, Opcode, Role};
use wse_proto::{ClientMachine, Codec, Format, Hello, Input, Machine, Payload, ServerMachine};
use wse_test_peers::{
    frame,
    secrets::{MARK, Seen, leaks, secret},
    text,
};

#[test]
fn what_the_protocol_and_the_framing_hold_of_a_peer_is_never_shown() {
    let (seen, now) = (Seen::default(), std::time::Instant::now());
    let payload = Payload::encode(Format::Json, &secret("payload")).expect("it encodes");
    let packed = Payload::encode(Format::MessagePack, &secret("payload")).expect("it encodes");
    let hello = Hello { identity: payload.clone(), meta: packed.clone() };
    seen.show("Payload", &(&payload, &packed, payload.decode::<u8>(), packed.decode::<u8>()));
    seen.show("Hello", &hello);
    seen.show("RpError", &RpError::new("code").details(&secret("details")));
    seen.show("Codec", &(Codec::Json.read(MARK.as_bytes(), false), Codec::MessagePack.read(MARK.as_bytes(), true)));
    seen.show("Client", &ClientMachine::new(Codec::Json, &hello, None, &Limits::default(), now));
    let mut session = ServerMachine::new(Codec::Json, &Limits::default(), now);
    let hi = format!("[\"~wse:hi\",{{\"identity\":\"{}\"}}]", secret("identity"));
    for envelope in [hi, format!("[\"m\",\"{}\"]", secret("payload"))] {
        let input = Input::Envelope(session.read(envelope.as_bytes(), false).expect("an envelope"));
        seen.show("Input", &input);
        seen.show("Step", &session.step(input, now));
        seen.show("ServerMachine", &session);
    }
    let challenge = wse_proto::Decision::Challenge(payload.clone());
    seen.show("Verdict", &challenge);
    seen.show("Step", &session.step(Input::Answer(challenge), now));
    seen.show("ServerMachine", &session);

    let mut decoder = Decoder::new(Role::Server, wse_frame::Limits::default());
    let mut bytes = [frame(Opcode::Ping, MARK.as_bytes()), text(MARK), text(MARK)].concat();
    let half = bytes.len() - 1;
    let mut input = &mut bytes[..half];
    while let Some(item) = decoder.next(&mut input).expect("good frames") {
        seen.show("Item", &item);
    }
    seen.show("Decoder", &decoder);
    seen.show("Frame", &Frame::new(Opcode::Text, MARK.as_bytes()));
    let leaking: Vec<_> = seen.lines().into_iter().filter(|line| leaks(line)).collect();
    assert!(leaking.is_empty(), "{leaking:#?}");
    assert!(leaks(&secret("itself")) && leaks(&format!("{:?}", secret("as bytes").as_bytes())));
}
