//! Silence and goodbyes: the heartbeat, and how long a server waits for the last word.

use http::Request;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use wse::{Limits, Server};
use wse_frame::Opcode;
use wse_test_peers::{Got, about, attach_with, end, enter, events, frame, server, settle, text, timed};

const S: Duration = Duration::from_secs(1);

fn echoing() -> Server {
    server(|builder| builder.register("echo", async |_, what: Value| Ok(what)))
}

async fn device(server: &Server) -> (wse_test_peers::RawClient, tokio::task::JoinHandle<wse::Closed>) {
    let (mut peer, ended) = attach_with(server, wse_test_peers::PIPE, Request::new(()));
    peer.enter("ann").await;
    (peer, ended)
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_pinged_after_25_s_and_cut_10_s_later() {
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when));
    let (mut peer, ended) = device(&server).await;
    let start = Instant::now();
    let (time, got) = timed(peer.next()).await;
    assert!(matches!(got, Got::Ping(_)) && about(time, 25 * S), "{got:?} {time:?}");
    assert_eq!(server.conn_count(), 1);
    assert_eq!(peer.next().await, Got::End, "no close frame");
    assert!(about(start.elapsed(), 35 * S), "{:?}", start.elapsed());
    assert_eq!(end(ended).await, "1006 wse.silent");
    assert_eq!(server.conn_count(), 0, "the slot is free");
    assert_eq!(events.take(4).await[2..], ["disconnected ann 1 1006 wse.silent", "left ann 1006 wse.silent"]);
}

#[tokio::test(start_paused = true)]
async fn any_sign_of_life_starts_the_heartbeat_over() {
    let server = echoing();
    let signs: [(&str, Vec<u8>); 5] = [
        ("pong", frame(Opcode::Pong, b"")),
        ("unasked ping", frame(Opcode::Ping, b"hey")),
        ("message", text("[\"m\"]")),
        ("answer to nothing", text("[\"~wse:response\",1,\"x\"]")),
        ("part of a frame", text("[\"m\"]")[..4].to_vec()),
    ];
    for (what, sign) in signs {
        let (mut peer, _ended) = device(&server).await;
        let start = Instant::now();
        assert!(matches!(peer.next().await, Got::Ping(_)));
        sleep_until(start + 34 * S).await;
        peer.write(&sign).await;
        if what == "unasked ping" {
            assert_eq!(peer.next().await, Got::Pong(b"hey".to_vec()));
        }
        let (_, got) = timed(peer.next()).await;
        assert!(matches!(got, Got::Ping(_)), "{what}: {got:?}");
        assert!(about(start.elapsed(), (34 + 25) * S), "{what}: {:?}", start.elapsed());
        assert_eq!(peer.next().await, Got::End, "{what}");
        assert!(about(start.elapsed(), (34 + 35) * S), "{what}: {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_talks_is_never_pinged() {
    let server = echoing();
    let (mut peer, _ended) = device(&server).await;
    for number in 0..20 {
        sleep(20 * S).await;
        assert_eq!(peer.call("echo", json!(number)).await, json!(["~wse:response", number]));
    }
}

#[tokio::test(start_paused = true)]
async fn the_heartbeat_has_its_own_times() {
    let limits = Limits { ping_interval: 3 * S, ping_timeout: 2 * S, ..Limits::default() };
    let server = server(|builder| builder.limits(limits));
    let (mut peer, ended) = device(&server).await;
    let (time, got) = timed(peer.next()).await;
    assert!(matches!(got, Got::Ping(_)) && about(time, 3 * S), "{got:?} {time:?}");
    let (time, closed) = timed(end(ended)).await;
    assert!(about(time, 2 * S) && closed == "1006 wse.silent", "{time:?} {closed}");
}

#[tokio::test(start_paused = true)]
async fn our_close_waits_two_seconds_for_the_peers() {
    let server = echoing();
    let (mut peer, ended) = device(&server).await;
    server.drop_user("ann", "bye");
    assert_eq!(peer.next().await, Got::Close(Some((1000, "bye".into()))));
    let (time, got) = timed(peer.next()).await;
    assert!(got == Got::End && about(time, 2 * S), "{got:?} {time:?}");
    assert_eq!(end(ended).await, "1000 bye");
}

#[tokio::test(start_paused = true)]
async fn our_close_ends_as_soon_as_the_peer_answers() {
    let server = echoing();
    let (mut peer, ended) = device(&server).await;
    server.drop_user("ann", "bye");
    let (time, closed) = timed(peer.closed()).await;
    assert!(time < S / 10 && closed == (1000, "bye".into()), "{time:?} {closed:?}");
    assert_eq!(end(ended).await, "1000 bye", "the answer's code is not the cause");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_cut_two_seconds_after_our_close() {
    let server = echoing();
    let (mut peer, ended) = attach_with(&server, 256, Request::new(()));
    peer.enter("ann").await;
    let conn = server.user("ann").conns().remove(0);
    conn.send("m", "x".repeat(10_000)).unwrap();
    settle().await;
    conn.drop("bye");
    let (time, closed) = timed(end(ended)).await;
    assert!(about(time, 2 * S), "{time:?}");
    assert_eq!(closed, "1000 bye");
}

#[tokio::test(start_paused = true)]
async fn the_peers_close_is_echoed_with_its_code() {
    let server = echoing();
    for (code, reason, echo, closed) in [
        (1000, "wse.by-client", Some((1000, "wse.by-client".to_owned())), "1000 wse.by-client"),
        (4000, "jump", Some((4000, "jump".to_owned())), "4000 jump"),
        (1001, "", Some((1001, String::new())), "1001"),
        (1005, "", None, "1005"), // stands for no code at all
    ] {
        let (mut peer, ended) = device(&server).await;
        let (time, ()) = timed(async {
            peer.close(code, reason).await;
            assert_eq!(peer.next().await, Got::Close(echo));
            assert_eq!(peer.next().await, Got::End, "the server hangs up first");
        })
        .await;
        assert!(time < S / 10, "{time:?}");
        assert_eq!(end(ended).await, closed);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_queued_is_written_before_the_peers_close_is_echoed() {
    let server = echoing();
    let (mut peer, _ended) = attach_with(&server, 256, Request::new(()));
    peer.enter("ann").await;
    let conn = server.user("ann").conns().remove(0);
    for number in 0..20 {
        conn.send("m", json!([number, "x".repeat(200)])).unwrap();
    }
    peer.close(1000, "").await;
    for number in 0..20 {
        assert_eq!(peer.json().await[1][0], number);
    }
    assert_eq!(peer.next().await, Got::Close(Some((1000, String::new()))));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_says_goodbye_and_lingers_is_hung_up_on() {
    let server = echoing();
    let mut peer = enter(&server, "ann").await;
    peer.close(1000, "").await;
    peer.send("[\"m\"]").await; // behind the close frame nothing counts
    assert_eq!(peer.next().await, Got::Close(Some((1000, String::new()))));
    assert_eq!(peer.next().await, Got::End);
}

#[tokio::test(start_paused = true)]
async fn an_interval_of_zero_pings_nobody_in_a_day() {
    let limits = Limits { ping_interval: Duration::ZERO, ..Limits::default() };
    let server = server(|builder| builder.limits(limits).register("echo", async |_, what: Value| Ok(what)));
    let (mut peer, _ended) = device(&server).await;
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    // The answer is the first frame since.
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]));
    assert_eq!(server.conn_count(), 1);
}
