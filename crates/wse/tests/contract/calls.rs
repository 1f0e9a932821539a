//! The names of `rpc-client-to-server` and `rpc-server-to-client`: calls between a server and a client of ours.

use serde_json::{Value, json};
use std::{future::pending, time::Duration};
use wse::{CallError, Client, ClientBuilder, Conn, Limits, RpError, Server, ServerBuilder};
use wse_test_peers::{attach, enter, events, on_net, recordings, server, settle, soon, timed};

const S: Duration = Duration::from_secs(1);

/// The ways to fail, on either side. Each gets the payload of the call.
fn fail<T>(how: &str) -> Result<T, RpError> {
    match how {
        "vanilla" => Err(std::io::Error::other("Vanilla error"))?,
        "coded" => Err(RpError::new("test-err-code").details(&json!({"fun": 1}))),
        _ => Err(RpError::bare(&json!({"code": "INVALID_USER", "test_field": "nope"}))),
    }
}

/// A client and its device on the server. Both sides have the same procedures.
async fn pair(
    configure: impl FnOnce(ServerBuilder) -> ServerBuilder,
    adapt: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> (Server, Conn, Client) {
    let server = server(|builder| {
        let builder = builder.expose_errors(true).register("add", async |_, (a, b): (i64, i64)| Ok(a + b));
        configure(builder.register("fail", async |_, how: String| fail::<()>(&how)))
    });
    let builder = on_net(&[("a", &server)]).identity("ann").expose_errors(true);
    let builder = builder.register("add", async |_, (a, b): (i64, i64)| Ok(a + b));
    let builder = builder.register("fail", async |_, how: String| fail::<()>(&how));
    let client = soon(adapt(builder).connect()).await.expect("it comes in");
    let conn = server.user("ann").conns().remove(0);
    (server, conn, client)
}

/// What a failed call tells: its code, and its details.
fn told(outcome: Result<Value, CallError>) -> (String, Value) {
    match outcome.expect_err("it fails") {
        CallError::Failed(error) | CallError::NotRegistered(error) => {
            (error.code.to_string(), error.decode_details().expect("details").unwrap_or_default())
        }
        error => (error.code().to_owned(), Value::Null),
    }
}

/// Every way to fail: code and details that must be among those of the error.
fn ways() -> [(&'static str, &'static str, Value); 3] {
    [
        ("vanilla", "wse.server.rp.failed", json!({"origin": {"name": "Error", "message": "Vanilla error"}})),
        ("coded", "test-err-code", json!({"fun": 1})),
        ("bare", "wse.server.rp.failed", json!({"code": "INVALID_USER", "test_field": "nope"})),
    ]
}

/// The details that go with a way to fail, as both versions of npm wse know them.
fn details(how: &str, wanted: &Value) -> Value {
    let mut all = wanted.clone();
    for (field, value) in [("rp", "fail"), ("rpc", "fail"), ("payload", how)] {
        all[field] = json!(value);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn every_error_of_the_server_keeps_its_code_and_details_and_names_the_procedure() {
    let (_server, _conn, client) = pair(|builder| builder, |builder| builder).await;
    for (how, code, wanted) in ways() {
        assert_eq!(told(client.call("fail", how).await), (code.to_owned(), details(how, &wanted)), "{how}");
    }
    let unknown = ("wse.server.rp.not-registered".to_owned(), json!({"rp": "nil"}));
    assert_eq!(told(client.call("nil", ()).await), unknown);
}

#[tokio::test(start_paused = true)]
async fn every_error_of_a_client_keeps_its_code_and_details_and_names_the_procedure() {
    let (_server, conn, _client) = pair(|builder| builder, |builder| builder).await;
    for (how, code, wanted) in ways() {
        assert_eq!(told(conn.call("fail", how).await), (code.to_owned(), details(how, &wanted)), "{how}");
    }
    let unknown = ("wse.server.rp.not-registered".to_owned(), json!({"rp": "nil"}));
    assert_eq!(told(conn.call("nil", ()).await), unknown);
}

#[tokio::test(start_paused = true)]
async fn calls_run_in_both_directions_over_the_same_connection() {
    let back = async |conn: Conn, (a, b): (i64, i64)| Ok(conn.call::<_, i64>("add", (a, b)).await.unwrap_or_default());
    let (_server, conn, client) = pair(|builder| builder.register("back", back), |builder| builder).await;
    let mine = async { (client.call::<_, i64>("add", (1, 2)).await, client.call::<_, i64>("back", (3, 4)).await) };
    let (theirs, (one, other)) = tokio::join!(conn.call::<_, i64>("add", (5, 6)), mine);
    assert_eq!((theirs.unwrap(), one.unwrap(), other.unwrap()), (11, 3, 7));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_answers_times_out_after_the_time_of_the_server() {
    let limits = Limits { rpc_timeout: S, ..Limits::default() };
    let never = async |_, ()| -> Result<(), RpError> { pending().await };
    let (_server, conn, _client) =
        pair(|builder| builder.limits(limits), |builder| builder.register("never", never)).await;
    let (time, outcome) = timed(conn.call::<_, Value>("never", ())).await;
    assert_eq!(outcome.unwrap_err().code(), "wse.client.rp.timeout");
    assert!(time >= S && time < 2 * S, "{time:?}");
    assert!(conn.is_open());
    assert_eq!(conn.call::<_, i64>("add", (1, 2)).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_after_the_timeout_is_dropped() {
    let slow = async |_, ()| {
        tokio::time::sleep(2 * S).await;
        Ok("late")
    };
    let (when, mut events) = events();
    let (_server, _conn, client) = pair(|builder| builder.register("slow", slow).when(when), |builder| builder).await;
    let late = client.call_within::<_, Value>(S, "slow", ()).await.unwrap_err();
    assert_eq!(late.code(), "wse.client.rp.timeout");
    tokio::time::sleep(5 * S).await;
    assert_eq!(client.call::<_, i64>("add", (1, 2)).await.unwrap(), 3);
    assert_eq!(events.so_far(), ["joined ann", "connected ann 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_disconnects_ends_its_own_calls_and_no_others() {
    let limits = Limits { conns_per_user: 2, ..Limits::default() };
    let server = server(|builder| builder.limits(limits));
    let (mut ann, other) = (enter(&server, "ann").await, enter(&server, "ann").await);
    let bob = enter(&server, "bob").await;
    let conn = server.user("ann").conns().remove(0);
    let call = tokio::spawn({
        let conn = conn.clone();
        async move { conn.call::<_, Value>("rp", 1).await }
    });
    let stamp = recordings::stamp(&ann.text().await);
    other.leave().await;
    bob.leave().await;
    ann.send(&json!(["~wse:response", "mine", stamp]).to_string()).await;
    assert_eq!(call.await.unwrap().unwrap(), "mine");
    // And its own disconnect is not missed because another came before.
    let (gone, call) = (enter(&server, "ann").await, tokio::spawn(async move { conn.call::<_, Value>("rp", 2).await }));
    ann.text().await;
    gone.leave().await;
    settle().await;
    assert!(!call.is_finished());
    let (time, ()) = timed(ann.leave()).await;
    assert_eq!(call.await.unwrap().unwrap_err().code(), "wse.client.rp.disconnect");
    assert!(time < S, "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_connection_ends_under_a_procedure_comes_in_again() {
    let slow = async |_, ()| {
        tokio::time::sleep(S).await;
        Ok(())
    };
    let (server, conn, client) = pair(|builder| builder, |builder| builder.register("slow", slow)).await;
    let call = tokio::spawn({
        let conn = conn.clone();
        async move { conn.call::<_, Value>("slow", ()).await }
    });
    settle().await;
    conn.drop("enough");
    assert_eq!(call.await.unwrap().unwrap_err().code(), "wse.client.rp.disconnect");
    assert_eq!(conn.call::<_, Value>("slow", ()).await.unwrap_err().code(), "wse.client.not-ready");
    tokio::time::sleep(2 * S).await;
    soon(client.connect()).await.unwrap();
    let conn = server.user("ann").conns().remove(0);
    conn.call::<_, ()>("slow", ()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_broken_error_answer_settles_the_call_and_the_connection_stays() {
    let server = server(|builder| builder.register("one", async |_, ()| Ok(1)));
    let mut ann = attach(&server);
    ann.enter("ann").await;
    let conn = server.user("ann").conns().remove(0);
    for broken in [json!(null), json!(7), json!("text"), json!([]), json!({"code": 7})] {
        let conn = conn.clone();
        let call = tokio::spawn(async move { conn.call::<_, Value>("rp", 1).await });
        let stamp = recordings::stamp(&ann.text().await);
        ann.send(&json!(["~wse:response-err", broken, stamp]).to_string()).await;
        assert_eq!(call.await.unwrap().unwrap_err().code(), "wse.server.rp.failed", "{broken}");
    }
    assert_eq!(ann.call("one", json!(null)).await, json!(["~wse:response", 1]));
}
