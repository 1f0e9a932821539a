//! What passes by itself is never final for a client that was welcomed, nor for one that is persistent.

use serde_json::json;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{io::AsyncWriteExt, time::Instant};
use wse::{Backoff, Client, ClientBuilder, ConnectError, RpError, Status};
use wse_test_peers::{Dials, RawServer, dials, events, scripted, settle, soon};

const S: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

/// A client that was welcomed and has lost its connection.
async fn lost(builder: ClientBuilder, dials: &mut Dials) -> Client {
    let (client, wire) = tokio::join!(builder.connect(), dials.welcomed());
    drop(wire);
    client.expect("welcomed")
}

/// The ways in which the next attempt ends that no server of this library has chosen.
const ANSWERS: [&str; 7] = ["200 OK", "302 Found", "400 Bad Request", "401 Who", "403 No", "404 None", "426 Upgrade"];

#[tokio::test(start_paused = true)]
async fn after_the_first_welcome_no_http_status_is_final_and_the_session_comes_back() {
    let (builder, mut dials) = scripted();
    let (when, mut events) = events();
    let client = builder.reconnect(Backoff::default()).when(when).build();
    let granted = |token: &str, resumed: bool| json!({"session": token, "cid": "ann", "seen": 0, "resumed": resumed, "beat": 0, "window": 280_000});
    let welcome = async |dials: &mut Dials, grant| {
        let mut wire = dials.upgraded().await;
        let hi = wire.json().await;
        wire.send(&json!(["~wse:welcome", null, grant]).to_string()).await;
        (wire, hi)
    };
    let (connected, (wire, _)) = tokio::join!(client.connect(), welcome(&mut dials, granted("t", false)));
    connected.unwrap();
    drop(wire);
    for answer in ANSWERS {
        dials.next().await.request().await.answer(answer, "Content-Length: 0\r\n").await;
        settle().await;
        assert_eq!(client.status(), Status::ReConnecting, "{answer}");
    }
    let (_wire, hi) = welcome(&mut dials, granted("u", true)).await;
    assert_eq!(hi[1]["session"], json!({"resume": "t", "seen": 0}));
    settle().await;
    assert_eq!(events.so_far().last().map(String::as_str), Some("ready null resumed"));
}

#[tokio::test(start_paused = true)]
async fn after_the_first_welcome_a_server_of_another_kind_is_tried_again() {
    let (builder, mut dials) = scripted();
    let client = lost(builder.reconnect(Backoff::default()), &mut dials).await;
    dials.next().await.io.write_all(b"SSH-2.0-x\r\n").await.unwrap();
    let request = dials.next().await.request().await;
    request.answer("101 Switching Protocols", "Connection: Upgrade\r\nUpgrade: websocket\r\n").await;
    dials.next().await.request().await.upgrade_with("Sec-WebSocket-Protocol: mqtt\r\n").await;
    for code in [1001, 1015, 3000, 4999] {
        let mut wire = dials.upgraded().await;
        wire.json().await;
        if code != 1015 {
            wire.drop_with(code, "the proxy goes").await;
        }
    }
    let _wire = dials.welcomed().await;
    settle().await;
    assert_eq!(client.status(), Status::Ready);
}

#[tokio::test(start_paused = true)]
async fn after_the_first_welcome_a_verdict_is_final_still() {
    for (code, reason) in [(1000, "wse.not-authorized"), (1000, "the text of a refusal"), (1008, "policy")] {
        let (builder, mut dials) = scripted();
        let client = lost(builder.reconnect(Backoff::persistent()), &mut dials).await;
        let mut wire = dials.upgraded().await;
        wire.json().await;
        wire.drop_with(code, reason).await;
        dials.none_within(LONG).await;
        assert_eq!(client.status(), Status::Offline, "{code} {reason}");
    }
}

/// A builder whose identity, headers and challenge fail while `broken` holds.
fn breakable(which: &str, broken: &Arc<AtomicBool>) -> (ClientBuilder, Dials) {
    let (builder, dials) = scripted();
    let broken = broken.clone();
    let fails = move || if broken.load(SeqCst) { Err(RpError::new("no-token")) } else { Ok("token") };
    let builder = match which {
        "identity" => builder.identity_with(move || std::future::ready(fails())),
        "headers" => builder.header_with(move || std::future::ready(fails().map(|token| [("X-Token", token)]))),
        "a header" => builder.header_with(async move || Ok([("X-Token", fails().map_or("bad\nvalue", |ok| ok))])),
        _ => builder.challenge(move |_, _: u8| std::future::ready(fails())),
    };
    (builder, dials)
}

