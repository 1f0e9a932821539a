//! What a client makes of a server that breaks the rules, falls silent, or talks all at once.

use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;
use wse::{Backoff, Client, ConnectError, Event, Limits, Server, Status, Stranger};
use wse_frame::{Opcode, put_frame};
use wse_test_peers::{Got, RawServer, about, events, pipe_to, scripted, settle, soon};

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_pinged_cut_and_dialed_again() {
    let (when, mut events) = events();
    let (builder, mut dials) = scripted();
    let client = builder.reconnect(Backoff::default()).when(when).build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    let start = Instant::now();
    assert!(matches!(wire.next().await, Got::Ping(_)));
    assert!(about(start.elapsed(), Duration::from_secs(25)), "{:?}", start.elapsed());
    assert_eq!(wire.next().await, Got::End, "no close frame: nobody would read it");
    assert!(about(start.elapsed(), Duration::from_secs(35)), "{:?}", start.elapsed());
    assert_eq!(events.next_like("closed").await, "closed 1006 wse.silent");
    let _wire = dials.welcomed().await;
    settle().await;
    assert_eq!(client.status(), Status::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_answers_pings_is_kept() {
    let (builder, mut dials) = scripted();
    let limits =
        Limits { ping_interval: Duration::from_secs(5), ping_timeout: Duration::from_secs(2), ..Limits::default() };
    let client = builder.limits(limits).build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    let start = Instant::now();
    for round in 1..=20 {
        let Got::Ping(payload) = wire.next().await else { panic!("no ping") };
        assert!(about(start.elapsed(), Duration::from_secs(6 * round - 1)), "{:?}", start.elapsed());
        tokio::time::sleep(Duration::from_secs(1)).await;
        wire.frame(Opcode::Pong, &payload).await;
        settle().await;
        tokio::time::sleep_until(start + Duration::from_secs(6 * round)).await;
    }
    assert_eq!(client.status(), Status::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_ping_of_the_server_is_answered_with_the_same() {
    let (builder, mut dials) = scripted();
    let (_client, mut wire) = tokio::join!(builder.connect(), dials.welcomed());
    wire.frame(Opcode::Ping, b"are you there").await;
    assert_eq!(wire.next().await, Got::Pong(b"are you there".to_vec()));
}

/// One final frame as only a client may send it.
fn masked(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let Ok(()) = put_frame(&mut out, Opcode::Text, Some([1, 2, 3, 4]), |out| {
        out.extend(payload);
        Ok::<_, std::convert::Infallible>(())
    });
    out
}

/// What breaks the rules: the bytes, the code and the start of the reason it is answered with.
fn breaches() -> Vec<(&'static str, Vec<u8>, u16, &'static str)> {
    let text = |payload: &[u8]| [&[0x81, payload.len() as u8], payload].concat();
    let mut too_big = vec![0x81, 127];
    too_big.extend((2u64 << 20).to_be_bytes());
    vec![
        ("not JSON", text(b"{{{"), 1000, "wse.protocol-error"),
        ("no array", text(br#"{"a":1}"#), 1000, "wse.protocol-error"),
        ("an empty array", text(b"[]"), 1000, "wse.protocol-error"),
        ("no type", text(b"[null,1,null]"), 1000, "wse.protocol-error"),
        ("a binary frame", vec![0x82, 1, 0], 1000, "wse.protocol-error"),
        ("a masked frame", masked(br#"["m",1,null]"#), 1002, ""),
        ("a reserved bit", vec![0xc1, 0], 1002, ""),
        ("a reserved opcode", vec![0x83, 0], 1002, ""),
        ("a continuation of nothing", vec![0x80, 0], 1002, ""),
        ("a fragmented ping", vec![0x09, 0], 1002, ""),
        ("text that is not UTF-8", vec![0x81, 2, 0xc3, 0x28], 1007, ""),
        ("the header of 2 MiB", too_big, 1009, ""),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_server_that_breaks_the_rules_is_left_for_good_with_the_right_code() {
    for (what, bytes, code, reason) in breaches() {
        let (when, mut events) = events();
        let (builder, mut dials) = scripted();
        let client = builder.reconnect(Backoff::default()).when(when).build();
        let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
        connected.unwrap();
        wire.write(&bytes).await;
        let closed = wire.closed().await;
        assert!(closed.0 == code && closed.1.starts_with(reason), "{what}: {closed:?}");
        assert_eq!(events.next_like("closed").await, format!("closed {} {}", closed.0, closed.1), "{what}");
        dials.none_within(Duration::from_secs(60)).await;
        assert_eq!(client.status(), Status::Offline, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_breaks_the_rules_before_the_welcome_fails_connect() {
    let early =
        [("a message", r#"["m",1,null]"#), ("a call", r#"["m",1,"s"]"#), ("a second hi", r#"["~wse:hi",{},null]"#)];
    let early = early
        .map(|(what, text)| (what, [&[0x81, text.len() as u8], text.as_bytes()].concat(), 1000, "wse.protocol-error"));
    for (what, bytes, code, reason) in breaches().into_iter().chain(early) {
        let (builder, mut dials) = scripted();
        let connecting = tokio::spawn(builder.reconnect(Backoff::default()).connect());
        let mut wire = dials.upgraded().await;
        wire.json().await;
        wire.write(&bytes).await;
        let closed = wire.closed().await;
        assert!(closed.0 == code && closed.1.starts_with(reason), "{what}: {closed:?}");
        let error = soon(connecting).await.unwrap().unwrap_err();
        assert!(matches!(&error, ConnectError::Closed(end) if end.code == code), "{what}: {error}");
        assert_eq!(error.code(), "wse.client.connection-closed");
        dials.none_within(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_mebibyte_is_taken_and_a_bound_of_its_own_holds() {
    let (builder, mut dials) = scripted();
    let (when, mut events) = events();
    let (client, mut wire) = tokio::join!(builder.when(when).connect(), dials.welcomed());
    let client = client.unwrap();
    let envelope = r#"["big","",null]"#.len();
    wire.say("big", json!("x".repeat((1 << 20) - envelope))).await;
    assert!(events.next_like("ignored big").await.len() > 1_000_000);
    wire.say("big", json!("x".repeat((1 << 20) - envelope + 1))).await;
    assert_eq!(wire.closed().await.0, 1009);
    drop(client);
    let (builder, mut dials) = scripted();
    let limits = Limits { message_bytes: 100, ..Limits::default() };
    let (_client, mut wire) = tokio::join!(builder.limits(limits).connect(), dials.welcomed());
    wire.say("big", json!("x".repeat(100 - envelope + 1))).await;
    assert_eq!(wire.closed().await.0, 1009);
}

#[tokio::test(start_paused = true)]
async fn fragments_and_many_frames_in_one_write_are_heard_as_they_were_meant() {
    let (when, mut events) = events();
    let (builder, mut dials) = scripted();
    let (client, mut wire) = tokio::join!(builder.when(when).connect(), dials.welcomed());
    let _client = client.unwrap();
    let mut bytes = Vec::new();
    bytes.extend([0x01, 3]);
    bytes.extend(b"[\"a");
    bytes.extend([0x89, 0]); // a ping between the fragments
    bytes.extend([0x80, 4]);
    bytes.extend(b"\",1]");
    bytes.extend([0x81, 5]);
    bytes.extend(b"[\"b\"]");
    wire.write(&bytes).await;
    assert_eq!(wire.next().await, Got::Pong(vec![]));
    assert_eq!(events.next_like("ignored").await, "ignored a 1");
    assert_eq!(events.next().await, "ignored b null");
}

/// So many text frames of a client.
async fn texts(wire: &mut RawServer, number: usize) -> Vec<Value> {
    let mut all = Vec::new();
    while all.len() < number {
        all.push(wire.json().await);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn the_stamps_of_calls_are_all_different_and_long() {
    let (builder, mut dials) = scripted();
    let (client, mut wire) = tokio::join!(builder.connect(), dials.welcomed());
    let client = client.unwrap();
    for _ in 0..200 {
        let client = client.clone();
        tokio::spawn(async move { client.call::<_, ()>("rp", ()).await });
    }
    let calls = texts(&mut wire, 200).await;
    let stamps: std::collections::HashSet<_> = calls.iter().map(|call| call[2].as_str().unwrap().to_owned()).collect();
    assert!(stamps.len() == 200 && stamps.iter().all(|stamp| stamp.len() == 16), "{}", stamps.len());
}

/// The trap of `flow-deadlock.rs`: both sides call with more than the pipe holds, and each answers
/// with as much. Stays for ever.
#[tokio::test(start_paused = true)]
async fn the_mutual_flood_is_answered_whole() {
    const CALLS: usize = 500;
    let payload = || "x".repeat(2 << 10);
    let (done, finished) = tokio::sync::oneshot::channel();
    let done = Arc::new(std::sync::Mutex::new(Some(done)));
    let limits = Limits { queue_bytes: 4 << 20, ..Limits::default() };
    let server = Server::builder()
        .identify(async |stranger: Stranger, _: String| Ok(stranger.accept("ann")))
        .limits(limits.clone())
        .register("echo", async |_, text: String| Ok(text))
        .when(async move |event| {
            if let Event::Connected(conn) = event {
                tokio::spawn(async move {
                    let calls = (0..CALLS).map(|_| conn.call::<_, String>("echo", payload()));
                    let answers = futures_util::future::join_all(calls).await;
                    let good = answers.iter().filter(|answer| matches!(answer, Ok(text) if *text == payload())).count();
                    done.lock().unwrap().take().map(|done| done.send(good))
                });
            }
        })
        .build();
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = heard.clone();
    let client = Client::builder("ws://a/")
        .dial(move |_| std::future::ready(std::io::Result::Ok(pipe_to(server.clone(), 256))))
        .limits(limits)
        .register("echo", async move |_, text: String| {
            counted.fetch_add(1, Relaxed);
            Ok(text)
        })
        .connect()
        .await
        .unwrap();
    let calls = (0..CALLS).map(|_| client.call::<_, String>("echo", payload()));
    let (answers, good) = tokio::join!(soon(futures_util::future::join_all(calls)), soon(finished));
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok(text) if *text == payload())).count(), CALLS);
    assert_eq!((good.unwrap(), heard.load(Relaxed)), (CALLS, CALLS));
}

#[tokio::test(start_paused = true)]
async fn an_interval_of_zero_pings_no_server_in_a_day() {
    let (builder, mut dials) = scripted();
    let client = builder.limits(Limits { ping_interval: Duration::ZERO, ..Limits::default() }).build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    client.send("m", 1).unwrap();
    assert_eq!(wire.json().await[0], "m", "the first frame since");
    assert_eq!(client.status(), Status::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_server_of_npm_wse_2_fails_connect_with_words() {
    let speaks = r#"{"c":"welcome","dat":{"hey":1}}"#;
    for says in [Some(speaks), None] {
        let (builder, mut dials) = scripted();
        let connecting = tokio::spawn(builder.reconnect(Backoff::default()).connect());
        let mut wire = dials.upgraded().await;
        wire.json().await;
        match says {
            Some(frame) => {
                wire.send(frame).await;
                let (code, reason) = wire.closed().await;
                assert!(code == 1000 && reason.contains("npm wse 2"), "{code} {reason}");
            }
            None => wire.drop_with(1000, "wse-invalid-protocol").await,
        }
        let error = soon(connecting).await.unwrap().unwrap_err();
        assert_eq!(error.code(), "wse.client.connection-closed");
        assert!(matches!(error, ConnectError::Closed(_)), "{error}");
        let words = if says.is_some() { "npm wse 2" } else { "wse-invalid-protocol" };
        assert!(error.to_string().contains(words), "{error}");
        dials.none_within(Duration::from_secs(60)).await;
    }
}
