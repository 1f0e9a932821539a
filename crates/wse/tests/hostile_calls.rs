//! Calls and answers by the thousand: forged, late, doubled, for nobody, and more at once than
//! either side can hold.

use futures_util::future::join_all;
use http::Request;
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::Semaphore;
use wse::{CallError, Conn, Limits, Server};
use wse_test_peers::{
    RawClient, WAIT, attach_to, attach_with, end, enter,
    floods::{MIB, alone, every_wire, flood, harmless, many_devices, pour, serving, until},
    recordings, server, text,
};

const CALLS: usize = 20_000;

/// Calls that nobody answers for as long as a test may take.
fn patient() -> Limits {
    Limits { rpc_timeout: WAIT, ..many_devices() }
}

fn conn_of(server: &Server, cid: &str) -> Conn {
    server.user(cid).conns().pop().expect("it is there")
}

#[test]
fn forged_late_and_doubled_answers_settle_nothing_and_are_never_answered() {
    alone(async {
        let server = serving(|builder| builder.limits(patient()).protocols(every_wire()));
        harmless(&server, 24 * MIB, async || {
            let mut ann = enter(&server, "ann").await;
            let conn = conn_of(&server, "ann");
            let call = tokio::spawn(async move { conn.call::<_, Value>("back", 1).await });
            let stamp = recordings::stamp(&ann.text().await);

            // The right stamp from a twin, from somebody else, and on the other wires.
            let result = text(&json!(["~wse:response", 666, stamp]).to_string());
            let error = text(&json!(["~wse:response-err", {"code": "forged"}, stamp]).to_string());
            let forged = [&result[..], &error].concat().repeat(100);
            for name in ["ann", "eve"] {
                let mut other = enter(&server, name).await;
                flood(&mut other.writer, &forged, 100).await;
                other.hears_nothing().await;
                assert_eq!(other.call("echo", json!(1)).await, json!(["~wse:response", 1]));
            }
            let (mut other, _) = attach_to(&server, "ws-messaging");
            other.auth(json!("mallory")).await;
            let numbers: String = (1..200).map(|id| format!("{{\"id\":{id},\"result\":666}}\n")).collect();
            for answer in numbers.lines() {
                other.send(answer).await;
            }
            other.hears_nothing().await;
            assert!(!call.is_finished());

            // To nothing at all: made up, nearly right, without a stamp, of any size.
            let mut made_up_answers = Vec::new();
            for made_up in ["A", "AAAAAAAAAAAAAAAA", "__proto__", "", &stamp.to_lowercase(), &(stamp.clone() + "\0")] {
                if *made_up != stamp {
                    made_up_answers.extend(text(&json!(["~wse:response", 666, made_up]).to_string()));
                    made_up_answers.extend(text(&json!(["~wse:response-err", null, made_up]).to_string()));
                }
            }
            made_up_answers.extend(text(r#"["~wse:response",1]"#));
            made_up_answers.extend(text(r#"["~wse:response-err"]"#));
            made_up_answers.extend(text(&json!(["~wse:response", 1, "s".repeat(10_000)]).to_string()));
            flood(&mut ann.writer, &made_up_answers, 1000).await;
            ann.hears_nothing().await;
            assert!(!call.is_finished());

            // The true one, then the same again and again.
            ann.send(&json!(["~wse:response", 42, stamp]).to_string()).await;
            flood(&mut ann.writer, &forged, 100).await;
            assert_eq!(call.await.expect("no panic").expect("an answer"), 42);
            ann.hears_nothing().await;
            assert_eq!(ann.call("echo", json!(1)).await, json!(["~wse:response", 1]));
        })
        .await;
    });
}

/// The stamps of the calls that come before a message.
async fn stamps_until(peer: &mut RawClient, message: &str) -> Vec<String> {
    let mut stamps = Vec::new();
    loop {
        let text = peer.text().await;
        if text.contains(message) {
            return stamps;
        }
        stamps.push(recordings::stamp(&text));
    }
}

#[test]
fn answers_that_come_too_late_are_dropped_by_the_thousand() {
    alone(async {
        let server = serving(|builder| builder.limits(patient()));
        harmless(&server, 32 * MIB, async || {
            let mut peer = enter(&server, "eve").await;
            let conn = conn_of(&server, "eve");
            // On a busy machine the time of some is over before they have left, and these are withdrawn.
            let mut stamps = Vec::new();
            while stamps.len() < 1000 {
                let time = Duration::from_millis(1);
                let calls = join_all((0..1000).map(|n| conn.call_within::<_, Value>(time, "back", n)));
                for outcome in calls.await {
                    assert!(matches!(outcome, Err(CallError::TimedOut)), "{outcome:?}");
                }
                conn.send("these were all", ()).expect("there is room");
                stamps.extend(stamps_until(&mut peer, "these were all").await);
            }
            for stamp in stamps.iter().chain(&stamps) {
                peer.send(&json!(["~wse:response", 666, stamp]).to_string()).await;
            }
            peer.hears_nothing().await;
            assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]));
        })
        .await;
    });
}

/// What the handlers of a gated server do.
#[derive(Clone)]
struct Gate {
    open: Arc<Semaphore>,
    running: Arc<AtomicUsize>,
    /// The most that ever ran at once.
    most: Arc<AtomicUsize>,
}

/// One of them at work.
struct Running(Gate);

impl Running {
    fn new(gate: Gate) -> Self {
        gate.most.fetch_max(gate.running.fetch_add(1, SeqCst) + 1, SeqCst);
        Running(gate)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

/// A server whose procedure `slow` waits for the gate, which so many pass at a time.
fn gated(pass: usize) -> (Server, Gate) {
    let gate = Gate { open: Arc::new(Semaphore::new(pass)), running: Arc::default(), most: Arc::default() };
    let state = gate.clone();
    let server = serving(|builder| {
        builder.limits(patient()).register("slow", async move |_, what: u32| {
            let Running(gate) = &Running::new(state);
            let _pass = gate.open.acquire().await;
            tokio::task::yield_now().await;
            Ok(what)
        })
    });
    (server, gate)
}

#[test]
fn a_peer_that_calls_20_000_times_at_once_is_answered_each_time_once_and_64_at_a_time() {
    alone(async {
        let (server, gate) = gated(7);
        harmless(&server, 24 * MIB, async || {
            let RawClient { mut reader, mut writer } = enter(&server, "eve").await;
            let calling = async {
                for number in 0..CALLS {
                    writer.write(&text(&format!("[\"slow\",{number},\"{number}\"]"))).await;
                }
            };
            let answers = async {
                let mut answered = HashSet::new();
                while answered.len() < CALLS {
                    let answer = reader.text().await;
                    let answer: Value = serde_json::from_str(&answer).expect("JSON");
                    assert_eq!(answer[0], "~wse:response", "{answer}");
                    assert_eq!(answer[1].to_string(), answer[2].as_str().expect("a stamp"));
                    assert!(answered.insert(answer[1].as_u64()), "{answer} twice");
                }
            };
            tokio::join!(calling, answers);
        })
        .await;
        assert!((8..=64).contains(&gate.most.load(SeqCst)), "{:?}", gate.most);
    });
}

#[test]
fn a_peer_whose_20_000_calls_wait_makes_the_server_keep_its_inbox_and_no_more() {
    alone(async {
        let (server, gate) = gated(0);
        let calls: Vec<u8> = (0..CALLS).flat_map(|n| text(&format!("[\"slow\",{n},\"{n:0>500}\"]"))).collect();
        harmless(&server, 48 * MIB, async || {
            let mut peers = Vec::new();
            for _ in 0..20 {
                let (mut peer, ended) = attach_with(&server, 4 << 10, Request::new(()));
                peer.enter("eve").await;
                peers.push((peer, ended));
            }
            // Each offers 10 MB. Taken are the handlers, the inbox, one read and the pipe.
            let pouring = peers.iter_mut().map(|(peer, _)| async {
                for (taken, chunk) in calls.chunks(4 << 10).enumerate() {
                    if pour(&mut peer.writer, chunk, 1).await == 0 {
                        return taken << 12;
                    }
                }
                calls.len()
            });
            let taken = join_all(pouring).await;
            assert!(taken.iter().all(|taken| *taken < 512 << 10), "{taken:?}");
            for (peer, ended) in peers {
                drop(peer);
                ended.abort(); // its handlers never end
            }
            until("all have ended", || gate.running.load(SeqCst) == 0).await;
        })
        .await;
        assert_eq!(gate.most.load(SeqCst), 20 * 64, "the handlers of twenty connections");
    });
}

#[test]
fn a_peer_that_calls_and_does_not_read_is_closed_as_slow_when_its_answers_fill_the_queue() {
    alone(async {
        let server = serving(|builder| {
            builder.limits(Limits { queue_bytes: 128 << 10, queue_bytes_max: 128 << 10, ..patient() })
        });
        let call = text(&json!(["echo", "x".repeat(1 << 10), "s"]).to_string());
        harmless(&server, 16 * MIB, async || {
            let mut peers = Vec::new();
            for _ in 0..10 {
                let (mut peer, ended) = attach_with(&server, 4 << 10, Request::new(()));
                peer.enter("eve").await;
                peers.push((peer, ended));
            }
            // Each would be answered half a MiB.
            join_all(peers.iter_mut().map(|(peer, _)| flood(&mut peer.writer, &call, 500))).await;
            for (peer, ended) in peers {
                assert_eq!(end(ended).await, "1013 wse.slow");
                drop(peer);
            }
        })
        .await;
    });
}

#[test]
fn of_20_000_calls_of_our_own_1024_are_in_flight_and_the_rest_is_busy_at_once() {
    alone(async {
        let server = serving(|builder| builder.limits(patient()));
        harmless(&server, 48 * MIB, async || {
            let mut peer = enter(&server, "eve").await;
            let conn = conn_of(&server, "eve");
            let (busy, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let calls = (0..CALLS).map(|number| {
                let (conn, busy, done) = (conn.clone(), busy.clone(), done.clone());
                async move {
                    match conn.call::<_, usize>("double", number).await {
                        Ok(double) => assert_eq!((double, done.fetch_add(1, SeqCst) < 1024), (2 * number, true)),
                        Err(CallError::Busy) => _ = busy.fetch_add(1, SeqCst),
                        Err(other) => panic!("{other:?}"),
                    }
                }
            });
            let calling = tokio::spawn(join_all(calls));
            until("all but 1024 are busy", || busy.load(SeqCst) == CALLS - 1024).await;
            for _ in 0..1024 {
                let call = peer.json().await;
                let double = 2 * call[1].as_u64().expect("a number");
                peer.send(&json!(["~wse:response", double, call[2]]).to_string()).await;
            }
            calling.await.expect("no panic");
            assert_eq!(done.load(SeqCst), 1024);
            peer.hears_nothing().await;
            // Every place is free again.
            let again = tokio::spawn(async move { conn.call::<_, usize>("double", 1).await });
            let call = peer.json().await;
            peer.send(&json!(["~wse:response", 2, call[2]]).to_string()).await;
            assert_eq!(again.await.expect("no panic").expect("an answer"), 2);
        })
        .await;
    });
}

#[test]
fn a_peer_that_leaves_20_000_calls_behind_ends_them_all() {
    alone(async {
        let limits = Limits { calls_per_conn: CALLS, queue_bytes: 8 * MIB, ..patient() };
        let server = server(|builder| builder.limits(limits).register("echo", async |_, what: Value| Ok(what)));
        harmless(&server, 64 * MIB, async || {
            let (peer, ended) = {
                let (mut peer, ended) = attach_with(&server, 4 << 10, Request::new(()));
                peer.enter("eve").await;
                (peer, ended)
            };
            let conn = conn_of(&server, "eve");
            let calls = join_all((0..CALLS).map(|number| conn.call::<_, Value>("never", number)));
            let leaving = async {
                tokio::task::yield_now().await;
                drop(peer);
            };
            let (outcomes, ()) = tokio::join!(calls, leaving);
            for outcome in outcomes {
                assert!(matches!(outcome, Err(CallError::Disconnected { .. } | CallError::NotReady)), "{outcome:?}");
            }
            assert_eq!(end(ended).await, "1006");
        })
        .await;
    });
}
