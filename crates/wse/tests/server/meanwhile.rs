//! What a device sends while identify thinks: kept in order and handled after accept, dropped
//! after refuse.

use http::Request;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;
use wse::{Limits, Server, Stranger};
use wse_test_peers::{Log, attach, attach_with, broke_protocol, end, events, log, settle, text};

const S: Duration = Duration::from_secs(1);

/// Challenges `challenged`, refuses `refused`, thinks for a second about everybody.
fn slow(log: &Log) -> Server {
    let (said, called, thought) = (log.clone(), log.clone(), log.clone());
    Server::builder()
        .on("say", async move |_, what: Value| {
            said.add(what);
            Ok(())
        })
        .register("call", async move |_, what: Value| {
            called.add(&what);
            Ok(what)
        })
        .identify(async move |stranger: Stranger, name: String| {
            sleep(S).await;
            let answered = stranger.answer::<Value, Value>()?.is_some();
            thought.add("thought");
            Ok(match name.as_str() {
                "refused" => stranger.refuse(),
                "challenged" if !answered => stranger.challenge(&1),
                _ => stranger.accept(name),
            })
        })
        .build()
}

#[tokio::test(start_paused = true)]
async fn messages_and_calls_wait_for_the_verdict_and_are_handled_in_order() {
    let log = log();
    let server = slow(&log);
    let mut peer = attach(&server);
    peer.hi(json!("ann"), json!({})).await;
    peer.say("say", json!(1)).await;
    peer.ask("call", json!(2), "two").await;
    sleep(S / 2).await;
    peer.say("say", json!(3)).await;
    peer.ask("call", json!(4), "four").await;
    assert!(log.take().is_empty(), "handled before the verdict");
    assert_eq!(peer.json().await[0], "~wse:welcome");
    peer.say("say", json!(5)).await;
    assert_eq!(peer.text().await, r#"["~wse:response",2,"two"]"#);
    assert_eq!(peer.text().await, r#"["~wse:response",4,"four"]"#);
    settle().await;
    assert_eq!(log.take(), ["thought", "1", "2", "3", "4", "5"]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_refusal_is_dropped() {
    let log = log();
    let server = slow(&log);
    let mut peer = attach(&server);
    peer.hi(json!("refused"), json!({})).await;
    peer.say("say", json!(1)).await;
    peer.ask("call", json!(2), "two").await;
    assert_eq!(peer.closed().await, (1000, "wse.not-authorized".into()));
    settle().await;
    assert_eq!(log.take(), ["thought"]);
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_a_challenge_and_after_its_solution_waits_and_nothing_may_come_between() {
    let log = log();
    let server = slow(&log);
    let mut peer = attach(&server);
    peer.hi(json!("challenged"), json!({})).await;
    peer.say("say", json!(1)).await;
    assert_eq!(peer.json().await[0], "~wse:challenge");
    peer.say("~wse:challenge", json!(0)).await;
    peer.say("say", json!(2)).await;
    assert_eq!(peer.json().await[0], "~wse:welcome");
    settle().await;
    assert_eq!(log.take(), ["thought", "thought", "1", "2"]);
    let mut peer = attach(&server);
    peer.hi(json!("challenged"), json!({})).await;
    peer.say("say", json!(1)).await;
    assert_eq!(peer.json().await[0], "~wse:challenge");
    peer.say("say", json!(2)).await;
    assert!(broke_protocol(&peer.closed().await));
    settle().await;
    assert_eq!(log.take(), ["thought"]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_device_that_leaves_before_the_verdict_is_dropped() {
    let log = log();
    let server = slow(&log);
    let (mut peer, ended) = attach_with(&server, wse_test_peers::PIPE, Request::new(()));
    peer.hi(json!("ann"), json!({})).await;
    peer.say("say", json!(1)).await;
    settle().await;
    drop(peer);
    assert_eq!(end(ended).await, "1006", "the task is gone with it");
    sleep(5 * S).await;
    assert!(log.take().is_empty());
    assert_eq!(server.conn_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_that_floods_is_not_read_and_loses_nothing() {
    const MESSAGES: usize = 200;
    let log = log();
    let server = slow(&log);
    let (peer, _ended) = attach_with(&server, 1 << 10, Request::new(()));
    let (mut reader, mut writer) = (peer.reader, peer.writer);
    writer.write(&text(r#"["~wse:hi",{"identity":"ann"}]"#)).await;
    let written = log.clone();
    let flood = tokio::spawn(async move {
        for number in 0..MESSAGES {
            writer.write(&text(&json!(["say", "x".repeat(4096) + &number.to_string()]).to_string())).await;
            written.add("written");
        }
        writer
    });
    sleep(S / 2).await;
    let accepted = log.take().len() * 4096;
    // 16 KiB wait, one read of up to 64 KiB may be on top, and the pipe holds some.
    assert!((16 << 10..128 << 10).contains(&accepted), "{accepted}");
    assert!(reader.text().await.contains("welcome"));
    let _writer = flood.await.unwrap();
    settle().await;
    let said: Vec<String> = log.take().into_iter().filter(|line| line.starts_with('"')).collect();
    assert_eq!(said.len(), MESSAGES);
    assert!(said.iter().enumerate().all(|(at, line)| line.trim_matches(['"', 'x']) == at.to_string()));
}

#[tokio::test(start_paused = true)]
async fn handlers_start_only_after_connected_was_handled() {
    let log = log();
    let (told, said) = (log.clone(), log.clone());
    let (when, _events) = events();
    let server = wse_test_peers::server(|builder| {
        builder
            .when(async move |event| {
                sleep(S).await;
                told.add(wse_test_peers::line(&event));
            })
            .when(when)
            .on("say", async move |_, what: Value| {
                said.add(what);
                Ok(())
            })
            .limits(Limits::default())
    });
    let mut peer = attach(&server);
    peer.hi(json!("ann"), json!({})).await;
    peer.say("say", json!(1)).await;
    assert_eq!(peer.json().await[0], "~wse:welcome");
    peer.say("say", json!(2)).await;
    sleep(3 * S).await;
    assert_eq!(log.take(), ["joined ann", "connected ann 1", "1", "2"]);
}
