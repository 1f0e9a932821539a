//! The jump: from one server to another, with the same identity or a new one; it always settles.

use serde_json::json;
use std::time::Duration;
use tokio::task::JoinHandle;
use wse::{Backoff, Client, ConnectError, Event, Reason, Server, Status, Stranger, Verdict};
use wse_test_peers::{Dials, Log, events, on_net, scripted, server, settle, soon, timed};

fn jumping(client: &Client, url: &'static str) -> JoinHandle<Result<(), ConnectError>> {
    let client = client.clone();
    tokio::spawn(async move { client.jump(url).await })
}

fn connecting(client: &Client) -> JoinHandle<Result<(), ConnectError>> {
    let client = client.clone();
    tokio::spawn(async move { client.connect().await })
}

/// A server that writes down who comes and goes.
fn logging(name: &'static str, log: &Log) -> Server {
    let (seen, log) = (log.clone(), log.clone());
    Server::builder()
        .identify(async move |stranger: Stranger, who: String| {
            seen.add(format!("{name}: {who} {}", stranger.meta::<serde_json::Value>()?));
            let verdict: Verdict = stranger.accept(who).welcome(name);
            Ok(verdict)
        })
        .when(async move |event| {
            if let Event::Disconnected(_, closed) = event {
                log.add(format!("{name}: {closed}"));
            }
        })
        .build()
}

