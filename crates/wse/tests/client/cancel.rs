//! Calls that are given up, as a client sends and receives them.

use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use wse::{Backoff, CallError, Client, RpError, cancellable, with};
use wse_test_peers::{Log, log, scripted, settle, soon};

const S: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_server_that_can_is_told_of_a_call_that_is_given_up_and_of_its_time() {
    let (builder, mut dials) = scripted();
    let (client, mut wire) =
        tokio::join!(builder.reconnect(Backoff::default()).connect(), dials.able(&["cancel", "time"]));
    let client = client.unwrap();
    let late = client.call_within::<_, ()>(S, "late", ()).await;
    assert!(matches!(late, Err(CallError::TimedOut)), "{late:?}");
    let call = wire.json().await;
    let stamp = call[2].as_str().unwrap();
    assert_eq!(&stamp[16..], "~000003e8");
    assert_eq!(wire.json().await, json!(["~wse:cancel", null, stamp[..16]]));
    assert!(tokio::time::timeout(S, client.call::<_, ()>("dropped", ())).await.is_err());
    let call = wire.json().await;
    assert_eq!(wire.json().await, json!(["~wse:cancel", null, call[2].as_str().unwrap()[..16]]));
    let (answer, ()) = tokio::join!(client.call::<_, u32>("answered", ()), async {
        let call = wire.json().await;
        wire.respond(&call, json!(5)).await;
    });
    assert_eq!(answer.unwrap(), 5);
    wire.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_of_another_version_is_told_nothing() {
    let (builder, mut dials) = scripted();
    let (client, mut wire) = tokio::join!(builder.reconnect(Backoff::default()).connect(), dials.welcomed());
    let client = client.unwrap();
    assert!(client.call_within::<_, ()>(S, "late", ()).await.is_err());
    assert_eq!(wire.json().await[2].as_str().unwrap().len(), 16);
    wire.hears_nothing().await;
}

async fn search(log: Arc<Log>, _: Client, number: u32) -> Result<u32, RpError> {
    struct Guard(Arc<Log>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.add("dropped");
        }
    }
    let _guard = Guard(log);
    std::future::pending::<()>().await;
    Ok(number)
}

async fn watch(log: Arc<Log>, client: Client, _: ()) -> Result<(), RpError> {
    client.caller_gone().await;
    log.add("gone");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_procedure_of_a_client_is_dropped_or_told_when_the_server_gives_its_call_up() {
    let log = Arc::new(log());
    let (builder, mut dials) = scripted();
    let builder = builder.register("search", cancellable(with(&log, search))).register("watch", with(&log, watch));
    let builder = builder.register("now", async |_, ()| Ok(1));
    let (client, mut wire) =
        tokio::join!(builder.reconnect(Backoff::default()).connect(), dials.able(&["cancel", "time"]));
    let client = client.unwrap();
    for (rp, stamp, told) in [("search", "S1", "dropped"), ("watch", "S2", "gone")] {
        wire.ask(rp, if rp == "search" { json!(1) } else { json!(null) }, stamp).await;
        settle().await;
        assert!(log.is_empty());
        wire.send(&json!(["~wse:cancel", null, stamp]).to_string()).await;
        settle().await;
        assert_eq!(log.take(), [told]);
    }
    wire.ask("now", json!(null), "AAAAAAAAAAAAAAAA~00000000").await;
    assert_eq!(wire.call("now", json!(null)).await, json!(["~wse:response", 1]), "none of them is answered");
    wire.ask("search", json!(1), "S3").await;
    wire.ask("watch", json!(null), "S4").await;
    settle().await;
    let outside = tokio::spawn(client.caller_gone());
    client.close("").await;
    settle().await;
    let mut told = log.take();
    told.sort();
    assert_eq!(told, ["dropped", "gone"], "with the connection");
    soon(outside).await.unwrap();
    soon(client.caller_gone()).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_given_up_at_one_end_is_dropped_at_the_other_in_both_directions() {
    let log = Arc::new(log());
    let server = wse_test_peers::server(|builder| {
        let search = with(&log, async |log: Arc<Log>, _: wse::Conn, _: u32| {
            let _dropped = DropLine(log);
            std::future::pending::<Result<(), RpError>>().await
        });
        builder.register("search", cancellable(search))
    });
    struct DropLine(Arc<Log>);
    impl Drop for DropLine {
        fn drop(&mut self) {
            self.0.add("dropped at the server");
        }
    }
    let builder = wse_test_peers::on_net(&[("a", &server)]).identity("ann").reconnect(Backoff::default());
    let client = builder.register("search", cancellable(with(&log, search))).connect().await.unwrap();
    assert!(client.call_within::<_, ()>(S, "search", 1).await.is_err());
    settle().await;
    assert_eq!(log.take(), ["dropped at the server"]);
    let conn = server.user("ann").conns().remove(0);
    let stop = Arc::new(Notify::new());
    let calling = tokio::spawn({
        let stop = stop.clone();
        async move {
            tokio::select! {
                answer = conn.call::<_, u32>("search", 1) => panic!("{answer:?}"),
                () = stop.notified() => {}
            }
        }
    });
    settle().await;
    assert!(log.is_empty());
    stop.notify_one();
    calling.await.unwrap();
    settle().await;
    assert_eq!(log.take(), ["dropped"]);
}
