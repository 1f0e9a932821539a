//! Sessions under pressure: full inboxes, half messages, crowds of parked ones, bursts, and moments
//! at which two things happen at once.

use futures_util::FutureExt;
use http::Request;
use serde_json::{Value, json};
use std::{
    pin::Pin,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    time::Instant,
};
use wse::{Backoff, Client, Conn, Limits, Server};
use wse_frame::Opcode;
use wse_test_peers::{
    Got, PIPE, RawClient, attach_with, begin, counting,
    floods::{Growth, alone},
    frame, header, resent, resume, server, settle, text,
};

const S: Duration = Duration::from_secs(1);

/// Runs in paused time on a thread of its own; a worker that is blocked fails the test.
fn never_blocks(test: impl Future<Output = ()> + Send + 'static) {
    let running = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(test);
    });
    let start = std::time::Instant::now();
    while !running.is_finished() {
        assert!(start.elapsed() < 60 * S, "the worker is blocked");
        std::thread::sleep(S / 100);
    }
    running.join().expect("it holds");
}

/// A client of a server in memory.
fn client(server: &Server) -> wse::ClientBuilder {
    let server = server.clone();
    let dial = async move |_| {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        tokio::spawn(async move { server.serve_stream(theirs, None).await });
        Ok(ours)
    };
    Client::builder("ws://in.memory/").dial(dial).identity("ann").reconnect(Backoff::default())
}

