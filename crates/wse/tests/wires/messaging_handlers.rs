//! Arguments and payloads, calls and their errors between `ws-messaging` devices and the handlers
//! that all wires share.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{sync::mpsc, time::sleep};
use wse::{CallError, Conn, Msg, Rp, RpError, SendError, Server, WsMessaging, codec::Payload};
use wse_test_peers::{RawClient, attach_to, enter_messaging, events, log, messaging, settle};

#[derive(Debug, Serialize, Deserialize)]
struct Point {
    x: i64,
}

/// A server whose handlers, one for each type, write down what they took.
fn taking(log: &wse_test_peers::Log) -> Server {
    macro_rules! take {
        ($builder:ident $($name:literal $type:ty),*) => {
            $builder$(.on($name, { let log = log.clone(); async move |_: Conn, what: $type| {
                log.add(format!("{} {what:?}", $name));
                Ok(())
            }}))*
        };
    }
    messaging(|builder| {
        take!(builder "unit" (), "maybe" Option<i64>, "number" i64, "tuple" (i64, String, Option<u8>), "one" (i64,),
            "numbers" Vec<i64>, "point" Point, "points" Vec<Point>, "nested" (Vec<i64>,), "value" Value)
    })
}

#[tokio::test(start_paused = true)]
async fn a_handler_gets_none_one_and_several_arguments_as_the_type_it_asks_for() {
    let log = log();
    let server = taking(&log);
    let mut peer = enter_messaging(&server, "ann").await;
    for (name, args, taken) in [
        ("unit", json!([]), "()"),
        ("unit", json!([null]), "()"),
        ("maybe", json!([]), "None"),
        ("maybe", json!([null]), "None"),
        ("maybe", json!([1]), "Some(1)"),
        ("number", json!([5]), "5"),
        ("tuple", json!([1, "two", null]), r#"(1, "two", None)"#),
        ("one", json!([7]), "(7,)"),
        ("numbers", json!([]), "[]"),
        ("numbers", json!([1]), "[1]"),
        ("numbers", json!([1, 2]), "[1, 2]"),
        ("point", json!([{"x": 1}]), "Point { x: 1 }"),
        ("points", json!([{"x": 1}]), "[Point { x: 1 }]"),
        ("points", json!([{"x": 1}, {"x": 2}]), "[Point { x: 1 }, Point { x: 2 }]"),
        ("nested", json!([[1, 2]]), "([1, 2],)"),
        ("value", json!([]), "Array []"),
        ("value", json!([[]]), "Array [Array []]"),
        ("value", json!([true]), "Bool(true)"),
    ] {
        peer.emit(name, args.clone()).await;
        settle().await;
        assert_eq!(log.take(), [format!("{name} {taken}")], "{args}");
    }
}

#[tokio::test(start_paused = true)]
async fn arguments_of_the_wrong_type_are_reported_and_the_connection_stays() {
    let (when, mut events) = events();
    let server = messaging(|builder| builder.when(when).on("number", async |_: Conn, _: i64| Ok(())));
    let mut peer = enter_messaging(&server, "ann").await;
    events.take(2).await;
    for args in [json!([]), json!([1, 2]), json!(["x"]), json!([[1]])] {
        peer.emit("number", args.clone()).await;
        let event = events.next().await;
        assert!(event.starts_with("error ann wse.server.msg-processing-error"), "{args}: {event}");
    }
    peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_payload_is_spread_over_the_arguments_and_passed_on_unchanged() {
    let server = messaging(|builder| {
        builder.on("echo", async |conn: Conn, what: Payload<'static>| {
            conn.send("echo", what)?;
            Ok(())
        })
    });
    let mut peer = enter_messaging(&server, "ann").await;
    for args in
        ["[]", "[null]", "[{\"x\":1.50}]", "[1,\"two\",null]", "[[1,2]]", "[[]]", "[[[]]]", "[[],[]]", "[1e400]"]
    {
        peer.send(&format!(r#"{{"name":"echo","args":{args}}}"#)).await;
        assert_eq!(peer.text().await, format!(r#"{{"name":"echo","args":{args}}}"#));
    }
    let conn = server.user("ann").conns().remove(0);
    conn.send("n", ()).unwrap();
    conn.send("n", (1, 2)).unwrap();
    conn.send("n", "x").unwrap();
    conn.send("n", [0; 0]).unwrap();
    conn.send("n", ([1, 2],)).unwrap();
    conn.send("n", Point { x: 1 }).unwrap();
    for args in ["[null]", "[1,2]", "[\"x\"]", "[]", "[[1,2]]", "[{\"x\":1}]"] {
        assert_eq!(peer.text().await, format!(r#"{{"name":"n","args":{args}}}"#));
    }
}

const SAY: Msg<(String, u32)> = Msg::new("say");
const ADD: Rp<(i64, i64), i64> = Rp::new("add");
const WHOAMI: Rp<(), Point> = Rp::new("whoami");

#[tokio::test(start_paused = true)]
async fn constants_name_messages_and_procedures_on_every_wire_alike() {
    let server = messaging(|builder| {
        builder
            .on(SAY, async |conn: Conn, (text, n)| {
                conn.send(SAY, (text, n + 1))?;
                Ok(())
            })
            .register(ADD, async |_, (a, b)| Ok(a + b))
    });
    let mut peer = enter_messaging(&server, "ann").await;
    peer.emit("say", json!(["hey", 1])).await;
    assert_eq!(peer.text().await, r#"{"name":"say","args":["hey",2]}"#);
    peer.invoke("add", json!([2, 3]), 1).await;
    assert_eq!(peer.text().await, r#"{"id":1,"result":5}"#);
    let conn = server.user("ann").conns().remove(0);
    let calling = tokio::spawn(async move { conn.call(WHOAMI, ()).await.map(|point| point.x) });
    assert_eq!(peer.text().await, r#"{"name":"whoami","args":[null],"id":1}"#);
    peer.send(r#"{"id":1,"result":{"x":9}}"#).await;
    assert_eq!(calling.await.unwrap().unwrap(), 9);

    let (mut other, _) = attach_to(&server, "wse-default-json");
    other.enter("bob").await;
    other.say("say", json!(["hey", 1])).await;
    assert_eq!(other.text().await, r#"["say",["hey",2],null]"#);
    assert_eq!(other.call("add", json!([2, 3])).await, json!(["~wse:response", 5]));
}

/// A server whose procedure `fail` fails as it is told.
fn failing(configure: impl FnOnce(wse::ServerBuilder) -> wse::ServerBuilder) -> Server {
    messaging(|builder| {
        configure(builder).register("fail", async |_, how: String| -> Result<f64, RpError> {
            Err(match how.as_str() {
                "plain" => std::io::Error::other("a secret").into(),
                "coded" => RpError::new("my-code").details(&json!({"a": 1})),
                "said" => RpError::new("my-code").message("Some error"),
                "both" => RpError::from(std::io::Error::other("a secret")).message("for you"),
                "bare" => RpError::bare(&json!({"a": 1})),
                "null" => return Ok(f64::NAN),
                _ => panic!("asked to"),
            })
        })
    })
}

async fn failed(peer: &mut RawClient, how: &str) -> Value {
    peer.invoke("fail", json!([how]), 7).await;
    let answer = peer.json().await;
    assert_eq!(answer["id"], 7, "{answer}");
    answer["error"].clone()
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_error_is_a_text() {
    let server = failing(|builder| builder);
    let mut peer = enter_messaging(&server, "ann").await;
    for (how, text) in [
        ("plain", "Error: RPC execution failed"),
        ("coded", "Error: my-code"),
        ("said", "Error: Some error"),
        ("both", "Error: for you"),
        ("bare", "Error: RPC execution failed"),
        ("panic", "Error: RPC execution failed"),
    ] {
        assert_eq!(failed(&mut peer, how).await, text, "{how}");
    }
    peer.invoke("fail", json!([1, 2]), 8).await;
    assert_eq!(peer.text().await, r#"{"id":8,"error":"Error: the payload is not of the expected type"}"#);
    peer.invoke("fail", json!(["null"]), 9).await;
    assert_eq!(peer.text().await, r#"{"id":9,"result":null}"#);
    peer.invoke("missing", json!([]), 10).await;
    assert_eq!(peer.text().await, r#"{"id":10,"error":"NoProcedureError"}"#);
    let server = failing(|builder| builder.expose_errors(true));
    let mut peer = enter_messaging(&server, "ann").await;
    for (how, text) in
        [("plain", "Error: a secret"), ("both", "Error: a secret"), ("panic", "Error: panicked: asked to")]
    {
        assert_eq!(failed(&mut peer, how).await, text, "{how}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_form_of_errors_is_an_option_that_reaches_every_answer() {
    let options =
        WsMessaging::new().error_format(|error| json!({"code": error.code, "secret": error.source().is_some()}));
    let server = failing(|builder| builder.protocols([options.into()]));
    let mut peer = enter_messaging(&server, "ann").await;
    assert_eq!(failed(&mut peer, "coded").await, json!({"code": "my-code", "secret": false}));
    assert_eq!(failed(&mut peer, "plain").await, json!({"code": "wse.server.rp.failed", "secret": true}));
    peer.invoke("missing", json!([]), 1).await;
    assert_eq!(peer.json().await["error"]["code"], "wse.server.rp.not-registered");
    peer.send("garbage").await;
    let event =
        json!({"name": "preprocessingError", "args": [{"code": "wse.server.protocol-violation", "secret": false}]});
    assert_eq!(peer.json().await, event);
}

#[tokio::test(start_paused = true)]
async fn each_side_numbers_its_calls_from_one() {
    let server = messaging(|builder| builder.register("add", async |_, (a, b): (i64, i64)| Ok(a + b)));
    for name in ["ann", "bob"] {
        let mut peer = enter_messaging(&server, name).await;
        let conn = server.user(name).conns().remove(0);
        for id in 1..=3 {
            let conn = conn.clone();
            let calling = tokio::spawn(async move { conn.call::<_, Value>("its", (1, 2)).await });
            assert_eq!(peer.text().await, format!(r#"{{"name":"its","args":[1,2],"id":{id}}}"#));
            peer.invoke("add", json!([id, 1]), id).await;
            assert_eq!(peer.text().await, format!(r#"{{"id":{id},"result":{}}}"#, id + 1));
            peer.send(&format!(r#"{{"id":{id},"result":[{id}]}}"#)).await;
            assert_eq!(calling.await.unwrap().unwrap(), json!([id]), "a result is not spread");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn calls_of_the_server_end_in_every_way() {
    let server = messaging(|builder| builder);
    let mut peer = enter_messaging(&server, "ann").await;
    let conn = server.user("ann").conns().remove(0);
    let mut id = 0;
    for (answer, outcome) in [
        (r#""result":42"#, "42"),
        (r#""result":null"#, "null"),
        (r#""error":"NoProcedureError""#, "wse.server.rp.not-registered"),
        (r#""error":"Error: no""#, r#"wse.server.rp.failed "Error: no""#),
        (r#""error":{"code":"mine"}"#, r#"wse.server.rp.failed {"code":"mine"}"#),
        (r#""error":null"#, "wse.server.rp.failed null"),
        (r#""error":[1]"#, "wse.server.rp.failed [1]"),
    ] {
        id += 1;
        let conn = conn.clone();
        let calling = tokio::spawn(async move { conn.call::<_, Value>("its", 1).await });
        assert_eq!(peer.text().await, format!(r#"{{"name":"its","args":[1],"id":{id}}}"#));
        peer.send(&format!(r#"{{"id":{id},{answer}}}"#)).await;
        let got = match calling.await.unwrap() {
            Ok(result) => result.to_string(),
            Err(CallError::Failed(error)) => {
                format!("{} {}", error.code, error.decode_details::<Value>().unwrap().unwrap())
            }
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(got, outcome, "{answer}");
    }
    let waiting = tokio::spawn({
        let conn = conn.clone();
        async move { conn.call_within::<_, Value>(Duration::from_secs(1), "its", 1).await }
    });
    peer.text().await;
    assert!(matches!(waiting.await.unwrap(), Err(CallError::TimedOut)));
    let waiting = tokio::spawn(async move { conn.call::<_, Value>("its", 1).await });
    peer.text().await;
    peer.writer.hang_up().await;
    assert!(matches!(waiting.await.unwrap(), Err(CallError::Disconnected { .. })));
}

#[tokio::test(start_paused = true)]
async fn two_calls_of_one_id_are_two_calls_and_an_answer_counts_once() {
    let server = messaging(|builder| {
        builder.register("sleep", async |_, ms: u64| {
            sleep(Duration::from_millis(ms)).await;
            Ok(ms)
        })
    });
    let mut peer = enter_messaging(&server, "ann").await;
    for ms in [20, 10, 0] {
        peer.invoke("sleep", json!([ms]), 1).await;
    }
    for ms in [0, 10, 20] {
        assert_eq!(peer.json().await, json!({"id": 1, "result": ms}));
    }
    let conn = server.user("ann").conns().remove(0);
    let calling = tokio::spawn(async move { conn.call::<_, Value>("its", 1).await });
    peer.text().await;
    for id in ["2", "9007199254740993", "1e300", "18446744073709551616"] {
        peer.send(&format!(r#"{{"id":{id},"result":"not this"}}"#)).await;
    }
    peer.send(r#"{"id":1.0,"result":"this"}"#).await;
    peer.send(r#"{"id":1,"result":"too late"}"#).await;
    assert_eq!(calling.await.unwrap().unwrap(), "this");
    peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn names_of_the_other_system_are_ignored_on_the_way_in_and_an_error_on_the_way_out() {
    let (when, mut events) = events();
    let (sender, mut heard) = mpsc::unbounded_channel();
    let reserved = ["close", "open", "error", "pong", "retry", "connect"];
    let server = reserved.into_iter().fold(messaging(|builder| builder.when(when)), |server, name| {
        let sender = sender.clone();
        server.on(name, async move |_: Conn, _: Value| {
            sender.send(name).unwrap();
            Ok(())
        });
        server.register(name, async |_, _: Value| Ok(1)).unwrap();
        server
    });
    let mut peer = enter_messaging(&server, "ann").await;
    events.take(2).await;
    let conn = server.user("ann").conns().remove(0);
    let (mut other, _) = attach_to(&server, "wse-default-json");
    other.enter("bob").await;
    events.take(2).await;
    for name in reserved {
        peer.emit(name, json!([])).await;
        peer.invoke(name, json!([]), 1).await;
        peer.hears_nothing().await;
        assert!(heard.try_recv().is_err(), "{name}");
        assert!(matches!(conn.send(name, 1), Err(SendError::Encode(_))), "{name}");
        assert!(matches!(conn.call::<_, Value>(name, 1).await, Err(CallError::Send(SendError::Encode(_)))), "{name}");
        // Of a message to many such a device gets nothing, and the application is told once.
        assert_eq!(server.broadcast(name, 1).unwrap().here, 1, "{name}");
        assert_eq!(other.json().await, json!([name, 1, null]));
        assert_eq!(server.user("ann").send(name, 1).unwrap().here, 0, "{name}");
        for event in events.take(2).await {
            assert!(event.starts_with("error nobody wse.client.rp.invalid "), "{event}");
            assert!(event.contains("one of its own"), "{event}");
        }
        let encoded = server.encode(name, 1).unwrap();
        assert!(matches!(conn.send_encoded(&encoded), Err(SendError::Encode(_))), "{name}");
        other.say(name, json!(null)).await;
        assert_eq!(heard.recv().await, Some(name), "the other wire has no such names");
    }
    assert!(events.so_far().is_empty());
    // An event of that name is one like every other; only the call is built in.
    server.register("ping", async |_, _: Value| Ok("the application's")).unwrap();
    peer.invoke("ping", json!([1]), 5).await;
    assert_eq!(peer.text().await, r#"{"id":5,"result":null}"#);
    peer.emit("ping", json!([1])).await;
    assert_eq!(events.next().await, "ignored ann ping 1");
}
