//! The names of `auth`: what comes before the welcome.

use serde_json::{Value, json};
use std::time::Duration;
use wse::{Client, ClientEvent, Event, Limits, Server, ServerBuilder, Stranger};
use wse_test_peers::{Got, Log, attach, broke_protocol, events, line, log, on_net, settle, soon, timed};

/// A server that asks for the sum of 1 and 2, and writes down what identify was asked. The user `nobody` is
/// refused before it is asked anything.
fn challenging(builder: ServerBuilder, asked: &Log, solution: Value) -> Server {
    let asked = asked.clone();
    builder
        .identify(async move |stranger: Stranger, name: String| {
            let answer = stranger.answer::<Value, Value>()?;
            asked.add(json!([name, answer.as_ref().map(|(_, answer)| answer)]));
            Ok(match answer {
                _ if name == "nobody" => stranger.refuse(),
                None => stranger.challenge(&json!({"a": 1, "b": 2})),
                Some((_, answer)) if answer == solution => stranger.accept(name),
                Some(_) => stranger.refuse(),
            })
        })
        .build()
}

/// A client that solves every challenge with this, and writes down that it was asked.
fn solving(server: &Server, name: &str, solution: Value, asked: &Log) -> Client {
    let asked = asked.clone();
    let builder = on_net(&[("a", server)]).identity(name).meta(&json!({"device": "phone"}));
    builder
        .challenge(async move |_, quest: Value| {
            asked.add(quest);
            Ok(solution)
        })
        .build()
}