#[test]
fn a_full_inbox_of_a_session_slows_its_peer_and_blocks_nobody() {
    never_blocks(async {
        let server = server(|builder| {
            builder.on("wait", async |_: Conn, _: Value| {
                tokio::time::sleep(5 * S).await;
                Ok(())
            })
        });
        let (mut peer, _) = begin(&server, "ann", json!({})).await;
        for _ in 0..1000 {
            peer.say("wait", json!("x".repeat(1000))).await;
        }
        settle().await;
        let (mut pings, mut last) = (0, json!(null));
        while let Ok(got) = tokio::time::timeout(10 * S, peer.next()).await {
            match got {
                Got::Ping(_) => pings += 1,
                Got::Text(ack) => last = serde_json::from_str(&ack).expect("JSON"),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((pings < 10, last), (true, json!(["~wse:ack", 1000, null])), "{pings} pings");
    });
}

#[test]
fn so_does_that_of_a_client() {
    never_blocks(async {
        let server = server(|builder| builder);
        let client = client(&server).on("wait", async |_, _: Value| {
            tokio::time::sleep(5 * S).await;
            Ok(())
        });
        let client = client.connect().await.expect("let in");
        for _ in 0..700 {
            server.user("ann").send("wait", "x".repeat(1000)).expect("it fits");
        }
        tokio::time::sleep(100 * S).await;
        assert_eq!((client.status(), server.conn_count()), (wse::Status::Ready, 1));
    });
}

#[tokio::test(start_paused = true)]
async fn what_is_said_before_the_welcome_that_resumes_leaves_nothing_behind() {
    let (server, _events) = counting(Limits::default());
    let (peer, granted) = begin(&server, "ann", json!({})).await;
    drop(peer);
    settle().await;
    let (mut peer, ended) = attach_with(&server, PIPE, Request::new(()));
    let hi = json!(["~wse:hi", {"identity": "ann", "session": {"resume": granted["session"], "seen": 0}}, null]);
    peer.write(&[text(&hi.to_string()), text(r#"["echo",1,null]"#)].concat()).await;
    assert_eq!(peer.json().await[2]["resumed"], true);
    resent(&mut peer).await;
    tokio::time::timeout(S, ended).await.expect("its task has ended").expect("no panic");
}

#[test]
fn a_parked_session_keeps_no_half_message() {
    alone(async {
        let limits = Limits { conns_per_user: 300, parked_bytes: 8 << 20, ..Limits::default() };
        let (server, _events) = counting(limits);
        let half = [header(0x82, 1 << 20), vec![b'x'; (1 << 20) - 1]].concat();
        let growth = Growth::begin();
        for parked in 1..=200 {
            let (mut peer, _) = begin(&server, "ann", json!({})).await;
            peer.write(&half).await;
            drop(peer);
            wse_test_peers::floods::until("it is parked", || server.conn_count() == parked).await;
        }
        tokio::time::sleep(S / 5).await;
        assert!(growth.most() < 40 << 20, "{} KiB", growth.most() >> 10);
    });
}

#[tokio::test(start_paused = true)]
async fn a_burst_over_the_bound_costs_the_session_only_until_it_is_acknowledged() {
    let (server, _events) = counting(Limits { session_bytes: 4096, ..Limits::default() });
    let (mut peer, granted) = begin(&server, "ann", json!({})).await;
    let conn = server.user("ann").conns().remove(0);
    for n in 0..100 {
        conn.send("n", n).unwrap();
    }
    for _ in 0..100 {
        peer.json().await;
    }
    peer.say("~wse:ack", json!(100)).await;
    settle().await;
    conn.send("n", 100).unwrap();
    drop(peer);
    settle().await;
    let (mut peer, granted) = resume(&server, "ann", &granted["session"], 100).await;
    assert_eq!(granted["resumed"], true);
    assert_eq!(resent(&mut peer).await, [json!(["n", 100, null])]);
}

#[tokio::test(start_paused = true)]
async fn a_half_open_return_pushes_nobody_out_of_the_lot() {
    let (server, mut events) = counting(Limits { parked_bytes: 2 * (4 << 10) + 100, ..Limits::default() });
    let (ann, _) = begin(&server, "ann", json!({})).await;
    let (bob, _) = begin(&server, "bob", json!({})).await;
    let (_carl, granted) = begin(&server, "carl", json!({})).await;
    drop((ann, bob));
    settle().await;
    // The server has not noticed that the first connection of carl is lost.
    let (_again, granted) = resume(&server, "carl", &granted["session"], 0).await;
    settle().await;
    assert_eq!((&granted["resumed"], server.conn_count()), (&json!(true), 3), "{:?}", events.so_far());
}

#[tokio::test(start_paused = true)]
async fn what_comes_when_a_server_stops_is_neither_handled_nor_acknowledged() {
    let log = wse_test_peers::log();
    let heard = log.clone();
    let server = server(|builder| {
        builder
            .on("slow", async |_: Conn, secs: u64| {
                tokio::time::sleep(S * secs as u32).await;
                Ok(())
            })
            .on("say", async move |_: Conn, n: u32| {
                heard.add(n);
                Ok(())
            })
    });
    let client = client(&server).connect().await.expect("let in");
    client.send("slow", 5).unwrap();
    settle().await;
    let stopping = server.clone();
    tokio::spawn(async move { stopping.shutdown(10 * S).await });
    settle().await;
    let delivered = client.send("say", 1).unwrap().delivered().await;
    assert!(matches!(delivered, Err(wse::SendError::Unconfirmed)), "{delivered:?}");
    assert_eq!(log.take(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn only_the_answer_to_its_own_ping_tells_that_a_welcome_has_arrived() {
    let (server, _events) = counting(Limits::default());
    let (peer, granted) = begin(&server, "ann", json!({})).await;
    drop(peer);
    for pong in [&b""[..], b"12345678"] {
        settle().await;
        let (mut peer, _) = resume(&server, "ann", &granted["session"], 0).await;
        peer.write(&frame(Opcode::Pong, pong)).await; // may have left before the welcome came
        settle().await;
        drop(peer);
    }
    settle().await;
    let (mut peer, again) = resume(&server, "ann", &granted["session"], 0).await;
    assert_eq!(again["resumed"], true);
    answer_the_ping(&mut peer).await;
    drop(peer);
    settle().await;
    assert_eq!(resume(&server, "ann", &granted["session"], 0).await.1["resumed"], false);
}

async fn answer_the_ping(peer: &mut RawClient) {
    let Got::Ping(mark) = peer.next().await else { panic!("no ping") };
    peer.write(&frame(Opcode::Pong, &mark)).await;
    settle().await;
}

/// A stream on which what follows the upgrade arrives at a certain moment.
struct Late {
    io: DuplexStream,
    until: Option<Instant>,
    seen: usize,
}

impl AsyncRead for Late {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.seen > 0 && self.until.is_some_and(|until| Instant::now() < until) {
            return Poll::Pending; // whoever gives the attempt up looks again
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.seen += buffer.filled().len() - before;
        read
    }
}

impl AsyncWrite for Late {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_given_up_when_its_welcome_comes_costs_nothing() {
    let server = server(|builder| {
        builder.register("slow", async |_: Conn, secs: u64| {
            tokio::time::sleep(S * secs as u32).await;
            Ok(secs)
        })
    });
    let (dialed, dials) = (server.clone(), AtomicU32::new(0));
    let dials = std::sync::Arc::new(dials);
    let client = client(&server).dial(async move |_| {
        let (io, theirs) = tokio::io::duplex(PIPE);
        tokio::spawn(async move { dialed.serve_stream(theirs, None).await });
        // The second attempt gets its welcome exactly when its time is over.
        let until = (dials.fetch_add(1, SeqCst) == 1).then(|| Instant::now() + 10 * S);
        Ok(Late { io, until, seen: 0 })
    });
    let client = client.connect().await.expect("let in");
    let calling = tokio::spawn({
        let client = client.clone();
        async move { client.call_within::<_, u64>(60 * S, "slow", 20).await }
    });
    settle().await;
    client.cut();
    assert_eq!(calling.await.expect("no panic").expect("its answer crosses the cut"), 20);
    assert_eq!(server.conn_count(), 1);
}

#[test]
fn an_idle_session_costs_at_most_a_kilobyte_more_than_a_connection_without_one() {
    alone(async {
        const MANY: usize = 2000;
        let server = server(|builder| builder);
        let mut peers = Vec::new();
        let mut more = usize::MAX;
        for round in 0..4 {
            let mut held = [0, 0];
            for (session, held) in [json!(null), json!({})].iter().zip(&mut held) {
                let growth = Growth::begin();
                for number in 0..MANY {
                    peers.push(begin(&server, &format!("{round}-{session}-{number}"), session.clone()).await.0);
                }
                *held = growth.most() / MANY;
            }
            // The first round fills what the allocator had free.
            more = if round == 0 { more } else { more.min(held[1].saturating_sub(held[0])) };
        }
        assert!(more <= 1024, "{more} bytes");
    });
}

#[test]
fn receipts_that_nobody_waits_for_any_more_are_not_kept() {
    alone(async {
        let (server, _events) = counting(Limits { session_bytes: 1000, ..Limits::default() });
        let (mut peer, _) = begin(&server, "ann", json!({})).await;
        let conn = server.user("ann").conns().remove(0);
        let growth = Growth::begin();
        for n in 0..30_000 {
            let receipt = conn.send("m", n).expect("it reads");
            assert!(receipt.delivered().now_or_never().is_none(), "a peer that never acknowledges");
            if n % 100 == 0 {
                for _ in 0..=n.min(99) {
                    peer.text().await;
                }
            }
        }
        assert!(growth.most() < 2 << 20, "{} KiB", growth.most() >> 10);
    });
}
