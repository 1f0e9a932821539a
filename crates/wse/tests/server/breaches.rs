//! Strangers that break the protocol: how their connections end, and what the application is told.

use http::Request;
use serde_json::{Value, json};
use std::{
    future::pending,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};
use tokio::time::sleep;
use wse::{Event, Protocol, Server, Stranger, WsMessaging, service::RemoteAddr};
use wse::{Limits, ServerBuilder};
use wse_test_peers::{
    Got, Log, PIPE, RawClient, attach, attach_with, broke_protocol, events, log, offering, settle, timed,
};

const S: Duration = Duration::from_secs(1);

/// Challenges who says so, never decides about who says so, and lets all others in.
fn challenging(builder: ServerBuilder, asked: Log) -> Server {
    builder
        .identify(async move |stranger: Stranger, how: Value| {
            asked.add(format!("{:?}", stranger.answer::<u8, Value>()?));
            Ok(match (how.as_str(), stranger.answer::<u8, Value>()?) {
                (Some("never"), _) => pending().await,
                (Some("challenge"), None) => stranger.challenge(&41),
                _ => stranger.accept("ann"),
            })
        })
        .build()
}

#[tokio::test(start_paused = true)]
async fn a_challenged_device_that_sends_anything_but_its_solution_is_closed_and_identify_is_not_asked() {
    let log = log();
    let server = challenging(Server::builder(), log.clone());
    for junk in [
        r#"["m",1]"#,
        r#"["add",[1,2],"s"]"#,
        r#"["~wse:junk",1]"#,
        r#"["~wse:hi",{"identity":"ann"}]"#,
        r#"["~wse:response",3,"s"]"#,
        "42",
        "not json",
    ] {
        let mut peer = attach(&server);
        peer.hi(json!("challenge"), json!({})).await;
        assert_eq!(peer.json().await, json!(["~wse:challenge", 41, null]));
        peer.send(junk).await;
        let (time, closed) = timed(peer.closed()).await;
        assert!(broke_protocol(&closed) && time.is_zero(), "{junk}: {closed:?}");
        assert_eq!(log.take(), ["None"], "{junk}");
    }
    let mut peer = attach(&server);
    peer.hi(json!("challenge"), json!({})).await;
    assert_eq!(peer.json().await, json!(["~wse:challenge", 41, null]));
    peer.send(r#"["~wse:challenge",null,null]"#).await;
    assert_eq!(peer.json().await, json!(["~wse:welcome", null, null]));
    assert_eq!(log.take(), ["None", "Some((41, Null))"]);
}

#[tokio::test(start_paused = true)]
async fn an_auth_timeout_of_zero_is_no_deadline() {
    let server =
        challenging(Server::builder().limits(Limits { auth_timeout: Duration::ZERO, ..Limits::default() }), log());
    let [mut silent, mut challenged, mut thinking] = [attach(&server), attach(&server), attach(&server)];
    challenged.hi(json!("challenge"), json!({})).await;
    assert_eq!(challenged.json().await[0], "~wse:challenge");
    thinking.hi(json!("never"), json!({})).await;
    for peer in [&mut silent, &mut challenged, &mut thinking] {
        // It is pinged instead, as everybody else.
        let (time, got) = timed(peer.next()).await;
        assert!(matches!(got, Got::Ping(_)), "{got:?}");
        assert!(time <= 25 * S, "{time:?}");
    }
    silent.enter("ann").await;
}

/// A stranger from an address, who speaks the first of these protocols.
fn from(server: &Server, address: u8, protocols: &str) -> RawClient {
    let mut request: Request<()> = offering(protocols);
    request.extensions_mut().insert(RemoteAddr(IpAddr::V4(Ipv4Addr::new(10, 0, 0, address))));
    attach_with(server, PIPE, request).0
}

#[tokio::test(start_paused = true)]
async fn the_application_is_told_which_address_broke_the_protocol_and_how() {
    let (when, mut events) = events();
    let protocols = [Protocol::Wse, WsMessaging::new().into()];
    let server = challenging(Server::builder().protocols(protocols).when(when), log());
    let no_solution = "an envelope that is not the solution of the challenge";
    for (address, (hi, frame, why)) in [
        (None, "junk", "not an envelope: Syntax error at column 1 of line 1"),
        (None, r#"["m",1]"#, "the first envelope is not a hi"),
        (None, r#"["~wse:hi",5]"#, "the payload of a hi is not an object"),
        (Some("never"), "junk", "not an envelope: Syntax error at column 1 of line 1"),
        (Some("challenge"), r#"["m",1]"#, no_solution),
        (Some("challenge"), r#"["~wse:hi",{}]"#, no_solution),
    ]
    .into_iter()
    .enumerate()
    {
        let mut peer = from(&server, address as u8, "wse-default-json");
        if let Some(hi) = hi {
            peer.hi(json!(hi), json!({})).await;
            settle().await;
        }
        if hi == Some("challenge") {
            peer.json().await;
        }
        peer.send(frame).await;
        assert!(broke_protocol(&peer.closed().await));
        let told = "error nobody wse.server.msg-processing-error wse.server.protocol-violation";
        assert_eq!(events.next().await, format!("{told}: {why} from 10.0.0.{address}"));
    }
    let mut peer = from(&server, 99, "ws-messaging");
    peer.send("junk").await;
    assert_eq!(peer.closed().await.0, 4003);
    let told = events.next().await;
    assert!(told.ends_with("SyntaxError: Syntax error at column 1 of line 1 from 10.0.0.99"), "{told}");
    // Whoever is refused, late, or gone has broken nothing, and whoever was let in is no stranger.
    let mut late = attach(&server);
    assert_eq!(late.closed().await.1, "wse.auth-timeout");
    let mut peer = attach(&server);
    peer.enter("ann").await;
    assert_eq!(events.take(2).await, ["joined ann", "connected ann 1"]);
    peer.send("junk").await;
    peer.closed().await;
    assert_eq!(
        events.take(2).await,
        ["disconnected ann 1 1000 wse.protocol-error", "left ann 1000 wse.protocol-error"]
    );
    settle().await;
    assert!(events.so_far().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_event_has_no_device_and_the_address_of_the_stranger() {
    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
    let server = challenging(Server::builder(), log());
    server.when(async move |event: Event| {
        let _ = sender.send(event);
    });
    from(&server, 7, "wse-default-json").send("junk").await;
    let Some(Event::Error { code, conn: None, remote_addr, name: None, error }) = told.recv().await else {
        panic!("a stranger's error")
    };
    assert_eq!((code, remote_addr), ("wse.server.msg-processing-error", Some(IpAddr::from([10, 0, 0, 7]))));
    assert_eq!((error.code.as_str(), error.source().is_none()), ("wse.server.protocol-violation", true));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_strangers_is_told_ten_times_a_second_and_counted() {
    let (when, mut events) = events();
    let server = challenging(Server::builder().when(when), log());
    for _ in 0..35 {
        let mut peer = attach(&server);
        peer.send("junk").await;
        assert!(broke_protocol(&peer.closed().await), "each is closed");
    }
    settle().await;
    let told = events.so_far();
    assert_eq!(told.len(), 10, "{told:?}");
    assert!(told.iter().all(|told| told.ends_with("line 1")), "{told:?}");
    sleep(S).await;
    for more in ["; 25 more were not told", "line 1"] {
        attach(&server).send("junk").await;
        let told = events.next().await;
        assert!(told.ends_with(more), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_of_npm_wse_2_is_closed_with_a_reason_that_says_so() {
    let (when, mut events) = events();
    let server = challenging(Server::builder().when(when), log());
    let mut peer = attach(&server);
    peer.send(r#"{"c":"hi","dat":{"payload":{"token":"secret"},"params":{}}}"#).await;
    let (code, reason) = peer.closed().await;
    assert_eq!(code, 1000);
    let expected = r#"expected ["~wse:hi",{"identity":...,"meta":{}},null]"#;
    assert_eq!(reason, format!("wse.protocol-error: the format of npm wse 2, {expected}"));
    assert!(events.next().await.ends_with("not an envelope: a frame of npm wse 2"));
}
