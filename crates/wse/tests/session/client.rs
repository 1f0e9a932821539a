//! The client's half of a session, frame by frame, against a scripted server.

use serde_json::{Value, json};
use std::time::Duration;
use wse::{Backoff, CallError, Client, ClientBuilder, Limits, SendError, Status};
use wse_test_peers::{Dials, Events, Got, RawServer, about, events, scripted, settle, soon, timed};

const S: Duration = Duration::from_secs(1);

pub(crate) fn granted(token: &str, seen: u64, resumed: bool) -> Value {
    json!({"session": token, "cid": "ann", "seen": seen, "resumed": resumed, "beat": 0, "window": 60000})
}

/// The next connection, welcomed with that grant; gives what its hi asks for too.
pub(crate) async fn welcome(dials: &mut Dials, granted: Value) -> (RawServer, Value) {
    let mut wire = dials.upgraded().await;
    let hi = wire.json().await;
    wire.send(&json!(["~wse:welcome", "hey", granted]).to_string()).await;
    (wire, hi[1]["session"].clone())
}

pub(crate) fn builder() -> (ClientBuilder, Dials, Events) {
    let ((when, events), (builder, dials)) = (events(), scripted());
    let backoff = Backoff { min: Duration::ZERO, max: Duration::ZERO, ..Backoff::default() };
    let builder = builder.when(when).reconnect(backoff).register("slow", async |_, secs: u32| {
        tokio::time::sleep(S * secs).await;
        Ok(secs)
    });
    (builder, dials, events)
}

/// A client in a new session.
pub(crate) async fn connected(builder: ClientBuilder, dials: &mut Dials) -> (Client, RawServer) {
    let client = builder.build();
    let (connected, (wire, asked)) = tokio::join!(client.connect(), welcome(dials, granted("t1", 0, false)));
    connected.expect("it is let in");
    assert_eq!(asked, json!({}));
    (client, wire)
}

