//! What a server announces in a session: how many bytes follow, before they do, so that a client that sees
//! whole messages only knows how long it may have to wait.

use http::Request;
use serde_json::{Value, json};
use std::time::Duration;
use wse::{Backoff, Limits, Protocol, Server};
use wse_frame::Opcode;
use wse_test::Net;
use wse_test_peers::{
    Got, RawClient, attach_with, begin, counting, enter, frame, offering, resume, server, settle, unpack,
};

/// The bytes of a server's frame around so much.
fn framed(envelope: &str) -> usize {
    frame(Opcode::Text, envelope.as_bytes()).len() - 4 // a client's frame has a key
}

/// The announcement that comes next: what was taken in, and how many bytes follow.
async fn announced(peer: &mut RawClient) -> (u64, usize) {
    let ack = peer.json().await;
    assert_eq!(ack[0], "~wse:ack", "{ack}");
    let bytes = ack[2].as_str().expect("the number of bytes as text").parse().expect("a number");
    (ack[1].as_u64().expect("a count"), bytes)
}

#[tokio::test(start_paused = true)]
async fn a_batch_above_16_kib_is_announced_with_its_bytes_and_a_smaller_one_is_not() {
    let (server, _events) = counting(Limits::default());
    let (mut peer, _) = begin(&server, "ann", json!({})).await;
    let conn = server.user("ann").conns().remove(0);
    peer.say("unheard", json!(1)).await;
    settle().await;
    let envelope = |size: usize| json!(["m", "x".repeat(size), null]).to_string();
    let fitting = (16 << 10) - framed(&envelope(1000)) + 1000;
    conn.send("m", "x".repeat(fitting)).expect("it is sent");
    assert_eq!(peer.text().await.len(), envelope(fitting).len(), "just 16 KiB are not announced");
    conn.send("m", "x".repeat(fitting + 1)).expect("it is sent");
    assert_eq!(announced(&mut peer).await, (1, (16 << 10) + 1), "it is an acknowledgement too");
    assert_eq!(peer.text().await.len(), envelope(fitting + 1).len());
    // Several messages are announced together.
    for _ in 0..3 {
        conn.send("m", "x".repeat(10_000)).expect("it is sent");
    }
    assert_eq!(announced(&mut peer).await, (1, 3 * framed(&envelope(10_000))));
    for _ in 0..3 {
        peer.text().await;
    }
    peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_session_nothing_is_announced() {
    let server = server(|builder| builder);
    let mut peer = enter(&server, "ann").await;
    server.broadcast("m", "x".repeat(100_000)).expect("it is sent");
    assert_eq!(peer.json().await[0], "m");
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_is_announced_directly_behind_the_welcome() {
    let (server, _events) = counting(Limits::default());
    let (mut peer, granted) = begin(&server, "ann", json!({})).await;
    peer.say("unheard", json!(1)).await;
    settle().await;
    let conn = server.user("ann").conns().remove(0);
    drop(peer);
    settle().await;
    for _ in 0..9 {
        conn.send("m", "x".repeat(50_000)).expect("it is kept");
    }
    let (mut peer, granted) = resume(&server, "ann", &granted["session"], 0).await;
    assert_eq!(granted["seen"], 1);
    let (count, bytes) = announced(&mut peer).await;
    let mut rest = 0;
    for _ in 0..9 {
        rest += framed(&peer.text().await);
    }
    let Got::Ping(mark) = peer.next().await else { panic!("no ping") };
    assert_eq!((count, bytes), (1, rest + 2 + mark.len()));
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_right_behind_a_first_welcome_is_announced_behind_it() {
    let (server, _events) = counting(Limits::default());
    // Nothing of the welcome has been read when the history is queued behind it.
    let (mut peer, _ended) = attach_with(&server, 16, Request::new(()));
    let hi = json!(["~wse:hi", {"identity": "ann", "session": {}}, null]);
    peer.send(&hi.to_string()).await;
    settle().await;
    let conn = server.user("ann").conns().remove(0);
    conn.send("m", "x".repeat(100_000)).expect("it is sent");
    assert_eq!(peer.json().await[0], "~wse:welcome");
    assert_eq!(announced(&mut peer).await.0, 0);
    assert_eq!(peer.json().await[0], "m");
}

#[tokio::test(start_paused = true)]
async fn it_is_announced_in_messagepack_too() {
    let server = server(|builder| builder.protocols([Protocol::WseMsgpack, Protocol::Wse]));
    let (mut peer, _ended) = attach_with(&server, 1 << 16, offering("wse-msgpack"));
    peer.pack(json!(["~wse:hi", {"identity": "ann", "session": {}}, null])).await;
    assert_eq!(peer.unpack().await[0], "~wse:welcome");
    server.broadcast("m", "x".repeat(20_000)).expect("it is sent");
    let Got::Binary(ack) = peer.next().await else { panic!("no frame") };
    let ack: Value = unpack(&ack);
    assert_eq!((&ack[0], &ack[1]), (&json!("~wse:ack"), &json!(0)));
    let Got::Binary(message) = peer.next().await else { panic!("no frame") };
    assert_eq!(ack[2], (message.len() + 4).to_string());
}

#[tokio::test(start_paused = true)]
async fn this_librarys_client_takes_announcements_on_every_wire_over_cuts() {
    for wire in [Protocol::Wse, Protocol::WseMsgpack] {
        let server: Server = server(|builder| builder.protocols([Protocol::Wse, Protocol::WseMsgpack]));
        let net = Net::new(&server);
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let _client = net
            .client()
            .protocol(wire)
            .identity("ann")
            .reconnect(Backoff { min: Duration::from_millis(1), ..Backoff::default() })
            .on("m", async move |_, (number, _): (u32, String)| {
                let _ = tell.send(number);
                Ok(())
            })
            .connect()
            .await
            .expect("a connection");
        let conn = server.user("ann").conns().remove(0);
        for number in 0..20 {
            conn.send("m", (number, "x".repeat(20_000))).expect("it is sent");
            settle().await;
            if number % 5 == 0 {
                conn.cut();
            }
        }
        for number in 0..20 {
            assert_eq!(told.recv().await, Some(number));
        }
        assert!(conn.is_open());
    }
}
