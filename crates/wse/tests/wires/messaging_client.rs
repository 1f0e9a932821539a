//! A client that speaks `ws-messaging`, against a scripted server: how it comes in, how it leaves,
//! and when it comes back.

use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use wse::{Backoff, Client, ClientBuilder, ConnectError, Reason, RpError, Status, WsMessaging};
use wse_test_peers::{Got, about, events, scripted, settle, soon, timed};

const S: Duration = Duration::from_secs(1);

fn messaging() -> (ClientBuilder, wse_test_peers::Dials) {
    let (builder, dials) = scripted();
    (builder.protocol(WsMessaging::new()), dials)
}

fn connecting(client: &Client) -> tokio::task::JoinHandle<Result<(), ConnectError>> {
    let client = client.clone();
    tokio::spawn(async move { client.connect().await })
}

#[tokio::test(start_paused = true)]
async fn it_offers_its_protocol_alone_and_says_its_auth_data_alone() {
    type How = fn(ClientBuilder) -> ClientBuilder;
    let ways: [(How, &str); 5] = [
        (|builder| builder, "{}"),
        (|builder| builder.identity(&json!({"token": "t"})).meta(&json!({"has": "no place"})), r#"{"token":"t"}"#),
        (|builder| builder.identity("ann"), r#""ann""#),
        (|builder| builder.identity(&()), "null"),
        (|builder| builder.identity_with(async || Ok::<_, RpError>([1, 2])), "[1,2]"),
    ];
    for (configure, auth) in ways {
        let (builder, mut dials) = messaging();
        let client = configure(builder).build();
        let connecting = connecting(&client);
        let request = dials.next().await.request().await;
        assert_eq!(request.header("sec-websocket-protocol"), Some("ws-messaging"));
        let mut wire = request.upgrade_with("Sec-WebSocket-Protocol: ws-messaging\r\n").await;
        assert_eq!(wire.text().await, auth);
        wire.hears_nothing().await;
        assert_eq!(client.status(), Status::Connecting);
        wire.emit("connect", json!([null])).await;
        soon(connecting).await.unwrap().unwrap();
        assert_eq!(client.status(), Status::Ready);
    }
}

#[tokio::test(start_paused = true)]
async fn the_protocol_may_be_set_before_or_after_the_identity() {
    let (builder, mut dials) = scripted();
    let client = builder.identity(&json!({"a": 1})).protocol(WsMessaging::new().messagepack()).build();
    let _connecting = connecting(&client);
    assert_eq!(dials.agreed().await.unpack().await, json!({"a": 1}));
}

#[tokio::test(start_paused = true)]
async fn the_welcome_is_the_first_argument_of_connect() {
    for (args, welcome) in [
        ("[]", "null"),
        ("[null]", "null"),
        (r#"[{"user":"ann"}]"#, r#"{"user":"ann"}"#),
        ("[[1,2]]", "[1,2]"),
        ("[[]]", "[]"),
        ("[[[1]]]", "[[1]]"),
        (r#"["first","second"]"#, r#""first""#),
        ("[5]", "5"),
    ] {
        let (builder, mut dials) = messaging();
        let client = builder.build();
        let connecting = connecting(&client);
        let mut wire = dials.agreed().await;
        wire.text().await;
        wire.send(&format!(r#"{{"name":"connect","args":{args}}}"#)).await;
        soon(connecting).await.unwrap().unwrap();
        assert_eq!(client.welcome::<Value>().unwrap().to_string(), welcome, "{args}");
    }
}

#[tokio::test(start_paused = true)]
async fn before_connect_what_is_said_is_held_and_what_is_garbage_is_dropped() {
    let ((when, mut events), (builder, mut dials)) = (events(), messaging());
    let client = builder.when(when).register("double", async |_, number: i64| Ok(2 * number)).build();
    let connecting = connecting(&client);
    let mut wire = dials.agreed().await;
    wire.text().await;
    wire.emit("early", json!([1])).await;
    wire.invoke("double", json!([2]), 1).await;
    wire.send("garbage").await;
    wire.emit("close", json!([])).await;
    wire.invoke("connect", json!(["a call is no welcome"]), 1).await;
    wire.hears_nothing().await;
    assert_eq!(client.status(), Status::Connecting);
    wire.emit("connect", json!(["hey"])).await;
    soon(connecting).await.unwrap().unwrap();
    assert_eq!(wire.text().await, r#"{"id":1,"result":4}"#);
    assert_eq!(events.next_like("ready").await, r#"ready "hey""#);
    assert_eq!(events.next().await, "ignored early 1");
    // A second one is ignored.
    wire.emit("connect", json!(["again"])).await;
    settle().await;
    assert!(events.so_far().is_empty());
    assert_eq!(client.welcome::<String>().unwrap(), "hey");
}

#[tokio::test(start_paused = true)]
async fn after_4003_it_never_comes_back() {
    let ((when, mut events), (builder, mut dials)) = (events(), messaging());
    let client = builder.when(when).reconnect(Backoff::default()).build();
    for reason in ["Error: Auth error", ""] {
        let connecting = connecting(&client);
        let mut wire = dials.agreed().await;
        wire.text().await;
        wire.drop_with(4003, reason).await;
        let error = soon(connecting).await.unwrap().unwrap_err();
        let ConnectError::Refused(closed) = &error else { panic!("{error}") };
        assert_eq!((closed.code, closed.reason.as_str()), (4003, reason));
        assert_eq!(error.code(), "wse.not-authorized");
        dials.none_within(600 * S).await;
        assert_eq!(client.status(), Status::Offline);
    }
    let connecting = connecting(&client);
    let (wire, _) = dials.accepted().await;
    soon(connecting).await.unwrap().unwrap();
    events.so_far();
    wire.drop_with(4003, "banned").await;
    assert_eq!(events.next().await, "closed 4003 banned");
    dials.none_within(600 * S).await;
    assert_eq!(client.status(), Status::Offline);
}

#[tokio::test(start_paused = true)]
async fn after_every_other_code_it_comes_back_where_a_wse_client_would_not() {
    let ((when, mut events), (builder, mut dials)) = (events(), messaging());
    let client = builder.when(when).reconnect(Backoff::default()).build();
    let connecting = connecting(&client);
    let (mut wire, _) = dials.accepted().await;
    soon(connecting).await.unwrap().unwrap();
    for (code, reason) in [
        (1000, ""),
        (1000, "wse.by-server"),
        (1001, ""),
        (1008, "x"),
        (1012, "wse.restart"),
        (3000, ""),
        (4008, "Ping timeout"),
    ] {
        wire.drop_with(code, reason).await;
        let told = format!("closed {code} {reason}");
        assert_eq!(events.next_like("closed").await, told.trim());
        (wire, _) = dials.accepted().await;
        assert!(events.next_like("ready").await.ends_with("null"));
    }
    drop(wire);
    // While it is let in, too.
    for code in [1000, 1008] {
        let mut wire = dials.agreed().await;
        wire.text().await;
        wire.drop_with(code, "").await;
    }
    dials.accepted().await;
}

#[tokio::test(start_paused = true)]
async fn without_reconnect_every_end_is_final() {
    let (builder, mut dials) = messaging();
    let client = builder.build();
    let connecting = connecting(&client);
    let (wire, _) = dials.accepted().await;
    soon(connecting).await.unwrap().unwrap();
    wire.drop_with(1012, "wse.restart").await;
    dials.none_within(600 * S).await;
    assert_eq!(client.status(), Status::Offline);
}

#[tokio::test(start_paused = true)]
async fn it_gives_the_server_20_s_for_connect_and_says_so() {
    for (options, time) in [(WsMessaging::new(), 20 * S), (WsMessaging::new().auth_timeout(2 * S), 2 * S)] {
        let (builder, mut dials) = scripted();
        let client = builder.protocol(options).build();
        let connecting = connecting(&client);
        let mut wire = dials.agreed().await;
        wire.text().await;
        let (took, got) = timed(wire.next()).await;
        assert_eq!(got, Got::Close(Some((4008, "Auth timeout".into()))));
        assert!(about(took, time), "{took:?}");
        let error = soon(connecting).await.unwrap().unwrap_err();
        assert!(matches!(&error, ConnectError::Closed(closed) if closed.code == 4008), "{error}");
        assert_eq!(error.code(), "wse.client.connection-closed");
    }
}

#[tokio::test(start_paused = true)]
async fn after_its_own_deadline_it_tries_again_when_it_reconnects() {
    let (builder, mut dials) = messaging();
    let client = builder.reconnect(Backoff::default()).build();
    let connecting = connecting(&client);
    let mut wire = dials.agreed().await;
    wire.text().await;
    assert_eq!(wire.closed().await, (4008, "Auth timeout".into()));
    let (_wire, _) = dials.accepted().await;
    soon(connecting).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_pings_the_server_20_s_after_the_last_answer_and_closes_20_s_later() {
    let ((when, mut events), (builder, mut dials)) = (events(), messaging());
    let client = builder.when(when).reconnect(Backoff::default()).build();
    let connecting = connecting(&client);
    let (mut wire, _) = dials.accepted().await;
    soon(connecting).await.unwrap().unwrap();
    let start = Instant::now();
    assert_eq!(wire.text().await, r#"{"name":"ping","args":[],"id":1}"#);
    assert!(about(start.elapsed(), 20 * S), "{:?}", start.elapsed());
    sleep(5 * S).await;
    wire.send(r#"{"id":1,"result":null}"#).await;
    sleep(10 * S).await;
    // Nothing else counts.
    wire.emit("m", json!([])).await;
    wire.invoke("ping", json!([]), 1).await;
    assert_eq!(wire.text().await, r#"{"id":1,"result":null}"#);
    assert_eq!(wire.text().await, r#"{"name":"ping","args":[],"id":2}"#);
    assert!(about(start.elapsed(), 45 * S), "{:?}", start.elapsed());
    assert_eq!(wire.closed().await, (4008, "Ping timeout".into()));
    assert!(about(start.elapsed(), 65 * S), "{:?}", start.elapsed());
    assert_eq!(events.next_like("closed").await, "closed 4008 Ping timeout");
    // Numbers begin anew with every connection.
    let (mut wire, _) = dials.accepted().await;
    assert_eq!(wire.text().await, r#"{"name":"ping","args":[],"id":1}"#);
}

#[tokio::test(start_paused = true)]
async fn its_goodbye_is_1000_without_a_reason_unless_there_is_one() {
    for (reason, said) in [(Reason::default(), ""), (Reason::from("wse.by-client"), ""), (Reason::from("done"), "done")]
    {
        let ((when, mut events), (builder, mut dials)) = (events(), messaging());
        let client = builder.when(when).build();
        let connecting = connecting(&client);
        let (wire, _) = dials.accepted().await;
        soon(connecting).await.unwrap().unwrap();
        let closing = tokio::spawn({
            let client = client.clone();
            async move { client.close(reason).await }
        });
        assert_eq!(wire.closed().await, (1000, said.into()));
        soon(closing).await.unwrap();
        assert_eq!(client.status(), Status::Offline);
        assert_eq!(events.next_like("closed").await, format!("closed 1000 {said}").trim());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_dropped_says_goodbye_in_the_same_way() {
    let (builder, mut dials) = messaging();
    let client = builder.build();
    let connecting = connecting(&client);
    let (wire, _) = dials.accepted().await;
    soon(connecting).await.unwrap().unwrap();
    drop(client);
    assert_eq!(wire.closed().await, (1000, String::new()));
}

#[tokio::test(start_paused = true)]
async fn a_jump_is_4000_and_speaks_the_same_at_the_other_place() {
    let (builder, mut dials) = messaging();
    let client = builder.identity("ann").build();
    let connecting = connecting(&client);
    let (wire, _) = dials.accepted().await;
    soon(connecting).await.unwrap().unwrap();
    let jumping = tokio::spawn({
        let client = client.clone();
        async move { client.jump("ws://b.test/").await }
    });
    assert_eq!(wire.closed().await, (4000, "jump".into()));
    let (_wire, auth) = dials.accepted().await;
    assert_eq!(auth, r#""ann""#);
    soon(jumping).await.unwrap().unwrap();
    assert_eq!(client.url(), "ws://b.test/");
}