#[tokio::test(start_paused = true)]
async fn only_who_reconnects_and_does_not_opt_out_asks_for_a_session() {
    for (reconnect, resume, asked) in
        [(true, true, json!({})), (true, false, json!(null)), (false, true, json!(null)), (false, false, json!(null))]
    {
        let (builder, mut dials) = scripted();
        let builder = if reconnect { builder.reconnect(Backoff::default()) } else { builder };
        let client = builder.resume(resume).build();
        let (connected, (_, hi)) = tokio::join!(client.connect(), dials.greeted(json!(null)));
        connected.unwrap();
        assert_eq!(hi.get("session").cloned().unwrap_or_default(), asked, "{reconnect} {resume}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_seen_is_sent_again_and_what_is_sent_meanwhile_follows() {
    let (builder, mut dials, mut events) = builder();
    let (client, mut wire) = connected(builder, &mut dials).await;
    client.send("m", 1).unwrap();
    client.send("m", 2).unwrap();
    assert_eq!((wire.json().await[1].clone(), wire.json().await[1].clone()), (json!(1), json!(2)));
    wire.say("n", json!(1)).await;
    settle().await;
    drop(wire);
    let again = async {
        let mut wire = dials.upgraded().await;
        assert_eq!(client.status(), Status::ReConnecting);
        client.send("m", 3).unwrap();
        let hi = wire.json().await;
        assert_eq!(hi[1]["session"], json!({"resume": "t1", "seen": 1}));
        wire.send(&json!(["~wse:welcome", "again", granted("t2", 1, true)]).to_string()).await;
        wire
    };
    let mut wire = again.await;
    assert_eq!((wire.json().await, wire.json().await), (json!(["m", 2, null]), json!(["m", 3, null])));
    let (waited, ack) = timed(wire.json()).await;
    assert_eq!((waited, ack), (Duration::ZERO, json!(["~wse:ack", 1, null])), "the welcome has arrived");
    assert_eq!(client.welcome::<String>().unwrap(), "again");
    let told: Vec<_> = events.so_far();
    assert_eq!(
        told,
        [
            "CONNECTING",
            "READY",
            "ready \"hey\"",
            "ignored n 1",
            "closed 1006",
            "RE_CONNECTING",
            "READY",
            "ready \"again\" resumed"
        ]
    );
    drop(wire);
    let (_, asked) = welcome(&mut dials, granted("t3", 3, true)).await;
    assert_eq!(asked, json!({"resume": "t2", "seen": 1}), "each token once");
}

#[tokio::test(start_paused = true)]
async fn frames_right_behind_the_welcome_are_taken_in_by_the_session() {
    let (builder, mut dials, mut events) = builder();
    let (_client, wire) = connected(builder, &mut dials).await;
    drop(wire);
    let mut wire = dials.upgraded().await;
    wire.json().await;
    let mut bytes = Vec::new();
    for text in [json!(["~wse:welcome", null, granted("t2", 0, true)]), json!(["a", 1, null]), json!(["b", 2, null])] {
        let text = text.to_string();
        bytes.extend([0x81, text.len() as u8]);
        if text.len() > 125 {
            bytes.truncate(bytes.len() - 1);
            bytes.extend([126, 0, text.len() as u8]);
        }
        bytes.extend(text.as_bytes());
    }
    wire.write(&bytes).await;
    assert_eq!(wire.json().await, json!(["~wse:ack", 2, null]));
    assert_eq!((events.next_like("ignored").await, events.next().await), ("ignored a 1".into(), "ignored b 2".into()));
}

#[tokio::test(start_paused = true)]
async fn calls_and_answers_cross_a_cut() {
    let (builder, mut dials, _events) = builder();
    let (client, mut wire) = connected(builder, &mut dials).await;
    let calling = tokio::spawn({
        let client = client.clone();
        async move { client.call::<_, u32>("double", 2).await }
    });
    let call = wire.json().await;
    wire.send(r#"["slow",3,"theirs"]"#).await;
    settle().await;
    drop(wire);
    tokio::time::sleep(5 * S).await;
    let (mut wire, asked) = welcome(&mut dials, granted("t2", 1, true)).await;
    assert_eq!(asked["seen"], 1);
    assert_eq!(wire.json().await, json!(["~wse:response", 3, "theirs"]));
    wire.respond(&call, json!(4)).await;
    assert_eq!(soon(calling).await.unwrap().unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_not_resumed_fails_its_calls_before_it_tells_what_was_lost() {
    let (builder, mut dials, mut events) = builder();
    let (client, mut wire) = connected(builder, &mut dials).await;
    for n in 0..3 {
        client.send("m", n).unwrap();
    }
    let receipt = client.send("m", 3).unwrap();
    let calling = tokio::spawn({
        let client = client.clone();
        async move { client.call::<_, u32>("double", 2).await }
    });
    for _ in 0..5 {
        wire.json().await;
    }
    wire.say("~wse:ack", json!(2)).await;
    settle().await;
    drop(wire);
    let (mut wire, _) = welcome(&mut dials, granted("u1", 0, false)).await;
    assert!(matches!(soon(calling).await.unwrap(), Err(CallError::Disconnected { .. })));
    assert!(matches!(soon(receipt.delivered()).await, Err(SendError::Unconfirmed)));
    events.next_like("closed").await;
    assert_eq!(events.next_like("ready").await, r#"ready "hey" lost 3"#);
    client.send("m", "new").unwrap();
    assert_eq!(wire.json().await[1], "new", "nothing of the old session is sent in the new one");
}

#[tokio::test(start_paused = true)]
async fn when_the_window_has_passed_a_new_session_is_asked_for() {
    let (builder, mut dials, mut events) = builder();
    let builder = builder.reconnect(Backoff { min: S, max: S, ..Backoff::default() });
    let (client, wire) = connected(builder, &mut dials).await;
    client.send("m", 1).unwrap();
    settle().await;
    drop(wire);
    let calling = tokio::spawn({
        let client = client.clone();
        async move { client.call_within::<_, u32>(1000 * S, "double", 2).await }
    });
    let refused = async {
        loop {
            dials.next().await; // nobody answers
        }
    };
    let (waited, called) = tokio::select! {
        () = refused => unreachable!("it never ends"),
        called = timed(calling) => called,
    };
    assert!(about(waited, 60 * S), "{waited:?}");
    assert!(matches!(called.unwrap(), Err(CallError::Disconnected { .. })));
    assert!(matches!(client.send("m", 2), Err(SendError::NotReady)));
    let (_, asked) = welcome(&mut dials, granted("u1", 0, false)).await;
    assert_eq!(asked, json!({}));
    assert_eq!(events.next_like("ready \"hey\" ").await, r#"ready "hey" lost 2"#, "the message and the call");
}

#[tokio::test(start_paused = true)]
async fn more_than_may_be_kept_ends_the_session() {
    let (builder, mut dials, mut events) = builder();
    let (client, wire) =
        connected(builder.limits(Limits { session_bytes: 10_000, ..Limits::default() }), &mut dials).await;
    drop(wire);
    settle().await;
    let sent = std::iter::repeat_with(|| client.send("m", "x".repeat(1000))).position(|sent| sent.is_err());
    assert_eq!(sent, Some(9));
    settle().await;
    let (_, _) = welcome(&mut dials, granted("u1", 0, false)).await;
    events.next_like("closed").await;
    assert_eq!(events.next_like("ready").await, r#"ready "hey" lost 10"#);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_tells_when_the_server_has_taken_a_message_in() {
    let (builder, mut dials, _events) = builder();
    let (client, mut wire) = connected(builder, &mut dials).await;
    let (first, second) = (client.send("m", 1).unwrap(), client.send("m", 2).unwrap());
    let late = client.send("m", 3).unwrap();
    let mut first = Box::pin(first.delivered());
    tokio::select! {
        biased;
        arrived = &mut first => panic!("{arrived:?}"),
        () = settle() => {}
    }
    wire.say("~wse:ack", json!(2)).await;
    soon(first).await.unwrap();
    soon(second.delivered()).await.unwrap();
    drop(wire);
    let (_wire, _) = welcome(&mut dials, granted("t2", 3, true)).await;
    soon(late.delivered()).await.expect("the welcome says so");
    // Without a session nobody will ever say.
    let (builder, mut dials) = scripted();
    let (client, _wire) = tokio::join!(builder.connect(), dials.welcomed());
    let receipt = client.unwrap().send("m", 1).unwrap();
    assert!(matches!(receipt.delivered().await, Err(SendError::Unconfirmed)));
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_ends_the_session_and_so_does_a_jump() {
    let (builder, mut dials, _events) = builder();
    let (client, wire) = connected(builder, &mut dials).await;
    wire.drop_with(1012, "wse.restart").await;
    let (wire, asked) = welcome(&mut dials, granted("t2", 0, false)).await;
    assert_eq!(asked, json!({}));
    settle().await;
    let (jumped, (asked, _)) = tokio::join!(client.jump("ws://b.test/"), async {
        assert_eq!(wire.closed().await, (4000, "jump".into()));
        let (wire, asked) = welcome(&mut dials, granted("t3", 0, false)).await;
        (asked, wire)
    });
    jumped.unwrap();
    assert_eq!(asked, json!({}));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_resumes_what_it_cannot_have_seen_is_left() {
    let (builder, mut dials, mut events) = builder();
    let (_client, wire) = connected(builder, &mut dials).await;
    drop(wire);
    let (mut wire, _) = welcome(&mut dials, granted("t2", 7, true)).await;
    assert_eq!(wire.next().await, Got::Close(Some((1000, "wse.protocol-error".into()))));
    drop(wire);
    assert_eq!(events.next_like("OFFLINE").await, "OFFLINE");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_lost_after_its_welcome_is_made_again() {
    let (builder, mut dials, mut events) = builder();
    let (client, mut wire) = connected(builder, &mut dials).await;
    client.send("m", 1).unwrap();
    wire.json().await;
    for round in 0..7 {
        drop(wire);
        let mut lost = dials.upgraded().await;
        let hi = lost.json().await;
        let expected = if round == 0 { "t1".to_owned() } else { format!("r{}", round - 1) };
        assert_eq!(hi[1]["session"], json!({"resume": expected, "seen": 0}));
        drop(lost); // its welcome never arrives
        (wire, _) = welcome(&mut dials, granted(&format!("r{round}"), 0, true)).await;
        assert_eq!(wire.json().await, json!(["m", 1, null]));
    }
    wire.say("~wse:ack", json!(1)).await;
    settle().await;
    let told = events.so_far();
    assert_eq!(told.iter().filter(|event| event.ends_with("resumed")).count(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_closed_during_the_cut_fails_what_waits() {
    let (builder, mut dials, _events) = builder();
    let (client, wire) = connected(builder, &mut dials).await;
    drop(wire);
    let _silent = dials.upgraded().await;
    let calling = tokio::spawn({
        let client = client.clone();
        async move { client.call::<_, u32>("double", 2).await }
    });
    settle().await;
    soon(client.close("")).await;
    assert!(matches!(soon(calling).await.unwrap(), Err(CallError::Disconnected { .. })));
    assert!(matches!(client.send("m", 1), Err(SendError::NotReady)));
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_window_ends_while_it_is_being_resumed_is_begun_anew() {
    let (builder, mut dials, mut events) = builder();
    let (_client, wire) = connected(builder, &mut dials).await;
    settle().await;
    events.so_far();
    drop(wire);
    let mut late = dials.upgraded().await;
    assert_eq!(late.json().await[1]["session"]["resume"], "t1");
    // Not the first attempt of this client that takes long.
    let mut wire = loop {
        let (waited, next) = timed(dials.next()).await;
        assert!(waited < 11 * S, "{waited:?}");
        let mut wire = next.request().await.upgrade().await;
        if wire.json().await[1]["session"] == json!({}) {
            break wire;
        }
        late = wire;
    };
    late.send(&json!(["~wse:welcome", "late", granted("t2", 0, true)]).to_string()).await;
    wire.send(&json!(["~wse:welcome", "new", granted("u1", 0, false)]).to_string()).await;
    assert_eq!(events.next_like("ready").await, r#"ready "new""#);
}

#[tokio::test(start_paused = true)]
async fn a_welcome_that_resumes_what_has_just_ended_is_followed_by_a_new_session() {
    let (builder, mut dials, mut events) = builder();
    let limits = Limits { connect_timeout: 100 * S, ping_interval: Duration::ZERO, ..Limits::default() };
    let (_client, wire) = connected(builder.limits(limits), &mut dials).await;
    drop(wire);
    let mut late = dials.upgraded().await;
    assert_eq!(late.json().await[1]["session"]["resume"], "t1");
    tokio::time::sleep(61 * S).await;
    late.send(&json!(["~wse:welcome", "late", granted("t2", 0, true)]).to_string()).await;
    let (_wire, asked) = welcome(&mut dials, granted("u1", 0, false)).await;
    assert_eq!(asked, json!({}));
    assert_eq!(events.next_like("ready \"hey\"").await, r#"ready "hey""#);
}
