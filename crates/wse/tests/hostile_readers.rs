//! Peers that do not read what they are sent, ping without end, or log in by the hundred.

use futures_util::{
    future::join_all,
    stream::{FuturesUnordered, StreamExt},
};
use http::Request;
use serde_json::{Value, json};
use std::{future::pending, time::Duration};
use tokio::{task::JoinHandle, time::timeout};
use wse::{Closed, Limits, SendError, Server};
use wse_frame::Opcode;
use wse_test_peers::{
    Got, PIPE, RawClient, WAIT, attach, attach_with, end, enter, events,
    floods::{MIB, alone, flood, harmless, many_devices, pour, serving},
    frame, text,
};

const KIB: usize = 1 << 10;

/// Limits under which a reader that stops is closed as soon as its queue is full.
fn hurried() -> Limits {
    Limits { queue_bytes_max: MIB, ..many_devices() }
}

/// The same, with time to read what was written before the close frame.
fn unhurried() -> Limits {
    Limits { close_timeout: Duration::from_secs(10), ..hurried() }
}

/// Devices of one user, each at the end of a small pipe.
async fn devices(server: &Server, number: usize) -> Vec<(RawClient, JoinHandle<Closed>)> {
    let mut devices = Vec::new();
    for _ in 0..number {
        let (mut peer, ended) = attach_with(server, KIB, Request::new(()));
        peer.enter("eve").await;
        devices.push((peer, ended));
    }
    devices
}

#[test]
fn readers_that_stop_are_closed_as_slow_and_keep_their_queue_at_most() {
    alone(async {
        let server = serving(|builder| builder.limits(hurried()));
        let payload = "x".repeat(4 * KIB);
        harmless(&server, 30 * (MIB + MIB / 2), async || {
            let devices = devices(&server, 30).await;
            let conns = server.user("eve").conns();
            // In frames of its own for each, all at the same time, until each is refused and beyond.
            let mut taken = vec![0; conns.len()];
            let mut refused = vec![0; conns.len()];
            while refused.iter().any(|times| *times < 10) {
                for (conn, (taken, refused)) in conns.iter().zip(taken.iter_mut().zip(&mut refused)) {
                    match conn.send("m", &payload) {
                        _ if *refused == 10 => {}
                        Ok(_) => *taken += payload.len(),
                        Err(SendError::Slow) if *refused == 0 => *refused = 1,
                        Err(SendError::NotReady) if *refused > 0 => *refused += 1,
                        Err(other) => panic!("{other:?}"),
                    }
                }
            }
            assert!(taken.iter().all(|taken| (1000 * KIB..MIB + 8 * KIB).contains(taken)), "{taken:?}");
            for (peer, ended) in devices {
                assert_eq!(end(ended).await, "1013 wse.slow");
                drop(peer);
            }
        })
        .await;
    });
}

#[test]
fn a_broadcast_to_readers_that_stop_is_kept_once_for_all_of_them() {
    alone(async {
        let server = serving(|builder| builder.limits(hurried()));
        let payload = "x".repeat(64 * KIB);
        harmless(&server, 24 * MIB, async || {
            let devices = devices(&server, 100).await;
            // 10 MiB for each. The good one is left out, as it expects answers only.
            for _ in 0..160 {
                server.everyone().except_user("the good one").send("news", &payload).expect("it is sent");
                tokio::task::yield_now().await;
            }
            for (peer, ended) in devices {
                assert_eq!(end(ended).await, "1013 wse.slow");
                drop(peer);
            }
        })
        .await;
    });
}

#[test]
fn a_reader_that_wakes_up_reads_whole_frames_and_why_it_was_closed() {
    alone(async {
        let server = serving(|builder| builder.limits(unhurried()));
        harmless(&server, 16 * MIB, async || {
            let (mut peer, _) = devices(&server, 1).await.remove(0);
            let conn = server.user("eve").conns().pop().expect("it is there");
            while conn.send("m", "x".repeat(KIB)).is_ok() {}
            let reason = loop {
                match peer.next().await {
                    Got::Text(whole) => assert_eq!(whole.len(), KIB + "[\"m\",\"\",null]".len()),
                    other => break other,
                }
            };
            // What was being written goes first; where that alone takes too long it is cut.
            assert!(matches!(&reason, Got::Close(Some((1013, why))) if why == "wse.slow"), "{reason:?}");
        })
        .await;
    });
}