#[tokio::test(start_paused = true)]
async fn a_jump_leaves_with_4000_and_comes_in_elsewhere_with_the_same_identity() {
    let log = Log::default();
    let (a, b) = (logging("A", &log), logging("B", &log));
    let client = on_net(&[("a", &a), ("b", &b)]).identity("ann").meta(&json!({"m": 1})).connect().await.unwrap();
    soon(client.jump("ws://b/x")).await.unwrap();
    settle().await;
    assert_eq!(log.take(), [r#"A: ann {"m":1}"#, "A: 4000 jump", r#"B: ann {"m":1}"#]);
    assert_eq!((client.welcome::<String>().unwrap().as_str(), client.url().as_str()), ("B", "ws://b/x"));
    assert_eq!((client.status(), a.conn_count(), b.conn_count()), (Status::Ready, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_jump_with_another_identity_and_meta_really_uses_them_and_keeps_them() {
    let (builder, mut dials) = scripted();
    let builder = builder.identity("ann").meta(&json!({"m": 1})).reconnect(Backoff::default());
    let client = builder.resume(false).build();
    let (connected, (wire, first)) = tokio::join!(client.connect(), dials.greeted(json!(null)));
    connected.unwrap();
    assert_eq!(first, json!({"identity": "ann", "meta": {"m": 1}}));
    let meta = json!({"m": 2});
    let jump = client.jump_with("ws://b.test/", &["bob"], &meta);
    let (jumped, closed, (wire, second)) = tokio::join!(jump, wire.closed(), dials.greeted(json!("new")));
    jumped.unwrap();
    let bob = json!({"identity": ["bob"], "meta": {"m": 2}});
    assert_eq!((closed, &second), ((4000, "jump".to_owned()), &bob));
    assert_eq!(client.welcome::<String>().unwrap(), "new");
    // A reconnect goes to the new server as the new user, and a further jump keeps the identity.
    drop(wire);
    let dialed = dials.next().await;
    assert_eq!(dialed.uri.host(), Some("b.test"));
    let mut wire = dialed.request().await.upgrade().await;
    assert_eq!(wire.json().await[1], bob);
    wire.say("~wse:welcome", json!(null)).await;
    settle().await;
    let (jumped, _, (_wire, third)) =
        tokio::join!(client.jump("ws://c.test/"), wire.closed(), dials.greeted(json!(null)));
    jumped.unwrap();
    assert_eq!(third, bob);
}

#[tokio::test(start_paused = true)]
async fn a_jump_that_fails_settles_and_leaves_the_client_offline() {
    let server = server(|builder| builder);
    let (when, mut events) = events();
    let client = on_net(&[("a", &server)]).identity("ann").when(when).connect().await.unwrap();
    events.next_like("ready").await;
    let error = soon(client.jump("ws://nobody/")).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error}");
    settle().await;
    assert_eq!(events.so_far(), ["closed 4000 jump", "CONNECTING", "OFFLINE"]);
    assert_eq!(server.conn_count(), 0);
    soon(client.jump("ws://a/")).await.expect("another jump works");
    soon(client.close(Reason::default())).await;
}

#[tokio::test(start_paused = true)]
async fn a_jump_that_is_refused_fails_at_once_with_reconnect_too() {
    let (builder, mut dials) = scripted();
    let client = builder.reconnect(Backoff::default()).build();
    let (connected, wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    let jump = jumping(&client, "ws://b/");
    wire.closed().await;
    let mut wire = dials.upgraded().await;
    wire.json().await;
    wire.drop_with(1000, "wse.not-authorized").await;
    let (time, error) = timed(jump).await;
    assert!(matches!(error.unwrap(), Err(ConnectError::Refused(_))) && time < Duration::from_secs(1));
    dials.none_within(Duration::from_secs(60)).await;
    assert_eq!(client.status(), Status::Offline);
}

#[tokio::test(start_paused = true)]
async fn a_jump_goes_on_trying_with_reconnect_and_settles_when_closed() {
    let (builder, mut dials) = scripted();
    let client = builder.reconnect(Backoff::default()).build();
    let (connected, wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    let jump = jumping(&client, "ws://b/");
    wire.closed().await;
    for _ in 0..3 {
        assert_eq!(dials.next().await.uri.host(), Some("b")); // and hangs up
    }
    assert_eq!(client.status(), Status::ReConnecting);
    client.close(Reason::default()).await;
    assert!(matches!(soon(jump).await.unwrap(), Err(ConnectError::Cancelled)));
    assert_eq!(client.status(), Status::Offline);
}

async fn arrives(client: &Client, dials: &mut Dials, jump: JoinHandle<Result<(), ConnectError>>) {
    let dialed = dials.next().await;
    assert_eq!(dialed.uri.host(), Some("b"));
    let mut wire = dialed.request().await.upgrade().await;
    wire.json().await;
    wire.say("~wse:welcome", json!("b")).await;
    soon(jump).await.expect("no panic").expect("it arrives");
    assert_eq!((client.status(), client.welcome::<String>().expect("a text").as_str()), (Status::Ready, "b"));
    assert_eq!(client.url(), "ws://b/");
    // Later the silence of this server would end the connection.
    dials.none_within(Duration::from_secs(30)).await;
}

#[tokio::test(start_paused = true)]
async fn a_jump_while_connecting_gives_the_attempt_up() {
    let (builder, mut dials) = scripted();
    let client = builder.build();
    let connect = connecting(&client);
    let mut old = dials.upgraded().await;
    old.json().await;
    let jump = jumping(&client, "ws://b/");
    let error = soon(connect).await.unwrap().unwrap_err();
    assert!(matches!(error, ConnectError::Cancelled), "{error}");
    assert_eq!(old.next().await, wse_test_peers::Got::End, "nothing is left behind");
    arrives(&client, &mut dials, jump).await;
}

#[tokio::test(start_paused = true)]
async fn a_jump_while_a_reconnect_waits_does_not_wait_for_it() {
    let (builder, mut dials) = scripted();
    let hour = Duration::from_secs(3600);
    let client = builder.reconnect(Backoff { min: hour, max: hour, factor: 1.0, ..Backoff::default() }).build();
    let (connected, wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    drop(wire);
    settle().await;
    assert_eq!(client.status(), Status::ReConnecting);
    let start = tokio::time::Instant::now();
    let jump = jumping(&client, "ws://b/");
    settle().await;
    assert_eq!(client.status(), Status::Connecting);
    arrives(&client, &mut dials, jump).await;
    assert!(start.elapsed() < Duration::from_secs(62));
}

#[tokio::test(start_paused = true)]
async fn a_jump_before_the_first_connect_and_after_a_close_connects() {
    let (builder, mut dials) = scripted();
    let client = builder.build();
    let jump = jumping(&client, "ws://b/");
    arrives(&client, &mut dials, jump).await;
    tokio::time::timeout(Duration::from_secs(3), client.close(Reason::default())).await.unwrap();
    let jump = jumping(&client, "ws://b/");
    arrives(&client, &mut dials, jump).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_jumps_the_later_wins_and_both_settle() {
    let (builder, mut dials) = scripted();
    let client = builder.build();
    let (connected, wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    let first = jumping(&client, "ws://a2/");
    let _open = dials_after(wire, &mut dials, "a2").await;
    let second = jumping(&client, "ws://b/");
    assert!(matches!(soon(first).await.unwrap(), Err(ConnectError::Cancelled)));
    arrives(&client, &mut dials, second).await;
}

/// The old connection is closed, and the new one dialed but not answered.
async fn dials_after(wire: wse_test_peers::RawServer, dials: &mut Dials, host: &str) -> wse_test_peers::Dial {
    assert_eq!(wire.closed().await, (4000, "jump".to_owned()));
    let dialed = dials.next().await;
    assert_eq!(dialed.uri.host(), Some(host));
    dialed
}

#[tokio::test(start_paused = true)]
async fn a_jump_that_cannot_be_tried_changes_nothing() {
    struct Broken;
    impl serde::Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("broken on purpose"))
        }
    }
    let (when, mut events) = events();
    let server = server(|builder| builder.register("echo", async |_, what: String| Ok(what)));
    let client = on_net(&[("a", &server)]).identity("ann").meta(&1).when(when).connect().await.unwrap();
    events.next_like("ready").await;
    let conn = server.user("ann").conns().remove(0);
    let urls = [soon(client.jump("http://nowhere")).await, soon(client.jump_with("http://nowhere", "bob", &2)).await];
    for error in urls.map(Result::unwrap_err) {
        assert!(matches!(error, ConnectError::BadUrl(_)), "{error}");
    }
    let error = soon(client.jump_with("ws://b/", "bob", &Broken)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Setup(_)), "{error}");
    let error = soon(client.jump_with("ws://b/", &Broken, &2)).await.unwrap_err();
    assert!(matches!(error, ConnectError::Setup(_)), "{error}");
    settle().await;
    assert!(events.so_far().is_empty());
    assert_eq!((client.status(), client.url().as_str(), conn.is_open()), (Status::Ready, "ws://a/", true));
    assert_eq!(soon(client.call::<_, String>("echo", "still there")).await.unwrap(), "still there");
    // Nor does the next connection know of it.
    soon(client.jump("ws://a/again")).await.unwrap();
    assert_eq!(server.user("ann").conns()[0].meta::<u8>().unwrap(), 1);
}
