//! What a dropped `connect` or `jump` leaves behind, who comes back after a jump in the middle of an
//! attempt, and what becomes of a client whose runtime ends.

use serde_json::json;
use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{io::AsyncReadExt, net::TcpListener};
use wse::{Backoff, CallError, Client, ConnectError, SendError, Server, Status};
use wse_test_peers::{Got, events, scripted, server, settle, soon};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_connect_that_is_dropped_gives_its_attempt_up_wherever_it_is() {
    for silent_after in ["dial", "request", "hi"] {
        let (when, mut events) = events();
        let (builder, mut dials) = scripted();
        let client = builder.reconnect(Backoff::persistent()).when(when).build();
        let connecting = tokio::spawn({
            let client = client.clone();
            async move { client.connect().await }
        });
        let dialed = dials.next().await;
        let (io, wire) = match silent_after {
            "dial" => (Some(dialed.io), None),
            "request" => (Some(dialed.request().await.io), None),
            _ => (None, Some(dialed.request().await.upgrade().await)),
        };
        settle().await;
        connecting.abort();
        if let Some(mut io) = io {
            soon(io.read_to_end(&mut Vec::new())).await.expect("the client hangs up");
        }
        if let Some(mut wire) = wire {
            while wire.next().await != Got::End {} // the hi, and then nothing
        }
        dials.none_within(LONG).await;
        assert_eq!(client.status(), Status::Offline, "{silent_after}");
        assert_eq!(events.so_far(), ["CONNECTING", "OFFLINE"], "{silent_after}");
        // It can be asked again.
        let (connected, _wire) = tokio::join!(client.connect(), dials.welcomed());
        connected.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_is_dropped_while_it_waits_to_try_again_tries_no_more() {
    let (builder, mut dials) = scripted();
    let client = builder.reconnect(Backoff::default()).build();
    let gone = tokio::time::timeout(LONG, async {
        tokio::join!(client.connect(), async {
            for _ in 0..3 {
                dials.next().await; // and hangs up
            }
            pending::<()>().await
        })
    });
    assert!(gone.await.is_err());
    settle().await;
    while let Ok(dialed) = tokio::time::timeout(Duration::ZERO, dials.next()).await {
        drop(dialed); // what came in that minute
    }
    dials.none_within(LONG).await;
    assert_eq!(client.status(), Status::Offline);
}

#[tokio::test(start_paused = true)]
async fn a_connect_after_one_that_was_dropped_is_no_second_one() {
    let (builder, mut dials) = scripted();
    let client = builder.build();
    for _ in 0..20 {
        let connect = tokio::time::timeout(Duration::from_secs(1), client.connect());
        let (gone, _silent) = tokio::join!(connect, async { dials.next().await.request().await.silent() });
        assert!(gone.is_err());
        // At once, before the client's task knows.
        let (connected, _wire) = tokio::join!(client.connect(), dials.welcomed());
        connected.expect("the first one is over");
        client.close("").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_ready_stays_so_whatever_is_dropped() {
    let (builder, mut dials) = scripted();
    let client = builder.build();
    let connecting = tokio::spawn({
        let client = client.clone();
        async move {
            client.connect().await.unwrap();
            pending::<()>().await
        }
    });
    let mut wire = dials.welcomed().await;
    settle().await;
    connecting.abort();
    drop(client.connect()); // never polled
    assert!(matches!(soon(client.connect()).await, Err(ConnectError::AlreadyConnected)));
    settle().await;
    assert_eq!(client.status(), Status::Ready);
    client.send("m", 1).unwrap();
    assert_eq!(wire.json().await[0], "m");
}

#[tokio::test(start_paused = true)]
async fn a_jump_that_is_dropped_is_given_up_and_the_old_server_is_left() {
    let (builder, mut dials) = scripted();
    let builder = builder.identity("ann").reconnect(Backoff::default());
    let (client, wire) = tokio::join!(builder.connect(), dials.welcomed());
    let client = client.unwrap();
    let jumping = tokio::spawn({
        let client = client.clone();
        async move { client.jump("ws://b.test/").await }
    });
    assert_eq!(wire.closed().await, (4000, "jump".to_owned()));
    let mut wire = dials.upgraded().await;
    wire.json().await;
    jumping.abort();
    assert_eq!(wire.next().await, Got::End);
    dials.none_within(LONG).await;
    assert_eq!(client.status(), Status::Offline);
}

#[tokio::test(start_paused = true)]
async fn a_jump_in_the_middle_of_an_attempt_never_comes_back_as_the_old_user() {
    for under_way in ["identity", "request", "hi", "welcome", "wait"] {
        let (builder, mut dials) = scripted();
        let asked = Arc::new(AtomicU32::new(0));
        let count = asked.clone();
        let builder = builder.reconnect(Backoff::default()).identity_with(async move || {
            if count.fetch_add(1, SeqCst) > 0 && under_way == "identity" {
                pending::<()>().await;
            }
            Ok("ann")
        });
        let (client, wire) = tokio::join!(builder.connect(), dials.welcomed());
        let client = client.unwrap();
        drop(wire);
        let mut old = match under_way {
            "identity" => {
                while asked.load(SeqCst) < 2 {
                    settle().await;
                }
                None
            }
            "request" => Some(dials.next().await.request().await.silent()),
            "hi" => Some(dials.upgraded().await),
            "welcome" => Some(dials.welcomed().await),
            _ => {
                drop(dials.next().await);
                None
            }
        };
        let (jumped, (wire, hi)) =
            tokio::join!(client.jump_with("ws://a.test/", "bob", &()), dials.greeted(json!(null)));
        jumped.unwrap();
        assert_eq!(hi["identity"], "bob", "{under_way}");
        if let Some(old) = &mut old {
            while old.next().await != Got::End {} // whatever it was told before it was left
        }
        drop(wire);
        let (_wire, hi) = dials.greeted(json!(null)).await;
        assert_eq!(hi["identity"], "bob", "{under_way}");
        settle().await;
        assert_eq!(client.status(), Status::Ready, "{under_way}");
    }
}

/// A runtime of a thread of its own, as an application has that starts more than one.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// A server on a runtime that stays, and its address.
fn serving(runtime: &tokio::runtime::Runtime) -> (Server, String) {
    let _inside = runtime.enter();
    let server = server(|builder| builder.register("echo", async |_, what: u8| Ok(what)));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("as tokio wants it");
    let url = format!("ws://{}/", listener.local_addr().expect("an address"));
    let listening = server.clone();
    runtime.spawn(async move { listening.serve(TcpListener::from_std(listener).expect("a socket")).await });
    (server, url)
}

#[test]
fn a_client_whose_runtime_has_ended_says_so_and_starts_again_in_the_next_one() {
    let stays = runtime();
    let (_server, url) = serving(&stays);
    let client = Client::builder(&url).identity("ann").reconnect(Backoff::default()).build();
    for round in 0..3 {
        let ends = runtime();
        ends.block_on(client.connect()).unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(ends.block_on(client.call::<_, u8>("echo", 7)).unwrap(), 7);
        drop(ends);
        assert_eq!(client.status(), Status::Offline);
        assert!(matches!(client.send("m", 1), Err(SendError::NotReady)));
        let called = stays.block_on(soon(client.call::<_, u8>("echo", 7)));
        assert!(matches!(called, Err(CallError::NotReady)), "{called:?}");
        stays.block_on(soon(client.close("")));
    }
    stays.block_on(soon(client.connect())).unwrap();
    assert_eq!(stays.block_on(soon(client.call::<_, u8>("echo", 7))).unwrap(), 7);
    stays.block_on(soon(client.close("")));
}

#[test]
fn who_waits_in_another_runtime_is_told_when_that_of_the_client_ends() {
    let (stays, ends) = (runtime(), runtime());
    // A server that takes connections and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let client = Client::builder(&url).identity("ann").reconnect(Backoff::persistent()).build();
    let connecting = ends.spawn({
        let client = client.clone();
        async move { client.connect().await }
    });
    let _stream = listener.accept().unwrap();
    let jumping = stays.spawn({
        let client = client.clone();
        let url = url.clone();
        async move { client.jump(&url).await }
    });
    let _stream = listener.accept().unwrap();
    drop(ends);
    drop(connecting);
    let error = stays.block_on(soon(jumping)).unwrap().unwrap_err();
    assert!(matches!(&error, ConnectError::Unreachable(why) if why.to_string().contains("runtime")), "{error}");
    let (_server, url) = serving(&stays);
    stays.block_on(soon(client.jump(&url))).expect("it starts again");
    assert_eq!(client.status(), Status::Ready);
}
