//! A real server and real clients over TCP with the proxy between them.

use std::time::Duration;
use tokio::net::TcpListener;
use wse::{Backoff, CallError, Client, ConnectError, Limits, Server, ServerBuilder, Status};
use wse_test::{Cut, Proxy};
use wse_test_peers::{WAIT, events, log, server, soon};

/// Finds a dead peer soon. On a busy machine a live one may take a second to answer.
fn alert() -> Limits {
    let (ping_interval, ping_timeout) = (Duration::from_millis(60), Duration::from_secs(2));
    Limits { ping_interval, ping_timeout, conns_per_user: 3, ..Limits::default() }
}

/// A server that adds, listening, and a proxy in front.
async fn adding(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (Server, Proxy) {
    let server =
        server(|builder| configure(builder.register("add", async |_, (a, b): (i64, i64)| Ok(a + b)).limits(alert())));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let proxy = Proxy::new(listener.local_addr().expect("an address")).await.expect("another");
    let serving = server.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    (server, proxy)
}

fn at_once() -> Backoff {
    Backoff { max: Duration::ZERO, ..Backoff::default() }
}

async fn adds(client: &Client) -> Result<i64, CallError> {
    soon(client.call("add", (2, 3))).await
}

#[tokio::test]
async fn behind_whatever_byte_it_is_cut_the_client_comes_back() {
    for cut in [Cut::Reset, Cut::Fin] {
        let (server, proxy) = adding(|builder| builder).await;
        for to_server in [true, false] {
            for bytes in (0..=512).step_by(8) {
                let next = proxy.faults().next().cut_as(cut);
                let way = if to_server { next.to_server() } else { next.to_client() };
                way.cut_after(bytes);
                let connecting = Client::builder(&proxy.url()).identity("ann").reconnect(at_once()).connect();
                let client = soon(connecting).await.unwrap();
                while adds(&client).await.is_err() {
                    soon(client.watch_status().wait_for(|status| *status == Status::Ready)).await.unwrap();
                }
                soon(client.close("done")).await;
                proxy.faults().heal(); // some cuts are behind the end of the conversation
            }
        }
        soon(proxy.until(|counts| counts.live == 0)).await;
        soon(server.shutdown(WAIT)).await;
    }
}

#[tokio::test]
async fn a_side_that_was_not_told_of_a_cut_finds_out_by_its_ping() {
    for (cut, client, server) in
        [(Cut::ClientOnly, "closed 1006", "1006 wse.silent"), (Cut::ServerOnly, "closed 1006 wse.silent", "1006")]
    {
        let ((when, mut server_told), (heard, mut client_told)) = (events(), wse_test_peers::events());
        let (_server, proxy) = adding(|builder| builder.when(when)).await;
        let builder = Client::builder(&proxy.url()).identity("ann").limits(alert()).when(heard);
        let _client = soon(builder.connect()).await.unwrap();
        proxy.faults().cut_as(cut).cut();
        assert_eq!(client_told.next_like("closed").await, client);
        assert_eq!(server_told.take(4).await[3], format!("left ann {server}"));
        soon(proxy.until(|counts| counts.live == 0)).await;
    }
}

#[tokio::test]
async fn in_a_blackhole_both_sides_find_out_by_their_pings() {
    let ((when, mut server_told), (heard, mut client_told)) = (events(), wse_test_peers::events());
    let (_server, proxy) = adding(|builder| builder.when(when)).await;
    let builder = Client::builder(&proxy.url()).identity("ann").limits(alert()).when(heard);
    let client = soon(builder.connect()).await.unwrap();
    proxy.faults().blackhole();
    let called = adds(&client).await;
    assert!(matches!(called, Err(CallError::Disconnected { .. })), "{called:?}");
    assert_eq!(client_told.next_like("closed").await, "closed 1006 wse.silent");
    assert_eq!(server_told.take(4).await[3], "left ann 1006 wse.silent");
    assert!(soon(proxy.until(|counts| counts.live == 0)).await.vanished > 0);
}

#[tokio::test]
async fn slow_thin_and_in_pieces_all_is_said() {
    let log = log();
    let (_server, proxy) = adding(|builder| {
        let log = log.clone();
        let say = async move |_, text: String| {
            log.add(text.len());
            Ok(())
        };
        builder.on("say", say).limits(Limits::default())
    })
    .await;
    proxy.faults().latency(Duration::from_millis(5)).bandwidth(200_000).split(100);
    let client = soon(Client::builder(&proxy.url()).identity("ann").connect()).await.unwrap();
    client.send("say", "x".repeat(10_000)).unwrap();
    assert_eq!(adds(&client).await.unwrap(), 5);
    assert_eq!(log.take(), ["10000"]);
}

#[tokio::test]
async fn a_refused_client_fails_or_goes_on_trying() {
    let (_server, proxy) = adding(|builder| builder).await;
    proxy.faults().refuse();
    let error = soon(Client::builder(&proxy.url()).identity("ann").connect()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error}");
    let trying = tokio::spawn(Client::builder(&proxy.url()).identity("ann").reconnect(at_once()).connect());
    soon(proxy.until(|counts| counts.refused >= 5)).await;
    proxy.faults().heal();
    let client = soon(trying).await.unwrap().unwrap();
    assert_eq!(adds(&client).await.unwrap(), 5);
}
