//! Devices that are called back: who is closed, when, how, and what becomes of the others.

use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};
use wse::{Audience, Backoff, Limits, Server, Stranger};
use wse_test_peers::{
    RawClient, about, attach_to, begin, enter, enter_messaging, events, log, messaging, on_net, resume, server, settle,
    timed,
};

const S: Duration = Duration::from_secs(1);

/// A server that bears that many handshakes in a second, with work that takes seconds.
fn bearing(returns_per_second: u32) -> Server {
    let limits = Limits { returns_per_second, conns_per_user: 9, ..Limits::default() };
    server(|builder| {
        builder.limits(limits).register("work", async |_, secs: u32| {
            sleep(S * secs).await;
            Ok(secs)
        })
    })
}

/// When a peer is closed, and when it is told to come back, from a beginning on.
async fn turn(peer: &mut RawClient, began: Instant) -> (Duration, Duration) {
    let (code, reason) = peer.closed().await;
    let at = began.elapsed();
    assert_eq!(code, 1012);
    let after = reason.strip_prefix("wse.restart after=").expect("it is told when").parse().expect("milliseconds");
    (at, at + Duration::from_millis(after))
}

async fn turns(peers: &mut [RawClient]) -> Vec<(Duration, Duration)> {
    let began = Instant::now();
    futures_util::future::join_all(peers.iter_mut().map(|peer| turn(peer, began))).await
}

#[tokio::test(start_paused = true)]
async fn devices_are_closed_evenly_and_told_to_come_back_at_once() {
    let server = bearing(1000);
    let mut peers = Vec::new();
    for name in ["a", "b", "c", "d"] {
        peers.push(enter(&server, name).await);
    }
    let recall = timed(server.recall(server.everyone(), 8 * S));
    let (turns, (time, count)) = tokio::join!(turns(&mut peers), recall);
    assert_eq!(count, 4);
    assert!(about(time, 6 * S), "the last of four turns: {time:?}");
    let mut ends: Vec<Duration> = turns.iter().map(|(at, _)| *at).collect();
    ends.sort();
    for (nth, end) in ends.iter().enumerate() {
        assert!(end.abs_diff(S * 2 * nth as u32) < S / 50, "{turns:?}");
    }
    assert!(turns.iter().all(|(at, back)| at == back), "{turns:?}");
    settle().await;
    assert_eq!(server.conn_count(), 0);
    // The server goes on.
    enter(&server, "a").await;
}

#[tokio::test(start_paused = true)]
async fn returns_stay_below_the_rate_however_short_the_time() {
    let server = bearing(1);
    let mut peers = Vec::new();
    for name in 0..9 {
        peers.push(enter(&server, &name.to_string()).await);
    }
    let (turns, count) = tokio::join!(turns(&mut peers), server.recall(server.everyone(), Duration::ZERO));
    assert_eq!(count, 9);
    assert!(turns.iter().all(|(at, _)| *at < S / 50), "{turns:?}");
    let mut returns: Vec<Duration> = turns.iter().map(|(_, back)| *back).collect();
    returns.sort();
    assert!(returns.windows(2).all(|pair| pair[1] - pair[0] > S), "{returns:?}");
}

#[tokio::test(start_paused = true)]
async fn a_conn_a_device_a_user_and_an_audience_can_be_recalled_and_nobody_else_is() {
    let server = bearing(1000);
    let mut bob = enter(&server, "bob").await;
    type Selection = fn(&Server) -> (Audience, usize);
    let selections: [Selection; 5] = [
        |server| ((&server.user("ann").conns()[0]).into(), 1),
        |server| (server.user("ann").conns().remove(0).into(), 1),
        |server| (server.device(server.user("ann").conns()[1].id()).into(), 1),
        |server| (server.user("ann").into(), 2),
        |server| (server.everyone().except_user("bob"), 2),
    ];
    for (nth, selection) in selections.into_iter().enumerate() {
        let mut devices = [enter(&server, "ann").await, enter(&server, "ann").await];
        let (audience, expected) = selection(&server);
        assert_eq!(server.recall(audience, Duration::ZERO).await, expected, "{nth}");
        settle().await;
        assert_eq!(server.user("ann").conn_count(), 2 - expected, "{nth}");
        server.drop_user("ann", "next");
        for device in &mut devices {
            device.closed().await;
        }
    }
    assert_eq!(server.recall(server.user("nobody"), 9 * S).await, 0);
    assert_eq!(bob.call("work", json!(0)).await, json!(["~wse:response", 0]));
}

