//! Who may come in: every answer of identify, every way in which it fails to answer, and the time
//! it has.

use http::Request;
use serde_json::{Value, json};
use std::{future::pending, time::Duration};
use tokio::time::sleep;
use wse::{Limits, RpError, Server, ServerBuilder, Stranger, Verdict};
use wse_test_peers::{Got, about, attach, attach_with, end, events, log, settle, timed};

const S: Duration = Duration::from_secs(1);

/// A server whose identify does what the identity says.
fn obeying(builder: ServerBuilder) -> Server {
    builder
        .identify(async |stranger: Stranger, how: Value| {
            Ok(match how.as_str() {
                Some("error") => Err(std::io::Error::other("the database is down"))?,
                Some("coded") => Err(RpError::new("banned-for-life"))?,
                Some("panic") => panic!("identify broke"),
                Some("never") => pending().await,
                Some("nobody") => stranger.accept(""),
                Some("number") => stranger.accept(-7),
                Some("meta") => {
                    let meta: Value = stranger.meta()?;
                    stranger.accept("ann").welcome(&meta)
                }
                Some("refused") => stranger.refuse(),
                Some("challenge") => stranger.challenge(&41),
                Some(name) => stranger.accept(name),
                None => stranger.accept("without").welcome(&how),
            })
        })
        .build()
}

