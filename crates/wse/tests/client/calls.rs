//! What a client sends and calls: every way a call can end, and that each ends exactly once.

use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinHandle;
use wse::{CallError, Client, Limits, Msg, Reason, Rp, RpError, SendError, Server, Stranger};
use wse_test_peers::{RawServer, about, scripted, settle, soon, timed};

const SAY: Msg<String> = Msg::new("say");
const ADD: Rp<(i64, i64), i64> = Rp::new("add");

/// A payload that never encodes.
struct Broken;

impl Serialize for Broken {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("broken on purpose"))
    }
}

async fn connected(limits: Limits) -> (Client, RawServer) {
    let (builder, mut dials) = scripted();
    let (client, wire) = tokio::join!(builder.limits(limits).connect(), dials.welcomed());
    (client.expect("welcomed"), wire)
}

fn calling(client: &Client, rp: &'static str) -> JoinHandle<Result<Value, CallError>> {
    let client = client.clone();
    tokio::spawn(async move { client.call(rp, ()).await })
}

#[tokio::test(start_paused = true)]
async fn messages_arrive_in_the_order_they_were_sent() {
    let (client, mut wire) = connected(Limits::default()).await;
    client.send(SAY, "typed".into()).unwrap();
    client.send("untyped", [1, 2]).unwrap();
    client.send("nothing", ()).unwrap();
    assert_eq!(wire.text().await, r#"["say","typed",null]"#);
    assert_eq!(wire.text().await, r#"["untyped",[1,2],null]"#);
    assert_eq!(wire.text().await, r#"["nothing",null,null]"#);
}

#[tokio::test(start_paused = true)]
async fn a_call_gives_the_result_in_the_type_asked_for() {
    let (client, mut wire) = connected(Limits::default()).await;
    let (sum, ()) = tokio::join!(client.call(ADD, (2, 3)), async {
        let call = wire.json().await;
        assert_eq!((&call[0], &call[1]), (&json!("add"), &json!([2, 3])));
        assert!(call[2].as_str().unwrap().len() >= 16, "{call}");
        wire.respond(&call, json!(5)).await;
    });
    assert_eq!(sum.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn answers_in_any_order_reach_the_calls_they_are_for() {
    let (client, mut wire) = connected(Limits::default()).await;
    let (first, second) = (calling(&client, "first"), calling(&client, "second"));
    let (one, other) = (wire.json().await, wire.json().await);
    assert_ne!(one[2], other[2]);
    wire.respond(&other, other[0].clone()).await;
    wire.respond(&one, one[0].clone()).await;
    assert_eq!(first.await.unwrap().unwrap(), "first");
    assert_eq!(second.await.unwrap().unwrap(), "second");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_times_out_after_the_limit_or_its_own_time() {
    let limits = Limits { rpc_timeout: Duration::from_secs(7), ..Limits::default() };
    let (client, mut wire) = connected(limits).await;
    let (time, error) = timed(client.call::<_, ()>("silent", ())).await;
    assert!(matches!(error, Err(CallError::TimedOut)) && about(time, Duration::from_secs(7)), "{time:?}");
    let half = Duration::from_millis(500);
    let (time, error) = timed(client.call_within::<_, ()>(half, "silent", ())).await;
    assert_eq!(error.unwrap_err().code(), "wse.client.rp.timeout");
    assert!(about(time, half), "{time:?}");
    // A late answer is dropped: nothing goes back, and the connection is as good as before.
    let late = wire.json().await;
    wire.json().await;
    wire.respond(&late, json!(1)).await;
    wire.hears_nothing().await;
    let (client, _wire) = connected(Limits::default()).await;
    let (time, _) = timed(client.call::<_, ()>("silent", ())).await;
    assert!(about(time, Duration::from_secs(20)), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_is_forgotten_and_its_late_answer_ignored() {
    let (client, mut wire) = connected(Limits { calls_per_conn: 1, ..Limits::default() }).await;
    let dropped = calling(&client, "dropped");
    let late = wire.json().await;
    assert!(matches!(soon(client.call::<_, ()>("more", ())).await, Err(CallError::Busy)));
    dropped.abort();
    settle().await;
    // Its place is free again.
    let (result, ()) = tokio::join!(client.call::<_, u8>("next", ()), async {
        let next = wire.json().await;
        wire.respond(&late, json!(1)).await;
        wire.respond(&json!([0, 0, "AAAAAAAAAAAAAAAA"]), json!(3)).await;
        wire.respond(&next, json!(2)).await;
        wire.respond(&next, json!(4)).await;
    });
    assert_eq!(result.unwrap(), 2);
    wire.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_the_limit_are_busy_and_nothing_is_sent() {
    let (client, mut wire) = connected(Limits { calls_per_conn: 2, ..Limits::default() }).await;
    let calls = [calling(&client, "a"), calling(&client, "b")];
    let first = wire.json().await;
    wire.json().await;
    let error = soon(client.call::<_, ()>("c", ())).await.unwrap_err();
    assert_eq!(error.code(), "wse.client.rp.busy");
    wire.hears_nothing().await;
    wire.respond(&first, json!(1)).await;
    settle().await;
    let more = calling(&client, "d");
    assert_eq!(wire.json().await[0], "d");
    drop((calls, more));
}

#[tokio::test(start_paused = true)]
async fn a_call_to_a_procedure_that_is_not_there_says_so() {
    let (client, mut wire) = connected(Limits::default()).await;
    let call = calling(&client, "missing");
    let missing = wire.json().await;
    wire.fail(&missing, json!({"code": "wse.server.rp.not-registered"})).await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.code(), "wse.server.rp.not-registered");
    let CallError::NotRegistered(error) = error else { panic!("{error:?}") };
    assert_eq!(error.decode_details::<Value>().unwrap(), None, "npm wse 4 sends none");
    let call = calling(&client, "missing");
    let missing = wire.json().await;
    let unknown = json!({"code": "wse.server.rp.not-registered", "details": {"rp": "missing", "more": 1}});
    wire.fail(&missing, unknown).await;
    let CallError::NotRegistered(error) = call.await.unwrap().unwrap_err() else { panic!("it was registered") };
    assert_eq!(error.rp().as_deref(), Some("missing"));
    assert_eq!(error.decode_details::<Value>().unwrap(), Some(json!({"rp": "missing", "more": 1})));
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_has_code_message_and_details() {
    let (client, mut wire) = connected(Limits::default()).await;
    let call = calling(&client, "boom");
    let boom = wire.json().await;
    wire.fail(&boom, json!({"code": "MINE", "message": "why", "details": {"a": 1}})).await;
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.code(), "MINE");
    let CallError::Failed(error) = error else { panic!("{error}") };
    assert_eq!(error.message.as_deref(), Some("why"));
    assert_eq!(error.decode_details::<Value>().unwrap(), Some(json!({"a": 1})));
    // Anything at all that comes as an error is one.
    for (odd, code) in [(json!("just text"), "wse.server.rp.failed"), (json!(null), "wse.server.rp.failed")] {
        let call = calling(&client, "odd");
        let asked = wire.json().await;
        wire.fail(&asked, odd).await;
        assert_eq!(call.await.unwrap().unwrap_err().code(), code);
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_of_another_type_is_a_decode_error_and_an_argument_that_does_not_encode_is_not_sent() {
    let (client, mut wire) = connected(Limits::default()).await;
    let (error, ()) = tokio::join!(client.call(ADD, (2, 3)), async {
        let call = wire.json().await;
        wire.respond(&call, json!("five")).await;
    });
    let error = error.unwrap_err();
    assert!(matches!(error, CallError::Decode(_)), "{error}");
    assert_eq!(error.code(), "wse.client.rp.invalid");
    let error = soon(client.call::<_, ()>("add", Broken)).await.unwrap_err();
    assert!(matches!(error, CallError::Send(SendError::Encode(_))), "{error}");
    assert_eq!(error.code(), "wse.client.rp.send-failed");
    for name in ["", "~wse:hi", "~wse:response"] {
        assert!(matches!(client.send(name, ()), Err(SendError::Encode(_))), "{name}");
    }
    let error = client.send("add", Broken).unwrap_err();
    assert_eq!((error.code(), matches!(error, SendError::Encode(_))), ("wse.client.rp.invalid", true));
    wire.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_or_called_while_not_connected() {
    let (builder, mut dials) = scripted();
    let client = builder.build();
    let refused = async |client: &Client| {
        let sent = client.send("m", 1).unwrap_err();
        assert!(matches!(sent, SendError::NotReady) && sent.code() == "wse.client.not-ready");
        let called = soon(client.call::<_, ()>("rp", ())).await.unwrap_err();
        assert!(matches!(called, CallError::NotReady) && called.code() == "wse.client.not-ready");
    };
    refused(&client).await;
    let connecting = tokio::spawn({
        let client = client.clone();
        async move { client.connect().await }
    });
    let mut wire = dials.upgraded().await;
    wire.json().await;
    refused(&client).await;
    wire.say("~wse:welcome", json!(null)).await;
    connecting.await.unwrap().unwrap();
    client.send("m", 2).unwrap();
    assert_eq!(wire.text().await, r#"["m",2,null]"#);
    wire.drop_with(1000, "bye").await;
    settle().await;
    refused(&client).await;
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_fail_when_the_connection_ends_however_it_ends() {
    for (end, code, reason) in
        [("dropped", 1000, "bye"), ("broken", 1006, ""), ("closed", 1000, "wse.by-client"), ("jumped", 4000, "jump")]
    {
        let (builder, mut dials) = scripted();
        let (client, wire) = tokio::join!(builder.connect(), dials.welcomed());
        let (client, mut wire) = (client.unwrap(), wire);
        let calls = [calling(&client, "a"), calling(&client, "b")];
        wire.json().await;
        wire.json().await;
        match end {
            "dropped" => wire.drop_with(1000, "bye").await,
            "broken" => drop(wire),
            "closed" => _ = tokio::join!(client.close(Reason::default()), wire.closed()),
            _ => _ = tokio::join!(client.jump("ws://b/"), wire.closed(), dials.welcomed()),
        }
        for call in calls {
            let (time, error) = timed(call).await;
            let error = error.unwrap().unwrap_err();
            assert!(time < Duration::from_secs(1), "{end}: {error}");
            assert_eq!(error.code(), "wse.client.rp.disconnect");
            let CallError::Disconnected { closed } = error else { panic!("{end}: {error}") };
            assert_eq!((closed.code, closed.reason.as_str()), (code, reason), "{end}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_big_or_too_much_is_not_sent() {
    let (client, mut wire) =
        connected(Limits { queue_bytes: 100 << 10, queue_bytes_max: 100 << 10, ..Limits::default() }).await;
    let big = "x".repeat(101 << 10);
    assert!(matches!(client.send("m", &big), Err(SendError::TooBig(size)) if size > 101 << 10));
    let error = soon(client.call::<_, ()>("rp", &big)).await.unwrap_err();
    assert!(matches!(&error, CallError::Send(SendError::TooBig(_))), "{error}");
    assert_eq!(error.code(), "wse.client.rp.send-failed");
    client.send("m", 1).unwrap();
    assert_eq!(wire.text().await, r#"["m",1,null]"#, "the connection is as good as before");
    // A server that does not read: at last the client gives up, as the server would.
    let part = "x".repeat(30 << 10);
    let slow = (0..20).find_map(|_| client.send("m", &part).err()).expect("the queue is full at last");
    assert!(matches!(slow, SendError::Slow) && slow.code() == "wse.client.ws-error");
    assert!(matches!(client.send("m", 1), Err(SendError::NotReady)));
}

#[tokio::test(start_paused = true)]
async fn every_way_to_fail_crosses_from_a_real_server() {
    let server = Server::builder()
        .identify(async |stranger: Stranger, _: String| Ok(stranger.accept("ann")))
        .register("coded", async |_, ()| -> Result<(), RpError> { Err(RpError::new("MINE").details(&json!({"a": 1}))) })
        .register("plain", async |_, ()| -> Result<(), RpError> { Err(std::io::Error::other("secret"))? })
        .register("panic", async |_, ()| -> Result<(), RpError> { panic!("secret") })
        .build();
    let client = wse_test_peers::on_net(&[("a", &server)]).connect().await.unwrap();
    for (rp, code) in [("coded", "MINE"), ("plain", "wse.server.rp.failed"), ("panic", "wse.server.rp.failed")] {
        let error = soon(client.call::<_, ()>(rp, ())).await.unwrap_err();
        assert_eq!(error.code(), code);
        let CallError::Failed(error) = error else { panic!("{error}") };
        assert_eq!(error.decode_details::<Value>().unwrap().unwrap()["rpc"], rp);
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
    assert!(matches!(soon(client.call::<_, ()>("missing", ())).await, Err(CallError::NotRegistered(_))));
}
