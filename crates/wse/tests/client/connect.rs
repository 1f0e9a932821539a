//! How a client comes in: identity, meta, challenge, welcome, the upgrade it asks for, and
//! everything that keeps it out.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::io::DuplexStream;
use wse::{Backoff, Client, ConnectError, Limits, RpError, Server, Status, Stranger};
use wse_test_peers::{Got, Log, about, dials, events, on_net, scripted, server, settle, soon, timed};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Token {
    name: String,
    age: u8,
}

/// A payload that never encodes.
struct Broken;

impl Serialize for Broken {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("broken on purpose"))
    }
}

#[tokio::test(start_paused = true)]
async fn without_identity_and_meta_the_hi_has_the_defaults() {
    let (builder, mut dials) = scripted();
    let (client, hi) = tokio::join!(builder.connect(), async { dials.greeted(json!(null)).await });
    assert_eq!(hi.1, json!({"identity": "", "meta": {}}));
    assert_eq!(client.unwrap().welcome::<()>().ok(), Some(()));
}

#[tokio::test(start_paused = true)]
async fn identity_meta_and_welcome_are_of_the_types_of_the_application() {
    let log = Log::default();
    let seen = log.clone();
    let server = Server::builder()
        .identify(async move |stranger: Stranger, token: Token| {
            seen.add(format!("{} {}", token.age, stranger.meta::<Token>()?.name));
            Ok(stranger.accept(token.name).welcome(&Token { name: "from the server".into(), age: 2 }))
        })
        .build();
    let client = on_net(&[("a", &server)])
        .identity(&Token { name: "ann".into(), age: 1 })
        .meta(&Token { name: "phone".into(), age: 0 })
        .build();
    assert_eq!(client.welcome::<Option<Token>>().unwrap(), None, "before the first welcome");
    client.connect().await.unwrap();
    assert_eq!(client.welcome::<Token>().unwrap(), Token { name: "from the server".into(), age: 2 });
    assert!(client.welcome::<u8>().is_err());
    assert_eq!(log.take(), ["1 phone"]);
    assert_eq!(server.user("ann").conn_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_identity_closure_is_asked_again_for_every_connection() {
    let (builder, mut dials) = scripted();
    let asked = Arc::new(AtomicU32::new(0));
    let client = builder
        .identity_with(move || {
            let number = asked.fetch_add(1, Relaxed) + 1;
            async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                Ok(format!("token-{number}"))
            }
        })
        .meta(&json!({"m": 1}))
        .reconnect(Backoff::default())
        .build();
    let connecting = tokio::spawn({
        let client = client.clone();
        async move { client.connect().await }
    });
    drop(dials.upgraded().await); // fails before the welcome, and is tried again
    let (wire, first) = dials.greeted(json!(null)).await;
    connecting.await.unwrap().unwrap();
    drop(wire);
    let (_wire, second) = dials.greeted(json!(null)).await;
    let (jumped, (_, third)) = tokio::join!(client.jump("ws://b.test/"), dials.greeted(json!(null)));
    jumped.unwrap();
    let identities = [first, second, third].map(|hi| hi["identity"].clone());
    assert_eq!(identities, ["token-2", "token-3", "token-4"]);
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_cannot_be_made_fails_the_attempt_for_good() {
    let (builder, mut dials) = scripted();
    let client =
        builder.identity_with(async || Err::<(), _>(RpError::new("no-token"))).reconnect(Backoff::default()).build();
    let (time, error) = timed(client.connect()).await;
    assert!(matches!(error, Err(ConnectError::Identity(error)) if error.code == "no-token"));
    assert_eq!((time, client.status()), (Duration::ZERO, Status::Offline));
    dials.none_within(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn what_the_builder_was_given_wrong_is_told_by_connect() {
    let builder = || Client::builder("ws://a");
    for (builder, setup) in [
        (builder().identity(&Broken), true),
        (builder().identity_with(async || Ok(Broken)), false),
        (builder().meta(&Broken), true),
        (builder().header("bad header", "x"), true),
        (builder().header("name", "bad\nvalue"), true),
    ] {
        let (dial, mut dials) = dials();
        let error = soon(builder.dial(dial).reconnect(Backoff::default()).connect()).await.unwrap_err();
        assert_eq!(matches!(error, ConnectError::Setup(_)), setup, "{error}");
        assert_eq!(matches!(error, ConnectError::Identity(_)), !setup, "{error}");
        dials.none_within(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_identity_or_the_dial_costs_one_attempt_and_nothing_else() {
    let server = server(|builder| builder);
    let calls = Arc::new(AtomicU32::new(0));
    let (identity_calls, dial_calls) = (calls.clone(), Arc::new(AtomicU32::new(0)));
    let dial_to = server.clone();
    let client = Client::builder("ws://a/")
        .identity_with(move || {
            let call = identity_calls.fetch_add(1, Relaxed);
            async move { if call == 0 { panic!("no identity today") } else { Ok("ann") } }
        })
        .dial(move |_| {
            let call = dial_calls.fetch_add(1, Relaxed);
            assert_ne!(call, 0, "no dial today");
            std::future::ready(io::Result::Ok(wse_test_peers::pipe_to(dial_to.clone(), 1024)))
        })
        .build();
    assert!(matches!(soon(client.connect()).await, Err(ConnectError::Identity(_))));
    assert!(matches!(soon(client.connect()).await, Err(ConnectError::Unreachable(_))));
    soon(client.connect()).await.unwrap();
    assert_eq!(client.status(), Status::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_challenge_is_solved_by_the_handler() {
    let (builder, mut dials) = scripted();
    let builder = builder.challenge(async |client: Client, (a, b): (i64, i64)| {
        assert_eq!(client.status(), Status::Connecting);
        Ok(a + b)
    });
    let connecting = tokio::spawn(builder.connect());
    let mut wire = dials.upgraded().await;
    wire.json().await;
    for (quest, solution) in
        [(json!([1, 2]), "[\"~wse:challenge\",3,null]"), (json!([2, 2]), "[\"~wse:challenge\",4,null]")]
    {
        wire.say("~wse:challenge", quest).await;
        assert_eq!(wire.text().await, solution);
    }
    wire.say("~wse:welcome", json!(null)).await;
    soon(connecting).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_challenge_without_a_solution_fails_connect_and_leaves() {
    let challenged = |builder: wse::ClientBuilder, quest: Value| async move {
        let (dial, mut dials) = dials();
        let connecting = tokio::spawn(builder.dial(dial).reconnect(Backoff::default()).connect());
        let mut wire = dials.upgraded().await;
        wire.json().await;
        wire.say("~wse:challenge", quest).await;
        assert_eq!(wire.closed().await, (1000, "wse.by-client".to_owned()));
        let error = soon(connecting).await.unwrap().unwrap_err();
        assert_eq!(error.code(), "wse.client.invalid-cra-handler");
        dials.none_within(Duration::from_secs(60)).await;
        error.to_string()
    };
    let builder = || Client::builder("ws://a/");
    let none = challenged(builder(), json!(1)).await;
    assert!(none.contains("no challenge handler"), "{none}");
    let fails = builder().challenge(async |_, _: u8| Err::<(), _>(RpError::new("cannot")));
    assert!(challenged(fails, json!(1)).await.ends_with("cannot"));
    let panics = || builder().challenge(async |_, _: u8| -> Result<(), RpError> { panic!("oh no") });
    assert!(challenged(panics(), json!(1)).await.contains("oh no"));
    challenged(panics(), json!("not a number")).await;
    let broken = builder().challenge(async |_, _: u8| Ok(Broken));
    assert!(challenged(broken, json!(1)).await.contains("broken on purpose"));
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_or_ends_for_good_fails_at_once_with_reconnect_too() {
    for (code, reason) in [
        (1000, "wse.not-authorized"),
        (1000, "wse.auth-timeout"),
        (1000, "wse.protocol-error"),
        (1000, "wse.by-server"),
        (1000, "wse.clients-concurrency"),
        (1000, ""),
        (1000, "maintenance"),
        (1008, "wse.not-authorized"),
    ] {
        let (builder, mut dials) = scripted();
        let (when, mut events) = events();
        let client = builder.reconnect(Backoff::default()).when(when).build();
        let connecting = tokio::spawn({
            let client = client.clone();
            async move { client.connect().await }
        });
        let mut wire = dials.upgraded().await;
        wire.json().await;
        wire.drop_with(code, reason).await;
        let (time, error) = timed(connecting).await;
        assert_eq!(time, Duration::ZERO);
        let error = error.unwrap().unwrap_err();
        let (told, closed) = match (error.code(), &error) {
            (told, ConnectError::Refused(closed) | ConnectError::Closed(closed)) => (told, closed),
            (_, other) => panic!("{other}"),
        };
        // Only one of them says that the identity was wrong.
        let refused = (code, reason) == (1000, "wse.not-authorized");
        assert_eq!(told, if refused { "wse.not-authorized" } else { "wse.client.connection-closed" }, "{reason}");
        assert_eq!(matches!(error, ConnectError::Refused(_)), refused, "{reason}");
        assert_eq!((closed.code, closed.reason.as_str()), (code, reason));
        dials.none_within(Duration::from_secs(60)).await;
        assert_eq!(events.so_far(), ["CONNECTING", format!("closed {code} {reason}").trim_end(), "OFFLINE"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_address_that_is_none_fails_connect_before_anything_is_dialed() {
    for url in ["", "localhost:4300", "http://localhost/", "ws://", "ws:///x", "ws:// x/", "/ws"] {
        let (dial, mut dials) = dials();
        let client = Client::builder(url).dial(dial).reconnect(Backoff::default()).build();
        let error = soon(client.connect()).await.unwrap_err();
        assert!(matches!(error, ConnectError::BadUrl(_)), "{url:?}: {error}");
        assert_eq!((error.code(), client.url().as_str()), ("wse.client.ws-error", url));
        dials.none_within(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_not_there_fails_connect_at_once_without_reconnect() {
    let client = Client::builder("ws://a/").dial(wse_test_peers::net(&[])).build();
    let (time, error) = timed(client.connect()).await;
    assert!(matches!(error, Err(ConnectError::Unreachable(error)) if error.kind() == io::ErrorKind::ConnectionRefused));
    assert_eq!((time, client.status()), (Duration::ZERO, Status::Offline));
}

/// How far a server goes before it falls silent.
#[derive(Clone, Copy, PartialEq)]
enum Silent {
    InTheDial,
    AfterTheRequest,
    AfterTheHi,
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_is_given_up_in_time_wherever_it_does() {
    for silent in [Silent::InTheDial, Silent::AfterTheRequest, Silent::AfterTheHi] {
        let (dial, mut dials) = dials();
        let dial = move |uri| {
            let stream = dial(uri);
            async move {
                if silent == Silent::InTheDial { pending::<io::Result<DuplexStream>>().await } else { stream.await }
            }
        };
        let limits = Limits { connect_timeout: Duration::from_secs(7), ..Limits::default() };
        let client = Client::builder("ws://a/").dial(dial).limits(limits).build();
        let connecting = tokio::spawn(async move { timed(client.connect()).await });
        let dialed = dials.next().await;
        let mut wire = match silent {
            Silent::InTheDial => None,
            Silent::AfterTheRequest => Some(dialed.request().await.silent()),
            Silent::AfterTheHi => Some(dialed.request().await.upgrade().await),
        };
        let (time, error) = connecting.await.unwrap();
        let Err(ConnectError::Unreachable(error)) = error else { panic!("{error:?}") };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string().contains("no welcome came in time"), silent == Silent::AfterTheHi, "{error}");
        assert!(about(time, Duration::from_secs(7)), "{time:?}");
        if let Some(wire) = &mut wire {
            assert_eq!(silent == Silent::AfterTheHi, matches!(wire.next().await, Got::Text(_)));
            assert_eq!(wire.next().await, Got::End, "nothing is left behind");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_tried_again_with_reconnect() {
    let (builder, mut dials) = scripted();
    let client = builder.reconnect(Backoff::default()).build();
    tokio::spawn(async move { client.connect().await.map(|()| client) });
    let (first, second) = (dials.next().await, dials.next().await);
    let gap = second.at - first.at;
    assert!(gap >= Duration::from_secs(10) && gap <= Duration::from_millis(10_502), "{gap:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_connected_or_connecting_cannot_connect() {
    let (builder, mut dials) = scripted();
    let client = builder.build();
    let connecting = tokio::spawn({
        let client = client.clone();
        async move { client.connect().await }
    });
    settle().await;
    let second = soon(client.connect()).await.unwrap_err();
    assert!(matches!(second, ConnectError::AlreadyConnected));
    assert_eq!(second.code(), "wse.client.already-connected");
    let _wire = dials.welcomed().await;
    connecting.await.unwrap().unwrap();
    assert!(matches!(soon(client.connect()).await, Err(ConnectError::AlreadyConnected)));
    assert_eq!(client.status(), Status::Ready, "the first is left alone");
}

#[tokio::test(start_paused = true)]
async fn debug_shows_neither_user_nor_path_nor_query_of_the_address() {
    for url in ["wss://ann:hunter2@h.example/ws?token=SECRET", "ann:hunter2@h.example/ws?token=SECRET"] {
        let (dial, _dials) = dials();
        let builder = Client::builder(url).dial(dial);
        let mut shown = vec![format!("{builder:?}"), format!("{builder:#?}")];
        let client = builder.build();
        shown.extend([format!("{client:?}"), format!("{client:#?}")]);
        for text in shown {
            assert_eq!(text.contains("wss://h.example"), url.starts_with("wss"), "{text}");
            for secret in ["ann", "hunter2", "/ws", "token", "SECRET"] {
                assert!(!text.replace("wss://h.example", "").contains(secret), "{secret} in {text}");
            }
        }
    }
}
