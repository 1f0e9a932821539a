//! A thousand connections on one core, each with one message at a time: the server serves all alike. A
//! program of its own, as it needs a thousand file descriptors.

use std::{cell::Cell, rc::Rc};
use tokio::{net::TcpStream, task::LocalSet};
use wse_test_peers::{RawClient, ask_upgrade, programs::Testbed, request, soon};

const CONNECTIONS: usize = 1000;

/// It is over when one connection has had so many answers.
const ANSWERS: usize = 20;

/// Opened one after the other, so that no more are before their verdict than one address may have.
async fn open(testbed: &Testbed) -> Vec<RawClient<TcpStream>> {
    let mut peers = Vec::new();
    for number in 0..CONNECTIONS {
        let stream = TcpStream::connect(&testbed.addr).await.expect("it listens");
        let mut peer = ask_upgrade(stream, request("/", &[])).await.upgraded();
        peer.enter(&format!("user-{number}")).await;
        peers.push(peer);
    }
    peers
}

/// Echoes until some connection has had all of its answers. Returns how many this one has had.
async fn echo(mut peer: RawClient<TcpStream>, over: Rc<Cell<bool>>) -> usize {
    let mut answers = 0;
    while !over.get() {
        peer.send(r#"["echo",1]"#).await;
        peer.text().await;
        answers += 1;
        over.set(over.get() || answers == ANSWERS);
    }
    answers
}

/// It counts answers and no time, so that a busy machine makes it slower and nothing else.
#[tokio::test]
async fn of_a_thousand_connections_on_one_core_the_least_served_has_four_fifths_of_the_most_served() {
    let testbed = Testbed::start(&["--workers", "1", "--quiet", "--ping-interval", "300s"]).await;
    let peers = open(&testbed).await;
    let over = Rc::new(Cell::new(false));
    let local = LocalSet::new();
    let echoes: Vec<_> = peers.into_iter().map(|peer| local.spawn_local(echo(peer, over.clone()))).collect();
    let mut served = Vec::new();
    let all = local.run_until(async {
        for echo in echoes {
            served.push(echo.await.expect("no panic"));
        }
    });
    soon(all).await;
    let (least, most) = (served.iter().min().copied(), served.iter().max().copied());
    assert!(least >= Some(ANSWERS * 4 / 5), "{least:?} of {most:?} answers");
}
