//! Sessions over streams of which some have agreed on compression and some have not.

use serde_json::{Value, json};
use wse::{Backoff, Conn, Server};
use wse_test::Net;
use wse_test_peers::{PIPE, RawClient, ask_upgrade, pipe_to, request, resent, server, settle, soon};

fn echo() -> Server {
    server(|builder| {
        builder.compress_from(200).on("echo", async |conn: Conn, what: Value| {
            conn.send("echo", what)?;
            Ok(())
        })
    })
}

/// A client with a session, over a stream that has agreed on compression or not.
async fn session(server: &Server, compresses: bool, session: Value) -> (RawClient, Value) {
    let offer = if compresses { "permessage-deflate" } else { "" };
    let answer = ask_upgrade(pipe_to(server.clone(), PIPE), request("/", &[("Sec-WebSocket-Extensions", offer)])).await;
    let mut peer = answer.upgraded();
    if compresses {
        peer.reader.inflate();
    }
    peer.say("~wse:hi", json!({"identity": "ann", "session": session})).await;
    let welcome = peer.json().await;
    assert_eq!(welcome[0], "~wse:welcome", "{welcome}");
    (peer, welcome[2].clone())
}

#[tokio::test(start_paused = true)]
async fn a_session_speaks_as_each_of_its_streams_has_agreed_and_sends_everything_once() {
    let server = echo();
    let (mut peer, mut granted) = session(&server, true, json!({})).await;
    let conn = server.user("ann").conns().remove(0);
    let long = |n: usize| json!([n, "again and ".repeat(100)]);
    let mut seen = 0;
    for (turn, compresses) in [true, false, true, true, false, false].into_iter().enumerate() {
        if turn > 0 {
            drop(peer);
            settle().await;
            conn.send("n", long(10 * turn)).unwrap(); // while it is parked
            (peer, granted) = session(&server, compresses, json!({"resume": granted["session"], "seen": seen})).await;
            assert_eq!(granted["resumed"], true);
            // One frame that the last stream did not deliver, and the one of meanwhile.
            let again = resent(&mut peer).await;
            assert_eq!(again, [json!(["n", long(10 * turn - 1), null]), json!(["n", long(10 * turn), null])]);
            assert_eq!(peer.reader.compressed(), 0, "what is sent again is plain");
            seen += 2;
        }
        let before = peer.reader.compressed();
        conn.send("n", long(10 * turn + 8)).unwrap();
        assert_eq!(peer.json().await[1], long(10 * turn + 8));
        assert_eq!(peer.reader.compressed() - before, usize::from(compresses));
        seen += 1;
        conn.send("n", long(10 * turn + 9)).unwrap(); // the client never reads it
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_or_doubled_where_a_compressing_connection_is_cut() {
    let mut resumed = 0;
    for to_server in [true, false] {
        for bytes in (100..1500).step_by(13) {
            resumed += u32::from(run(to_server, bytes).await > 1);
        }
    }
    assert!(resumed > 100, "{resumed} cuts were in time");
}

/// A conversation over a connection that is cut after so many bytes, and others. Returns how many there were.
async fn run(to_server: bool, bytes: u64) -> u64 {
    const LENGTH: usize = 6;
    let net = Net::new(&echo());
    let first = net.faults().nth(1);
    if to_server { first.to_server() } else { first.to_client() }.cut_after(bytes);
    let (heard, mut echoes) = tokio::sync::mpsc::unbounded_channel();
    let client = net.client().identity("ann").compress_from(200).reconnect(Backoff::default());
    let client = client.on("echo", async move |_, what: Value| {
        let _ = heard.send(what);
        Ok(())
    });
    let client = client.connect().await.expect("it is let in");
    let long = |n: usize| json!([n, format!("over {n} and over ").repeat(100)]);
    for n in 0..LENGTH {
        client.send("echo", long(n)).expect("it is kept, whatever becomes of the connection");
    }
    for n in 0..LENGTH {
        assert_eq!(soon(echoes.recv()).await, Some(long(n)), "cut after {bytes}, to_server {to_server}");
    }
    client.close("").await;
    net.faults().heal(); // some cuts are behind the end of the conversation
    assert!(echoes.try_recv().is_err(), "twice: cut after {bytes}, to_server {to_server}");
    net.counts().connections
}
