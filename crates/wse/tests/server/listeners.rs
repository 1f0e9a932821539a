//! Listeners of events that come and go while a server runs.

use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;
use wse::{Event, RpError};
use wse_test_peers::{enter, events, line, log, server, settle};

const BYE: &str = "1000 wse.by-client";

#[tokio::test(start_paused = true)]
async fn a_listener_hears_what_happens_after_it_was_added_and_nothing_after_it_was_removed() {
    let (when, mut events) = events();
    let server = server(|builder| builder);
    let ann = enter(&server, "ann").await;
    settle().await;
    let id = server.when(when);
    let bob = enter(&server, "bob").await;
    ann.leave().await;
    assert_eq!(
        events.take(4).await,
        [
            "joined bob".to_owned(),
            "connected bob 1".into(),
            format!("disconnected ann 2 {BYE}"),
            format!("left ann {BYE}")
        ]
    );
    assert!(server.off(&id));
    assert!(!server.off(&id), "removed before");
    bob.leave().await;
    enter(&server, "cid").await;
    sleep(Duration::from_secs(1)).await;
    assert!(events.so_far().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_messages_without_a_handler_and_errors_too() {
    let (when, mut events) = events();
    let server = server(|builder| builder.on("fails", async |_, ()| Err(RpError::new("mine"))));
    let mut peer = enter(&server, "ann").await;
    peer.say("any", json!(1)).await;
    settle().await;
    let id = server.when(when);
    peer.say("any", json!(2)).await;
    peer.say("fails", json!(null)).await;
    assert_eq!(events.take(2).await, ["ignored ann any 2", "error ann wse.server.msg-processing-error mine"]);
    assert!(server.off(&id));
    peer.say("any", json!(3)).await;
    settle().await;
    assert!(events.so_far().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_waited_when_a_listener_was_added_is_not_for_that_listener() {
    let slow_log = log();
    let told = slow_log.clone();
    let (when, mut events) = events();
    let server = server(|builder| {
        builder.when(async move |event: Event| {
            sleep(Duration::from_secs(1)).await;
            told.add(line(&event));
        })
    });
    let ann = enter(&server, "ann").await;
    server.when(when);
    ann.leave().await;
    enter(&server, "ann").await.leave().await;
    sleep(Duration::from_secs(60)).await;
    let before = vec!["joined ann".to_owned(), "connected ann 1".into()];
    let after = events.so_far();
    assert_eq!(
        after,
        [
            format!("disconnected ann 1 {BYE}"),
            format!("left ann {BYE}"),
            "joined ann".to_owned(),
            "connected ann 2".into(),
            format!("disconnected ann 2 {BYE}"),
            format!("left ann {BYE}")
        ]
    );
    assert_eq!(slow_log.take(), [before, after].concat());
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_is_removed_misses_the_events_that_wait() {
    let log = log();
    let (slow, quick) = (log.clone(), log.clone());
    let server = server(|builder| {
        builder.when(async move |event: Event| {
            sleep(Duration::from_secs(1)).await;
            slow.add(format!("slow {}", line(&event)));
        })
    });
    let id = server.when(async move |event: Event| quick.add(format!("quick {}", line(&event))));
    let _ann = enter(&server, "ann").await;
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(log.take(), ["slow joined ann", "quick joined ann"]);
    assert!(server.off(&id));
    let _bob = enter(&server, "bob").await;
    sleep(Duration::from_secs(10)).await;
    let heard = log.take();
    assert_eq!(heard.iter().filter(|line| line.starts_with("slow")).count(), 3);
    // The event that was being told when the listener was removed still reaches it; no later one does.
    let heard_by_quick: Vec<_> = heard.iter().filter(|line| line.starts_with("quick")).collect();
    assert_eq!(heard_by_quick, ["quick connected ann 1"]);
}

#[tokio::test(start_paused = true)]
async fn listeners_run_in_the_order_they_were_added_and_the_events_of_a_user_stay_in_order() {
    let log = log();
    let listener = |name: &'static str, millis: u64| {
        let log = log.clone();
        async move |event: Event| {
            sleep(Duration::from_millis(millis)).await;
            log.add(format!("{name} {}", line(&event)));
        }
    };
    let server = server(|builder| builder.when(listener("built", 30)));
    server.when(listener("one", 20));
    let two = server.when(listener("two", 0));
    server.when(listener("three", 10));
    server.off(&two);
    enter(&server, "ann").await.leave().await;
    sleep(Duration::from_secs(1)).await;
    let events =
        ["joined ann", "connected ann 1", "disconnected ann 1 1000 wse.by-client", "left ann 1000 wse.by-client"];
    let expected: Vec<_> =
        events.iter().flat_map(|event| ["built", "one", "three"].map(|name| format!("{name} {event}"))).collect();
    assert_eq!(log.take(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_handlers_of_a_device_wait_for_a_listener_that_was_added_before_it_came() {
    let log = log();
    let (handled, told) = (log.clone(), log.clone());
    let server = server(|builder| {
        builder.on("say", async move |_, n: u8| {
            handled.add(n);
            Ok(())
        })
    });
    server.when(async move |event: Event| {
        sleep(Duration::from_secs(1)).await;
        told.add(line(&event));
    });
    let mut peer = enter(&server, "ann").await;
    peer.say("say", json!(1)).await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(log.take(), ["joined ann", "connected ann 1", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_remove_itself() {
    let log = log();
    let server = server(|builder| builder);
    let own = std::sync::Arc::new(std::sync::OnceLock::new());
    let (mine, told, running) = (own.clone(), log.clone(), server.clone());
    let id = server.when(async move |event: Event| {
        told.add(line(&event));
        assert!(running.off(mine.get().expect("it was added")));
    });
    own.set(id).unwrap();
    enter(&server, "ann").await.leave().await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(log.take(), ["joined ann"]);
}
