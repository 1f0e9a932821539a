//! Large messages over slow links, on every wire and in both directions: a peer that takes or brings bytes
//! is there, and one that stops is found.

use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    time::{Instant, sleep},
};
use wse::{Backoff, Conn, Protocol, WsMessaging};
use wse_test::Net;
use wse_test_peers::{end, messaging, offering, server, settle, soon, text};

const S: Duration = Duration::from_secs(1);
const SIZE: usize = 900_000;
/// Bytes in a second: the message takes 45 s, longer than any heartbeat.
const SPEED: u64 = 20_000;

fn wires() -> [Protocol; 4] {
    [Protocol::Wse, Protocol::WseMsgpack, WsMessaging::new().into(), WsMessaging::new().messagepack().into()]
}

/// What a side got: how large each message was, and when it came.
type Arrivals = mpsc::UnboundedReceiver<(usize, Instant)>;

/// A large message each way, one after the other and in both directions at once.
async fn cross(wire: Protocol, session: bool) {
    let (tell, mut at_server): (_, Arrivals) = mpsc::unbounded_channel();
    let server = server(|builder| {
        builder.protocols(wires()).on("large", async move |_: Conn, (text,): (String,)| {
            let _ = tell.send((text.len(), Instant::now()));
            Ok(())
        })
    });
    let net = Net::new(&server);
    let (tell, mut at_client): (_, Arrivals) = mpsc::unbounded_channel();
    let client = net.client().protocol(wire).identity("ann").on("large", async move |_, (text,): (String,)| {
        let _ = tell.send((text.len(), Instant::now()));
        Ok(())
    });
    let client = if session { client.reconnect(Backoff::default()) } else { client };
    let client = soon(client.connect()).await.expect("a connection");
    let conn = server.user("ann").conns().remove(0);
    net.faults().bandwidth(SPEED);
    let large = ("x".repeat(SIZE),);
    for (down, up) in [(true, false), (false, true), (true, true)] {
        let start = Instant::now();
        if down {
            conn.send("large", &large).expect("it is sent");
        }
        if up {
            client.send("large", &large).expect("it is sent");
        }
        for (arrivals, expected) in [(&mut at_client, down), (&mut at_server, up)] {
            if expected {
                let (size, at) =
                    tokio::time::timeout(100 * S, arrivals.recv()).await.expect("it comes").expect("it comes");
                assert_eq!(size, SIZE);
                assert!((44 * S..60 * S).contains(&(at - start)), "{:?}", at - start);
            }
        }
    }
    sleep(100 * S).await;
    assert!(at_client.try_recv().is_err() && at_server.try_recv().is_err(), "it came twice");
    assert_eq!((net.counts().connections, server.conn_count()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_large_message_arrives_once_over_a_slow_link_on_every_wire_without_a_session() {
    for wire in wires() {
        cross(wire, false).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_message_arrives_once_over_a_slow_link_in_a_session() {
    for wire in [Protocol::Wse, Protocol::WseMsgpack] {
        cross(wire, true).await;
    }
}

/// How the connection of a device ends that reads so many bytes every second of half a megabyte, and says
/// nothing; `None` when it still stands after ten minutes.
async fn sip(protocol: &str, hi: Value, bytes: usize, stops_after: Duration) -> Option<(Duration, String)> {
    let server = messaging(|builder| builder);
    let (mut ours, theirs) = tokio::io::duplex(1 << 10);
    let ended = server.attach(theirs, offering(protocol)).expect("the server runs");
    ours.write_all(&text(&hi.to_string())).await.expect("it is open");
    settle().await;
    server.user("ann").send("m", "x".repeat(500_000)).expect("it is sent");
    let start = Instant::now();
    let mut buffer = vec![0; bytes];
    while server.conn_count() > 0 {
        if start.elapsed() > 600 * S {
            return None;
        }
        sleep(S).await;
        if start.elapsed() < stops_after {
            ours.read_exact(&mut buffer).await.ok()?;
        }
    }
    Some((start.elapsed(), end(ended).await))
}

#[tokio::test(start_paused = true)]
async fn a_device_that_takes_a_kilobyte_a_second_is_there_and_one_that_takes_less_or_stops_is_not() {
    let hi = json!(["~wse:hi", {"identity": "ann"}]);
    for (protocol, hi, silent) in
        [("wse-default-json", hi, "1006 wse.silent"), ("ws-messaging", json!("ann"), "4008 Ping timeout")]
    {
        assert_eq!(sip(protocol, hi.clone(), 1100, 3600 * S).await, None, "{protocol}");
        let (time, closed) = sip(protocol, hi.clone(), 300, 3600 * S).await.expect("too slow to be there");
        assert_eq!(closed, silent);
        assert!(time <= 45 * S, "{protocol}: {time:?}");
        let (time, closed) = sip(protocol, hi, 5000, 70 * S).await.expect("it stops");
        assert_eq!(closed, silent);
        assert!(time <= 70 * S + 60 * S, "{protocol}: {time:?}");
    }
}
