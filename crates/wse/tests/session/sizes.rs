//! The largest message that a server takes: the welcome of a session tells it, and this library's client
//! sends nothing larger.

use serde_json::Value;
use std::time::Duration;
use wse::{Backoff, CallError, Client, Limits, Protocol, SendError, Server};
use wse_test::Net;
use wse_test_peers::{server, settle};

const LARGEST: usize = 10_000;

fn serving() -> Server {
    let limits = Limits { message_bytes: LARGEST, ..Limits::default() };
    server(|builder| {
        builder
            .protocols([Protocol::Wse, Protocol::WseMsgpack])
            .limits(limits)
            .register("echo", async |_, what: Value| Ok(what))
    })
}

async fn connected(net: &Net, wire: Protocol, session: bool) -> Client {
    let client =
        net.client().protocol(wire).identity("ann").register("big", async |_, size: usize| Ok("x".repeat(size)));
    let client = if session { client.reconnect(Backoff::default()) } else { client };
    client.connect().await.expect("a connection")
}

/// A text that makes an envelope of a message `m` that large.
fn filling(bytes: usize) -> String {
    "x".repeat(bytes - "[\"m\",\"\",null]".len())
}

#[tokio::test(start_paused = true)]
async fn a_message_of_the_largest_size_is_sent_and_one_byte_more_is_refused_and_not_counted() {
    let server = serving();
    let net = Net::new(&server);
    let client = connected(&net, Protocol::Wse, true).await;
    for _ in 0..3 {
        client.send("m", filling(LARGEST)).expect("it fits").delivered().await.expect("it arrives");
        let refused = client.send("m", filling(LARGEST + 1));
        assert!(matches!(refused, Err(SendError::TooBig(size)) if size > LARGEST));
        let refused = client.send_when_ready("m", filling(LARGEST + 1)).await;
        assert!(matches!(refused, Err(SendError::TooBig(_))));
        let refused = client.call::<_, Value>("echo", filling(LARGEST)).await;
        assert!(matches!(refused, Err(CallError::Send(SendError::TooBig(_)))), "its stamp makes it larger");
        // The next connection of the session says it anew.
        client.cut();
        settle().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(client.call::<_, u32>("echo", 1).await.expect("all is well"), 1);
    assert_eq!(server.conn_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_too_large_for_the_server_is_an_error_and_the_connection_stays() {
    for wire in [Protocol::Wse, Protocol::WseMsgpack] {
        let server = serving();
        let net = Net::new(&server);
        let _client = connected(&net, wire, true).await;
        let conn = server.user("ann").conns().remove(0);
        assert!(conn.call::<_, String>("big", LARGEST - 100).await.is_ok());
        let error = conn.call::<_, String>("big", LARGEST).await.expect_err("too large");
        assert!(matches!(&error, CallError::Failed(_)), "{error:?}");
        assert!(conn.call::<_, String>("big", 1).await.is_ok());
        assert_eq!(net.counts().connections, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_session_the_client_is_not_told_and_the_server_closes() {
    let server = serving();
    let net = Net::new(&server);
    let client = connected(&net, Protocol::Wse, false).await;
    client.send("m", "x".repeat(LARGEST)).expect("it is sent");
    net.until(|counts| counts.live == 0).await;
}
