//! What all servers send to a device while its session moves from one to the other: everything comes once, and in the
//! order of each sender.

use crate::cluster::{S, meet, one};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use wse::{Backoff, Limits, Server};
use wse_test::{Bus, Net};

const MS: Duration = Duration::from_millis(1);

/// What each server sends in each of three ways.
const EACH: u32 = 500;

#[tokio::test(start_paused = true)]
async fn everything_that_any_server_sends_while_a_session_moves_comes_once_and_in_order() {
    for seed in 0..6u64 {
        let bus = Bus::seeded(seed);
        if seed > 0 {
            bus.faults().latency(seed as u32 % 4 * MS).lose(0.03).repeat(0.05).late(0.05, 20 * MS);
        }
        let servers: Vec<Server> = ["a", "b", "c"].iter().map(|name| one(&bus, name, Limits::default()).0).collect();
        meet(servers.iter()).await;
        let (next, serving) = (Arc::new(AtomicUsize::new(0)), servers.clone());
        let net = Net::serving(async move |stream| {
            let server = &serving[next.fetch_add(1, Ordering::Relaxed) % serving.len()];
            server.serve_stream(stream, None).await;
        });
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut client = net.client().identity("ann").reconnect(Backoff { max: 20 * MS, ..Backoff::default() });
        for name in ["all", "user", "room"] {
            let heard = heard.clone();
            client = client.on(name, async move |_, what: (String, u32)| {
                heard.lock().unwrap().push(format!("{name} of {} {}", what.0, what.1));
                Ok(())
            });
        }
        let client = client.connect().await.unwrap();
        servers[0].user("ann").conns()[0].join("tea").unwrap();
        for server in &servers {
            // There is something of everybody everywhere: every node gets every message.
            let net = Net::new(server);
            let other = net.client().identity(&server.cluster().unwrap().node().to_string()).connect().await.unwrap();
            server.everyone().send("hello", 0).unwrap();
            let conn = server.user(server.cluster().unwrap().node().to_string()).conns().remove(0);
            conn.join("tea").unwrap();
            std::mem::forget((net, other));
        }
        tokio::time::sleep(S).await;

        let senders = servers.iter().enumerate().map(|(number, server)| {
            let (server, name) = (server.clone(), ["a", "b", "c"][number].to_owned());
            tokio::spawn(async move {
                for n in 0..EACH {
                    server.broadcast("all", (&name, n)).unwrap();
                    server.user("ann").send("user", (&name, n)).unwrap();
                    server.room("tea").send("room", (&name, n)).unwrap();
                    tokio::time::sleep((n + number as u32) % 3 * 6 * MS).await;
                }
            })
        });
        let senders: Vec<_> = senders.collect();
        let mut cuts = 0;
        while senders.iter().any(|sender| !sender.is_finished()) {
            tokio::time::sleep((10 + seed as u32 * 7 % 13) * MS).await;
            let here = servers.iter().flat_map(|server| server.user("ann").conns());
            here.for_each(|conn| conn.cut());
            cuts += 1;
        }
        tokio::time::sleep(20 * S).await;
        let all = heard.lock().unwrap().clone();
        for kind in ["all", "user", "room"] {
            for name in ["a", "b", "c"] {
                let start = format!("{kind} of {name} ");
                let of: Vec<u32> = all.iter().filter_map(|line| line.strip_prefix(&start)?.parse().ok()).collect();
                assert_eq!(of, (0..EACH).collect::<Vec<_>>(), "seed {seed}: {start}, {cuts} cuts");
            }
        }
        assert!(net.counts().connections > 6, "{}", net.counts().connections);
        client.close("").await;
    }
}