#[tokio::test(start_paused = true)]
async fn devices_of_every_wire_are_recalled() {
    let server = messaging(|builder| builder);
    let mut ann = enter_messaging(&server, "ann").await;
    let (mut bob, _) = attach_to(&server, "wse-default-json");
    bob.enter("bob").await;
    assert_eq!(server.recall(server.everyone(), Duration::ZERO).await, 2);
    let mut ends = [ann.closed().await, bob.closed().await];
    ends.sort();
    assert_eq!(ends, [(1012, "wse.restart after=0".into()), (1012, "wse.restart after=1".into())]);
}

#[tokio::test(start_paused = true)]
async fn a_running_handler_may_answer_and_the_application_is_told() {
    let (when, mut told) = events();
    let server = server(|builder| {
        builder.when(when).register("work", async |_, secs: u32| {
            sleep(S * secs).await;
            Ok(secs)
        })
    });
    let mut peer = enter(&server, "ann").await;
    peer.ask("work", json!(3), "s").await;
    settle().await;
    assert_eq!(server.recall(server.user("ann"), Duration::ZERO).await, 1);
    assert_eq!(peer.text().await, r#"["~wse:response",3,"s"]"#);
    assert_eq!(peer.closed().await, (1012, "wse.restart after=0".into()));
    let ends = ["disconnected ann 1 1012 wse.restart after=0", "left ann 1012 wse.restart after=0"];
    assert_eq!(told.take(4).await[2..], ends);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_with_its_recall_and_one_without_a_connection_is_left_alone() {
    let server = bearing(1000);
    let (mut here, granted) = begin(&server, "ann", json!({})).await;
    let (away, _) = begin(&server, "bob", json!({})).await;
    drop(away);
    settle().await;
    assert_eq!(server.recall(server.everyone(), Duration::ZERO).await, 1);
    assert_eq!(here.closed().await.0, 1012);
    settle().await;
    assert_eq!((server.user("ann").conn_count(), server.user("bob").conn_count()), (0, 1));
    let (_peer, again) = resume(&server, "ann", &granted["session"], 0).await;
    assert_eq!(again["resumed"], false);
}

#[tokio::test(start_paused = true)]
async fn a_recall_that_is_given_up_leaves_those_whose_turn_has_not_come() {
    let server = bearing(1000);
    let _peers = [enter(&server, "a").await, enter(&server, "b").await, enter(&server, "c").await];
    assert!(timeout(S, server.recall(server.everyone(), 30 * S)).await.is_err());
    settle().await;
    assert_eq!(server.conn_count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reconnects_comes_back_by_itself_and_is_identified_anew() {
    let asked = log();
    let told = asked.clone();
    let server = Server::builder()
        .identify(async move |stranger: Stranger, token: u32| {
            told.add(token);
            Ok(stranger.accept("ann"))
        })
        .build();
    let (when, mut happened) = events();
    let tokens = Arc::new(AtomicU32::new(0));
    let client = on_net(&[("a", &server)])
        .reconnect(Backoff::default())
        .when(when)
        .identity_with(async move || Ok(tokens.fetch_add(1, Relaxed)))
        .connect()
        .await
        .expect("it is let in");
    happened.next_like("ready").await;
    assert_eq!(server.recall(server.user("ann"), Duration::ZERO).await, 1);
    assert_eq!(happened.next_like("closed").await, "closed 1012 wse.restart after=0");
    assert_eq!(happened.next_like("ready").await, "ready null");
    assert_eq!(asked.take(), ["0", "1"]);
    client.close("done").await;
}