#[tokio::test(start_paused = true)]
async fn what_the_application_makes_for_an_attempt_may_fail_after_the_first_welcome() {
    for which in ["identity", "headers", "a header", "challenge"] {
        let broken = Arc::new(AtomicBool::new(false));
        let (builder, mut dials) = breakable(which, &broken);
        let client = lost(builder.reconnect(Backoff::default()), &mut dials).await;
        broken.store(true, SeqCst);
        if which == "challenge" {
            for _ in 0..3 {
                let mut wire = dials.upgraded().await;
                wire.json().await;
                wire.say("~wse:challenge", json!(1)).await;
            }
        } else {
            dials.none_within(LONG).await;
        }
        broken.store(false, SeqCst);
        let _wire = dials.welcomed().await;
        settle().await;
        assert_eq!(client.status(), Status::Ready, "{which}");
    }
}

#[tokio::test(start_paused = true)]
async fn before_the_first_welcome_it_fails_at_once_and_the_text_says_what_was_seen() {
    for which in ["identity", "headers", "a header"] {
        let (builder, mut dials) = breakable(which, &Arc::new(AtomicBool::new(true)));
        let error = soon(builder.reconnect(Backoff::default()).connect()).await.unwrap_err();
        let (identity, headers) =
            (matches!(error, ConnectError::Identity(_)), matches!(error, ConnectError::Headers(_)));
        assert_eq!((identity, headers), (which == "identity", which != "identity"), "{error}");
        assert_eq!(error.code(), "wse.client.ws-error");
        dials.none_within(LONG).await;
    }
    for answer in ANSWERS {
        let (builder, mut dials) = scripted();
        let connecting = tokio::spawn(builder.reconnect(Backoff::default()).connect());
        dials.next().await.request().await.answer(answer, "Content-Length: 0\r\n").await;
        let error = soon(connecting).await.unwrap().unwrap_err().to_string();
        assert!(error.ends_with(&answer[..3]), "{error}");
        dials.none_within(LONG).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_persistent_client_waits_for_its_first_welcome_through_all_of_that() {
    let broken = Arc::new(AtomicBool::new(true));
    let (builder, mut dials) = breakable("identity", &broken);
    let connecting = tokio::spawn(builder.reconnect(Backoff::persistent()).connect());
    dials.none_within(LONG).await;
    broken.store(false, SeqCst);
    for answer in ANSWERS {
        dials.next().await.request().await.answer(answer, "Content-Length: 0\r\n").await;
    }
    let mut wire = dials.upgraded().await;
    wire.json().await;
    wire.drop_with(1001, "").await;
    let _wire = dials.welcomed().await;
    soon(connecting).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_persistent_client_does_not_wait_for_what_it_was_given_wrong() {
    struct Broken;
    impl serde::Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("broken on purpose"))
        }
    }
    let asked = Arc::new(AtomicBool::new(false));
    let note = asked.clone();
    let no_end = move |_: &ConnectError| {
        note.store(true, SeqCst);
        false
    };
    let builder = |url: &str| Client::builder(url).reconnect(Backoff::persistent()).give_up_on(no_end.clone());
    for builder in [
        builder("http://a.test/"),
        builder("ws://a.test/").header("bad header", "x"),
        builder("ws://a.test/").identity(&Broken),
        builder("ws://a.test/").meta(&Broken),
    ] {
        let (dial, mut dials) = dials();
        assert!(soon(builder.dial(dial).connect()).await.is_err());
        dials.none_within(LONG).await;
    }
    // Nor is it asked where no other attempt can follow.
    let (once, dials) = scripted();
    drop(dials);
    assert!(soon(once.give_up_on(no_end.clone()).connect()).await.is_err());
    assert!(!asked.load(SeqCst), "none of this is a question");
}

