//! One server in several runtimes, one after the other: what a runtime leaves behind when it ends.

use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::runtime::{Builder, Runtime};
use wse::{Event, Server};
use wse_test_peers::{enter, events, line, log, server, soon};

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
