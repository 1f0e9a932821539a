//! Listeners of events that come and go while a client runs.

use serde_json::json;
use std::time::Duration;
use wse::{Backoff, ClientEvent, Reason};
use wse_test_peers::{Log, events, scripted, settle, soon};

#[tokio::test(start_paused = true)]
async fn a_listener_hears_what_happens_after_it_was_added_and_nothing_after_it_was_removed() {
    let (when, mut events) = events();
    let (builder, mut dials) = scripted();
    let client = builder.reconnect(Backoff::default()).build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    wire.say("any", json!(1)).await;
    settle().await;
    let id = client.when(when);
    wire.say("any", json!(2)).await;
    settle().await;
    assert_eq!(events.so_far(), ["ignored any 2"]);
    wire.drop_with(1012, "wse.restart").await;
    let (mut wire, _) = dials.greeted(json!(2)).await;
    settle().await;
    assert_eq!(events.so_far(), ["closed 1012 wse.restart", "RE_CONNECTING", "READY", "ready 2"]);
    assert!(client.off(&id));
    assert!(!client.off(&id), "removed before");
    wire.say("any", json!(3)).await;
    settle().await;
    tokio::join!(client.close(Reason::default()), wire.closed());
    settle().await;
    assert!(events.so_far().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_waited_when_a_listener_was_added_is_not_for_that_listener() {
    let log = Log::default();
    let told = log.clone();
    let (when, mut events) = events();
    let (builder, mut dials) = scripted();
    let client = builder
        .when(async move |event: ClientEvent| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if let ClientEvent::Ignored { name, .. } = event {
                told.add(name);
            }
        })
        .build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    settle().await;
    // CONNECTING is being told; READY and ready wait behind it.
    client.when(when);
    wire.say("any", json!(1)).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(log.take(), ["any"]);
    assert_eq!(events.so_far(), ["ignored any 1"]);
}

#[tokio::test(start_paused = true)]
async fn listeners_run_in_the_order_they_were_added_and_events_stay_in_order() {
    let log = Log::default();
    let listener = |name: &'static str, millis: u64| {
        let log = log.clone();
        async move |event: ClientEvent| {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            if let ClientEvent::Ignored { name: message, .. } = event {
                log.add(format!("{name} {message}"));
            }
        }
    };
    let (builder, mut dials) = scripted();
    let client = builder.when(listener("built", 30)).build();
    client.when(listener("one", 20));
    let two = client.when(listener("two", 0));
    client.when(listener("three", 10));
    client.off(&two);
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    for name in ["a", "b"] {
        wire.say(name, json!(null)).await;
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(log.take(), ["built a", "one a", "three a", "built b", "one b", "three b"]);
}

#[tokio::test(start_paused = true)]
async fn a_listener_of_a_running_client_may_close_it() {
    let (builder, mut dials) = scripted();
    let client = builder.build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    let own = client.clone();
    client.when(async move |event: ClientEvent| {
        if let ClientEvent::Ignored { .. } = event {
            own.close("enough").await;
        }
    });
    wire.say("any", json!(null)).await;
    assert_eq!(soon(wire.closed()).await, (1000, "enough".to_owned()));
}
