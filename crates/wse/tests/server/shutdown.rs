//! The end of a server: nobody new, running handlers answer, everyone is told 1012, done in time.

use http::Request;
use serde_json::{Value, json};
use std::{future::pending, time::Duration};
use tokio::{net::TcpListener, time::sleep};
use wse::{Conn, Limits, ServeError, Server};
use wse_test_peers::{Got, about, attach, attach_with, end, enter, events, log, server, settle, timed};

const S: Duration = Duration::from_secs(1);

/// A server with work that takes as many seconds as it is told, or for ever.
fn working(limits: Limits) -> Server {
    server(|builder| {
        builder
            .limits(limits)
            .register("work", async |_, secs: u32| {
                sleep(S * secs).await;
                Ok(secs)
            })
            .on("never", async |_, (): ()| pending().await)
            .on("m", async |conn: Conn, what: Value| {
                conn.send("m", what)?;
                Ok(())
            })
    })
}

/// Shuts down; one that does not end fails the test instead of stopping it.
async fn down(server: &Server, grace: Duration) {
    tokio::time::timeout(99 * S, server.shutdown(grace)).await.expect("a shutdown ends");
}

fn restart() -> Got {
    Got::Close(Some((1012, "wse.restart after=1000".into())))
}

#[tokio::test(start_paused = true)]
async fn everyone_is_told_to_come_back_and_strangers_too() {
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when));
    let (mut ann, mut bob, mut stranger) = (enter(&server, "ann").await, enter(&server, "bob").await, attach(&server));
    events.take(4).await;
    let (time, _) = timed(async {
        tokio::join!(down(&server, 5 * S), async {
            for (peer, after) in [(&mut ann, 1000), (&mut bob, 1001), (&mut stranger, 1002)] {
                assert_eq!(peer.closed().await, (1012, format!("wse.restart after={after}")));
            }
        })
    })
    .await;
    assert!(time < S / 10, "{time:?}");
    assert_eq!((server.conn_count(), server.user_count()), (0, 0));
    let mut told = events.take(4).await;
    told.sort();
    assert_eq!(
        told,
        [
            "disconnected ann 1 1012 wse.restart after=1000",
            "disconnected bob 2 1012 wse.restart after=1001",
            "left ann 1012 wse.restart after=1000",
            "left bob 1012 wse.restart after=1001"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_new_comes_in() {
    let server = working(Limits::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let serving = server.clone();
    let served = tokio::spawn(async move { serving.serve(listener).await });
    settle().await;
    down(&server, S).await;
    served.await.unwrap().expect("a server that was shut down has served");
    assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "the socket is closed");
    let (_ours, theirs) = tokio::io::duplex(64);
    assert!(matches!(server.attach(theirs, Request::new(())), Err(ServeError::ShutDown)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    assert!(matches!(server.serve(listener).await, Err(ServeError::ShutDown)));
    // Where the service is mounted elsewhere, it says 503.
    let (ours, theirs) = tokio::io::duplex(wse_test_peers::PIPE);
    let mounted = server.clone();
    tokio::spawn(async move { mounted.serve_stream(theirs, None).await });
    assert_eq!(wse_test_peers::ask_upgrade(ours, wse_test_peers::request("/", &[])).await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn handlers_that_run_may_answer_and_nothing_new_starts() {
    let server = working(Limits::default());
    let mut peer = enter(&server, "ann").await;
    peer.ask("work", json!(3), "three").await;
    peer.ask("work", json!(1), "one").await;
    settle().await;
    let stopping = server.clone();
    let shutdown = tokio::spawn(async move { down(&stopping, 10 * S).await });
    settle().await;
    peer.ask("work", json!(0), "too late").await;
    assert_eq!(peer.text().await, r#"["~wse:response",1,"one"]"#);
    assert_eq!(server.conn_count(), 1, "it may still be sent to");
    server.broadcast("m", 1).unwrap();
    assert_eq!(peer.text().await, r#"["m",1,null]"#);
    assert_eq!(peer.text().await, r#"["~wse:response",3,"three"]"#);
    assert_eq!(peer.closed().await, (1012, "wse.restart after=1000".into()));
    shutdown.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_ends_is_cut_when_the_grace_is_over() {
    let log = log();
    let done = log.clone();
    let server = server(|builder| {
        builder.on("never", async move |_, (): ()| {
            struct Guard(wse_test_peers::Log);
            impl Drop for Guard {
                fn drop(&mut self) {
                    self.0.add("dropped");
                }
            }
            let _guard = Guard(done);
            pending().await
        })
    });
    let (mut peer, ended) = attach_with(&server, wse_test_peers::PIPE, Request::new(()));
    peer.enter("ann").await;
    peer.send("[\"never\"]").await;
    settle().await;
    let (time, ()) = timed(down(&server, 5 * S)).await;
    assert!(about(time, 5 * S), "{time:?}");
    assert_eq!(log.take(), ["dropped"]);
    assert_eq!(server.conn_count(), 0);
    end(ended).await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_in_an_inbox_does_not_hold_the_shutdown_up() {
    let limits = Limits { handlers_per_conn: 1, ..Limits::default() };
    // The peer stays to the end, or leaves before the shutdown, or during it.
    for leaves in [None, Some(Duration::ZERO), Some(2 * S)] {
        let server = working(limits.clone());
        let mut peer = enter(&server, "ann").await;
        peer.send("[\"never\"]").await;
        peer.say("m", json!("waits")).await;
        settle().await;
        let mut peer = Some(peer);
        if leaves == Some(Duration::ZERO) {
            peer = None;
            settle().await;
        }
        let leaver = async {
            if let Some(after) = leaves {
                sleep(after).await;
                peer = None;
            }
        };
        let (time, _) = timed(async { tokio::join!(down(&server, 5 * S), leaver) }).await;
        assert!(about(time, 5 * S), "{leaves:?}: {time:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_inbox_behind_a_handler_that_ends_is_forgotten_when_the_peer_has_left() {
    let limits = Limits { handlers_per_conn: 1, ..Limits::default() };
    let server = working(limits);
    let mut peer = enter(&server, "ann").await;
    peer.ask("work", json!(2), "s").await;
    peer.say("m", json!("waits")).await;
    settle().await;
    drop(peer);
    settle().await;
    let (time, ()) = timed(down(&server, 30 * S)).await;
    assert!(time < 3 * S, "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_answer_costs_two_seconds_and_no_more_than_the_grace() {
    for (grace, expected) in [(5 * S, 2 * S), (S, S)] {
        let server = working(Limits::default());
        let (mut peer, _ended) = attach_with(&server, wse_test_peers::PIPE, Request::new(()));
        peer.enter("ann").await;
        let (time, ()) = timed(down(&server, grace)).await;
        assert!(about(time, expected), "{time:?}");
        assert_eq!(peer.next().await, restart());
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_connections_is_down_at_once_and_stays_so() {
    let server = working(Limits::default());
    for _ in 0..2 {
        let (time, ()) = timed(down(&server, 5 * S)).await;
        assert_eq!(time, Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_whom_identify_thinks_about_is_told_too() {
    let server = Server::builder()
        .identify(async |_: wse::Stranger, _: Value| -> Result<wse::Verdict, wse::RpError> { pending().await })
        .build();
    let mut peer = attach(&server);
    peer.hi(json!(1), json!({})).await;
    settle().await;
    let (time, (_, closed)) = timed(async { tokio::join!(down(&server, 5 * S), peer.closed()) }).await;
    assert_eq!(closed, (1012, "wse.restart after=1000".into()));
    assert!(time < S, "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn the_application_is_told_of_every_end_before_the_shutdown_is_done_but_within_the_grace() {
    for (takes, expected) in [(S, 3 * S), (99 * S, 5 * S)] {
        let log = log();
        let told = log.clone();
        let server = server(|builder| {
            builder.when(async move |event: wse::Event| {
                let line = wse_test_peers::line(&event);
                if line.contains("1012") {
                    sleep(takes).await;
                    told.add(line);
                }
            })
        });
        let mut peer = enter(&server, "ann").await;
        let (time, _) = timed(async { tokio::join!(down(&server, 5 * S), peer.closed()) }).await;
        if takes == S {
            assert_eq!(
                log.take(),
                ["disconnected ann 1 1012 wse.restart after=1000", "left ann 1012 wse.restart after=1000"]
            );
        }
        assert!(time <= expected, "{time:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_procedure_that_calls_back_gets_its_answer_though_the_peer_floods_before_it() {
    let log = log();
    let handled = log.clone();
    let server = server(|builder| {
        builder.register("work", async |conn: Conn, (): ()| Ok(conn.call::<_, Value>("confirm", ()).await?)).on(
            "flood",
            async move |_, _: Value| {
                handled.add("flood");
                Ok(())
            },
        )
    });
    let (mut ann, mut bob) = (enter(&server, "ann").await, enter(&server, "bob").await);
    ann.ask("work", Value::Null, "s").await;
    let confirm = ann.json().await;
    assert_eq!(confirm[0], "confirm");
    let stopping = server.clone();
    let shutdown = tokio::spawn(async move { timed(down(&stopping, 3 * S)).await.0 });
    settle().await;
    for _ in 0..400 {
        ann.say("flood", json!("x".repeat(1000))).await;
    }
    ann.send(&json!(["~wse:response", "yes", confirm[2]]).to_string()).await;
    assert_eq!(ann.text().await, r#"["~wse:response","yes","s"]"#);
    assert_eq!(ann.closed().await, (1012, "wse.restart after=1000".into()));
    assert_eq!(bob.closed().await, (1012, "wse.restart after=1001".into()));
    assert!(shutdown.await.unwrap() < 3 * S);
    assert!(log.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn serving_ends_when_the_shutdown_is_over_and_not_when_it_begins() {
    let server = working(Limits::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let serving = tokio::spawn({
        let server = server.clone();
        async move { server.serve(listener).await }
    });
    let mut peer = enter(&server, "ann").await;
    peer.ask("work", json!(2), "s").await;
    settle().await;
    let (time, served) = timed(async {
        let (served, ()) = tokio::join!(serving, down(&server, 5 * S));
        served.unwrap()
    })
    .await;
    served.unwrap();
    assert!(time >= S, "{time:?}: the work was waited for");
}

#[test]
fn a_handler_that_blocks_its_thread_does_not_hold_the_shutdown_up() {
    const GRACE: Duration = Duration::from_millis(300);
    // Of two workers one is blocked, or both.
    for blocked in [1, 2] {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = std::sync::Arc::new(std::sync::Mutex::new(released));
        let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
        let server = server(|builder| {
            builder.on("block", async move |_, (): ()| {
                started.send(())?;
                let _ = released.lock().expect("no panic").recv(); // the test is over
                Ok(())
            })
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let peers = runtime.block_on(async {
            let mut peers = Vec::new();
            for number in 0..blocked {
                let mut peer = enter(&server, &number.to_string()).await;
                peer.send("[\"block\"]").await;
                starts.recv().await.expect("the handler starts");
                peers.push(peer);
            }
            let start = std::time::Instant::now();
            server.shutdown(GRACE).await;
            let time = start.elapsed();
            assert!((GRACE..Duration::from_secs(60)).contains(&time), "{blocked} blocked: {time:?}");
            peers
        });
        drop(release); // the handlers come to their end, and so does the runtime
        drop((runtime, peers));
    }
}
