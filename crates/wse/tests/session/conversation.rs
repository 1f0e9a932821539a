//! A conversation of a real server and a real client, in messages and calls of both directions, and
//! what must be true of it whatever happened to their connections.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::Notify;
use wse::{Backoff, Client, ClientBuilder, ClientEvent, Conn, Event, Limits, Protocol, Server, ServerBuilder};

/// Messages of each side; half as many calls.
pub(crate) const LENGTH: u32 = 8;

/// A call may wait for a cut that only the heartbeat finds.
pub(crate) const PATIENT: Duration = Duration::from_secs(300);

/// What both sides have seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// By the server: messages and calls of the client, and answers of the client.
    server: Mutex<Vec<String>>,
    /// By the client, the same.
    client: Mutex<Vec<String>>,
    events: Mutex<Vec<String>>,
    /// Envelopes of sessions that could not be resumed.
    lost: Mutex<u64>,
    /// Told with everything that either side sees.
    news: Notify,
}

impl Seen {
    fn note(&self, side: &Mutex<Vec<String>>, what: String) {
        side.lock().expect("no panic while locked").push(what);
        self.news.notify_waiters();
    }

    async fn until(&self, holds: impl Fn(&Self) -> bool) {
        loop {
            let news = self.news.notified();
            if holds(self) {
                return;
            }
            news.await;
        }
    }

    /// What began like this, in order.
    fn of(side: &Mutex<Vec<String>>, kind: &str) -> Vec<u32> {
        let all = side.lock().expect("no panic while locked");
        all.iter().filter_map(|line| line.strip_prefix(kind)?.trim().parse().ok()).collect()
    }
}

/// A server that says back what it hears, and calls back for every call.
pub(crate) fn server(seen: &Arc<Seen>, limits: Limits, protocol: Protocol) -> Server {
    server_with(seen, limits, protocol, |builder| builder)
}

