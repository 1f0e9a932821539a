//! Backpressure and floods: what waits, what is not read, what still gets through, and that nothing
//! is lost and nobody is harmed by another's peer.
#![expect(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

use futures_util::future::join_all;
use http::Request;
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc},
    time::sleep,
};
use wse::{Conn, Limits, SendError, Server};
use wse_test_peers::{Got, RawClient, attach_with, end, enter, events, log, server, settle, text};

const S: Duration = Duration::from_secs(1);

/// What the handlers of a gated server have done.
#[derive(Clone)]
struct Gate {
    started: wse_test_peers::Log,
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    open: Arc<Semaphore>,
}

/// A server whose handler of `m` writes down what it got and waits for the gate.
fn gated(limits: Limits) -> (Server, Gate) {
    let gate =
        Gate { started: log(), running: Arc::default(), most: Arc::default(), open: Arc::new(Semaphore::new(0)) };
    let state = gate.clone();
    let server = server(|builder| {
        builder
            .limits(limits)
            .on("m", async move |_, what: Value| {
                let Gate { started, running, most, open } = state;
                started.add(what.as_str().map_or(what.to_string(), |text| text.trim_start_matches('x').to_owned()));
                most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
                open.acquire().await.unwrap().forget();
                running.fetch_sub(1, SeqCst);
                Ok(())
            })
            .register("echo", async |_, what: Value| Ok(what))
            .register("ask-back", async |conn: Conn, what: Value| Ok(conn.call::<_, Value>("back", what).await?))
    });
    (server, gate)
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn sixty_four_handlers_run_and_the_rest_waits_in_order() {
    let (server, gate) = gated(Limits::default());
    let mut peer = enter(&server, "ann").await;
    for number in 0..200 {
        peer.say("m", json!(number)).await;
    }
    settle().await;
    assert_eq!(gate.started.take(), numbers(0..64));
    // Another connection has places of its own.
    let mut bob = enter(&server, "bob").await;
    assert_eq!(bob.call("echo", json!(1)).await, json!(["~wse:response", 1]));
    // One place is freed, one handler starts.
    gate.open.add_permits(1);
    settle().await;
    assert_eq!(gate.started.take(), ["64"]);
    gate.open.add_permits(500);
    settle().await;
    assert_eq!(gate.started.take(), numbers(65..200));
    assert_eq!(gate.most.load(SeqCst), 64);
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]));
}

