//! A server that stops: its sessions leave for another node, and their clients follow.

use crate::{
    cluster::{S, meet, one, two},
    conversation::{LENGTH, Seen, check_talk, client, server_with, talk},
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use wse::{Limits, Protocol, Server};
use wse_test::{Bus, Net};
use wse_test_peers::{Got, attach, resent, settle};

/// A client that keeps its session when it has moved, or one of an earlier version.
async fn enter(server: &Server, name: &str, can: &[&str]) -> (wse_test_peers::RawClient, Value) {
    let mut peer = attach(server);
    peer.say("~wse:hi", json!({"identity": name, "session": {}, "can": can})).await;
    let welcome = peer.json().await;
    (peer, welcome[2]["session"].clone())
}

async fn next_close(peer: &mut wse_test_peers::RawClient) -> (u16, String) {
    loop {
        match peer.next().await {
            Got::Close(Some(closed)) => return closed,
            Got::Text(_) | Got::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_is_told_that_its_session_has_moved_and_goes_on_with_it() {
    let bus = Bus::new();
    let [(a, mut events_of_a), (b, mut events_of_b)] = two(&bus).await;
    let (mut ann, token) = enter(&a, "ann", &["skip", "move"]).await;
    let (mut bob, _) = enter(&a, "bob", &["skip"]).await;
    ann.say("later", json!(3)).await;
    settle().await;
    let shutdown = tokio::spawn({
        let a = a.clone();
        async move { a.shutdown(10 * S).await }
    });
    let (code, reason) = next_close(&mut ann).await;
    assert_eq!(code, 1012);
    assert!(reason.starts_with("wse.moved after="), "{reason}");
    let (code, reason) = next_close(&mut bob).await;
    assert_eq!(code, 1012);
    assert!(reason.starts_with("wse.restart after="), "an earlier client begins anew: {reason}");
    drop((ann, bob));
    settle().await;
    assert!(b.user("ann").conns()[0].is_parked() && b.user("bob").conns().is_empty());
    tokio::time::sleep(S).await;
    let mut ann = attach(&b);
    ann.say("~wse:hi", json!({"identity": "ann", "session": {"resume": token, "seen": 0}, "can": ["skip", "move"]}))
        .await;
    let welcome = ann.json().await;
    assert_eq!((&welcome[2]["resumed"], &welcome[2]["seen"]), (&json!(true), &json!(1)));
    assert_eq!(resent(&mut ann).await, Vec::<Value>::new());
    let frame = loop {
        match ann.next().await {
            Got::Text(text) if text.starts_with(r#"["~wse:ack"#) => {}
            Got::Text(text) => break text,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(frame, r#"["later",3,null]"#, "its handler has finished where it began");
    shutdown.await.unwrap();
    let told = events_of_a.so_far();
    assert!(told.iter().any(|line| line.starts_with("moved out ann")), "{told:?}");
    assert!(!told.iter().any(|line| line.starts_with("disconnected ann") || line.starts_with("left ann")), "{told:?}");
    let told = events_of_b.so_far();
    assert!(told.iter().any(|line| line.starts_with("moved in ann")), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn alone_a_server_that_stops_ends_its_sessions_as_ever() {
    let bus = Bus::new();
    let (a, _events) = one(&bus, "a", Limits::default());
    meet([&a].into_iter()).await;
    let (mut ann, _) = enter(&a, "ann", &["skip", "move"]).await;
    let shutdown = tokio::spawn({
        let a = a.clone();
        async move { a.shutdown(10 * S).await }
    });
    let (code, reason) = next_close(&mut ann).await;
    assert!(code == 1012 && reason.starts_with("wse.restart"), "{code} {reason}");
    ann.close(1012, &reason).await;
    shutdown.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn servers_restart_one_after_the_other_under_conversations_that_lose_nothing() {
    for round in 0..8u64 {
        let bus = Bus::new();
        let seen = Arc::new(Seen::default());
        let server = |name: &str| {
            server_with(&seen, Limits::default(), Protocol::Wse, |builder| builder.cluster(bus.node(name)))
        };
        let servers: Vec<Server> = ["a", "b", "c"].iter().map(|name| server(name)).collect();
        meet(servers.iter()).await;
        let (down, serving) = (Arc::new(AtomicUsize::new(0)), servers.clone());
        // A load balancer: it knows which servers are stopping.
        let first = down.clone();
        let net = Net::serving(async move |stream| {
            serving[first.load(Ordering::Relaxed)].serve_stream(stream, None).await;
        });
        net.faults().latency(Duration::from_millis(round));
        let restarts = tokio::spawn({
            let servers = servers.clone();
            async move {
                for server in &servers[..2] {
                    tokio::time::sleep(4 * S + Duration::from_millis(3 * round)).await;
                    down.fetch_add(1, Ordering::Relaxed);
                    server.shutdown(10 * S).await;
                }
            }
        });
        let client = talk(&seen, client(&seen, net.client(), Limits::default()), 30 * LENGTH).await;
        restarts.await.unwrap();
        check_talk(&seen, 30 * LENGTH, &format!("round {round}"));
        assert_eq!(client.call::<_, u32>("double", 1).await.unwrap(), 2);
        assert_eq!(net.counts().connections, 3, "round {round}");
        client.close("").await;
        servers[2].shutdown(Duration::ZERO).await;
    }
}