/// The same with something more.
pub(crate) fn server_with(
    seen: &Arc<Seen>,
    limits: Limits,
    protocol: Protocol,
    configure: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> Server {
    let (say, double, events) = (seen.clone(), seen.clone(), seen.clone());
    configure(Server::builder())
        .protocols([protocol])
        .identify(async |stranger, name: String| Ok(stranger.accept(name)))
        .limits(Limits { rpc_timeout: PATIENT, ..limits })
        .on("say", async move |conn: Conn, n: u32| {
            say.note(&say.server, format!("say {n}"));
            conn.send("said", n)?;
            Ok(())
        })
        .register("double", async move |conn: Conn, n: u32| {
            double.note(&double.server, format!("double {n}"));
            let seen = double.clone();
            tokio::spawn(async move {
                if let Ok(triple) = conn.call::<_, u32>("triple", n).await {
                    seen.note(&seen.server, format!("triple {}", triple / 3));
                }
            });
            tokio::time::sleep(Duration::from_millis(u64::from(n % 10))).await;
            Ok(2 * n)
        })
        .when(async move |event| {
            let line = match event {
                Event::Joined(_) => "joined".to_owned(),
                Event::Left(..) => "left".to_owned(),
                Event::Connected(conn) => format!("connected {}", conn.conn_id()),
                Event::Disconnected(conn, _) => format!("disconnected {}", conn.conn_id()),
                Event::Parked(conn) => format!("parked {}", conn.conn_id()),
                Event::Resumed(conn) => format!("resumed {}", conn.conn_id()),
                other => format!("{other:?}"),
            };
            events.note(&events.events, line);
        })
        .build()
}

/// The client of that server.
pub(crate) fn client(seen: &Arc<Seen>, builder: ClientBuilder, limits: Limits) -> ClientBuilder {
    let (said, triple, ready) = (seen.clone(), seen.clone(), seen.clone());
    builder
        .identity("ann")
        .limits(Limits { rpc_timeout: PATIENT, ..limits })
        .reconnect(Backoff { max: Duration::from_millis(20), ..Backoff::default() })
        .on("said", async move |_, n: u32| {
            said.note(&said.client, format!("said {n}"));
            Ok(())
        })
        .register("triple", async move |_, n: u32| {
            triple.note(&triple.client, format!("triple {n}"));
            Ok(3 * n)
        })
        .when(async move |event| {
            if let ClientEvent::Ready { lost, .. } = event {
                *ready.lost.lock().expect("no panic while locked") += lost;
            }
        })
}

/// Connects, says everything, calls, and waits until all of it has come back. Returns the client.
pub(crate) async fn talk(seen: &Arc<Seen>, client: ClientBuilder, length: u32) -> Client {
    let client = client.connect().await.expect("the server lets everybody in");
    let mut calls = Vec::new();
    for n in 0..length {
        client.send("say", n).expect("it is kept, whatever becomes of the connection");
        if n % 2 == 0 {
            let (client, seen) = (client.clone(), seen.clone());
            calls.push(tokio::spawn(async move {
                let double: u32 = client.call("double", n).await.expect("its answer crosses the cut");
                seen.note(&seen.client, format!("double {}", double / 2));
            }));
        }
        tokio::task::yield_now().await;
    }
    for call in calls {
        call.await.expect("no call fails");
    }
    seen.until(|seen| {
        Seen::of(&seen.client, "said").len() >= length as usize
            && Seen::of(&seen.server, "triple").len() >= length as usize / 2
    })
    .await;
    client
}

/// Everything came once and in order, and no more events than there were changes.
pub(crate) fn check(seen: &Seen, length: u32, what: &str) {
    check_talk(seen, length, what);
    check_events(&seen.events.lock().expect("no panic while locked"), what);
}

/// Everything came once and in order.
pub(crate) fn check_talk(seen: &Seen, length: u32, what: &str) {
    let all: Vec<u32> = (0..length).collect();
    let even: Vec<u32> = (0..length).step_by(2).collect();
    let sorted = |side: &Mutex<Vec<String>>, kind| {
        let mut numbers = Seen::of(side, kind);
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(Seen::of(&seen.server, "say"), all, "{what}: messages of the client, in order");
    assert_eq!(Seen::of(&seen.client, "said"), all, "{what}: messages of the server, in order");
    assert_eq!(sorted(&seen.server, "double"), even, "{what}: each call of the client, once");
    assert_eq!(sorted(&seen.client, "double"), even, "{what}: each answer of the server");
    assert_eq!(sorted(&seen.client, "triple"), even, "{what}: each call of the server, once");
    assert_eq!(sorted(&seen.server, "triple"), even, "{what}: each answer of the client");
    assert_eq!(*seen.lost.lock().expect("no panic while locked"), 0, "{what}: nothing was lost");
}

/// Joined and left, connected and disconnected, parked and resumed are in pairs.
fn check_events(events: &[String], what: &str) {
    let (mut there, mut parked, mut joined) = (Vec::new(), Vec::new(), false);
    for event in events {
        let (kind, conn) = event.split_once(' ').unwrap_or((event, ""));
        let out_of = |list: &mut Vec<String>| {
            let place = list.iter().position(|other| other == conn);
            list.remove(place.unwrap_or_else(|| panic!("{what}: {event} in {events:?}")));
        };
        match kind {
            "joined" => assert!(!std::mem::replace(&mut joined, true), "{what}: {events:?}"),
            "left" => assert!(std::mem::replace(&mut joined, false) && there.is_empty(), "{what}: {events:?}"),
            "connected" => there.push(conn.to_owned()),
            "disconnected" => {
                out_of(&mut there);
                parked.retain(|other| other != conn);
            }
            "parked" => {
                assert!(there.iter().any(|other| other == conn), "{what}: {events:?}");
                assert!(!parked.iter().any(|other| other == conn), "{what}: {events:?}");
                parked.push(conn.to_owned());
            }
            "resumed" => out_of(&mut parked),
            _ => panic!("{what}: {event}"),
        }
    }
}
