//! Identities that end: who is asked for another one, what the answer does, and how a device ends without one.

use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, sleep};
use wse::{Conn, Limits, RpError, Server, ServerBuilder, Stranger, Verdict};
use wse_test_peers::{Events, Got, Log, RawClient, about, attach, events, log, settle, soon, timed};

const S: Duration = Duration::from_secs(1);

/// What a client says of itself: its name, a number, how many seconds its identity lives, and what is to become
/// of it.
type Claims = (String, u32, u64, String);

#[derive(Debug, PartialEq)]
pub(crate) struct Login(pub(crate) u32);

/// Writes down whom it sees.
async fn judge(log: Log, stranger: Stranger, (name, number, life, what): Claims) -> Result<Verdict, RpError> {
    let before = stranger.resumes().map(|conn| (conn.cid().to_string(), conn.state::<Login>().map(|login| login.0)));
    log.add(format!("{name} {number} after {before:?}"));
    let end = SystemTime::now() + S * life as u32;
    let slow = what.strip_prefix("slow ").and_then(|secs| secs.parse().ok());
    sleep(S * slow.unwrap_or(0)).await;
    match &*what {
        "refuse" => Ok(stranger.refuse()),
        "challenge" => Ok(stranger.challenge(&1)),
        "later" => Ok(stranger.later(S)),
        "fail" => Err(std::io::Error::other("the database is away"))?,
        "panic" => panic!("identify broke"),
        "forever" => Ok(stranger.accept(name).state(Login(number))),
        _ => Ok(stranger.accept(name).state(Login(number)).until(end)),
    }
}

