//! How a shutdown spreads the ends of many connections, and what it does for each until its turn.

use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use wse::{Limits, Server};
use wse_test_peers::{RawClient, about, attach, enter, events, server, settle, timed};

const S: Duration = Duration::from_secs(1);

/// A server that bears one handshake in a second, so that a few are many.
fn slow() -> Server {
    let limits = Limits { returns_per_second: 1, ..Limits::default() };
    server(|builder| {
        builder.limits(limits).register("echo", async |_, what: Value| Ok(what)).register(
            "work",
            async |_, secs: u32| {
                sleep(S * secs).await;
                Ok(secs)
            },
        )
    })
}

async fn crowd(server: &Server, size: usize) -> Vec<RawClient> {
    let mut peers = Vec::new();
    for name in 0..size {
        peers.push(enter(server, &name.to_string()).await);
    }
    peers
}

/// When a peer is closed, and when it is told to come back, from a beginning on.
async fn turn(mut peer: RawClient, began: Instant) -> (Duration, Duration) {
    let (code, reason) = peer.closed().await;
    let at = began.elapsed();
    assert_eq!(code, 1012);
    let after = reason.strip_prefix("wse.restart after=").expect("it is told when").parse().expect("milliseconds");
    (at, at + Duration::from_millis(after))
}

async fn turns(peers: Vec<RawClient>) -> Vec<(Duration, Duration)> {
    let began = Instant::now();
    futures_util::future::join_all(peers.into_iter().map(|peer| turn(peer, began))).await
}

#[tokio::test(start_paused = true)]
async fn ends_are_spread_the_oldest_first_and_returns_come_one_by_one_after_the_last() {
    let server = slow();
    let peers = crowd(&server, 18).await; // 20 s of returns, 1 s of ends
    let (time, (turns, ())) = timed(async { tokio::join!(turns(peers), server.shutdown(10 * S)) }).await;
    assert!(time < S + S / 10, "{time:?}");
    for (nth, (at, back)) in turns.iter().enumerate() {
        let expected = (S * nth as u32 / 18, 2 * S + 20 * S * nth as u32 / 18);
        assert!(at.abs_diff(expected.0) < S / 50, "{nth}: {turns:?}");
        assert!(back.abs_diff(expected.1) < S / 50, "{nth}: {turns:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_spread_takes_half_of_the_grace_at_most() {
    let server = slow();
    let peers = crowd(&server, 18).await;
    let (time, (turns, ())) = timed(async { tokio::join!(turns(peers), server.shutdown(S / 5)) }).await;
    assert!(time < S / 5, "{time:?}");
    assert!(turns.iter().all(|(at, back)| *at < S / 10 + S / 50 && *back > S), "{turns:?}");
}

#[tokio::test(start_paused = true)]
async fn until_its_turn_a_connection_is_served_and_nobody_new_comes_in() {
    let server = slow();
    let mut peers = crowd(&server, 18).await;
    let mut last = peers.pop().unwrap();
    let down = tokio::spawn({
        let server = server.clone();
        async move { server.shutdown(10 * S).await }
    });
    let first = turns(peers.drain(..9).collect()).await;
    assert!(first[8].0 < S / 2);
    assert_eq!(last.call("echo", json!("still")).await, json!(["~wse:response", "still"]));
    assert_eq!(server.broadcast("m", 1).unwrap().here, 9);
    for peer in peers.iter_mut().chain([&mut last]) {
        assert_eq!(peer.text().await, r#"["m",1,null]"#);
    }
    let (_ours, theirs) = tokio::io::duplex(64);
    assert!(server.attach(theirs, http::Request::new(())).is_err());
    last.ask("work", json!(3), "s").await;
    settle().await;
    let (rest, ()) = tokio::join!(turns(peers), async {
        assert_eq!(last.text().await, r#"["~wse:response",3,"s"]"#);
        // Told for its end, which came later than planned, and so does its return.
        let (_, reason) = last.closed().await;
        assert!(reason.starts_with("wse.restart after=19") || reason.starts_with("wse.restart after=20"), "{reason}");
    });
    assert_eq!(rest.len(), 8);
    down.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_is_given_up_closes_whoever_is_left_at_once() {
    let server = slow();
    let peers = crowd(&server, 18).await;
    let down = tokio::time::timeout(S / 4, server.shutdown(10 * S));
    let (turns, down) = tokio::join!(turns(peers), down);
    assert!(down.is_err());
    assert!(turns.iter().all(|(at, _)| *at < S / 4 + S / 50), "{turns:?}");
    assert!(turns.is_sorted_by_key(|(_, back)| *back), "{turns:?}");
}

#[tokio::test(start_paused = true)]
async fn a_second_shutdown_hurries_the_first_and_nobody_is_told_twice() {
    let server = slow();
    let peers = crowd(&server, 18).await;
    let (turns, first, second) = tokio::join!(turns(peers), timed(server.shutdown(60 * S)), async {
        sleep(S / 10).await;
        timed(server.shutdown(S / 10)).await
    });
    assert_eq!(turns.len(), 18);
    assert!(first.0 < S / 4 && second.0 <= S / 10 + S / 50, "{first:?} {second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_the_turns_of_those_who_have_left() {
    let server = slow();
    let peers = crowd(&server, 18).await;
    let (time, ()) = timed(async { tokio::join!(server.shutdown(60 * S), async { drop(peers) }).0 }).await;
    assert!(time < S / 10, "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn strangers_take_their_turn_too_and_events_tell_the_true_reason() {
    let (when, mut events) = events();
    let limits = Limits { returns_per_second: 1, ..Limits::default() };
    let server = server(|builder| builder.when(when).limits(limits));
    let stranger = attach(&server);
    let ann = enter(&server, "ann").await;
    events.take(2).await;
    let (turns, ()) = tokio::join!(turns(vec![stranger, ann]), server.shutdown(10 * S));
    assert!(about(turns[0].0, Duration::ZERO) && turns[1].0.abs_diff(S / 18) < S / 50, "{turns:?}");
    let after = (turns[1].1 - turns[1].0).as_millis();
    let told = format!("1012 wse.restart after={after}");
    assert_eq!(events.take(2).await, [format!("disconnected ann 1 {told}"), format!("left ann {told}")]);
}
