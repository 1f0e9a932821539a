//! When a client comes back, and how long it waits before.

use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;
use wse::{Backoff, Client, ConnectError, Limits, Status};
use wse_test_peers::{Events, events, scripted, settle, soon};

const LONG: Duration = Duration::from_secs(60);

/// A client that reconnects, connected, and the server's end.
async fn connected() -> (Client, wse_test_peers::RawServer, wse_test_peers::Dials, Events) {
    let (when, mut events) = events();
    let (builder, mut dials) = scripted();
    let (client, wire) = tokio::join!(builder.reconnect(Backoff::default()).when(when).connect(), dials.welcomed());
    events.next_like("ready").await;
    (client.expect("welcomed"), wire, dials, events)
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_after_every_code_that_is_no_verdict() {
    for code in [1001, 1005, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4001, 4003, 4008, 4999] {
        let (client, wire, mut dials, mut events) = connected().await;
        wire.drop_with(code, "").await;
        let _wire = dials.welcomed().await;
        settle().await;
        assert_eq!(client.status(), Status::Ready, "{code}");
        assert_eq!(events.so_far(), [&format!("closed {code}"), "RE_CONNECTING", "READY", "ready null"]);
    }
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_after_an_end_without_a_goodbye() {
    let (client, wire, mut dials, mut events) = connected().await;
    drop(wire);
    let _wire = dials.welcomed().await;
    settle().await;
    assert_eq!(client.status(), Status::Ready);
    assert_eq!(events.so_far(), ["closed 1006", "RE_CONNECTING", "READY", "ready null"]);
}

#[tokio::test(start_paused = true)]
async fn it_stays_away_after_a_verdict_and_a_broken_protocol() {
    let reasons =
        ["wse.by-server", "wse.not-authorized", "wse.clients-concurrency", "wse.protocol-error", "banned", ""];
    let normal = reasons.map(|reason| (1000, reason));
    let others = [1002, 1003, 1007, 1008, 1009, 1010].map(|code| (code, "why"));
    for (code, reason) in normal.into_iter().chain(others) {
        let (client, wire, mut dials, mut events) = connected().await;
        wire.drop_with(code, reason).await;
        dials.none_within(LONG).await;
        assert_eq!(client.status(), Status::Offline, "{code} {reason}");
        let closed = format!("closed {code} {reason}");
        assert_eq!(events.so_far(), [closed.trim_end(), "OFFLINE"]);
    }
}

#[tokio::test(start_paused = true)]
async fn without_reconnect_it_never_comes_back() {
    for code in [1005, 1006, 1012] {
        let (builder, mut dials) = scripted();
        let (client, wire) = tokio::join!(builder.connect(), dials.welcomed());
        if code == 1006 {
            drop(wire)
        } else {
            wire.drop_with(code, "").await
        }
        dials.none_within(LONG).await;
        assert_eq!(client.unwrap().status(), Status::Offline, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_at_a_reconnect_is_final_and_told_as_an_event() {
    let (client, wire, mut dials, mut events) = connected().await;
    drop(wire);
    let mut wire = dials.upgraded().await;
    wire.json().await;
    wire.drop_with(1000, "wse.not-authorized").await;
    dials.none_within(LONG).await;
    assert_eq!(client.status(), Status::Offline);
    let events = events.so_far();
    assert_eq!(events[..3], ["closed 1006", "RE_CONNECTING", "closed 1000 wse.not-authorized"]);
    assert!(events[3].starts_with("error wse.not-authorized: ") && events[4] == "OFFLINE", "{events:?}");
    assert_eq!(events.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn codes_before_the_first_welcome_are_final_unless_they_say_that_they_pass() {
    for (code, final_) in
        [(1011, false), (1012, false), (1013, false), (1000, true), (1002, true), (1008, true), (4001, true)]
    {
        let (builder, mut dials) = scripted();
        let connecting = tokio::spawn(builder.reconnect(Backoff::default()).connect());
        let mut wire = dials.upgraded().await;
        wire.json().await;
        wire.drop_with(code, "why").await;
        if final_ {
            dials.none_within(LONG).await;
            let error = soon(connecting).await.unwrap().unwrap_err();
            assert!(matches!(&error, ConnectError::Closed(closed) if closed.code == code), "{error}");
            assert_eq!(error.code(), "wse.client.connection-closed");
        } else {
            let _wire = dials.welcomed().await;
            soon(connecting).await.unwrap().unwrap();
        }
    }
}

/// The waits between so many failed dials.
async fn waits(backoff: Backoff, number: usize) -> Vec<Duration> {
    let (builder, mut dials) = scripted();
    let connecting = tokio::spawn(builder.reconnect(backoff).connect());
    let mut times: Vec<Instant> = Vec::new();
    while times.len() <= number {
        times.push(dials.next().await.at); // and hangs up
    }
    connecting.abort();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// What a timer adds to a wait.
const GRAIN: Duration = Duration::from_millis(2);

#[tokio::test(start_paused = true)]
async fn the_waits_are_drawn_below_a_ceiling_that_doubles_to_twenty_seconds() {
    // So many that what is asked of chance fails once in 10^15 runs or less.
    let rounds = 100;
    let mut all = Vec::new();
    for _ in 0..rounds {
        all.push(waits(Backoff::default(), 8).await);
    }
    for (nth, ceiling) in [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000].into_iter().enumerate() {
        let ceiling = Duration::from_millis(ceiling);
        let nth: Vec<Duration> = all.iter().map(|waits| waits[nth]).collect();
        assert!(nth.iter().all(|wait| *wait <= ceiling + GRAIN), "{ceiling:?}: {nth:?}");
        // Full jitter: all of the range is used.
        assert!(nth.iter().any(|wait| *wait > ceiling.mul_f64(0.7)), "{ceiling:?}: {nth:?}");
        assert!(nth.iter().any(|wait| *wait < ceiling.mul_f64(0.3)), "{ceiling:?}: {nth:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_waits_are_those_that_were_asked_for() {
    let backoff =
        Backoff { min: Duration::from_millis(10), max: Duration::from_millis(50), factor: 3.0, ..Backoff::default() };
    for _ in 0..20 {
        let waits = waits(backoff, 6).await;
        for (wait, ceiling) in waits.iter().zip([10, 30, 50, 50, 50, 50]) {
            assert!(*wait <= Duration::from_millis(ceiling) + GRAIN, "{waits:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_waits_start_over_after_a_welcome() {
    for _ in 0..30 {
        let (_client, wire, mut dials, _events) = connected().await;
        drop(wire);
        for _ in 0..6 {
            dials.next().await; // and hangs up
        }
        let wire = dials.welcomed().await;
        settle().await;
        let lost = Instant::now();
        drop(wire);
        let wait = dials.next().await.at - lost;
        assert!(wait <= Duration::from_millis(500) + GRAIN, "{wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connect_with_reconnect_goes_on_until_the_server_is_there() {
    let (when, mut events) = events();
    let (builder, mut dials) = scripted();
    let connecting = tokio::spawn(builder.reconnect(Backoff::default()).when(when).connect());
    for _ in 0..10 {
        dials.next().await; // and hangs up
    }
    let (_wire, _) = dials.greeted(json!("at last")).await;
    let client = soon(connecting).await.unwrap().unwrap();
    assert_eq!(client.welcome::<String>().unwrap(), "at last");
    settle().await;
    assert_eq!(events.so_far(), ["CONNECTING", "RE_CONNECTING", "READY", "ready \"at last\""]);
}

#[tokio::test(start_paused = true)]
async fn it_comes_back_although_a_handler_hangs_and_a_message_waits_behind_it() {
    let (when, mut events) = events();
    let (builder, mut dials) = scripted();
    let limits = Limits { handlers_per_conn: 1, ..Limits::default() };
    let at_once = Backoff { min: Duration::ZERO, max: Duration::ZERO, factor: 1.0, ..Backoff::default() };
    let client = builder
        .limits(limits.clone())
        .reconnect(at_once)
        .on("hang", async |_, _: Value| std::future::pending().await)
        .when(when)
        .build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    wire.say("hang", json!(1)).await;
    wire.say("hang", json!(2)).await;
    settle().await;
    assert_eq!(client.status(), Status::Ready);
    let lost = Instant::now();
    drop(wire);
    // Whoever asks for what is there already does not put it off.
    let other = client.clone();
    let _nag = tokio::spawn(async move {
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let _ = other.connect().await;
        }
    });
    let dialed = dials.next().await;
    assert_ne!(client.status(), Status::Ready);
    let floor = Duration::from_millis(10); // of waits that are zero
    assert!(dialed.at - lost <= limits.close_timeout + floor + GRAIN, "{:?}", dialed.at - lost);
    let mut wire = dialed.request().await.upgrade().await;
    wire.json().await;
    wire.say("~wse:welcome", Value::Null).await;
    settle().await;
    assert_eq!(client.status(), Status::Ready);
    client.send("m", 1).unwrap();
    assert_eq!(wire.json().await[0], "m");
    let told = events.so_far();
    assert_eq!(told[told.len() - 4..], ["closed 1006", "RE_CONNECTING", "READY", "ready null"]);
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_after_as_many_tries_in_a_row_as_it_was_given() {
    let (when, mut events) = events();
    let (builder, mut dials) = scripted();
    let twice = Backoff { retries: 2, ..Backoff::default() };
    let client = builder.reconnect(twice).when(when).build();
    let connecting = tokio::spawn({
        let client = client.clone();
        async move { client.connect().await }
    });
    for _ in 0..3 {
        dials.next().await; // and hangs up
    }
    let error = soon(connecting).await.unwrap().unwrap_err();
    assert!(matches!(error, wse::ConnectError::Unreachable(_)), "{error}");
    // After a welcome it counts anew.
    let (connected, wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    drop(wire);
    for _ in 0..2 {
        dials.next().await;
    }
    settle().await;
    assert_eq!(client.status(), Status::Offline);
    let told = events.so_far();
    assert_eq!(told[told.len() - 3], "RE_CONNECTING", "{told:?}");
    assert!(told[told.len() - 2].starts_with("error wse.client.ws-error"), "{told:?}");
    assert_eq!(told[told.len() - 1], "OFFLINE", "{told:?}");
}
