//! Cancelled calls in a session: a cancel is an envelope like any other, and crosses cuts.

use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use wse::{Backoff, Conn, RpError, Server, cancellable, with};
use wse_test::Net;
use wse_test_peers::{RawClient, attach, log, resent, server, settle};

const S: Duration = Duration::from_secs(1);

/// A client that can cancel, with that session, and what it is granted.
async fn begin(server: &Server, session: Value) -> (RawClient, Value) {
    let mut peer = attach(server);
    peer.say("~wse:hi", json!({"identity": "ann", "can": ["cancel"], "session": session})).await;
    let welcome = peer.json().await;
    assert_eq!(welcome[0], "~wse:welcome", "{welcome}");
    (peer, welcome[2].clone())
}

async fn resume(server: &Server, granted: &Value, seen: u64) -> (RawClient, Value) {
    begin(server, json!({"resume": granted["session"], "seen": seen})).await
}

#[tokio::test(start_paused = true)]
async fn a_cancel_is_kept_while_there_is_no_connection_and_sent_until_it_is_acknowledged() {
    let server = server(|builder| builder);
    let (mut peer, granted) = begin(&server, json!({})).await;
    let conn = server.user("ann").conns().remove(0);
    let calling = tokio::spawn(async move { conn.call::<_, ()>("rp", ()).await });
    let call = peer.json().await;
    drop(peer);
    settle().await;
    calling.abort();
    settle().await;
    let cancel = json!(["~wse:cancel", null, call[2]]);
    let (mut peer, granted) = resume(&server, &granted, 1).await;
    assert_eq!(resent(&mut peer).await, std::slice::from_ref(&cancel));
    drop(peer);
    settle().await;
    let (mut peer, granted) = resume(&server, &granted, 1).await;
    assert_eq!(resent(&mut peer).await, [cancel]);
    drop(peer);
    settle().await;
    let (mut peer, _) = resume(&server, &granted, 2).await;
    assert_eq!(resent(&mut peer).await, [json!(null); 0], "it counts as an envelope");
}

#[tokio::test(start_paused = true)]
async fn a_call_given_up_before_it_was_ever_written_is_neither_sent_nor_cancelled() {
    let server = server(|builder| builder);
    let can = json!({"identity": "ann", "can": ["cancel", "skip"], "session": {}});
    let mut peer = attach(&server);
    peer.say("~wse:hi", can).await;
    let granted = peer.json().await[2].clone();
    let conn = server.user("ann").conns().remove(0);
    drop(peer);
    settle().await;
    assert!(conn.call_within::<_, ()>(S, "rp", ()).await.is_err());
    conn.send("next", 1).unwrap();
    let mut peer = attach(&server);
    let session = json!({"resume": granted["session"], "seen": 0});
    peer.say("~wse:hi", json!({"identity": "ann", "can": ["cancel", "skip"], "session": session})).await;
    assert_eq!(peer.json().await[2]["resumed"], true);
    assert_eq!(resent(&mut peer).await, [json!(["~wse:skip", 1, null]), json!(["next", 1, null])]);
}

#[tokio::test(start_paused = true)]
async fn a_cancel_that_comes_counts_and_reaches_a_handler_that_began_before_the_cut() {
    let log = log();
    let server = server(|builder| {
        builder.register(
            "watch",
            with(&Arc::new(log.clone()), async |log: Arc<wse_test_peers::Log>, conn: Conn, ()| {
                conn.caller_gone().await;
                log.add("gone");
                Ok(())
            }),
        )
    });
    let (mut peer, granted) = begin(&server, json!({})).await;
    peer.ask("watch", json!(null), "S1").await;
    settle().await;
    drop(peer);
    tokio::time::sleep(5 * S).await;
    assert!(log.is_empty(), "a device in a tunnel still waits");
    let (mut peer, granted) = resume(&server, &granted, 0).await;
    assert_eq!(granted["seen"], 1);
    peer.send(r#"["~wse:cancel",null,"S1"]"#).await;
    settle().await;
    assert_eq!(log.take(), ["gone"]);
    drop(peer);
    settle().await;
    let (mut peer, granted) = resume(&server, &granted, 0).await;
    assert_eq!(granted["seen"], 2, "counted");
    assert_eq!(resent(&mut peer).await, [json!(null); 0], "and not answered");
}

/// What handlers have begun, and what was dropped of it.
#[derive(Default)]
struct Runs {
    begun: AtomicU32,
    dropped: AtomicU32,
}

struct Run(Arc<Runs>);

impl Run {
    fn begin(runs: Arc<Runs>) -> Self {
        runs.begun.fetch_add(1, Relaxed);
        Run(runs)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Relaxed);
    }
}

async fn search<W>(runs: Arc<Runs>, _: W, _: ()) -> Result<(), RpError> {
    let _run = Run::begin(runs);
    std::future::pending().await
}

/// Both sides give a call up over a network that is cut behind so many bytes of one way.
async fn give_up_over_a_cut(to_server: bool, bytes: u64) -> u64 {
    let what = format!("to_server {to_server}, after {bytes}");
    let (ours, theirs) = (Arc::new(Runs::default()), Arc::new(Runs::default()));
    let server = server(|builder| {
        builder
            .register("search", cancellable(with(&ours, search::<Conn>)))
            .register("echo", async |_, what: u32| Ok(what))
    });
    let net = Net::new(&server);
    let first = net.faults().nth(1);
    if to_server { first.to_server() } else { first.to_client() }.cut_after(bytes);
    let client = net
        .client()
        .identity("ann")
        .reconnect(Backoff { max: Duration::from_millis(20), ..Backoff::default() })
        .register("search", cancellable(with(&theirs, search::<wse::Client>)))
        .register("echo", async |_, what: u32| Ok(what))
        .connect()
        .await
        .expect("the server lets everybody in");
    let conn = server.user("ann").conns().remove(0);
    let times = [1, 3, 30].map(Duration::from_millis);
    for time in times {
        let (one, other) = tokio::join!(
            client.call_within::<_, ()>(time, "search", ()),
            conn.call_within::<_, ()>(time, "search", ())
        );
        assert!(one.is_err() && other.is_err(), "{what}");
    }
    assert_eq!(client.call::<_, u32>("echo", 7).await.expect("the session goes on"), 7, "{what}");
    assert_eq!(conn.call::<_, u32>("echo", 8).await.expect("so does the other way"), 8, "{what}");
    assert!(conn == server.user("ann").conns()[0], "{what}: the same session");
    for runs in [ours, theirs] {
        let (begun, dropped) = (runs.begun.load(Relaxed), runs.dropped.load(Relaxed));
        assert!(begun == dropped && begun <= 3, "{what}: {dropped} of {begun} were dropped");
    }
    tokio::time::timeout(Duration::from_secs(60), client.close("")).await.expect("it closes");
    net.faults().heal(); // some cuts are behind the end of the conversation
    net.counts().connections
}

#[tokio::test(start_paused = true)]
async fn a_call_given_up_is_dropped_at_the_other_end_behind_whatever_byte_the_connection_is_cut() {
    let mut resumed = 0;
    for to_server in [true, false] {
        // Before, there is no session to keep.
        for bytes in (420..=820).step_by(2) {
            resumed += u32::from(give_up_over_a_cut(to_server, bytes).await > 1);
        }
    }
    assert!(resumed > 200, "{resumed} cuts were in time");
}
