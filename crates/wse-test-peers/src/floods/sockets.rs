//! Clients over sockets in memory, which begin with the HTTP request.

use crate::{
    http::{ask_upgrade, request},
    raw::RawClient,
    time::WAIT,
};
use std::{net::IpAddr, time::Duration};
use tokio::{io::DuplexStream, task::JoinHandle, time::timeout};
use wse::Server;

/// A pipe to the server as a socket of that address, and the task that serves its request.
pub fn socket(server: &Server, addr: Option<IpAddr>) -> (DuplexStream, JoinHandle<()>) {
    let (ours, theirs) = tokio::io::duplex(4 << 10);
    let server = server.clone();
    (ours, tokio::spawn(async move { server.serve_stream(theirs, addr).await }))
}

/// Asks for an upgrade from an address; `None` when the server has no place.
pub async fn upgrade_from(server: &Server, addr: [u8; 4], headers: &[(&str, &str)]) -> Option<RawClient> {
    let answer = ask_upgrade(socket(server, Some(addr.into())).0, request("/", headers)).await;
    if answer.status == 101 {
        return Some(answer.upgraded());
    }
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    None
}

/// The same, as soon as there is one.
pub async fn upgrade_before_long(server: &Server) -> RawClient {
    let wait = async {
        loop {
            if let Some(peer) = upgrade_from(server, [198, 51, 100, 7], &[]).await {
                return peer;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(WAIT / 3, wait).await.expect("the place is never freed")
}

/// Ends all peers. Their places are free then.
pub async fn leave(peers: Vec<RawClient>) {
    for peer in peers {
        peer.leave().await;
    }
}
