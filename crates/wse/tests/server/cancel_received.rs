//! What becomes of a call of a device whose caller does not wait any more.

use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use wse::{Conn, Limits, RpError, Server, ServerBuilder, cancellable, codec::Envelope, with};
use wse_test_peers::{Log, RawClient, attach_with, enter, enter_able, log, next_in_line, server, settle, soon, text};

const S: Duration = Duration::from_secs(1);

/// Says when it is dropped.
struct Guard(Log, &'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.add(format!("{} dropped", self.1));
    }
}

/// What the handlers of these tests share.
struct App {
    log: Log,
    /// Lets `wait` and `search` end.
    permit: Notify,
}

async fn wait(app: Arc<App>, _: Conn, number: u32) -> Result<u32, RpError> {
    let _guard = Guard(app.log.clone(), "wait");
    app.log.add(format!("wait {number}"));
    app.permit.notified().await;
    Ok(number)
}

async fn watch(app: Arc<App>, conn: Conn, _: Value) -> Result<(), RpError> {
    app.log.add("watch");
    conn.caller_gone().await;
    app.log.add("caller gone");
    conn.caller_gone().await; // it stays gone
    tokio::time::sleep(S).await;
    app.log.add("watched");
    Ok(())
}

fn app(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (Server, Arc<App>) {
    let app = Arc::new(App { log: log(), permit: Notify::new() });
    let server = server(|builder| {
        configure(builder)
            .register("wait", with(&app, wait))
            .register("search", cancellable(with(&app, wait)))
            .register("watch", with(&app, watch))
            .on("watch", with(&app, watch))
            .register("now", cancellable(async |_: Conn, what: Value| Ok(what)))
            .register("fail", cancellable(async |_: Conn, _: Value| Err::<(), _>(RpError::new("no"))))
            .register("echo", async |_, what: Value| Ok(what))
    });
    (server, app)
}

fn one_at_a_time(builder: ServerBuilder) -> ServerBuilder {
    builder.limits(Limits { handlers_per_conn: 1, ..Limits::default() })
}

async fn cancel(peer: &mut RawClient, stamp: &str) {
    peer.send(&json!(["~wse:cancel", null, stamp]).to_string()).await;
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_in_a_full_inbox_never_starts_and_is_not_answered() {
    let (server, app) = app(one_at_a_time);
    let mut peer = enter_able(&server, "ann", &["cancel"]).await;
    for (number, stamp) in [(1, "first"), (2, "second"), (3, "third")] {
        peer.ask("wait", json!(number), stamp).await;
    }
    peer.say("note", json!("a message between calls")).await;
    cancel(&mut peer, "second").await;
    for _ in 0..3 {
        app.permit.notify_one();
        settle().await;
    }
    assert_eq!(peer.json().await, json!(["~wse:response", 1, "first"]));
    assert_eq!(peer.json().await, json!(["~wse:response", 3, "third"]));
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]));
    assert_eq!(app.log.take(), ["wait 1", "wait dropped", "wait 3", "wait dropped"]);
}

#[tokio::test(start_paused = true)]
async fn the_future_of_a_cancellable_handler_is_dropped_and_its_place_is_free() {
    let (server, app) = app(one_at_a_time);
    let mut peer = enter_able(&server, "ann", &["cancel"]).await;
    peer.ask("search", json!(1), "S1").await;
    settle().await;
    assert_eq!(app.log.take(), ["wait 1"]);
    cancel(&mut peer, "S1").await;
    assert_eq!(app.log.take(), ["wait dropped"]);
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]), "no answer, and a place");
    // One that is not cancelled is as any other.
    peer.ask("search", json!(2), "S2").await;
    app.permit.notify_one();
    assert_eq!(peer.json().await, json!(["~wse:response", 2, "S2"]));
    assert_eq!(peer.call("now", json!(3)).await, json!(["~wse:response", 3]));
    assert_eq!(peer.call("fail", json!(3)).await[1]["code"], "no");
}