#[tokio::test(start_paused = true)]
async fn an_accepted_device_gets_the_welcome_and_its_payload() {
    let server = obeying(Server::builder());
    for (hi, welcome) in [
        (json!({"identity": "ann", "meta": {}}), json!(["~wse:welcome", null, null])),
        (json!({"identity": "meta", "meta": {"a": [1, "x"]}}), json!(["~wse:welcome", {"a": [1, "x"]}, null])),
        (json!({"identity": "meta"}), json!(["~wse:welcome", {}, null])),
        (json!({}), json!(["~wse:welcome", null, null])),
        (json!({"identity": {"token": 1}, "unknown": {}}), json!(["~wse:welcome", {"token": 1}, null])),
    ] {
        let mut peer = attach(&server);
        peer.say("~wse:hi", hi.clone()).await;
        assert_eq!(peer.json().await, welcome, "{hi}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_device_is_closed_and_nobody_is_told() {
    let (when, mut events) = events();
    let server = obeying(Server::builder().when(when));
    let (mut peer, ended) = attach_with(&server, wse_test_peers::PIPE, Request::new(()));
    peer.hi(json!("refused"), json!({})).await;
    assert_eq!(peer.closed().await, (1000, "wse.not-authorized".into()));
    assert_eq!(end(ended).await, "1000 wse.not-authorized");
    assert_eq!((server.conn_count(), server.user_count()), (0, 0));
    assert!(events.so_far().is_empty());
}

#[tokio::test(start_paused = true)]
async fn identify_that_fails_tells_that_one_device_when_to_come_back_and_is_reported() {
    let (when, mut events) = events();
    let server = obeying(Server::builder().when(when));
    let mut bystander = attach(&server);
    bystander.enter("bob").await;
    events.take(2).await;
    for (turn, (how, error)) in [
        ("error", "wse.server.rp.failed: the database is down"),
        ("coded", "banned-for-life"),
        ("panic", "wse.server.rp.failed: panicked: identify broke"),
        ("nobody", "the empty cid cannot be accepted"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut peer = attach(&server);
        peer.hi(json!(how), json!({})).await;
        // Each has a turn of its own, 900 in a second.
        let after = 1000 + turn * 1000 / 900;
        assert_eq!(peer.closed().await, (1013, format!("wse.later after={after}")), "{how}");
        let event = events.next().await;
        assert!(event.starts_with("error nobody wse.not-authorized ") && event.ends_with(error), "{how}: {event}");
    }
    assert_eq!(server.conn_count(), 1);
    bystander.leave().await;
}

#[tokio::test(start_paused = true)]
async fn an_identity_or_meta_of_the_wrong_type_is_refused_and_reported() {
    let (when, mut events) = events();
    let server = Server::builder()
        .when(when)
        .identify(async |stranger: Stranger, number: u64| {
            let _: Vec<u8> = stranger.meta()?;
            Ok(stranger.accept(number))
        })
        .build();
    for (identity, meta) in [(json!("ann"), json!([])), (json!(null), json!([])), (json!(1), json!({}))] {
        let mut peer = attach(&server);
        peer.hi(identity, meta).await;
        assert_eq!(peer.closed().await, (1000, "wse.not-authorized".into()));
        let event = events.next().await;
        assert!(event.starts_with("error nobody wse.not-authorized wse.server.rp.failed"), "{event}");
    }
    let mut peer = attach(&server);
    peer.enter_with(json!(1), json!([])).await;
}

#[tokio::test(start_paused = true)]
async fn a_number_and_its_text_are_one_user() {
    let server = obeying(Server::builder().limits(Limits { conns_per_user: 2, ..Limits::default() }));
    let (mut one, mut two) = (attach(&server), attach(&server));
    one.enter("number").await;
    two.enter("-7").await;
    assert_eq!((server.user_count(), server.conn_count()), (1, 2));
    assert_eq!(server.user(-7).send("m", 1).unwrap().here, 2);
    assert_eq!(one.text().await, r#"["m",1,null]"#);
    assert_eq!(two.text().await, r#"["m",1,null]"#);
}

#[tokio::test(start_paused = true)]
async fn a_device_without_a_verdict_is_closed_after_exactly_ten_seconds() {
    let (when, mut events) = events();
    let server = obeying(Server::builder().when(when));
    // It never says hi.
    let mut peer = attach(&server);
    let (time, closed) = timed(peer.closed()).await;
    assert_eq!(closed, (1000, "wse.auth-timeout".into()));
    assert!(about(time, 10 * S), "{time:?}");
    // It does not solve its challenge.
    let mut peer = attach(&server);
    peer.hi(json!("challenge"), json!({})).await;
    assert_eq!(peer.json().await[0], "~wse:challenge");
    let (time, closed) = timed(peer.closed()).await;
    assert_eq!(closed, (1000, "wse.auth-timeout".into()));
    assert!(about(time, 10 * S), "{time:?}");
    // It says hi late; the time runs from the start.
    let mut peer = attach(&server);
    let (time, closed) = timed(async {
        sleep(4 * S).await;
        peer.hi(json!("never"), json!({})).await;
        peer.closed().await
    })
    .await;
    assert_eq!(closed, (1013, "wse.later after=1000".into()));
    assert!(about(time, 10 * S), "{time:?}");
    assert!(events.so_far().is_empty());
}

#[tokio::test(start_paused = true)]
async fn signs_of_life_and_challenges_do_not_extend_the_time() {
    let server = Server::builder()
        .limits(Limits { challenges: 99, ..Limits::default() })
        .identify(async |stranger: Stranger, _: Value| Ok(stranger.challenge(&"again")))
        .build();
    let wse_test_peers::RawClient { mut reader, mut writer } = attach(&server);
    let talking = tokio::spawn(async move {
        writer.write(&wse_test_peers::text(r#"["~wse:hi",{}]"#)).await;
        loop {
            sleep(3 * S).await;
            writer.write(&wse_test_peers::text(r#"["~wse:challenge",1]"#)).await;
        }
    });
    let (time, closed) = timed(async {
        loop {
            match reader.next().await {
                Got::Text(_) => {}
                other => break other,
            }
        }
    })
    .await;
    talking.abort();
    assert_eq!(closed, Got::Close(Some((1000, "wse.auth-timeout".into()))));
    assert!(about(time, 10 * S), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_comes_too_late_opens_nothing() {
    let log = log();
    let finished = log.clone();
    let (when, mut events) = events();
    let server = Server::builder()
        .when(when)
        .identify(async move |stranger: Stranger, _: Value| {
            sleep(11 * S).await;
            finished.add("late");
            Ok(stranger.accept("ann"))
        })
        .build();
    let mut peer = attach(&server);
    peer.hi(json!("ann"), json!({})).await;
    // It does not answer the close frame, so its connection lingers for two seconds.
    assert_eq!(peer.next().await, Got::Close(Some((1013, "wse.later after=1000".into()))));
    sleep(5 * S).await;
    assert!(log.take().is_empty(), "identify went on for nobody");
    assert!(events.so_far().is_empty());
    assert_eq!(server.conn_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn identify_is_dropped_when_the_device_leaves_while_it_thinks() {
    struct Guard(wse_test_peers::Log);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.add("dropped");
        }
    }
    let log = log();
    let guarded = log.clone();
    let server = Server::builder()
        .identify(async move |_: Stranger, _: Value| -> Result<Verdict, RpError> {
            let _guard = Guard(guarded);
            pending().await
        })
        .build();
    let (mut peer, ended) = attach_with(&server, wse_test_peers::PIPE, Request::new(()));
    peer.hi(json!("ann"), json!({})).await;
    settle().await;
    assert!(log.take().is_empty());
    let (time, ()) = timed(async {
        drop(peer);
        assert_eq!(end(ended).await, "1006");
    })
    .await;
    assert!(time < S, "{time:?}");
    assert_eq!(log.take(), ["dropped"]);
}

/// A server that asks `{"a":1,"b":2}` and takes 3.
fn challenging(limits: Limits, asked: &wse_test_peers::Log) -> Server {
    let asked = asked.clone();
    Server::builder()
        .limits(limits)
        .identify(async move |stranger: Stranger, name: String| {
            let answer = stranger.answer::<Value, Value>()?;
            asked.add(json!([name, answer]));
            Ok(match answer {
                None => stranger.challenge(&json!({"a": 1, "b": 2})),
                Some((_, answer)) if answer == 3 => stranger.accept(name),
                Some((quest, answer)) if answer == "again" => stranger.challenge(&quest),
                Some(_) => stranger.refuse(),
            })
        })
        .build()
}

#[tokio::test(start_paused = true)]
async fn a_challenged_device_is_identified_again_with_quest_and_answer() {
    let asked = log();
    let server = challenging(Limits::default(), &asked);
    for (answer, accepted) in [(json!(3), true), (json!("wrong"), false), (json!(null), false)] {
        let mut peer = attach(&server);
        peer.hi(json!("ann"), json!({})).await;
        assert_eq!(peer.text().await, r#"["~wse:challenge",{"a":1,"b":2},null]"#);
        peer.say("~wse:challenge", answer.clone()).await;
        if accepted {
            assert_eq!(peer.text().await, r#"["~wse:welcome",null,null]"#);
        } else {
            assert_eq!(peer.closed().await, (1000, "wse.not-authorized".into()));
        }
        let expected = [json!(["ann", null]), json!(["ann", [{"a": 1, "b": 2}, answer]])];
        assert_eq!(asked.take(), expected.map(|asked| asked.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_is_challenged_three_times_at_most() {
    let asked = log();
    let server = challenging(Limits::default(), &asked);
    let mut peer = attach(&server);
    peer.hi(json!("ann"), json!({})).await;
    for _ in 0..3 {
        assert_eq!(peer.json().await[0], "~wse:challenge");
        peer.say("~wse:challenge", json!("again")).await;
    }
    assert_eq!(peer.closed().await, (1000, "wse.not-authorized".into()));
    assert_eq!(asked.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_second_hi_while_identify_thinks_changes_nothing() {
    let asked = log();
    let asking = asked.clone();
    let server = Server::builder()
        .identify(async move |stranger: Stranger, name: String| {
            asking.add(&name);
            sleep(S).await;
            Ok(stranger.accept(name))
        })
        .build();
    let mut peer = attach(&server);
    peer.hi(json!("ann"), json!({})).await;
    peer.hi(json!("eve"), json!({})).await;
    assert_eq!(peer.json().await[0], "~wse:welcome");
    assert_eq!(asked.take(), ["ann"]);
    assert_eq!(server.users()[0].cid().as_str(), "ann");
}

#[tokio::test(start_paused = true)]
async fn the_request_of_the_upgrade_and_what_middleware_put_there_reach_identify() {
    #[derive(Clone)]
    struct Tenant(&'static str);
    let server = Server::builder()
        .identify(async |stranger: Stranger, _: Value| {
            let request = stranger.request();
            let tenant = request.extensions.get::<Tenant>().map_or("none", |tenant| tenant.0);
            let cookie = request.headers.get("cookie").map(|cookie| cookie.to_str().unwrap_or_default().to_owned());
            let query = request.uri.query().map(str::to_owned);
            let addr = stranger.remote_addr();
            Ok(stranger.accept("ann").welcome(&json!([tenant, cookie, query, addr])))
        })
        .build();
    let request = Request::builder()
        .uri("/ws?room=7")
        .header("cookie", "a=b")
        .extension(Tenant("blue"))
        .extension(wse::service::RemoteAddr([198, 51, 100, 7].into()))
        .body(())
        .unwrap();
    let (mut peer, _) = attach_with(&server, wse_test_peers::PIPE, request);
    peer.hi(json!(1), json!({})).await;
    assert_eq!(peer.json().await[1], json!(["blue", "a=b", "room=7", "198.51.100.7"]));
    let mut peer = attach(&server);
    peer.hi(json!(1), json!({})).await;
    assert_eq!(peer.json().await[1], json!(["none", null, null, null]));
}
