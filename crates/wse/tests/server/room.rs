//! Waiting for room: what is sent to a slow reader without making it late, and how the wait ends.

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
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use wse::{Closed, Conn, Limits, SendError, Server};
use wse_test::Net;
use wse_test_peers::{RawClient, attach_with, begin, counting, end, enter, resent, resume, server, settle};

const S: Duration = Duration::from_secs(1);
const QUEUE: usize = 100_000;

/// Who is late is closed at once.
fn strict() -> Limits {
    Limits { queue_bytes: QUEUE, queue_bytes_max: QUEUE, ..Limits::default() }
}

async fn device(server: &Server) -> (RawClient, JoinHandle<Closed>, Conn) {
    let (mut peer, ended) = attach_with(server, 1 << 10, Request::new(()));
    peer.enter("ann").await;
    let conn = server.user("ann").conns().pop().expect("it is there");
    (peer, ended, conn)
}

fn big() -> String {
    "x".repeat(QUEUE - 100)
}

/// Whether a future is still waiting after all tasks have run.
async fn waits<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
    timeout(S / 10, future).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_hundred_megabytes_of_history_reach_a_slow_reader_and_a_queue_of_them_is_kept_at_most() {
    const MESSAGES: usize = 5000;
    const SIZE: usize = 20_000;
    let server = server(|builder| builder.limits(strict()));
    let (mut peer, _ended, conn) = device(&server).await;
    let (sent, most, read) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counters = (sent.clone(), most.clone(), read.clone());
    let history = tokio::spawn(async move {
        let (sent, most, read) = counters;
        for number in 0..MESSAGES {
            conn.send_when_ready("h", json!([number, "x".repeat(SIZE)])).await.expect("it is sent");
            most.fetch_max(sent.fetch_add(1, SeqCst) + 1 - read.load(SeqCst), SeqCst);
        }
    });
    for number in 0..MESSAGES {
        if number % 100 == 0 {
            sleep(10 * S).await; // longer than anybody may be late
        }
        assert_eq!(peer.json().await[1][0], number);
        read.fetch_add(1, SeqCst);
    }
    history.await.expect("all of it is sent");
    assert!((4..=6).contains(&most.load(SeqCst)), "{most:?} of 20 kB, a pipe included");
}

