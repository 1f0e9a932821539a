//! How a client comes back, and what it is told of what it left behind. The client's half, frame by
//! frame.

use crate::client::{builder, connected, granted, welcome};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::Semaphore;
use wse::{Backoff, CallError, ClientEvent};
use wse_test_peers::{Got, about, scripted, settle, soon, timed};

const S: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_session_that_had_its_time_comes_back_at_once_however_silent_it_was() {
    let (builder, mut dials, _events) = builder();
    let backoff = Backoff { min: S, max: 20 * S, retries: 3, ..Backoff::default() };
    let (_client, mut wire) = connected(builder.reconnect(backoff), &mut dials).await;
    for round in 0..20 {
        tokio::time::sleep(21 * S).await;
        drop(wire);
        let (waited, (next, _)) = timed(welcome(&mut dials, granted(&format!("r{round}"), 0, true))).await;
        assert!(waited <= S, "round {round}: {waited:?}");
        wire = next;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_cut_again_and_again_without_getting_on_waits_longer_and_gives_up() {
    let (builder, mut dials, mut events) = builder();
    let backoff = Backoff { min: S, max: 20 * S, retries: 8, ..Backoff::default() };
    let (_client, mut wire) = connected(builder.reconnect(backoff), &mut dials).await;
    let start = tokio::time::Instant::now();
    for round in 0..8 {
        drop(wire);
        (wire, _) = welcome(&mut dials, granted(&format!("r{round}"), 0, true)).await;
        settle().await;
    }
    assert!(start.elapsed() > 8 * S, "{:?}", start.elapsed());
    drop(wire);
    drop(dials.upgraded().await); // one attempt fails, and it is the ninth in a row
    assert_eq!(events.next_like("OFFLINE").await, "OFFLINE");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_by_itself_is_told_as_well_how_much_was_never_confirmed() {
    for (cut, jumps) in [(false, false), (false, true), (true, false), (true, true)] {
        let (builder, mut dials, mut events) = builder();
        let (client, mut wire) = connected(builder, &mut dials).await;
        for n in 0..5 {
            client.send("m", n).unwrap();
            wire.json().await;
        }
        wire.say("~wse:ack", json!(2)).await;
        settle().await;
        let calling = tokio::spawn({
            let client = client.clone();
            async move { client.call::<_, u32>("double", 2).await }
        });
        wire.json().await;
        events.so_far();
        let goes = async {
            if jumps {
                client.jump("ws://b.test/").await.unwrap();
            } else {
                client.close("").await;
                client.connect().await.unwrap();
            }
        };
        let mut under_way = None;
        let wire = if cut {
            drop(wire);
            under_way = Some(dials.upgraded().await);
            None
        } else {
            Some(wire)
        };
        let serves = async {
            if let Some(wire) = wire {
                wire.closed().await;
            }
            welcome(&mut dials, granted("u1", 0, false)).await
        };
        let ((_wire, asked), ()) = tokio::join!(serves, goes);
        assert_eq!(asked, json!({}));
        drop(under_way);
        assert!(matches!(soon(calling).await.unwrap(), Err(CallError::Disconnected { .. })));
        assert_eq!(events.next_like("ready").await, r#"ready "hey" lost 4"#, "cut {cut}, jumps {jumps}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_behind_a_welcome_that_resumes_waits_until_the_application_knows_of_it() {
    let gate = Arc::new(Semaphore::new(1));
    let (let_in, handled) = (gate.clone(), Arc::new(AtomicU32::new(0)));
    let (builder, mut dials) = scripted();
    let count = handled.clone();
    let builder = builder
        .reconnect(Backoff { min: Duration::ZERO, max: Duration::ZERO, ..Backoff::default() })
        .on("m", async move |_, _: u32| {
            count.fetch_add(1, SeqCst);
            Ok(())
        })
        .when(async move |event| {
            if matches!(event, ClientEvent::Ready { .. }) {
                let_in.acquire().await.expect("it is never closed").forget();
            }
        });
    let (_client, wire) = connected(builder, &mut dials).await;
    drop(wire);
    let (mut wire, _) = welcome(&mut dials, granted("t2", 0, true)).await;
    wire.say("m", json!(1)).await;
    settle().await;
    assert_eq!(handled.load(SeqCst), 0);
    gate.add_permits(1);
    settle().await;
    assert_eq!(handled.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn the_window_is_the_one_that_was_granted() {
    let (builder, mut dials, _events) = builder();
    let client = builder.reconnect(Backoff { min: 10 * S, max: 10 * S, ..Backoff::default() }).build();
    let mut grant = granted("t1", 0, false);
    grant["window"] = json!(3000);
    let (connected, (mut wire, _)) = tokio::join!(client.connect(), welcome(&mut dials, grant));
    connected.unwrap();
    let calling = tokio::spawn(async move { client.call::<_, u32>("double", 2).await });
    wire.json().await;
    drop(wire);
    let (waited, called) = timed(calling).await;
    assert!(about(waited, 3 * S), "{waited:?}");
    assert!(matches!(called.unwrap(), Err(CallError::Disconnected { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_sent_again_has_a_key_of_its_own() {
    let (builder, mut dials, _events) = builder();
    let (client, mut wire) = connected(builder, &mut dials).await;
    client.send("m", 1).unwrap();
    assert_eq!(wire.next().await, Got::Text(json!(["m", 1, null]).to_string()));
    let mut seen = Vec::new();
    for round in 0..4 {
        drop(wire);
        (wire, _) = welcome(&mut dials, granted(&format!("r{round}"), 0, true)).await;
        let mut frame = [0; 6 + 12];
        wire.raw(&mut frame).await;
        assert_eq!(frame[..2], [0x81, 0x80 | 12], "a text of 12 bytes, masked");
        seen.push(frame[2..6].to_vec());
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4, "RFC 6455 section 5.3");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_resumed_eight_times_and_never_got_on_is_given_up_and_the_application_is_told() {
    let (builder, mut dials, mut events) = builder();
    let (client, mut wire) = connected(builder.reconnect(Backoff::default()), &mut dials).await;
    client.send("m", "poison").unwrap();
    wire.json().await;
    let began = tokio::time::Instant::now();
    for round in 0..8 {
        drop(wire);
        let (next, asked) = welcome(&mut dials, granted(&format!("r{round}"), 0, true)).await;
        assert!(asked["resume"].is_string(), "round {round}: {asked}");
        wire = next;
        wire.json().await; // the poison, once more
    }
    assert!(began.elapsed() > S, "the waits have grown: {:?}", began.elapsed());
    drop(wire);
    let (mut wire, asked) = welcome(&mut dials, granted("new", 0, false)).await;
    assert_eq!(asked, json!({}));
    assert_eq!(events.next_like("ready \"hey\" lost").await, r#"ready "hey" lost 1"#);
    client.send("m", "next").unwrap();
    assert_eq!(wire.json().await[1], "next");
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_of_a_proxy_leaves_the_session_standing_and_one_of_the_server_ends_it() {
    let ends = [(1005, ""), (1012, "wse.restart after=5"), (1013, "wse.slow"), (4000, "wse.session-over")];
    let stands = [(1001, ""), (1011, "crashed"), (1014, "bad gateway"), (3000, "proxy"), (4999, "proxy")];
    for ((code, reason), stands) in ends.map(|end| (end, false)).into_iter().chain(stands.map(|end| (end, true))) {
        let (builder, mut dials, mut events) = builder();
        let (client, mut wire) = connected(builder, &mut dials).await;
        client.send("m", 1).unwrap();
        wire.json().await;
        wire.drop_with(code, reason).await;
        let (mut wire, asked) = welcome(&mut dials, granted("t2", 0, stands)).await;
        let session = if stands { json!({"resume": "t1", "seen": 0}) } else { json!({}) };
        assert_eq!(asked, session, "{code} {reason}");
        if stands {
            assert_eq!(wire.json().await, json!(["m", 1, null]), "{code}");
        }
        let ready = events.next_like("ready \"hey\" ").await;
        assert_eq!(ready, if stands { "ready \"hey\" resumed" } else { "ready \"hey\" lost 1" }, "{code}");
    }
}