#[tokio::test(start_paused = true)]
async fn the_application_decides_what_is_final_instead_of_the_list() {
    let (builder, mut dials) = scripted();
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let builder = builder.reconnect(Backoff::default()).give_up_on(move |cause| {
        count.fetch_add(1, SeqCst);
        match cause {
            ConnectError::Closed(closed) => closed.code == 1006,
            ConnectError::UpgradeRefused { status, .. } => *status == 503,
            _ => false,
        }
    });
    let (client, wire) = tokio::join!(builder.connect(), dials.welcomed());
    let client = client.unwrap();
    // A verdict that it takes for none, at the connection and at an attempt.
    wire.drop_with(1000, "wse.by-server").await;
    let mut wire = dials.upgraded().await;
    wire.json().await;
    wire.drop_with(1000, "wse.not-authorized").await;
    let wire = dials.welcomed().await;
    settle().await;
    assert_eq!((client.status(), asked.load(SeqCst)), (Status::Ready, 2));
    // A lost connection that it takes for the end.
    drop(wire);
    dials.none_within(LONG).await;
    assert_eq!((client.status(), asked.load(SeqCst)), (Status::Offline, 3));
    // A status that passes for others; and its own close is no question.
    let connecting = client.clone();
    let connecting = tokio::spawn(async move { connecting.connect().await });
    dials.next().await.request().await.answer("503 Full", "Content-Length: 0\r\n").await;
    assert!(matches!(soon(connecting).await.unwrap(), Err(ConnectError::UpgradeRefused { status: 503, .. })));
    soon(client.close("done")).await;
    assert_eq!(asked.load(SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn where_the_predicate_panics_the_list_decides() {
    let (builder, mut dials) = scripted();
    let builder = builder.reconnect(Backoff::default()).give_up_on(|_| panic!("no opinion"));
    let client = lost(builder, &mut dials).await;
    let wire = dials.welcomed().await;
    settle().await;
    assert_eq!(client.status(), Status::Ready);
    wire.drop_with(1000, "").await;
    dials.none_within(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn a_jump_is_a_first_attempt_again() {
    let (builder, mut dials) = scripted();
    let (client, wire) = tokio::join!(builder.reconnect(Backoff::default()).connect(), dials.welcomed());
    let client = client.unwrap();
    let (jumped, _, ()) = tokio::join!(client.jump("ws://b.test/"), wire.closed(), async {
        dials.next().await.request().await.answer("404 None", "Content-Length: 0\r\n").await;
    });
    assert!(matches!(jumped, Err(ConnectError::UpgradeRefused { status: 404, .. })));
    dials.none_within(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn a_jump_to_the_same_address_is_none() {
    let (builder, mut dials) = scripted();
    let (client, wire) = tokio::join!(builder.reconnect(Backoff::default()).connect(), dials.welcomed());
    let client = client.unwrap();
    let url = client.url();
    let (jumped, _, _wire) = tokio::join!(client.jump(&url), wire.closed(), async {
        dials.next().await.request().await.answer("404 None", "Content-Length: 0\r\n").await;
        dials.welcomed().await
    });
    jumped.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_connect_after_a_close_is_a_first_attempt_again() {
    let (builder, mut dials) = scripted();
    let (client, wire) = tokio::join!(builder.reconnect(Backoff::default()).connect(), dials.welcomed());
    let client = client.unwrap();
    tokio::join!(client.close(""), wire.closed());
    let (connected, ()) = tokio::join!(client.connect(), async {
        dials.next().await.request().await.answer("404 None", "Content-Length: 0\r\n").await;
    });
    assert!(matches!(connected, Err(ConnectError::UpgradeRefused { status: 404, .. })));
    dials.none_within(LONG).await;
}

/// The time until the next dial after a connection that was closed as too slow, `lasted` after its welcome.
async fn back_after(wire: RawServer, dials: &mut Dials, lasted: Duration) -> Duration {
    tokio::time::sleep(lasted).await;
    wire.drop_with(1013, "wse.slow").await;
    let closed = Instant::now();
    let dialed = dials.next().await;
    let waited = dialed.at - closed;
    drop(dialed);
    waited
}

#[tokio::test(start_paused = true)]
async fn the_waits_grow_where_a_welcome_is_followed_by_1013_within_ten_seconds() {
    let (mut soon_sum, mut late_sum) = (Duration::ZERO, Duration::ZERO);
    for (lasted, sum) in [(9 * S, &mut soon_sum), (11 * S, &mut late_sum)] {
        let (builder, mut dials) = scripted();
        let waits = Backoff { min: S, max: 200 * S, factor: 4.0, ..Backoff::default() };
        let (_client, mut wire) = tokio::join!(builder.reconnect(waits).connect(), dials.welcomed());
        for _ in 0..6 {
            *sum += back_after(wire, &mut dials, lasted).await; // and one attempt fails
            wire = dials.welcomed().await;
        }
    }
    // The ceilings are 1, 16 and four times 200 s against 1 s each.
    assert!(late_sum <= 6 * S + S / 10, "{late_sum:?}");
    assert!(soon_sum > 30 * S, "{soon_sum:?}");
}

#[tokio::test(start_paused = true)]
async fn waits_of_zero_do_not_make_a_loop_without_a_pause() {
    let times = Arc::new(AtomicU32::new(0));
    let count = times.clone();
    let at_once = Backoff { min: Duration::ZERO, max: Duration::ZERO, ..Backoff::default() };
    let client = Client::builder("ws://a.test/").reconnect(at_once).dial(move |_| {
        count.fetch_add(1, SeqCst);
        std::future::ready(Err::<tokio::io::DuplexStream, _>(io::ErrorKind::ConnectionRefused.into()))
    });
    let _ = tokio::time::timeout(S, client.connect()).await;
    assert!((50..500).contains(&times.load(SeqCst)), "{times:?} attempts in a second");
}