pub(crate) fn judged(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (Server, Log, Events) {
    let (log, (when, events)) = (log(), events());
    let hook = log.clone();
    // No pings, so that a peer may say nothing for a while.
    let limits = Limits { ping_interval: 3600 * S, ..Limits::default() };
    let server = configure(Server::builder().when(when).limits(limits))
        .identify(async move |stranger, claims: Claims| judge(hook, stranger, claims).await)
        .register("number", async |conn: Conn, ()| Ok(conn.state::<Login>().map(|login| login.0)))
        .build();
    (server, log, events)
}

/// A client that can give its identity anew, and what it is granted.
pub(crate) async fn enter(server: &Server, claims: Value, session: Value) -> (RawClient, Value) {
    let mut peer = attach(server);
    let hi = json!({"identity": claims, "session": session, "can": ["renew"]});
    peer.say("~wse:hi", hi).await;
    let welcome = peer.json().await;
    assert_eq!(welcome[0], "~wse:welcome", "{welcome}");
    (peer, welcome[2].clone())
}

/// The call that asks for the identity: it comes after so much time.
pub(crate) async fn asked(peer: &mut RawClient, after: Duration) -> Value {
    let (waited, call) = timed(question(peer)).await;
    assert!(waited.abs_diff(after) < S / 100, "{waited:?} instead of {after:?}");
    call
}

/// The next question for the identity; answers the pings before it.
async fn question(peer: &mut RawClient) -> Value {
    loop {
        match peer.next().await {
            Got::Text(text) if text.starts_with(r#"["~wse:identity",null,""#) => {
                return serde_json::from_str(&text).expect("JSON");
            }
            Got::Text(ack) if ack.starts_with(r#"["~wse:ack""#) => {}
            Got::Ping(ping) => peer.write(&wse_test_peers::frame(wse_frame::Opcode::Pong, &ping)).await,
            other => panic!("{other:?}"),
        }
    }
}

/// Answers, and lets identify run.
pub(crate) async fn give(peer: &mut RawClient, call: &Value, claims: Value) {
    peer.send(&json!(["~wse:response", claims, call[2]]).to_string()).await;
    settle().await;
}

/// The close frame; answers the pings before it.
async fn closed(peer: &mut RawClient) -> String {
    loop {
        match peer.next().await {
            Got::Close(Some((code, reason))) => return format!("{code} {reason}"),
            Got::Ping(ping) => peer.write(&wse_test_peers::frame(wse_frame::Opcode::Pong, &ping)).await,
            Got::Text(ack) if ack.starts_with(r#"["~wse:ack""#) => {}
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn ann(server: &Server) -> Conn {
    server.user("ann").conns().remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_device_gives_another_identity_over_its_connection_and_goes_on() {
    for session in [json!(null), json!({})] {
        let (server, log, mut events) = judged(|builder| builder);
        let (mut peer, _) = enter(&server, json!(["ann", 1, 100, ""]), session).await;
        let conn = ann(&server);
        assert_eq!(events.take(2).await, ["joined ann", "connected ann 1"]);
        for number in 2..5 {
            let call = asked(&mut peer, 90 * S).await;
            give(&mut peer, &call, json!(["ann", number, 100, ""])).await;
            assert_eq!(peer.call("number", json!(null)).await, json!(["~wse:response", number]));
            assert_eq!(conn.identity::<Claims>().unwrap().1, number);
        }
        let call = asked(&mut peer, 90 * S).await;
        give(&mut peer, &call, json!(["ann", 5, 0, "forever"])).await;
        sleep(1000 * S).await;
        assert!(ann(&server) == conn && conn.state::<Login>().as_deref() == Some(&Login(5)));
        assert_eq!(
            log.take(),
            [
                r#"ann 1 after None"#,
                r#"ann 2 after Some(("ann", Some(1)))"#,
                r#"ann 3 after Some(("ann", Some(2)))"#,
                r#"ann 4 after Some(("ann", Some(3)))"#,
                r#"ann 5 after Some(("ann", Some(4)))"#
            ]
        );
        assert_eq!(events.so_far(), [""; 0], "nothing was told of it");
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_ends_with_its_identity() {
    let (server, _log, mut events) = judged(|builder| builder);
    let (mut peer, _) = enter(&server, json!(["ann", 1, 100, ""]), json!({})).await;
    asked(&mut peer, 90 * S).await;
    let (waited, end) = timed(closed(&mut peer)).await;
    assert!(about(waited, 10 * S), "{waited:?}");
    assert_eq!(end, "1000 wse.identity-expired");
    let told = ["disconnected ann 1 1000 wse.identity-expired", "left ann 1000 wse.identity-expired"];
    assert_eq!(events.take(4).await[2..], told);
    assert_eq!(server.conn_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_challenged_or_another_is_not_asked_again_and_ends_with_its_identity() {
    for answer in [
        json!(["bob", 2, 100, ""]),
        json!(["ann", 2, 100, "refuse"]),
        json!(["ann", 2, 100, "challenge"]),
        json!(["ann", 2, 100]),
        json!("another type"),
    ] {
        let (server, log, _events) = judged(|builder| builder);
        let (mut peer, _) = enter(&server, json!(["ann", 1, 100, ""]), json!(null)).await;
        let call = asked(&mut peer, 90 * S).await;
        give(&mut peer, &call, answer.clone()).await;
        settle().await;
        let conn = ann(&server);
        assert_eq!(conn.state::<Login>().as_deref(), Some(&Login(1)), "{answer}: nothing has changed");
        let (waited, end) = timed(closed(&mut peer)).await;
        assert!(waited > 9 * S && waited < 11 * S, "{waited:?}");
        assert_eq!(end, "1000 wse.identity-expired", "{answer}");
        assert!(log.len() <= 2 && server.conn_count() == 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_asked_again_until_the_end() {
    let (server, log, mut events) = judged(|builder| builder);
    let (mut peer, _) = enter(&server, json!(["ann", 1, 100, ""]), json!(null)).await;
    let call = asked(&mut peer, 90 * S).await;
    give(&mut peer, &call, json!(["ann", 2, 100, "fail"])).await;
    let call = asked(&mut peer, 5 * S / 2).await;
    give(&mut peer, &call, json!(["ann", 2, 100, "panic"])).await;
    let call = asked(&mut peer, Duration::from_millis(1875)).await;
    give(&mut peer, &call, json!(["ann", 2, 100, "later"])).await;
    let call = question(&mut peer).await;
    peer.send(&json!(["~wse:response-err", {"code": "no-token"}, call[2]]).to_string()).await;
    let call = question(&mut peer).await;
    give(&mut peer, &call, json!(["ann", 3, 100, "x".repeat(70_000)])).await;
    let call = question(&mut peer).await;
    give(&mut peer, &call, json!(["ann", 3, 100, ""])).await;
    assert_eq!(peer.call("number", json!(null)).await, json!(["~wse:response", 3]));
    let failed = events.next_like("error").await;
    assert_eq!(failed, "error ann wse.not-authorized wse.server.rp.failed: the database is away");
    assert!(events.next_like("error").await.contains("identify broke"));
    assert_eq!(log.len(), 5, "an error of the client and what is too large are no identities");
    assert_eq!(events.so_far(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn who_fails_to_the_end_ends() {
    let (server, log, _events) = judged(|builder| builder);
    let (mut peer, _) = enter(&server, json!(["ann", 1, 20, ""]), json!(null)).await;
    let began = Instant::now();
    let end = loop {
        match peer.next().await {
            Got::Text(call) => {
                let call: Value = serde_json::from_str(&call).unwrap();
                give(&mut peer, &call, json!(["ann", 2, 100, "fail"])).await;
            }
            Got::Close(Some((code, reason))) => break format!("{code} {reason}"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(end, "1000 wse.identity-expired");
    assert!(about(began.elapsed(), 20 * S), "{:?}", began.elapsed());
    assert!((4..=7).contains(&log.len()), "{:?}", log.take());
}

#[tokio::test(start_paused = true)]
async fn an_answer_counts_once() {
    let (server, log, _events) = judged(|builder| builder);
    let (mut peer, _) = enter(&server, json!(["ann", 1, 100, ""]), json!({})).await;
    let call = asked(&mut peer, 90 * S).await;
    give(&mut peer, &call, json!(["ann", 2, 100, ""])).await;
    give(&mut peer, &call, json!(["ann", 3, 100, ""])).await;
    give(&mut peer, &json!([null, null, "a stamp of its own"]), json!(["ann", 4, 100, ""])).await;
    assert_eq!(peer.call("number", json!(null)).await, json!(["~wse:response", 2]));
    assert_eq!(log.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_has_ended_is_not_let_in() {
    let (server, _log, mut events) = judged(|builder| builder);
    let mut peer = attach(&server);
    peer.hi(json!(["ann", 1, 0, ""]), json!({})).await;
    assert_eq!(peer.closed().await, (1000, "wse.identity-expired".into()));
    settle().await;
    assert_eq!(events.so_far(), [""; 0]);
    // Accepted anew with an end that has passed, it ends.
    let (mut peer, _) = enter(&server, json!(["ann", 1, 100, ""]), json!({})).await;
    let call = asked(&mut peer, 90 * S).await;
    give(&mut peer, &call, json!(["ann", 2, 0, ""])).await;
    let (waited, end) = timed(closed(&mut peer)).await;
    assert!(about(waited, Duration::ZERO), "{waited:?}");
    assert_eq!(end, "1000 wse.identity-expired");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_cannot_be_asked_is_recalled_ahead_of_the_end() {
    let (server, _log, mut events) = judged(|builder| {
        builder.register("work", async |_, secs: u64| {
            sleep(S * secs as u32).await;
            Ok(secs)
        })
    });
    let mut peer = attach(&server);
    peer.enter_with(json!(["ann", 1, 100, ""]), json!({})).await;
    let (waited, end) = timed(closed(&mut peer)).await;
    assert!(about(waited, 90 * S), "{waited:?}");
    assert_eq!(end, "1012 wse.restart after=0");
    assert_eq!(events.next_like("disconnected").await, "disconnected ann 1 1012 wse.restart after=0");
    // A handler may finish before, but not beyond the end.
    let mut peer = attach(&server);
    peer.enter_with(json!(["ann", 1, 20, ""]), json!({})).await;
    peer.ask("work", json!(60), "s").await;
    let (waited, end) = timed(closed(&mut peer)).await;
    assert!(about(waited, 20 * S), "{waited:?}");
    assert_eq!(end, "1000 wse.identity-expired");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_an_identity() {
    for what in ["never answered", "slow 60"] {
        let (server, _log, _events) = judged(|builder| builder);
        let (mut peer, _) = enter(&server, json!(["ann", 1, 100, ""]), json!({})).await;
        let call = asked(&mut peer, 90 * S).await;
        if what == "slow 60" {
            give(&mut peer, &call, json!(["ann", 2, 100, what])).await;
        }
        settle().await;
        let (waited, (_, end)) = timed(async { tokio::join!(server.shutdown(60 * S), closed(&mut peer)) }).await;
        assert!(waited < 6 * S, "{what}: {waited:?}");
        assert!(end.starts_with("1012 wse.restart"), "{what}: {end}");
    }
}

#[tokio::test(start_paused = true)]
async fn identify_about_another_identity_is_dropped_when_the_device_leaves() {
    struct Running(Arc<AtomicU64>);
    impl Drop for Running {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Relaxed);
        }
    }
    let running = Arc::new(AtomicU64::new(0));
    let server = Server::builder().identify({
        let running = running.clone();
        async move |stranger: Stranger, name: String| {
            running.fetch_add(1, Relaxed);
            let _running = Running(running);
            if stranger.resumes().is_some() {
                sleep(1000 * S).await;
            }
            Ok(stranger.accept(name).until(SystemTime::now() + 100 * S))
        }
    });
    let server = server.build();
    let (mut peer, _) = enter(&server, json!("ann"), json!(null)).await;
    let call = asked(&mut peer, 90 * S).await;
    give(&mut peer, &call, json!("ann")).await;
    settle().await;
    assert_eq!(running.load(Relaxed), 1);
    peer.close(1000, "").await;
    soon(async {
        while running.load(Relaxed) > 0 {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_the_server_for_an_identity_gets_none() {
    let (server, log, mut events) = judged(|builder| {
        let nothing = wse::Handlers::<Conn>::new().fallback(async |_, _| Ok("the fallback"));
        builder.handlers(nothing)
    });
    let (mut peer, _) = enter(&server, json!(["ann", 1, 100, ""]), json!(null)).await;
    let refused = peer.call("~wse:identity", json!(null)).await;
    assert_eq!(refused[0], "~wse:response-err");
    assert_eq!(refused[1]["code"], "wse.server.rp.not-registered");
    peer.say("~wse:identity", json!(null)).await;
    assert_eq!(peer.call("number", json!(null)).await, json!(["~wse:response", 1]));
    assert_eq!((log.len(), events.take(2).await.len(), events.so_far().len()), (1, 2, 0));
    assert!(server.register("~wse:identity", async |_, ()| Ok(())).is_err());
    assert!(ann(&server).send("~wse:identity", ()).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_device_of_ws_messaging_is_recalled_in_its_own_form() {
    let server = Server::builder()
        .protocols([wse::WsMessaging::new().into()])
        .identify(async |stranger, auth: Value| {
            let life = auth["life"].as_u64().unwrap_or(0) as u32;
            Ok(stranger.accept("bob").state(Login(7)).until(SystemTime::now() + S * life))
        })
        .build();
    let (mut peer, _) = wse_test_peers::attach_to(&server, "ws-messaging");
    peer.send(&json!({"life": 20}).to_string()).await;
    let began = Instant::now();
    assert!(peer.text().await.contains("connect"));
    assert_eq!(server.user("bob").conns()[0].state::<Login>().as_deref(), Some(&Login(7)));
    assert_eq!(closed(&mut peer).await, "1012 wse.restart after=0");
    assert!(began.elapsed().abs_diff(15 * S) < S / 10, "{:?}", began.elapsed());
    let (mut peer, _) = wse_test_peers::attach_to(&server, "ws-messaging");
    peer.send(&json!({"life": 0}).to_string()).await;
    assert_eq!(closed(&mut peer).await, "4003 wse.identity-expired");
}