#[tokio::test(start_paused = true)]
async fn the_server_can_refuse_before_the_client_is_asked() {
    let (asked, quests) = (log(), log());
    let server = challenging(Server::builder(), &asked, json!(3));
    let error = soon(solving(&server, "nobody", json!(3), &quests).connect()).await.unwrap_err();
    assert_eq!(error.code(), "wse.not-authorized");
    assert_eq!((asked.take(), quests.take()), (vec![r#"["nobody",null]"#.to_owned()], vec![]));
    assert_eq!((server.conn_count(), server.user_count()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_solution_is_refused_and_the_right_one_reaches_identify() {
    let (asked, quests) = (log(), log());
    let server = challenging(Server::builder(), &asked, json!(3));
    let error = soon(solving(&server, "ann", json!("wrong"), &quests).connect()).await.unwrap_err();
    assert_eq!(error.code(), "wse.not-authorized");
    assert_eq!(asked.take(), [r#"["ann",null]"#, r#"["ann","wrong"]"#]);
    let ann = solving(&server, "ann", json!(3), &quests);
    soon(ann.connect()).await.unwrap();
    assert_eq!(asked.take(), [r#"["ann",null]"#, r#"["ann",3]"#]);
    assert_eq!(quests.take(), [r#"{"a":1,"b":2}"#; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_null_solution_is_accepted_and_the_real_meta_reaches_joined() {
    let (asked, quests, joined) = (log(), log(), log());
    let told = joined.clone();
    let when = async move |event| {
        if let Event::Joined(user) = event {
            told.add(user.meta::<Value>().expect("JSON"));
        }
    };
    let server = challenging(Server::builder().when(when), &asked, json!(null));
    let ann = solving(&server, "ann", json!(null), &quests);
    soon(ann.connect()).await.unwrap();
    settle().await;
    assert_eq!(asked.take(), [r#"["ann",null]"#; 2], "asked for the quest, then with the solution");
    assert_eq!(joined.take(), [r#"{"device":"phone"}"#]);
    assert_eq!(server.conn_count(), 1, "it stays");
}

#[tokio::test(start_paused = true)]
async fn a_bogus_frame_instead_of_the_solution_never_reaches_identify() {
    let asked = log();
    let server = challenging(Server::builder(), &asked, json!(3));
    let bogus = [
        r#"["~wse:junk","nope",null]"#,
        r#"["chat",1,null]"#,
        r#"["add",{"a":1},"stamp"]"#,
        r#"["~wse:hi",{"identity":"eve","meta":{}},null]"#,
        r#"["~wse:welcome",null,null]"#,
        r#"["~wse:response",3,"stamp"]"#,
        "no envelope",
    ];
    for frame in bogus {
        let mut peer = attach(&server);
        peer.hi(json!("ann"), json!({})).await;
        assert_eq!(peer.json().await[0], "~wse:challenge");
        peer.send(frame).await;
        let (time, closed) = timed(peer.closed()).await;
        assert!(broke_protocol(&closed), "{frame}: {closed:?}");
        assert!(time < Duration::from_secs(1), "{frame}: {time:?}");
        assert_eq!(asked.take(), [r#"["ann",null]"#], "{frame}");
    }
    assert_eq!((server.conn_count(), server.user_count()), (0, 0));
}

/// Identify is never asked about a stranger who does not say hi.
fn with_deadline(auth_timeout: Duration) -> Server {
    let limits = Limits { auth_timeout, ..Limits::default() };
    challenging(Server::builder().limits(limits), &log(), json!(3))
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_authenticates_is_dropped_after_the_deadline() {
    let deadline = Duration::from_millis(300);
    let server = with_deadline(deadline);
    let mut silent = attach(&server);
    let (time, closed) = timed(silent.closed()).await;
    assert_eq!(closed, (1000, "wse.auth-timeout".into()));
    assert!(time >= deadline && time < deadline * 2, "{time:?}");
    let mut challenged = attach(&server);
    challenged.hi(json!("ann"), json!({})).await;
    assert_eq!(challenged.json().await[0], "~wse:challenge");
    assert_eq!(challenged.closed().await, (1000, "wse.auth-timeout".into()));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_of_zero_is_none() {
    let server = with_deadline(Duration::ZERO);
    let (mut silent, mut challenged) = (attach(&server), attach(&server));
    challenged.hi(json!("ann"), json!({})).await;
    assert_eq!(challenged.json().await[0], "~wse:challenge");
    // The default is 10 s, and the first ping would come after 25 s.
    tokio::time::sleep(Duration::from_secs(20)).await;
    silent.hears_nothing().await;
    challenged.hears_nothing().await;
    challenged.say("~wse:challenge", json!(3)).await;
    assert_eq!(challenged.json().await[0], "~wse:welcome");
}

#[tokio::test(start_paused = true)]
async fn what_a_stranger_sends_instead_of_a_hi_is_an_error_event() {
    let (when, mut events) = events();
    let server = challenging(Server::builder().when(when), &log(), json!(3));
    let mut peer = attach(&server);
    peer.send("{{{ no envelope").await;
    assert!(broke_protocol(&peer.closed().await));
    let event = events.next().await;
    assert!(event.starts_with("error nobody wse.server.msg-processing-error "), "{event}");
    let mut known = attach(&server);
    known.hi(json!("ann"), json!({})).await;
    assert_eq!(known.json().await[0], "~wse:challenge");
    known.say("~wse:challenge", json!(3)).await;
    assert_eq!(known.json().await[0], "~wse:welcome");
    known.send("{{{ no envelope").await;
    assert_eq!(known.next().await, Got::Close(Some((1000, "wse.protocol-error".into()))));
}

#[tokio::test(start_paused = true)]
async fn the_status_is_the_new_one_when_its_event_is_handled() {
    let server = wse_test_peers::server(|builder| builder);
    let (seen, client) = (log(), on_net(&[("a", &server)]).identity("ann").build());
    let (told, asked) = (seen.clone(), client.clone());
    client.when(async move |event: ClientEvent| {
        if matches!(event, ClientEvent::Status(_)) {
            told.add(format!("{} {}", line(&event), asked.status()));
        }
    });
    soon(client.connect()).await.unwrap();
    settle().await;
    soon(client.close("bye")).await;
    settle().await;
    let seen = seen.take();
    assert_eq!(seen.last().map(String::as_str), Some("OFFLINE OFFLINE"));
    assert!(seen.iter().any(|line| line == "READY READY"), "{seen:?}");
}
