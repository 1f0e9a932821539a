//! Slow devices: how long they may be late, how much waits for them, and who goes first when all
//! together are late with too much.

use futures_util::future::join_all;
use http::Request;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{task::JoinHandle, time::sleep};
use wse::{Closed, Conn, Limits, SendError, Server};
use wse_test_peers::{Got, RawClient, about, attach_with, end, enter, server, settle, text, timed};

const S: Duration = Duration::from_secs(1);
const PIPE: usize = 256;

/// Room for ten messages of a thousand bytes, and 2 s for what is more.
fn ten() -> Limits {
    Limits { queue_bytes: 10 * MESSAGE, conns_per_user: 10, ..Limits::default() }
}

/// The bytes of one frame of [`send`].
const MESSAGE: usize = 1000;

/// Sends so many messages of a thousand bytes, frame and all.
fn send(conn: &Conn, number: usize) -> Result<(), SendError> {
    let payload = "x".repeat(MESSAGE - "[\"m\",\"\",null]".len() - 4);
    (0..number).try_for_each(|_| conn.send("m", &payload).map(drop))
}

/// A device that reads nothing, with what its pipe takes in it.
async fn device(server: &Server, name: &str) -> (RawClient, JoinHandle<Closed>, Conn) {
    let (mut peer, ended) = attach_with(server, PIPE, Request::new(()));
    peer.enter(name).await;
    let conn = server.user(name).conns().pop().expect("it is there");
    (peer, ended, conn)
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_is_closed_when_it_was_late_for_two_seconds_and_not_before() {
    let server = server(|builder| builder.limits(ten()));
    let (_peer, ended, conn) = device(&server, "ann").await;
    send(&conn, 10).expect("it is not late");
    sleep(20 * S).await;
    send(&conn, 30).expect("it is late, and not closed for that");
    let (waited, ()) = timed(async {
        while conn.is_open() {
            sleep(S / 1000).await;
        }
    })
    .await;
    assert!(about(waited, 2 * S), "{waited:?}");
    assert!(matches!(send(&conn, 1), Err(SendError::NotReady)));
    assert_eq!(end(ended).await, "1013 wse.slow");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_catches_up_in_time_stays_and_has_as_much_time_the_next_time() {
    let server = server(|builder| builder.limits(ten()));
    let (mut peer, _ended, conn) = device(&server, "ann").await;
    for round in 0..5 {
        send(&conn, 20).expect("it is late");
        sleep(S * 19 / 10).await;
        assert!(conn.is_open(), "{round}");
        for _ in 0..if round < 4 { 20 } else { 11 } {
            assert!(matches!(peer.next().await, Got::Text(_)), "{round}");
        }
        settle().await;
        sleep(S / 5).await; // the first clock would have ended
        assert!(conn.is_open(), "{round}");
    }
    sleep(20 * S).await;
    assert!(conn.is_open(), "nine messages are not too much");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_late_again_just_when_the_first_clock_ends_has_its_whole_time() {
    let server = server(|builder| builder.limits(ten()));
    let (mut peer, _ended, conn) = device(&server, "ann").await;
    let second = sleep(2 * S);
    send(&conn, 20).expect("it is late");
    for _ in 0..20 {
        peer.next().await;
    }
    second.await;
    send(&conn, 20).expect("it is late again, before its task has looked at the clock");
    sleep(S * 19 / 10).await;
    assert!(conn.is_open());
    sleep(S / 5).await;
    assert!(!conn.is_open());
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_device_is_dropped_when_it_is_closed_as_slow() {
    let server = server(|builder| builder.limits(Limits { queue_bytes: 100 * MESSAGE, ..Limits::default() }));
    let (mut peer, _ended, conn) = device(&server, "ann").await;
    send(&conn, 400).expect("it is late");
    sleep(3 * S).await;
    assert!(!conn.is_open());
    let mut read = 0;
    while let Got::Text(_) = peer.next().await {
        read += 1;
    }
    assert!(read < 100, "{read} of 400 were kept");
}

#[tokio::test(start_paused = true)]
async fn a_late_device_that_is_dropped_is_cut_when_its_close_frame_was_not_read_in_time() {
    let server = server(|builder| builder.limits(Limits { close_timeout: 5 * S, ..ten() }));
    let (_peer, ended, conn) = device(&server, "ann").await;
    send(&conn, 20).expect("it is late");
    settle().await;
    conn.drop("bye");
    let (waited, closed) = timed(end(ended)).await;
    assert!(about(waited, 5 * S), "{waited:?}");
    assert_eq!(closed, "1000 bye");
}

#[tokio::test(start_paused = true)]
async fn at_the_hard_bound_a_device_is_closed_at_once() {
    let limits = Limits { queue_bytes_max: 30 * MESSAGE, ..ten() };
    let server = server(|builder| builder.limits(limits));
    let (_peer, ended, conn) = device(&server, "ann").await;
    send(&conn, 30).expect("that is the bound");
    assert!(matches!(send(&conn, 1), Err(SendError::Slow)));
    settle().await;
    assert!(!conn.is_open() && server.conn_count() == 0);
    assert_eq!(end(ended).await, "1013 wse.slow");
}

#[tokio::test(start_paused = true)]
async fn when_all_together_are_late_with_too_much_the_largest_queue_goes_first() {
    let limits = Limits { queued_bytes: 60 * MESSAGE, slow_timeout: 3600 * S, ..ten() };
    let server = server(|builder| builder.limits(limits));
    let mut devices = Vec::new();
    for (name, messages) in [("small", 15), ("large", 40), ("medium", 30)] {
        let (peer, ended, conn) = device(&server, name).await;
        send(&conn, messages).expect("it is late");
        devices.push((peer, ended, conn));
    }
    let open = |devices: &[(RawClient, JoinHandle<Closed>, Conn)]| {
        devices.iter().map(|(_, _, conn)| conn.is_open()).collect::<Vec<_>>()
    };
    // 5 + 30 + 20, and at the edge.
    send(&devices[0].2, 5).expect("that is the bound of all");
    settle().await;
    assert_eq!(open(&devices), [true, true, true]);
    send(&devices[0].2, 1).expect("another has to go for it");
    settle().await;
    assert_eq!(open(&devices), [true, false, true]);
    // What one reads, or takes with it, is free for the others.
    let (mut medium, _, _) = devices.pop().expect("three");
    for _ in 0..25 {
        medium.next().await;
    }
    settle().await;
    send(&devices[0].2, 44).expect("11 + 44 + 5");
    settle().await;
    assert_eq!(open(&devices), [true, false]);
    drop(medium);
    settle().await;
    send(&devices[0].2, 5).expect("it is alone");
    assert_eq!(open(&devices), [true, false]);
    send(&devices[0].2, 1).expect("it is the largest itself");
    settle().await;
    assert_eq!(open(&devices), [false, false]);
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_small_messages_with_larger_broadcasts_closes_nobody_who_reads() {
    // Everybody who is late is closed at once, so that only turns can help.
    let limits = Limits { queue_bytes: 160 << 10, queue_bytes_max: 160 << 10, conns_per_user: 10, ..Limits::default() };
    let server = server(|builder| {
        builder.limits(limits).on("b", async |conn: Conn, _: Value| {
            conn.server().broadcast("news", "x".repeat(380))?;
            Ok(())
        })
    });
    let mut readers = Vec::new();
    for _ in 0..5 {
        let (mut reader, _ended) = attach_with(&server, 1 << 20, Request::new(()));
        reader.enter("reader").await;
        readers.push(reader);
    }
    let (mut sender, _ended) = attach_with(&server, 1 << 20, Request::new(()));
    sender.enter("sender").await;
    sender.write(&text(r#"["b","0123456789"]"#).repeat(3000)).await;
    readers.push(sender);
    let read = readers.iter_mut().map(|reader| async {
        for number in 0..3000 {
            assert!(matches!(reader.next().await, Got::Text(_)), "{number}");
        }
    });
    join_all(read).await;
    assert_eq!(server.conn_count(), 6);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_turn_is_handled_in_the_next_once_and_in_order() {
    let server = server(|builder| {
        builder.on("big", async |conn: Conn, number: u32| {
            conn.send("big", (number, "x".repeat(50_000)))?;
            Ok(())
        })
    });
    let mut peer = enter(&server, "ann").await;
    let (mut reader, mut writer) = (peer.reader, peer.writer);
    let burst: Vec<u8> = (0..100).flat_map(|number| text(&json!(["big", number]).to_string())).collect();
    writer.write(&burst).await;
    for number in 0..100 {
        let answer: Value = serde_json::from_str(&reader.text().await).expect("JSON");
        assert_eq!(answer[1][0], number);
    }
    peer = RawClient { reader, writer };
    peer.leave().await;
}