#[tokio::test(start_paused = true)]
async fn any_other_handler_runs_on_and_can_wait_for_the_end_of_its_caller() {
    let (server, app) = app(|builder| builder);
    let mut peer = enter_able(&server, "ann", &["cancel"]).await;
    peer.ask("wait", json!(1), "S1").await;
    peer.ask("watch", json!(2), "S2").await;
    peer.ask("watch", json!(3), "S3").await;
    cancel(&mut peer, "S1").await;
    cancel(&mut peer, "S2").await;
    assert_eq!(app.log.take(), ["wait 1", "watch", "watch", "caller gone"], "the other one has its caller");
    tokio::time::sleep(2 * S).await;
    app.permit.notify_one();
    settle().await;
    assert_eq!(app.log.take(), ["watched", "wait dropped"]);
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]), "neither is answered");
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_gone_with_its_device_and_so_is_one_who_sent_a_message() {
    let (server, app) = app(|builder| builder);
    let mut peer = enter(&server, "old").await;
    peer.ask("watch", json!(1), "S1").await;
    peer.ask("search", json!(2), "S2").await;
    peer.say("watch", json!(3)).await;
    settle().await;
    assert_eq!(app.log.take(), ["watch", "wait 2", "watch"]);
    drop(peer);
    settle().await;
    let mut seen = app.log.take();
    seen.sort();
    assert_eq!(seen, ["caller gone", "caller gone", "wait dropped"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_can_wait_for_the_caller_of_the_handler_that_started_it() {
    let log = log();
    let server = server(|builder| {
        builder.register(
            "start",
            with(&Arc::new(log.clone()), async |log: Arc<Log>, conn: Conn, number: u32| {
                let gone = conn.caller_gone();
                tokio::spawn(async move {
                    gone.await;
                    log.add(format!("{number} gone"));
                });
                std::future::pending::<()>().await;
                Ok(())
            }),
        )
    });
    let mut peer = enter_able(&server, "ann", &["cancel"]).await;
    peer.ask("start", json!(1), "S1").await;
    peer.ask("start", json!(2), "S2").await;
    settle().await;
    cancel(&mut peer, "S2").await;
    assert_eq!(log.take(), ["2 gone"]);
    // Outside of a handler it is the device that is waited for.
    let outside = tokio::spawn(server.user("ann").conns()[0].caller_gone());
    cancel(&mut peer, "S1").await;
    assert_eq!(log.take(), ["1 gone"]);
    assert!(!outside.is_finished());
    server.user("ann").drop("bye");
    soon(outside).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_call_of_another_device_cannot_be_cancelled() {
    let (server, app) = app(|builder| builder.limits(Limits { conns_per_user: 2, ..Limits::default() }));
    let mut ann = enter_able(&server, "ann", &["cancel"]).await;
    let (mut twin, mut eve) =
        (enter_able(&server, "ann", &["cancel"]).await, enter_able(&server, "eve", &["cancel"]).await);
    ann.ask("search", json!(1), "its-very-stamp").await;
    settle().await;
    for other in [&mut twin, &mut eve] {
        cancel(other, "its-very-stamp").await;
        assert_eq!(other.call("echo", json!(1)).await, json!(["~wse:response", 1]));
    }
    app.permit.notify_one();
    assert_eq!(ann.json().await, json!(["~wse:response", 1, "its-very-stamp"]));
}

#[tokio::test(start_paused = true)]
async fn a_cancel_of_nothing_changes_nothing() {
    let (server, _app) = app(|builder| builder);
    // A peer that has not said that it can may send it too.
    let mut peer = enter(&server, "ann").await;
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]));
    for cancel in [
        r#"["~wse:cancel",null,"its-stamp"]"#,
        r#"["~wse:cancel",null,"unknown"]"#,
        r#"["~wse:cancel",{"any":"payload"},"unknown"]"#,
        r#"["~wse:cancel"]"#,
        r#"["~wse:cancel",null,""]"#,
    ] {
        peer.send(cancel).await;
    }
    assert_eq!(peer.call("echo", json!(2)).await, json!(["~wse:response", 2]));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_while_the_hook_looks_at_it_never_starts() {
    let permit = Arc::new(Notify::new());
    let hook = with(&permit, async |permit: Arc<Notify>, _: Conn, envelope: Envelope<'static>| {
        if envelope.name == "wait" {
            permit.notified().await;
        }
        Ok(())
    });
    let (server, app) = app(|builder| builder.on_receive(hook));
    let mut peer = enter_able(&server, "ann", &["cancel", "time"]).await;
    peer.ask("wait", json!(1), "S1").await;
    settle().await;
    cancel(&mut peer, "S1").await;
    permit.notify_one();
    // So is one whose time is over when the hook has looked at it.
    peer.ask("wait", json!(2), "ABCDEFGHIJKLMNOP~000003e8").await;
    tokio::time::sleep(2 * S).await;
    permit.notify_one();
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]));
    assert!(app.log.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_call_does_not_start_when_its_time_is_over() {
    let (server, app) = app(one_at_a_time);
    let mut peer = enter_able(&server, "ann", &["time", "cancel"]).await;
    peer.ask("wait", json!(1), "AAAAAAAAAAAAAAAA~00004e20").await;
    for (number, stamp) in [
        (2, "BBBBBBBBBBBBBBBB~000003e8"),
        (3, "CCCCCCCCCCCCCCCC~00000bb8"),
        (4, "DDDDDDDDDDDDDDDD~00000000"),
        (5, "EEEEEEEEEEEEEEEE"),
    ] {
        peer.ask("now", json!(number), stamp).await;
    }
    tokio::time::sleep(2 * S).await;
    app.permit.notify_one();
    for answer in [(1, "AAAAAAAAAAAAAAAA~00004e20"), (3, "CCCCCCCCCCCCCCCC~00000bb8"), (5, "EEEEEEEEEEEEEEEE")] {
        assert_eq!(peer.json().await, json!(["~wse:response", answer.0, answer.1]), "with the stamp as it came");
    }
    peer.ask("now", json!(6), "FFFFFFFFFFFFFFFF~00000000").await;
    // The time is no part of what a cancel names.
    peer.ask("search", json!(7), "GGGGGGGGGGGGGGGG~00004e20").await;
    cancel(&mut peer, "GGGGGGGGGGGGGGGG").await;
    peer.ask("search", json!(8), "HHHHHHHHHHHHHHHH~00004e20").await;
    cancel(&mut peer, "HHHHHHHHHHHHHHHH~00000001").await;
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]));
}

