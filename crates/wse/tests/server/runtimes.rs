//! One server in several runtimes, one after the other: what a runtime leaves behind when it ends.

use http::Request;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::runtime::{Builder, Runtime};
use wse::{Event, Limits, Server};
use wse_test_peers::{Events, attach_with, enter, events, line, log, next_in_line, number, server, soon};

fn runtimes() -> [Runtime; 2] {
    let [mut one, mut many] = [Builder::new_current_thread(), Builder::new_multi_thread()];
    [&mut one, many.worker_threads(2)].map(|builder| builder.enable_all().build().expect("a runtime"))
}

/// Ends a runtime while a device is connected.
fn end_with_a_device(runtime: Runtime, server: &Server) {
    let peer = runtime.block_on(enter(server, "ann"));
    drop((runtime, peer));
    assert_eq!((server.user_count(), server.conn_count()), (0, 0));
}

#[test]
fn a_user_whose_runtime_has_ended_is_served_in_another_and_its_events_are_told_there() {
    for ending in runtimes() {
        let log = log();
        let told = log.clone();
        let server = server(|builder| {
            builder
                .when(async move |event: Event| told.add(line(&event).split(' ').next().expect("a word")))
                .register("double", async |_, n: u64| Ok(2 * n))
        });
        end_with_a_device(ending, &server);
        log.take();
        let [next, _] = runtimes();
        next.block_on(async {
            let mut peer = enter(&server, "ann").await;
            assert_eq!(soon(peer.call("double", json!(4))).await, json!(["~wse:response", 8]));
            assert_eq!(log.take(), ["joined", "connected"]);
            peer.leave().await;
            server.shutdown(Duration::from_secs(300)).await;
        });
        assert_eq!(log.take(), ["disconnected", "left"]);
    }
}

#[test]
fn what_happens_outside_of_any_runtime_is_told_in_the_one_that_runs() {
    for ending in runtimes() {
        let (when, mut events) = events();
        let server = server(|builder| builder.when(when));
        end_with_a_device(ending, &server);
        let [next, _] = runtimes();
        let _peer = next.block_on(enter(&server, "bob"));
        assert_eq!(server.drop_user("bob", ""), 1);
        assert_eq!(next.block_on(events.next_like("left bob")), "left bob 1000");
    }
}

#[test]
fn a_server_whose_runtime_has_ended_is_dropped_with_its_last_handle() {
    for ending in runtimes() {
        let alive = Arc::new(());
        let held = alive.clone();
        let server = server(|builder| builder.when(async move |_| drop(held)));
        end_with_a_device(ending, &server);
        drop(server);
        assert_eq!(Arc::strong_count(&alive), 1, "what the listener holds is gone");
    }
}

/// A server that doubles numbers, and what it tells.
fn doubling() -> (Server, Events) {
    let (when, events) = events();
    (server(|builder| builder.when(when).register("double", async |_, n: u64| Ok(2 * n))), events)
}

/// Checks that a user can come, is served, and is told of, and that the server comes to its end at once.
async fn serves_to_the_end(server: &Server, mut events: Events, what: &str) {
    let mut peer = soon(enter(server, "ann")).await;
    assert_eq!(soon(peer.call("double", json!(4))).await, json!(["~wse:response", 8]), "{what}");
    soon(peer.leave()).await;
    let start = std::time::Instant::now();
    server.shutdown(Duration::from_secs(300)).await;
    assert!(start.elapsed() < Duration::from_secs(60), "{what}: the shutdown takes its whole grace");
    assert_eq!(events.so_far().last().map(String::as_str), Some("left ann 1000 wse.by-client"), "{what}");
}

#[test]
fn what_a_thread_with_a_runtime_of_its_own_does_to_a_user_is_told_where_the_user_is_served() {
    for (idle, serving) in runtimes().into_iter().zip(runtimes()) {
        let (server, mut events) = doubling();
        let mut peer = serving.block_on(enter(&server, "ann"));
        let dropping = server.clone();
        // This runtime runs nothing but this, and is kept: what was spawned there would never run.
        let idle = std::thread::spawn(move || {
            idle.block_on(async { assert_eq!(dropping.drop_user("ann", "bye"), 1) });
            idle
        });
        let idle = idle.join().expect("no panic");
        serving.block_on(async {
            assert_eq!(soon(peer.closed()).await, (1000, "bye".into()));
            assert_eq!(soon(events.next_like("left")).await, "left ann 1000 bye");
            serves_to_the_end(&server, events, "after an idle runtime").await;
        });
        drop(idle);
    }
}

/// A user with one device in each of two runtimes, of which one ends after so many steps.
#[test]
fn a_runtime_that_ends_at_any_step_leaves_nothing_behind() {
    for steps in 0..40 {
        let what = format!("ended after {steps} steps");
        // It looks after each poll whether it has to stop.
        let ending = Builder::new_current_thread().enable_all().event_interval(1).build().expect("a runtime");
        let [serving, _] = runtimes();
        let (when, mut events) = events();
        let server = server(|builder| {
            builder
                .limits(Limits { conns_per_user: 2, ..Limits::default() })
                .when(async move |event: Event| {
                    next_in_line().await;
                    when(event).await;
                })
                .register("double", async |_, n: u64| {
                    next_in_line().await;
                    Ok(2 * n)
                })
        });
        let held = ending.block_on(async {
            let (mut peer, _ended) = attach_with(&server, 4096, Request::new(()));
            tokio::spawn(async move {
                peer.say("~wse:hi", json!({"identity": "ann", "session": {}})).await;
                for n in 0..20 {
                    peer.ask("double", json!(n), &n.to_string()).await;
                    peer.next().await;
                }
                std::future::pending::<()>().await;
            });
            let counting = async move {
                for _ in 0..steps {
                    next_in_line().await;
                }
            };
            tokio::spawn(counting).await.expect("it cannot panic");
            let conns = server.user("ann").conns();
            let held = conns.first().map(|conn| (conn.clone(), conn.send("news", 1)));
            if let (Some((conn, _)), true) = (&held, steps % 2 == 1) {
                conn.drop("bye"); // the device does not answer the close frame
                next_in_line().await;
                next_in_line().await;
            }
            held
        });
        // Another device of the user is served elsewhere, and what happens to it waits behind that.
        let mut other = serving.block_on(soon(enter(&server, "ann")));
        let conn = server.user("ann").conns().pop().expect("it is there");
        drop(ending);
        serving.block_on(soon(events.next_like(&format!("connected ann {}", number(&conn)))));
        let answer = serving.block_on(soon(other.call("double", json!(21))));
        assert_eq!(answer, json!(["~wse:response", 42]), "{what}");
        serving.block_on(soon(other.leave()));
        if let Some((conn, Ok(receipt))) = held {
            let never = serving.block_on(soon(receipt.delivered()));
            assert!(never.is_err(), "{what}: the receipt waits for ever");
            assert!(!conn.is_open(), "{what}");
        }
        assert_eq!((server.user_count(), server.conn_count()), (0, 0), "{what}");
        serving.block_on(soon(events.next_like("left")));
        serving.block_on(serves_to_the_end(&server, events, &what));
    }
}
