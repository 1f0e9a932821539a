//! Who may come in over `ws-messaging`: the auth data, every way to be refused, the time there is,
//! and what is held meanwhile.

use serde_json::{Value, json};
use std::{future::pending, time::Duration};
use tokio::time::sleep;
use wse::{Conn, Limits, Protocol, RpError, Server, ServerBuilder, Stranger, WsMessaging};
use wse_frame::Opcode;
use wse_test_peers::{Got, about, attach_to, attach_with, end, events, log, messaging, offering, settle, text, timed};

const S: Duration = Duration::from_secs(1);

/// A server whose identify does what the auth data says.
fn obeying(builder: ServerBuilder) -> Server {
    builder
        .protocols([WsMessaging::new().into(), Protocol::Wse])
        .identify(async |stranger: Stranger, how: Value| {
            Ok(match how.as_str() {
                Some("error") => Err(std::io::Error::other("the database is down"))?,
                Some("coded") => Err(RpError::new("banned-for-life"))?,
                Some("said") => Err(RpError::new("banned").message("for life"))?,
                Some("both") => Err(RpError::from(std::io::Error::other("secret")).message("come back later"))?,
                Some("why") => stranger.refuse().reason("Error: Auth error"),
                Some("long") => stranger.refuse().reason(format!("Error: {}", "ü".repeat(100))),
                Some("panic") => panic!("identify broke"),
                Some("never") => pending().await,
                Some("slow") => {
                    sleep(S).await;
                    stranger.accept("ann")
                }
                Some("nobody") => stranger.accept(""),
                Some("challenge") => stranger.challenge(&json!({"a": 1})),
                Some("refused") => stranger.refuse(),
                Some("meta") => {
                    let meta: Value = stranger.meta()?;
                    stranger.accept("ann").welcome(&meta)
                }
                Some("list") => stranger.accept("ann").welcome(&[1, 2]),
                Some(name) => stranger.accept(name),
                None => stranger.accept("without").welcome(&how),
            })
        })
        .build()
}