#[tokio::test(start_paused = true)]
async fn calls_wait_behind_messages_and_answers_overtake_both() {
    let (server, gate) = gated(Limits { handlers_per_conn: 1, ..Limits::default() });
    let mut peer = enter(&server, "ann").await;
    let conn = server.user("ann").conns().remove(0);
    peer.say("m", json!(1)).await;
    peer.ask("echo", json!(2), "two").await;
    peer.say("m", json!(3)).await;
    peer.hears_nothing().await;
    // The answer to our own call is settled although everything else waits.
    let call = tokio::spawn(async move { conn.call::<_, Value>("back", 7).await });
    let asked = peer.json().await;
    peer.send(&json!(["~wse:response", 8, asked[2]]).to_string()).await;
    assert_eq!(call.await.unwrap().unwrap(), json!(8));
    gate.open.add_permits(1);
    assert_eq!(peer.text().await, r#"["~wse:response",2,"two"]"#);
    settle().await;
    assert_eq!(gate.started.take(), ["1", "3"]);
}

#[tokio::test(start_paused = true)]
async fn beyond_the_inbox_the_socket_is_not_read_and_nothing_is_lost() {
    const MESSAGES: usize = 1000;
    const SIZE: usize = 4 << 10;
    let (server, gate) = gated(Limits::default());
    let (mut peer, _ended) = attach_with(&server, 1 << 10, Request::new(()));
    peer.enter("ann").await;
    let (mut reader, mut writer) = (peer.reader, peer.writer);
    let written = Arc::new(AtomicUsize::new(0));
    let counter = written.clone();
    let flood = tokio::spawn(async move {
        for number in 0..MESSAGES {
            writer.write(&text(&json!(["m", "x".repeat(SIZE) + &number.to_string()]).to_string())).await;
            counter.fetch_add(1, SeqCst);
        }
        writer
    });
    settle().await;
    assert_eq!(gate.started.len(), 64);
    // 64 messages are with their handlers, 256 KiB wait (with what keeping them takes), and one read
    // of up to 64 KiB may be on top.
    let waiting = (written.load(SeqCst) - 64) * SIZE;
    assert!((240 << 10..(256 + 64 + 8) << 10).contains(&waiting), "{waiting}");
    // The connection writes although it does not read.
    server.broadcast("news", 1).unwrap();
    assert_eq!(reader.text().await, r#"["news",1,null]"#);
    gate.open.add_permits(MESSAGES);
    let _writer = flood.await.unwrap();
    settle().await;
    assert_eq!(gate.started.take(), numbers(0..MESSAGES));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_not_read_is_not_taken_for_a_silent_one() {
    const MESSAGES: usize = 200;
    let (server, gate) = gated(Limits { handlers_per_conn: 1, inbox_bytes: 10_000, ..Limits::default() });
    let (mut peer, _ended) = attach_with(&server, 1 << 10, Request::new(()));
    peer.enter("ann").await;
    let RawClient { mut reader, mut writer } = peer;
    let flood = tokio::spawn(async move {
        for number in 0..MESSAGES {
            writer.write(&text(&json!(["m", "x".repeat(1000) + &number.to_string()]).to_string())).await;
        }
        writer
    });
    sleep(100 * S).await;
    assert_eq!(server.conn_count(), 1);
    assert!(matches!(reader.next().await, Got::Ping(_)), "whether it is there at all is asked all the same");
    assert_eq!(gate.started.len(), 1);
    gate.open.add_permits(MESSAGES);
    let _writer = flood.await.unwrap();
    settle().await;
    assert_eq!(gate.started.take(), numbers(0..MESSAGES));
    assert_eq!(server.conn_count(), 1);
}

/// Answers every call with its payload, keeps what else comes, and never stops reading.
fn answering(peer: RawClient) -> (mpsc::UnboundedSender<Vec<u8>>, mpsc::UnboundedReceiver<Value>) {
    let RawClient { mut reader, mut writer } = peer;
    let (out, mut outgoing) = mpsc::unbounded_channel::<Vec<u8>>();
    let (keep, kept) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(bytes) = outgoing.recv().await {
            writer.write(&bytes).await;
        }
    });
    let answers = out.clone();
    tokio::spawn(async move {
        while let Got::Text(envelope) = reader.next().await {
            let envelope: Value = serde_json::from_str(&envelope).unwrap();
            if envelope[2].is_string() && !envelope[0].as_str().unwrap().starts_with('~') {
                let answer = json!(["~wse:response", envelope[1], envelope[2]]);
                let _ = answers.send(text(&answer.to_string()));
            } else {
                let _ = keep.send(envelope);
            }
        }
    });
    (out, kept)
}

/// 500 calls of 2 KB each way at the same time, over a pipe of 256 bytes.
async fn mutual_flood(rp: &str, limits: Limits) {
    const CALLS: usize = 500;
    let (server, _gate) = gated(limits);
    let (mut peer, _ended) = attach_with(&server, 256, Request::new(()));
    peer.enter("ann").await;
    let conn = server.user("ann").conns().remove(0);
    let (out, mut kept) = answering(peer);
    let filled = |number: usize| json!([number, "x".repeat(2000)]);
    for number in 0..CALLS {
        out.send(text(&json!([rp, filled(number), format!("stamp {number}")]).to_string())).unwrap();
    }
    let calls = (0..CALLS).map(|number| conn.call::<_, Value>("back", filled(number)));
    let answers = tokio::time::timeout(20 * S, join_all(calls)).await.expect("the flood comes to its end");
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), filled(number));
    }
    let mut answered = vec![false; CALLS];
    for _ in 0..CALLS {
        let answer = tokio::time::timeout(20 * S, kept.recv()).await.expect("the flood comes to its end").unwrap();
        assert_eq!(answer[0], "~wse:response", "{answer}");
        let number = answer[1][0].as_u64().unwrap() as usize;
        assert_eq!(answer[2], format!("stamp {number}"));
        assert!(!std::mem::replace(&mut answered[number], true), "answered twice");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mutual_flood_over_a_tiny_pipe_completes() {
    mutual_flood("echo", Limits { queue_bytes: 4 << 20, ..Limits::default() }).await;
}

#[tokio::test(start_paused = true)]
async fn a_mutual_flood_of_calls_that_call_back_completes() {
    let limits = Limits { queue_bytes: 4 << 20, inbox_bytes: 2 << 20, ..Limits::default() };
    mutual_flood("ask-back", limits).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_closed_and_a_fast_device_beside_it_gets_everything() {
    const PIPE: usize = 1 << 10;
    let (when, mut events) = events();
    let limits = Limits { queue_bytes_max: 1 << 20, ..Limits::default() };
    let server = server(|builder| builder.limits(limits).when(when));
    let (mut slow, ended) = attach_with(&server, PIPE, Request::new(()));
    slow.enter("ann").await;
    let fast = enter(&server, "bob").await;
    events.take(4).await;
    let (_out, mut kept) = answering(fast);
    let conn = server.user("ann").conns().remove(0);
    let (mut taken, mut refused) = (0, 0);
    for number in 0..400 {
        // Everybody is told, and nobody waits.
        let reached = server.broadcast("news", json!([number, "x".repeat(8 << 10)])).unwrap().here;
        match reached {
            2 => taken += 8 << 10,
            1 => refused += 1,
            _ => panic!("{reached}"),
        }
        settle().await;
    }
    assert!(refused > 200, "{refused}");
    // What it could make the server keep is its queue, and what the pipe holds.
    let bound = (1 << 20) + PIPE;
    assert!((bound - (32 << 10)..=bound).contains(&taken), "{taken}");
    assert!(matches!(conn.send("m", 1), Err(SendError::NotReady)));
    assert_eq!(events.take(2).await, ["disconnected ann 1 1013 wse.slow", "left ann 1013 wse.slow"]);
    assert_eq!(end(ended).await, "1013 wse.slow");
    for number in 0..400 {
        assert_eq!(kept.recv().await.unwrap()[1][0], number);
    }
    drop(slow);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_wakes_up_in_time_reads_why() {
    let limits = Limits { queue_bytes: 20_000, queue_bytes_max: 20_000, ..Limits::default() };
    let server = server(|builder| builder.limits(limits));
    let (mut peer, _ended) = attach_with(&server, 256, Request::new(()));
    peer.enter("ann").await;
    let conn = server.user("ann").conns().remove(0);
    conn.send("first", "x".repeat(1000)).unwrap();
    settle().await;
    let refused = (0..1000).find_map(|_| conn.send("m", "x".repeat(1000)).err()).expect("a bound");
    assert!(matches!(refused, SendError::Slow));
    sleep(S).await;
    let closed = loop {
        match peer.next().await {
            Got::Text(_) => {}
            other => break other,
        }
    };
    assert_eq!(closed, Got::Close(Some((1013, "wse.slow".into()))));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_nobody_reads_the_pongs_of_is_bounded_too() {
    let limits = Limits { queue_bytes: 10_000, ..Limits::default() };
    let (when, mut events) = events();
    let server = server(|builder| builder.limits(limits).when(when));
    let (mut peer, _ended) = attach_with(&server, 256, Request::new(()));
    peer.enter("ann").await;
    events.take(2).await;
    let ping = wse_test_peers::frame(wse_frame::Opcode::Ping, &[7; 100]);
    for _ in 0..300 {
        peer.write(&ping).await;
    }
    // Most go unanswered: what was queued and what the pipe held comes out, and the device stays.
    let mut pongs = 0;
    while let Ok(Got::Pong(_)) = tokio::time::timeout(S, peer.next()).await {
        pongs += 1;
    }
    assert!((1..100).contains(&pongs), "{pongs}");
    assert_eq!((events.so_far(), server.conn_count()), (Vec::<String>::new(), 1));
}

#[tokio::test(start_paused = true)]
async fn a_busy_connection_does_not_starve_another() {
    let (server, _gate) = gated(Limits::default());
    let (mut busy, _ended) = attach_with(&server, 1 << 20, Request::new(()));
    busy.enter("ann").await;
    let mut bob = enter(&server, "bob").await;
    let frame = text(&json!(["nobody-listens", "x".repeat(100)]).to_string());
    let burst = frame.repeat((1 << 20) / frame.len());
    busy.write(&burst).await;
    bob.ask("echo", json!(1), "s").await;
    // A turn is 64 KiB: bob is answered long before the burst is through.
    let mut turns = 0;
    while futures_util::FutureExt::now_or_never(bob.next()).is_none() {
        tokio::task::yield_now().await;
        turns += 1;
        assert!(turns < 8, "bob waits for ann");
    }
}
