//! What a client tells the application: the status, and the events in their order.

use serde_json::json;
use std::time::Duration;
use wse::{Backoff, Client, ClientEvent, Reason, RpError, Status};
use wse_test_peers::{Events, Log, events, scripted, settle, soon};

/// The next events, up to and with the one given.
async fn until(events: &mut Events, last: &str) -> Vec<String> {
    let mut all = vec![events.next().await];
    while all.last().is_some_and(|event| event != last) {
        all.push(events.next().await);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn the_events_of_a_whole_life_come_in_their_order() {
    let (when, mut events) = events();
    let (builder, mut dials) = scripted();
    let client = builder.reconnect(Backoff::default()).when(when).build();
    assert_eq!(client.status(), Status::Idle);
    let (connected, (wire, _)) = tokio::join!(client.connect(), dials.greeted(json!(1)));
    connected.unwrap();
    assert_eq!(until(&mut events, "ready 1").await, ["CONNECTING", "READY", "ready 1"]);
    wire.drop_with(1012, "wse.restart").await;
    let (wire, _) = dials.greeted(json!(2)).await;
    let again = ["closed 1012 wse.restart", "RE_CONNECTING", "READY", "ready 2"];
    assert_eq!(until(&mut events, "ready 2").await, again);
    let (jumped, _) = tokio::join!(client.jump("ws://b/"), async {
        assert_eq!(wire.closed().await, (4000, "jump".to_owned()));
        dials.greeted(json!(3)).await
    });
    jumped.unwrap();
    // The scripted server hangs up as the end of that scope.
    assert_eq!(until(&mut events, "ready 3").await, ["closed 4000 jump", "CONNECTING", "READY", "ready 3"]);
    let (mut wire, _) = dials.greeted(json!(4)).await;
    assert_eq!(until(&mut events, "ready 4").await, ["closed 1006", "RE_CONNECTING", "READY", "ready 4"]);
    wire.say("nobody", json!({"a": 1})).await;
    assert_eq!(events.next().await, r#"ignored nobody {"a":1}"#);
    tokio::join!(client.close(Reason::default()), wire.closed());
    settle().await;
    assert_eq!(events.so_far(), ["closed 1000 wse.by-client", "OFFLINE"]);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_sees_every_status_that_lasts() {
    let (builder, mut dials) = scripted();
    let client = builder.reconnect(Backoff { min: Duration::from_secs(60), ..Backoff::default() }).build();
    let mut watch = client.watch_status();
    assert_eq!(*watch.borrow_and_update(), Status::Idle);
    let mut connecting = tokio::spawn({
        let client = client.clone();
        async move { client.connect().await }
    });
    let mut next = async || {
        soon(watch.changed()).await.unwrap();
        *watch.borrow_and_update()
    };
    assert_eq!(next().await, Status::Connecting);
    let wire = dials.welcomed().await;
    (&mut connecting).await.unwrap().unwrap();
    assert_eq!((next().await, client.status()), (Status::Ready, Status::Ready));
    drop(wire);
    assert_eq!(next().await, Status::ReConnecting);
    client.close("enough").await;
    assert_eq!(next().await, Status::Offline);
    let names = [Status::Idle, Status::Connecting, Status::Ready, Status::Offline, Status::ReConnecting];
    assert_eq!(names.map(Status::as_str), ["IDLE", "CONNECTING", "READY", "OFFLINE", "RE_CONNECTING"]);
}

#[tokio::test(start_paused = true)]
async fn messages_and_calls_that_come_with_the_welcome_are_handled_after_ready_was() {
    let log = Log::default();
    let (ready, message, call) = (log.clone(), log.clone(), log.clone());
    let (builder, mut dials) = scripted();
    let client = builder
        .when(async move |event| {
            if let ClientEvent::Ready { .. } = event {
                tokio::time::sleep(Duration::from_secs(3)).await;
                ready.add("ready");
            }
        })
        .on("m", async move |_, n: u8| {
            message.add(n);
            Ok(())
        })
        .register("c", async move |_, n: u8| {
            call.add(n);
            Ok(())
        })
        .build();
    let (connected, mut wire) = tokio::join!(client.connect(), async {
        let mut wire = dials.upgraded().await;
        wire.json().await;
        wire.say("~wse:welcome", json!(null)).await;
        wire.say("m", json!(1)).await;
        wire.send(r#"["c",2,"s"]"#).await;
        wire.say("m", json!(3)).await;
        wire
    });
    connected.unwrap();
    assert_eq!(wire.text().await, r#"["~wse:response",null,"s"]"#);
    settle().await;
    assert_eq!(log.take(), ["ready", "1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn events_are_handled_one_at_a_time_and_in_order_however_slow() {
    let log = Log::default();
    let seen = log.clone();
    let (builder, mut dials) = scripted();
    let client = builder
        .on("fails", async |_, ()| Err(wse::RpError::new("mine")))
        .when(async move |event| {
            let name = match event {
                ClientEvent::Ready { .. } => "ready".to_owned(),
                ClientEvent::Ignored { name, .. } => name.to_string(),
                ClientEvent::Error { .. } => "error".to_owned(),
                ClientEvent::Closed(closed) => closed.to_string(),
                _ => return,
            };
            seen.add(format!("{name} begins"));
            tokio::time::sleep(Duration::from_secs(1)).await;
            seen.add(format!("{name} ends"));
        })
        .build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    for name in ["a", "fails", "b"] {
        wire.say(name, json!(null)).await;
    }
    wire.drop_with(1000, "bye").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let order = ["ready", "a", "error", "b", "1000 bye"];
    let expected: Vec<_> = order.iter().flat_map(|name| [format!("{name} begins"), format!("{name} ends")]).collect();
    assert_eq!(log.take(), expected);
}

#[tokio::test(start_paused = true)]
async fn several_event_handlers_run_in_order_and_a_panic_ends_only_its_own() {
    let log = Log::default();
    let (first, last) = (log.clone(), log.clone());
    let (builder, mut dials) = scripted();
    let client = builder
        .when(async move |event| {
            if let ClientEvent::Ready { .. } = event {
                tokio::time::sleep(Duration::from_secs(1)).await;
                first.add("first");
            }
        })
        .when(async |_| panic!("as asked"))
        .when(async move |event| {
            if let ClientEvent::Ready { .. } = event {
                last.add("last");
            }
        })
        .build();
    let (connected, _wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(log.take(), ["first", "last"]);
}

/// A client whose handler for one kind of event does something with the client itself.
fn acting<Fut>(
    when: fn(&ClientEvent) -> bool,
    act: impl FnOnce(Client) -> Fut + Clone + Send + Sync + 'static,
    log: &Log,
) -> (Client, wse_test_peers::Dials)
where
    Fut: Future<Output = String> + Send + 'static,
{
    let (builder, dials) = scripted();
    let (log, own) = (log.clone(), std::sync::Arc::new(std::sync::OnceLock::<Client>::new()));
    let mine = own.clone();
    let handler = async move |event: ClientEvent| {
        if when(&event) {
            let client = mine.get().expect("it is built").clone();
            log.add(act(client).await);
        }
    };
    let client = builder.on("fails", async |_, ()| Err(wse::RpError::new("mine"))).when(handler).build();
    own.set(client.clone()).expect("set once");
    (client, dials)
}

#[tokio::test(start_paused = true)]
async fn a_ready_handler_may_close_though_messages_wait_for_it_and_the_server_has_gone() {
    let log = Log::default();
    let close = async |client: Client| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        client.close("enough").await;
        client.status().to_string()
    };
    let (client, mut dials) = acting(READY, close, &log);
    let (_, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    wire.say("nobody", json!(null)).await;
    wire.drop_with(1000, "bye").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(log.take(), ["OFFLINE"]);
}

const READY: fn(&ClientEvent) -> bool = |event| matches!(event, ClientEvent::Ready { .. });
const IGNORED: fn(&ClientEvent) -> bool = |event| matches!(event, ClientEvent::Ignored { .. });
const ERROR: fn(&ClientEvent) -> bool = |event| matches!(event, ClientEvent::Error { .. });

#[tokio::test(start_paused = true)]
async fn an_event_handler_may_close_the_client() {
    for (when, message) in [(READY, "unused"), (IGNORED, "nobody"), (ERROR, "fails")] {
        let log = Log::default();
        let close = async |client: Client| {
            client.close("enough").await;
            client.status().to_string()
        };
        let (client, mut dials) = acting(when, close, &log);
        let (_, mut wire) = tokio::join!(client.connect(), dials.welcomed());
        wire.say(message, json!(null)).await;
        assert_eq!(soon(wire.closed()).await, (1000, "enough".to_owned()));
        settle().await;
        assert_eq!(log.take(), ["OFFLINE"], "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_handler_may_call_the_server() {
    for (when, message) in [(READY, "unused"), (IGNORED, "nobody"), (ERROR, "fails")] {
        let log = Log::default();
        let call = async |client: Client| client.call::<_, String>("name", ()).await.unwrap();
        let (client, mut dials) = acting(when, call, &log);
        let (_, mut wire) = tokio::join!(client.connect(), dials.welcomed());
        if message != "unused" {
            wire.say(message, json!(null)).await;
        }
        let call = wire.json().await;
        wire.respond(&call, json!("ann")).await;
        settle().await;
        assert_eq!(log.take(), ["ann"], "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_handler_may_jump() {
    for (when, message) in [(IGNORED, "nobody"), (ERROR, "fails")] {
        let log = Log::default();
        let jump = async |client: Client| {
            client.jump("ws://b/").await.unwrap();
            client.welcome::<String>().unwrap()
        };
        let (client, mut dials) = acting(when, jump, &log);
        let (_, mut wire) = tokio::join!(client.connect(), dials.welcomed());
        wire.say(message, json!(null)).await;
        assert_eq!(wire.closed().await, (4000, "jump".to_owned()));
        let (_wire, _) = dials.greeted(json!("new")).await;
        settle().await;
        assert_eq!((log.take(), client.status()), (vec!["new".to_owned()], Status::Ready), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_names_the_message_that_it_is_about() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let (builder, mut dials) = scripted();
    let client = builder
        .on("m", async |_, _: u32| {
            tokio::task::yield_now().await;
            Err(RpError::new("E"))
        })
        .when(async move |event| {
            if let ClientEvent::Error { name, .. } = event {
                let _ = tell.send(name.as_deref().map(str::to_owned));
            }
        });
    let (client, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    wire.say("m", json!(1)).await;
    assert_eq!(told.recv().await, Some(Some("m".to_owned())));
    drop(client);
}