#[tokio::test(start_paused = true)]
async fn the_stamp_of_a_device_of_another_version_has_no_time() {
    let (server, _app) = app(|builder| builder);
    let mut peer = enter(&server, "old").await;
    peer.ask("now", json!(1), "AAAAAAAAAAAAAAAA~00000000").await;
    assert_eq!(peer.json().await, json!(["~wse:response", 1, "AAAAAAAAAAAAAAAA~00000000"]));
}

#[tokio::test(start_paused = true)]
async fn what_fails_after_its_caller_has_gone_is_reported_and_not_answered() {
    let (when, mut events) = wse_test_peers::events();
    let server = server(|builder| {
        builder.when(when).register("echo", async |_, what: Value| Ok(what)).register(
            "break",
            async |conn: Conn, ()| {
                conn.caller_gone().await;
                Err::<(), _>(std::io::Error::other("broke").into())
            },
        )
    });
    let mut peer = enter_able(&server, "ann", &["cancel"]).await;
    peer.ask("break", Value::Null, "S1").await;
    settle().await;
    cancel(&mut peer, "S1").await;
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]));
    let lines = events.take(3).await;
    assert!(lines[2].starts_with("error ann wse.server.rp.failed"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn what_ends_with_a_cancel_is_no_error() {
    let (when, mut events) = wse_test_peers::events();
    let (server, app) = app(|builder| {
        builder.when(when).on(
            "search",
            cancellable(async |_: Conn, (): ()| {
                std::future::pending::<()>().await;
                Ok(())
            }),
        )
    });
    let (mut peer, ended) = attach_with(&server, 64 << 10, http::Request::new(()));
    peer.enter("ann").await;
    peer.ask("search", json!(1), "S1").await;
    peer.say("search", Value::Null).await;
    settle().await;
    cancel(&mut peer, "S1").await;
    drop(peer);
    ended.await.unwrap();
    settle().await;
    assert_eq!(app.log.take(), ["wait 1", "wait dropped"]);
    let lines = events.take(4).await;
    assert!(lines.iter().all(|line| !line.starts_with("error")), "{lines:?}");
}

/// What others can do meanwhile is counted in turns of the runtime, which do not depend on the machine.
#[tokio::test(start_paused = true)]
async fn a_peer_whose_cancels_look_through_a_long_inbox_has_short_turns() {
    let (server, _app) = app(|builder| builder);
    let (mut peer, _) = attach_with(&server, 1 << 20, http::Request::new(()));
    peer.enter("ann").await;
    for number in 0..64 + 1000 {
        peer.ask("wait", json!(number), &format!("{number:0>16}")).await;
    }
    settle().await;
    let cancels = text(r#"["~wse:cancel",null,"no such stamp"]"#).repeat(1000);
    peer.write(&[cancels, text(r#"["~wse:ping",null,"the last"]"#)].concat()).await; // all at once
    let answered = tokio::spawn(async move { peer.text().await });
    // A task of its own: the runtime polls the test less often.
    let counting = tokio::spawn(async move {
        let mut turns = 0;
        while !answered.is_finished() {
            next_in_line().await;
            turns += 1;
        }
        (turns, answered.await.unwrap())
    });
    let (turns, answer) = soon(counting).await.unwrap();
    assert_eq!(answer, r#"["~wse:response",null,"the last"]"#);
    assert!(turns > 100, "{turns} turns");
}