#[tokio::test(start_paused = true)]
async fn the_first_frame_whole_is_the_identity_and_the_welcome_the_one_argument_of_connect() {
    let server = obeying(Server::builder());
    for (auth, argument) in [
        (r#""ann""#, "null"),
        ("{}", "{}"),
        ("[]", "[]"),
        ("[[1]]", "[[1]]"),
        ("null", "null"),
        ("1.50", "1.50"),
        (r#"{"name":"connect","args":[]}"#, r#"{"name":"connect","args":[]}"#),
        (r#""meta""#, "{}"),
        (r#""list""#, "[1,2]"),
        (r#" {"token" : "t"} "#, r#"{"token":"t"}"#),
    ] {
        let (mut peer, _) = attach_to(&server, "ws-messaging");
        peer.send(auth).await;
        let connect = peer.text().await;
        // The order of the fields is that of the value; white space is not told apart.
        let expected: Value = serde_json::from_str(&format!(r#"{{"name":"connect","args":[{argument}]}}"#)).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&connect).unwrap(), expected, "{auth}");
        assert!(connect.starts_with(r#"{"name":"connect","args":["#), "{connect}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_identity_is_kept_and_the_meta_is_an_empty_object() {
    let log = log();
    let here = log.clone();
    let server = obeying(Server::builder().on("who", async move |conn: Conn, ()| {
        here.add(format!("{} {} {}", conn.identity::<Value>()?, conn.meta::<Value>()?, conn.user().meta::<Value>()?));
        Ok(())
    }));
    let (mut peer, _) = attach_to(&server, "ws-messaging");
    peer.auth(json!({"token": [1]})).await;
    peer.emit("who", json!([])).await;
    settle().await;
    assert_eq!(log.take(), [r#"{"token":[1]} {} {}"#]);
}

#[tokio::test(start_paused = true)]
async fn only_a_refusal_is_4003_and_every_error_brings_its_client_back_and_is_reported() {
    let (when, mut events) = events();
    let server = obeying(Server::builder().when(when));
    let mut bystander = wse_test_peers::enter_messaging(&server, "bob").await;
    events.take(2).await;
    let long = format!("Error: {}", "ü".repeat(58));
    for (how, code, reason, report) in [
        ("refused", 4003, "wse.not-authorized", None),
        ("why", 4003, "Error: Auth error", None),
        ("long", 4003, &*long, None),
        ("error", 1013, "wse.later after=1000", Some("wse.server.rp.failed: the database is down")),
        ("coded", 1013, "wse.later after=1000", Some("banned-for-life")),
        ("said", 1013, "wse.later after=1000", Some("banned: for life")),
        ("both", 1013, "wse.later after=1000", Some("secret")),
        ("panic", 1013, "wse.later after=1000", Some("panicked: identify broke")),
        ("nobody", 1013, "wse.later after=1000", Some("the empty cid cannot be accepted")),
        ("challenge", 4003, "wse.not-authorized", Some("a device that speaks ws-messaging cannot be challenged")),
    ] {
        let (mut peer, ended) = attach_to(&server, "ws-messaging");
        peer.send(&json!(how).to_string()).await;
        assert_eq!(peer.closed().await, (code, reason.into()), "{how}");
        let ended = end(ended).await;
        assert!(ended.starts_with(&format!("{code} {reason}")), "{how}: {ended}");
        settle().await;
        let told = events.so_far();
        match report {
            None => assert!(told.is_empty(), "{how}: {told:?}"),
            Some(report) => {
                assert_eq!(told.len(), 1, "{how}: {told:?}");
                assert!(
                    told[0].starts_with("error nobody wse.not-authorized ") && told[0].contains(report),
                    "{told:?}"
                );
            }
        }
    }
    assert_eq!(server.conn_count(), 1);
    bystander.emit("x", json!([])).await;
    assert_eq!(events.next().await, "ignored bob x []");
}

#[tokio::test(start_paused = true)]
async fn exposed_errors_do_not_change_how_an_error_ends_a_device() {
    let server = obeying(Server::builder().expose_errors(true));
    for (how, reason) in [("error", "wse.later after=1000"), ("coded", "wse.later after=1001")] {
        let (mut peer, _) = attach_to(&server, "ws-messaging");
        peer.send(&json!(how).to_string()).await;
        assert_eq!(peer.closed().await, (1013, reason.into()), "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_identify_ends_a_wse_device_as_that_wire_says_and_may_challenge_it() {
    let server = obeying(Server::builder());
    for (how, code, reason) in [
        ("refused", 1000, "wse.not-authorized"),
        ("why", 1000, "Error: Auth error"),
        ("error", 1013, "wse.later after=1000"),
        ("said", 1013, "wse.later after=1001"),
    ] {
        let (mut peer, _) = attach_to(&server, "wse-default-json");
        peer.hi(json!(how), json!({})).await;
        assert_eq!(peer.closed().await, (code, reason.into()), "{how}");
    }
    let (mut peer, _) = attach_to(&server, "wse-default-json");
    peer.hi(json!("challenge"), json!({})).await;
    assert_eq!(peer.json().await, json!(["~wse:challenge", {"a": 1}, null]));
}

#[tokio::test(start_paused = true)]
async fn auth_data_of_the_wrong_type_is_refused_without_its_text() {
    let server = messaging(|builder| builder);
    let (mut peer, _) = attach_to(&server, "ws-messaging");
    peer.send(r#"{"secret":1}"#).await;
    assert_eq!(peer.closed().await, (4003, "wse.not-authorized".into()));
}

#[tokio::test(start_paused = true)]
async fn a_first_frame_that_does_not_decode_is_refused_with_a_text_that_quotes_nothing() {
    let log = log();
    let here = log.clone();
    let server = Server::builder()
        .protocols([WsMessaging::new().into()])
        .identify(async move |stranger: Stranger, _: Value| {
            here.add("asked");
            Ok(stranger.accept("x"))
        })
        .build();
    let deep = "[".repeat(200) + &"]".repeat(200);
    for said in ["password123", "", "{\"a\":", "{} {}", &deep] {
        let (mut peer, _) = attach_to(&server, "ws-messaging");
        peer.send(said).await;
        let (code, reason) = peer.closed().await;
        assert_eq!(code, 4003, "{said}");
        assert!(reason.starts_with("SyntaxError: ") && !reason.contains("password"), "{said}: {reason}");
    }
    for bytes in [&b"\xc1"[..], b"", b"\x01\x01", b"\xdd\xff\xff\xff\xff", &[0x91; 200]] {
        let (mut peer, _) = attach_to(&server, "ws-messaging");
        peer.write(&wse_test_peers::frame(Opcode::Binary, bytes)).await;
        assert_eq!(peer.closed().await.0, 4003, "{bytes:x?}");
    }
    assert!(log.take().is_empty(), "identify saw none of that");
}

#[tokio::test(start_paused = true)]
async fn auth_data_over_the_limit_is_1009() {
    let server = messaging(|builder| builder.limits(Limits { auth_message_bytes: 1000, ..Limits::default() }));
    for (bytes, code) in [(998, None), (999, Some(1009))] {
        let (mut peer, _) = attach_to(&server, "ws-messaging");
        peer.send(&json!("x".repeat(bytes)).to_string()).await;
        match (peer.next().await, code) {
            (Got::Text(_), None) => {}
            (Got::Close(Some((got, _))), Some(code)) => assert_eq!(got, code),
            other => panic!("{bytes}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn there_are_20_s_to_the_verdict_whatever_the_other_wire_has() {
    let server = obeying(Server::builder().limits(Limits { auth_timeout: 3 * S, ..Limits::default() }));
    for how in [None, Some("never")] {
        let (mut peer, _) = attach_to(&server, "ws-messaging");
        if let Some(how) = how {
            peer.send(&json!(how).to_string()).await;
        }
        let (time, closed) = timed(peer.closed()).await;
        let late = (1013, "wse.later after=1000".to_owned());
        assert_eq!(closed, if how.is_some() { late.clone() } else { (4003, String::new()) }, "{how:?}");
        assert!(about(time, 20 * S), "{how:?}: {time:?}");
        let (mut peer, _) = attach_to(&server, "wse-default-json");
        if let Some(how) = how {
            peer.hi(json!(how), json!({})).await;
        }
        let (time, closed) = timed(peer.closed()).await;
        assert_eq!(closed, if how.is_some() { late } else { (1000, "wse.auth-timeout".into()) }, "{how:?}");
        assert!(about(time, 3 * S), "{how:?}: {time:?}");
    }
    let (mut peer, _) = attach_to(&server, "ws-messaging");
    sleep(19 * S).await;
    peer.auth(json!("ann")).await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_an_option() {
    let options = WsMessaging::new().auth_timeout(2 * S);
    let server = wse_test_peers::server(|builder| builder.protocols([options.into()]));
    let (mut peer, _) = attach_to(&server, "ws-messaging");
    let (time, closed) = timed(peer.closed()).await;
    assert_eq!(closed, (4003, String::new()));
    assert!(about(time, 2 * S), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_verdict_is_held_in_order_but_for_what_means_nothing_yet() {
    let log = log();
    let here = log.clone();
    let server = obeying(
        Server::builder()
            .on("m", async move |_: Conn, number: u32| {
                here.add(number);
                Ok(())
            })
            .register("add", async |_, (a, b): (i64, i64)| Ok(a + b)),
    );
    let (mut peer, _) = attach_to(&server, "ws-messaging");
    peer.send(r#""slow""#).await;
    peer.emit("m", json!([1])).await;
    peer.invoke("add", json!([2, 3]), 1).await;
    peer.send("garbage").await;
    peer.emit("connect", json!([])).await;
    peer.emit("close", json!([])).await;
    peer.invoke("ping", json!([]), 2).await;
    peer.send(r#"{"id":1,"result":1}"#).await;
    peer.emit("m", json!([2])).await;
    peer.hears_nothing().await;
    assert!(log.take().is_empty(), "no handler runs for a stranger");
    assert_eq!(peer.text().await, r#"{"name":"connect","args":[null]}"#);
    assert_eq!(peer.text().await, r#"{"id":1,"result":5}"#);
    peer.hears_nothing().await;
    assert_eq!(log.take(), ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_held_is_dropped_with_the_refusal() {
    let log = log();
    let here = log.clone();
    let server = Server::builder()
        .protocols([WsMessaging::new().into()])
        .on("m", async move |_: Conn, ()| {
            here.add("m");
            Ok(())
        })
        .identify(async |stranger: Stranger, _: Value| {
            sleep(S).await;
            Ok(stranger.refuse())
        })
        .build();
    let (mut peer, _) = attach_to(&server, "ws-messaging");
    peer.send("{}").await;
    peer.emit("m", json!([])).await;
    assert_eq!(peer.closed().await, (4003, "wse.not-authorized".into()));
    assert!(log.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_flood_before_the_verdict_is_not_read_and_nothing_of_it_is_lost() {
    let log = log();
    let here = log.clone();
    let limits = Limits { auth_message_bytes: 2000, ..Limits::default() };
    let server = obeying(Server::builder().limits(limits).on("m", async move |_: Conn, number: u32| {
        here.add(number);
        Ok(())
    }));
    let (wse_test_peers::RawClient { mut reader, mut writer }, _) =
        attach_with(&server, 1000, offering("ws-messaging"));
    writer.write(&text(r#""slow""#)).await;
    let flooding = tokio::spawn(async move {
        for number in 0..1000 {
            writer.write(&text(&format!(r#"{{"name":"m","args":[{number}]}}"#))).await;
        }
        writer
    });
    settle().await;
    assert!(!flooding.is_finished(), "the socket is not read");
    assert_eq!(reader.text().await, r#"{"name":"connect","args":[null]}"#);
    flooding.await.unwrap();
    settle().await;
    assert!(log.take().into_iter().eq((0..1000).map(|number| number.to_string())));
}