#[test]
fn pings_without_end_cost_a_few_kib_and_hold_nobody_up() {
    alone(async {
        let server = serving(|builder| builder.limits(unhurried()));
        let pings = frame(Opcode::Ping, &[7; 125]).repeat(100);
        harmless(&server, 16 * MIB, async || {
            for welcomed in [false, true] {
                let mut peers = Vec::new();
                for _ in 0..20 {
                    let (mut peer, _) = attach_with(&server, 4 * KIB, Request::new(()));
                    if welcomed {
                        peer.enter("eve").await;
                    }
                    peers.push(peer);
                }
                // Nobody reads the pongs of 100,000 pings.
                join_all(peers.iter_mut().map(|peer| flood(&mut peer.writer, &pings, 50))).await;
                // Whoever reads again finds a few, and is answered again.
                for peer in &mut peers {
                    peer.write(&frame(Opcode::Close, &1000u16.to_be_bytes())).await;
                    let mut pongs = 0;
                    loop {
                        match peer.next().await {
                            Got::Pong(_) => pongs += 1,
                            other => break assert_eq!(other, Got::Close(Some((1000, String::new())))),
                        }
                    }
                    assert!((1..100).contains(&pongs), "{pongs}");
                }
            }
            // Pongs that nobody asked for are nothing at all.
            let mut peer = enter(&server, "eve").await;
            flood(&mut peer.writer, &frame(Opcode::Pong, &[7; 125]).repeat(100), 1000).await;
            assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]));
        })
        .await;
    });
}

#[test]
fn messages_without_end_wait_in_the_inbox_and_then_in_the_peers_own_pipe() {
    alone(async {
        let server = serving(|builder| builder.limits(many_devices()).on("m", async |_, _: Value| pending().await));
        let small = text("[\"m\"]").repeat(100);
        let large = text(&json!(["m", "x".repeat(10 * KIB)]).to_string());
        // 20 of 64 handlers at 10 KiB, 256 KiB of inbox, 64 KiB of one read.
        harmless(&server, 64 * MIB, async || {
            for (bytes, most) in [(&small, 120 * KIB), (&large, 1100 * KIB)] {
                let mut devices = devices(&server, 20).await;
                let pouring = devices.iter_mut().map(|(peer, _)| pour(&mut peer.writer, bytes, 10_000));
                for taken in join_all(pouring).await {
                    assert!(taken * bytes.len() <= most, "{} bytes were taken", taken * bytes.len());
                }
                for (peer, ended) in devices {
                    drop(peer);
                    ended.abort(); // its handlers never end
                }
            }
        })
        .await;
    });
}

/// The code and reason that a peer is closed with.
async fn close_of(peer: &mut RawClient) -> (u16, String) {
    loop {
        match peer.next().await {
            Got::Text(_) => {}
            Got::Close(Some(why)) => return why,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn logins_by_the_hundred_leave_one_device_and_events_in_pairs() {
    alone(async {
        let (when, mut told) = events();
        let server = serving(|builder| builder.when(when));
        harmless(&server, 48 * MIB, async || {
            let mut peers: Vec<RawClient> = Vec::new();
            for _ in 0..300 {
                let mut peer = attach(&server);
                peer.hi(json!("eve"), json!({})).await;
                peers.push(peer);
            }
            let mut closing: FuturesUnordered<_> = peers.iter_mut().map(close_of).collect();
            let (mut pushed_out, mut held_off) = (0, 0);
            while pushed_out + held_off < 299 {
                let closed = timeout(WAIT / 3, closing.next()).await;
                let closed = closed.unwrap_or_else(|_| panic!("{pushed_out} {held_off} are closed"));
                match closed.expect("300 have come") {
                    (1000, why) if why == "wse.clients-concurrency" => pushed_out += 1,
                    (1013, why) if why == "wse.slow" => held_off += 1,
                    other => panic!("{other:?}"),
                }
            }
            let last = timeout(Duration::from_millis(300), closing.next()).await;
            assert!(last.is_err(), "one is inside: {last:?}");
            assert_eq!(server.user("eve").conn_count(), 1, "{pushed_out} {held_off}");
            server.drop_user("eve", "bye");
        })
        .await;
        let lines = told.so_far();
        let count = |what: &str| lines.iter().filter(|line| line.starts_with(what)).count();
        assert_eq!(count("connected eve"), count("disconnected eve"));
        assert_eq!(count("joined eve"), count("left eve"));
    });
}

#[test]
fn peers_that_come_say_a_little_and_go_leave_nothing_behind() {
    alone(async {
        let server = serving(|builder| builder);
        harmless(&server, 24 * MIB, async || {
            for number in 0..3000 {
                let (mut peer, ended) = attach_with(&server, PIPE, Request::new(()));
                let cid = format!("guest {number}");
                match number % 5 {
                    0 => {}
                    1 => peer.write(&text("[\"~wse:hi\"")[..7]).await,
                    2 => peer.enter(&cid).await,
                    3 => {
                        peer.enter(&cid).await;
                        peer.write(&frame(Opcode::Text, &[b'x'; 5000])[..4000]).await;
                    }
                    _ => {
                        peer.enter(&cid).await;
                        peer.ask("echo", json!("x".repeat(1000)), "s").await;
                    }
                }
                drop(peer);
                end(ended).await;
            }
            assert_eq!((server.conn_count(), server.user_count()), (1, 1));
        })
        .await;
    });
}