#[tokio::test(start_paused = true)]
async fn many_who_wait_at_once_are_all_served_and_make_nobody_late() {
    let server = server(|builder| builder.limits(strict()));
    let (mut peer, _ended, conn) = device(&server).await;
    for number in 0..50 {
        let conn = conn.clone();
        tokio::spawn(async move { conn.send_when_ready("m", json!([number, "x".repeat(30_000)])).await.map(drop) });
    }
    let mut seen = Vec::new();
    for _ in 0..50 {
        seen.push(peer.json().await[1][0].as_u64().expect("a number"));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_at_once_while_half_of_the_queue_is_free_and_else_when_it_is_again() {
    let server = server(|builder| builder.limits(strict()));
    let (mut peer, _ended, conn) = device(&server).await;
    conn.send("m", "x".repeat(QUEUE / 2 - 100)).expect("it is sent");
    assert!(!waits(&mut Box::pin(conn.ready())).await);
    conn.send("m", "x".repeat(QUEUE / 2 - 200)).expect("it is sent");
    let mut ready = Box::pin(conn.ready());
    assert!(waits(&mut ready).await);
    peer.json().await;
    assert!(!waits(&mut ready).await);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_sends_nothing_and_holds_up_nobody() {
    let server = server(|builder| builder.limits(strict()));
    let (mut peer, _ended, conn) = device(&server).await;
    conn.send("first", big()).expect("it is sent");
    for _ in 0..10 {
        assert!(waits(&mut Box::pin(conn.send_when_ready("dropped", big()))).await);
    }
    let kept = conn.clone();
    let kept = tokio::spawn(async move { kept.send_when_ready("kept", big()).await.map(drop) });
    settle().await;
    assert_eq!(peer.json().await[0], "first");
    assert_eq!(peer.json().await[0], "kept");
    kept.await.expect("no panic").expect("it is sent");
    peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_with_its_connection() {
    let server = server(|builder| builder.limits(strict()));
    let (peer, ended, conn) = device(&server).await;
    conn.send("m", big()).expect("it is sent");
    let (mut ready, mut sending) = (Box::pin(conn.ready()), Box::pin(conn.send_when_ready("m", big())));
    assert!(waits(&mut ready).await && waits(&mut sending).await);
    drop(peer);
    assert!(matches!(ready.await, Err(SendError::NotReady)));
    assert!(matches!(sending.await, Err(SendError::NotReady)));
    end(ended).await;
    assert!(matches!(conn.ready().await, Err(SendError::NotReady)));
    let too_big = conn.send_when_ready("m", "x".repeat(QUEUE)).await;
    assert!(matches!(too_big, Err(SendError::TooBig(_))), "and what never has room is not waited for");
}

#[tokio::test(start_paused = true)]
async fn without_a_connection_a_session_is_not_ready_and_with_the_next_one_it_is() {
    let (server, _events) = counting(Limits::default());
    let (peer, granted) = begin(&server, "ann", json!({})).await;
    let conn = server.user("ann").conns().remove(0);
    drop(peer);
    settle().await;
    let (mut ready, mut sending) = (Box::pin(conn.ready()), Box::pin(conn.send_when_ready("m", "later")));
    sleep(30 * S).await;
    assert!(waits(&mut ready).await && waits(&mut sending).await);
    let (mut peer, _) = resume(&server, "ann", &granted["session"], 0).await;
    ready.await.expect("it has a connection");
    sending.await.expect("it has a connection");
    assert_eq!(resent(&mut peer).await, Vec::<Value>::new());
    assert_eq!(peer.json().await[1], "later");
    // When the session ends instead, so does the wait.
    drop(peer);
    settle().await;
    let ready = Box::pin(conn.ready());
    assert!(matches!(timeout(70 * S, ready).await, Ok(Err(SendError::NotReady))));
}

#[tokio::test(start_paused = true)]
async fn history_does_not_outgrow_what_a_session_can_send_again() {
    const MESSAGES: usize = 300;
    let limits = Limits { session_bytes: 100_000, ..Limits::default() };
    let server = server(|builder| builder.limits(limits));
    let net = Net::new(&server);
    let read = Arc::new(AtomicUsize::new(0));
    let counter = read.clone();
    let client = net
        .client()
        .identity("ann")
        .reconnect(wse::Backoff::default())
        .on("h", async move |_, (number, _): (usize, String)| {
            assert_eq!(counter.fetch_add(1, SeqCst), number);
            Ok(())
        })
        .connect()
        .await
        .expect("a connection");
    let conn = server.user("ann").conns().remove(0);
    let cutting = net.faults();
    tokio::spawn(async move {
        for _ in 0..5 {
            sleep(S).await;
            cutting.cut();
        }
    });
    net.faults().latency(S / 20);
    for number in 0..MESSAGES {
        conn.send_when_ready("h", (number, "x".repeat(10_000))).await.expect("the session goes on");
    }
    while read.load(SeqCst) < MESSAGES {
        sleep(S).await;
    }
    assert!(conn.is_open() && net.counts().connections > 1, "{:?}", net.counts());
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_that_free_room_are_read_behind_a_full_inbox() {
    let limits = Limits { handlers_per_conn: 1, inbox_bytes: 20_000, session_bytes: 100_000, ..Limits::default() };
    let server = server(|builder| {
        builder.limits(limits).on("more", async |conn: Conn, _: Value| {
            for number in 0..20 {
                conn.send_when_ready("h", (number, "x".repeat(30_000))).await?;
            }
            Ok(())
        })
    });
    let (mut peer, _) = begin(&server, "ann", json!({})).await;
    // One handler runs and waits for room, and what comes behind it fills the inbox before the first ack.
    for _ in 0..5 {
        peer.say("more", json!("x".repeat(9000))).await;
    }
    let mut taken = 0;
    while taken < 100 {
        if peer.json().await[0] == "h" {
            taken += 1;
            peer.say("~wse:ack", json!(taken)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_begins_to_wait_behind_a_full_inbox_has_it_read_at_once() {
    let limits = Limits { handlers_per_conn: 1, inbox_bytes: 20_000, session_bytes: 100_000, ..Limits::default() };
    let server = server(|builder| {
        let builder = builder.limits(limits);
        builder.on("m", async |conn: Conn, waits_for: String| {
            let waiting = tokio::spawn(async move {
                let receipt = conn.send("h", "x".repeat(60_000))?;
                settle().await; // the inbox is full now, and its connection sleeps
                if waits_for.starts_with("receipt") { receipt.delivered().await } else { conn.ready().await }
            });
            Ok(waiting.await??)
        })
    });
    for waits_for in ["receipt", "room"] {
        let (mut peer, _) = begin(&server, "ann", json!({})).await;
        let start = Instant::now();
        for _ in 0..5 {
            peer.say("m", json!(format!("{waits_for} {}", "x".repeat(9000)))).await;
        }
        let mut taken = 0;
        while taken < 5 {
            if peer.json().await[0] == "h" {
                taken += 1;
                peer.say("~wse:ack", json!(taken)).await;
            }
        }
        assert!(start.elapsed() < S / 2, "{waits_for}: {:?}", start.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_waits_for_room_as_a_server_does() {
    let limits = Limits { handlers_per_conn: 1, inbox_bytes: 10_000, ..Limits::default() };
    let read = Arc::new(AtomicUsize::new(0));
    let counter = read.clone();
    let server = server(|builder| {
        builder.limits(limits).on("h", async move |_, _: Value| {
            counter.fetch_add(1, SeqCst);
            sleep(S).await;
            Ok(())
        })
    });
    let net = Net::new(&server);
    let client = net.client().limits(strict()).identity("ann").connect().await.expect("a connection");
    for _ in 0..30 {
        client.ready().await.expect("it is there");
        client.send_when_ready("h", "x".repeat(40_000)).await.expect("it is there");
    }
    while read.load(SeqCst) < 30 {
        sleep(S).await;
    }
    client.close("").await;
    assert!(matches!(client.ready().await, Err(SendError::NotReady)));
    assert!(matches!(client.send_when_ready("h", 1).await, Err(SendError::NotReady)));
}

#[tokio::test(start_paused = true)]
async fn a_handler_can_wait_for_room_on_its_own_connection() {
    let server = server(|builder| {
        builder.limits(strict()).on("history", async |conn: Conn, count: usize| {
            for number in 0..count {
                conn.send_when_ready("h", (number, "x".repeat(30_000))).await?;
            }
            Ok(())
        })
    });
    let mut peer = enter(&server, "ann").await;
    peer.say("history", json!(100)).await;
    for number in 0..100 {
        assert_eq!(peer.json().await[1][0], number);
    }
}
