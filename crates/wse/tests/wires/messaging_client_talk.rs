//! What a client that speaks `ws-messaging` says and hears once it is connected: events, calls,
//! what does not validate, in JSON and in MessagePack, by its options.

use serde_json::{Value, json};
use std::time::Duration;
use wse::{CallError, Client, ClientBuilder, Msg, Rp, RpError, SendError, WsMessaging, codec::Payload};
use wse_frame::Opcode;
use wse_test_peers::{Dials, Events, RawServer, events, scripted, settle, soon};

const POINT: Msg<(i64, i64)> = Msg::new("point");
const ADD: Rp<(i64, i64), i64> = Rp::new("add");

/// A client with those options that was accepted, and the server's end.
async fn with(
    options: WsMessaging,
    configure: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> (Client, RawServer, Events, Dials) {
    let ((when, mut events), (builder, mut dials)) = (events(), scripted());
    let client = configure(builder.protocol(options).when(when)).build();
    let connecting = tokio::spawn({
        let client = client.clone();
        async move { client.connect().await }
    });
    let (wire, _) = dials.accepted().await;
    soon(connecting).await.expect("it does not panic").expect("it is let in");
    events.next_like("ready").await;
    (client, wire, events, dials)
}

async fn connected(configure: impl FnOnce(ClientBuilder) -> ClientBuilder) -> (Client, RawServer, Events, Dials) {
    with(WsMessaging::new(), configure).await
}

#[tokio::test(start_paused = true)]
async fn payloads_and_arguments_are_one_on_both_ways() {
    let echo = async |client: Client, what: Payload<'static>| {
        client.send("echo", what)?;
        Ok(())
    };
    let (client, mut wire, mut events, _dials) = connected(|builder| {
        builder.on("echo", echo).on(POINT, async |client, (x, y)| {
            client.send(POINT, (y, x))?;
            Ok(())
        })
    })
    .await;
    for args in ["[]", "[null]", r#"[{"x":1.50}]"#, r#"[1,"two",null]"#, "[[1,2]]", "[[]]"] {
        wire.send(&format!(r#"{{"name":"echo","args":{args}}}"#)).await;
        assert_eq!(wire.text().await, format!(r#"{{"name":"echo","args":{args}}}"#));
    }
    wire.emit("point", json!([1, 2])).await;
    assert_eq!(wire.text().await, r#"{"name":"point","args":[2,1]}"#);
    client.send("n", ()).unwrap();
    assert_eq!(wire.text().await, r#"{"name":"n","args":[null]}"#);
    client.send("n", [0; 0]).unwrap();
    assert_eq!(wire.text().await, r#"{"name":"n","args":[]}"#);
    wire.emit("unheard", json!([1, 2])).await;
    assert_eq!(events.next().await, "ignored unheard [1,2]");
    for name in ["close", "open", "error", "pong", "retry", "connect"] {
        assert!(matches!(client.send(name, 1), Err(SendError::Encode(_))), "{name}");
        assert!(matches!(client.call::<_, Value>(name, 1).await, Err(CallError::Send(_))), "{name}");
        wire.emit(name, json!([1])).await;
    }
    wire.hears_nothing().await;
    assert!(events.so_far().is_empty());
}

#[tokio::test(start_paused = true)]
async fn its_calls_end_in_every_way() {
    let (client, mut wire, _events, _dials) = connected(|builder| builder).await;
    let mut id = 0;
    for (answer, outcome) in [
        (r#""result":42"#, "42"),
        (r#""error":"NoProcedureError""#, "wse.server.rp.not-registered"),
        (r#""error":"Error: no""#, r#"wse.server.rp.failed "Error: no""#),
        (r#""error":{"code":"mine"}"#, r#"wse.server.rp.failed {"code":"mine"}"#),
    ] {
        id += 1;
        let calling = tokio::spawn({
            let client = client.clone();
            async move { client.call(ADD, (1, 2)).await }
        });
        assert_eq!(wire.text().await, format!(r#"{{"name":"add","args":[1,2],"id":{id}}}"#));
        wire.send(&format!(r#"{{"id":{id},{answer}}}"#)).await;
        let got = match soon(calling).await.unwrap() {
            Ok(result) => result.to_string(),
            Err(CallError::Failed(error)) => {
                format!("{} {}", error.code, error.decode_details::<Value>().unwrap().unwrap())
            }
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(got, outcome, "{answer}");
    }
    let late = client.call_within::<_, Value>(Duration::from_secs(1), "slow", ()).await;
    assert!(matches!(late, Err(CallError::TimedOut)));
    assert_eq!(wire.text().await, r#"{"name":"slow","args":[null],"id":5}"#);
    wire.send(r#"{"id":5,"result":1}"#).await;
    let calling = tokio::spawn(async move { client.call::<_, Value>("slow", ()).await });
    wire.text().await;
    wire.drop_with(1000, "").await;
    assert!(matches!(soon(calling).await.unwrap(), Err(CallError::Disconnected { .. })));
}

fn failing(builder: ClientBuilder) -> ClientBuilder {
    builder.register("fail", async |_, how: String| -> Result<(), RpError> {
        Err(match how.as_str() {
            "plain" => std::io::Error::other("a secret").into(),
            "said" => RpError::new("my-code").message("Some error"),
            "coded" => RpError::new("my-code"),
            _ => panic!("asked to"),
        })
    })
}

#[tokio::test(start_paused = true)]
async fn calls_of_the_server_are_answered_with_results_and_texts() {
    let (_client, mut wire, _events, _dials) = connected(|builder| {
        failing(builder).register(ADD, async |_, (a, b)| Ok(a + b)).register("unit", async |_, ()| Ok(()))
    })
    .await;
    for (name, args, answer) in [
        ("add", json!([2, 3]), r#""result":5"#),
        ("unit", json!([]), r#""result":null"#),
        ("fail", json!(["plain"]), r#""error":"Error: RPC execution failed""#),
        ("fail", json!(["said"]), r#""error":"Error: Some error""#),
        ("fail", json!(["coded"]), r#""error":"Error: my-code""#),
        ("fail", json!(["panic"]), r#""error":"Error: RPC execution failed""#),
        ("missing", json!([]), r#""error":"NoProcedureError""#),
        ("ping", json!([]), r#""result":null"#),
        ("ping", json!([1, 2]), r#""result":null"#),
    ] {
        wire.invoke(name, args.clone(), 3).await;
        assert_eq!(wire.text().await, format!(r#"{{"id":3,{answer}}}"#), "{name} {args}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_it_cannot_read_is_answered_by_preprocessing_error_and_it_stays() {
    let (client, mut wire, mut events, _dials) = connected(|builder| builder).await;
    for frame in
        ["{}", "null", r#"{"name":"n"}"#, r#"{"name":"n","args":[],"x":1}"#, r#"{"id":1,"result":1,"error":1}"#]
    {
        wire.send(frame).await;
        assert_eq!(wire.text().await, r#"{"name":"preprocessingError","args":["Error: Validation error"]}"#, "{frame}");
    }
    wire.send("garbage").await;
    assert!(wire.text().await.starts_with(r#"{"name":"preprocessingError","args":["SyntaxError: "#));
    wire.frame(Opcode::Binary, b"\x80").await;
    assert!(wire.text().await.contains("preprocessingError"));
    wire.emit("preprocessingError", json!(["Error: you too"])).await;
    assert_eq!(events.next().await, r#"ignored preprocessingError "Error: you too""#);
    client.send("m", 1).unwrap();
    assert_eq!(wire.text().await, r#"{"name":"m","args":[1]}"#);
}

#[tokio::test(start_paused = true)]
async fn without_validation_it_takes_more_and_the_form_of_errors_is_its_own() {
    let options = WsMessaging::new().skip_validation(true).error_format(|error| vec![error.code.clone()]);
    let (_client, mut wire, mut events, _dials) = with(options, failing).await;
    wire.send(r#"{"name":"n","args":[1],"more":1}"#).await;
    assert_eq!(events.next().await, "ignored n 1");
    wire.send(r#"{"name":"n"}"#).await;
    assert_eq!(events.next().await, "ignored n []");
    wire.invoke("fail", json!(["said"]), 1).await;
    assert_eq!(wire.text().await, r#"{"id":1,"error":["my-code"]}"#);
    wire.send("1").await;
    let told = r#"{"name":"preprocessingError","args":[["wse.server.protocol-violation"]]}"#;
    assert_eq!(wire.text().await, told, "the error is one argument, a list too");
}

#[tokio::test(start_paused = true)]
async fn in_messagepack_all_of_that_is_in_binary_frames() {
    let ((when, mut events), (builder, mut dials)) = (events(), scripted());
    let client = builder
        .protocol(WsMessaging::new().messagepack())
        .when(when)
        .register("double", async |_, number: i64| Ok(2 * number))
        .build();
    let connecting = tokio::spawn({
        let client = client.clone();
        async move { client.connect().await }
    });
    let mut wire = dials.agreed().await;
    assert_eq!(wire.next().await, wse_test_peers::Got::Binary(vec![0x80]), "an empty map");
    wire.pack(json!({"name": "connect", "args": [{"hey": 1}]})).await;
    soon(connecting).await.unwrap().unwrap();
    assert_eq!(client.welcome::<Value>().unwrap(), json!({"hey": 1}));

    client.send("m", (1, "two")).unwrap();
    assert_eq!(wire.next().await, wse_test_peers::Got::Binary(b"\x82\xa4name\xa1m\xa4args\x92\x01\xa3two".to_vec()));
    client.send("m", 5).unwrap();
    assert_eq!(wire.unpack().await, json!({"name": "m", "args": [5]}));
    let calling = tokio::spawn({
        let client = client.clone();
        async move { client.call(ADD, (1, 2)).await }
    });
    assert_eq!(wire.unpack().await, json!({"name": "add", "args": [1, 2], "id": 1}));
    wire.pack(json!({"id": 1, "result": 3})).await;
    assert_eq!(soon(calling).await.unwrap().unwrap(), 3);
    wire.pack(json!({"name": "double", "args": [21], "id": 1})).await;
    assert_eq!(wire.unpack().await, json!({"id": 1, "result": 42}));
    wire.pack(json!({"name": "missing", "args": [], "id": 2})).await;
    assert_eq!(wire.unpack().await, json!({"id": 2, "error": "NoProcedureError"}));
    wire.pack(json!({"name": "unheard", "args": [[1]]})).await;
    assert_eq!(events.next_like("ignored").await, "ignored unheard [[1]]");
    for garbage in [&b"\xc1"[..], b"\x80\x80", b"\xdf\xff\xff\xff\xff", &[0x91; 200]] {
        wire.frame(Opcode::Binary, garbage).await;
        assert_eq!(wire.unpack().await["name"], "preprocessingError", "{garbage:x?}");
    }
    wire.send(r#"{"name":"m","args":[]}"#).await;
    assert_eq!(wire.unpack().await["name"], "preprocessingError", "the other kind of frame");
    settle().await;
    assert_eq!(wire.unpack().await, json!({"name": "ping", "args": [], "id": 2}));
    let closing = tokio::spawn(async move { client.close(wse::Reason::default()).await });
    assert_eq!(wire.closed().await, (1000, String::new()));
    soon(closing).await.unwrap();
}
