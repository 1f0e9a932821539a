//! How the application ends it: the close, whatever goes on meanwhile, and the last handle.

use serde_json::json;
use std::time::Duration;
use tokio::task::JoinHandle;
use wse::{Backoff, Client, ConnectError, Limits, Reason, Status};
use wse_test_peers::{Got, events, scripted, settle, soon, timed};

fn connecting(client: &Client) -> JoinHandle<Result<(), ConnectError>> {
    let client = client.clone();
    tokio::spawn(async move { client.connect().await })
}

#[tokio::test(start_paused = true)]
async fn close_says_why_by_default_or_as_it_is_told() {
    let long = "ä".repeat(100);
    for (reason, sent) in [
        (Reason::default(), "wse.by-client"),
        (Reason::from("CUSTOM"), "CUSTOM"),
        (Reason::from(""), ""),
        (Reason::from(long.as_str()), &long[..122]), // 123 bytes at most, cut at a character
    ] {
        let (when, mut events) = events();
        let (builder, mut dials) = scripted();
        let client = builder.when(when).reconnect(Backoff::default()).build();
        let (connected, wire) = tokio::join!(client.connect(), dials.welcomed());
        connected.unwrap();
        let ((), closed) = tokio::join!(client.close(reason), wire.closed());
        assert_eq!(closed, (1000, sent.to_owned()));
        assert_eq!(client.status(), Status::Offline, "close returns when it has ended");
        assert!(events.next_like("closed").await.starts_with(format!("closed 1000 {sent}").trim_end()));
        dials.none_within(Duration::from_secs(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_the_close_still_arrives() {
    let (builder, mut dials) = scripted();
    let client = builder.build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    let big = "x".repeat(200_000); // more than the pipe holds
    client.send("big", &big).unwrap();
    client.send("last", 1).unwrap();
    let closing = tokio::spawn(async move { client.close("bye").await });
    assert_eq!(wire.json().await[1], big);
    assert_eq!(wire.text().await, r#"["last",1,null]"#);
    assert_eq!(wire.closed().await, (1000, "bye".to_owned()));
    soon(closing).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_the_close_is_cut() {
    let (builder, mut dials) = scripted();
    let limits = Limits { close_timeout: Duration::from_secs(3), ..Limits::default() };
    let client = builder.limits(limits).build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    let (time, ()) = timed(client.close("bye")).await;
    assert!(wse_test_peers::about(time, Duration::from_secs(3)), "{time:?}");
    assert_eq!(wire.next().await, Got::Close(Some((1000, "bye".to_owned()))));
    assert_eq!(wire.next().await, Got::End);
}

#[tokio::test(start_paused = true)]
async fn close_stops_an_attempt_wherever_it_is() {
    for stage in ["dialed", "asked", "upgraded"] {
        let (builder, mut dials) = scripted();
        let client = builder.reconnect(Backoff::default()).build();
        let connect = connecting(&client);
        let dialed = dials.next().await;
        let (mut wire, mut left) = (None, None);
        match stage {
            "dialed" => left = Some(dialed),
            "asked" => wire = Some(dialed.request().await.silent()),
            _ => {
                let mut upgraded = dialed.request().await.upgrade().await;
                upgraded.json().await;
                wire = Some(upgraded);
            }
        }
        let (time, ()) = timed(client.close(Reason::default())).await;
        assert!(time < Duration::from_secs(1), "{stage}: {time:?}");
        let error = soon(connect).await.unwrap().unwrap_err();
        assert!(matches!(error, ConnectError::Cancelled), "{stage}: {error}");
        assert_eq!(client.status(), Status::Offline);
        if let Some(mut wire) = wire {
            assert_eq!(wire.next().await, Got::End, "{stage}: nothing is left behind");
        }
        dials.none_within(Duration::from_secs(60)).await;
        drop(left);
    }
}

#[tokio::test(start_paused = true)]
async fn close_stops_a_reconnect_that_waits() {
    let hour = Duration::from_secs(3600);
    let (when, mut events) = events();
    let (builder, mut dials) = scripted();
    let client =
        builder.reconnect(Backoff { min: hour, max: hour, factor: 1.0, ..Backoff::default() }).when(when).build();
    let (connected, wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    drop(wire);
    settle().await;
    assert_eq!(client.status(), Status::ReConnecting);
    let (time, ()) = timed(client.close(Reason::default())).await;
    assert_eq!((time, client.status()), (Duration::ZERO, Status::Offline));
    dials.none_within(2 * hour).await;
    let events = events.so_far();
    assert_eq!(events[events.len() - 3..], ["closed 1006", "RE_CONNECTING", "OFFLINE"]);
}

#[tokio::test(start_paused = true)]
async fn close_fails_a_connect_that_waits_to_try_again() {
    let hour = Duration::from_secs(3600);
    let client = Client::builder("ws://a/")
        .dial(wse_test_peers::net(&[]))
        .reconnect(Backoff { min: hour, max: hour, factor: 1.0, ..Backoff::default() })
        .build();
    let connect = connecting(&client);
    settle().await;
    soon(client.close(Reason::default())).await;
    assert!(matches!(soon(connect).await.unwrap(), Err(ConnectError::Cancelled)));
}

#[tokio::test(start_paused = true)]
async fn connect_works_again_after_a_close_and_after_a_drop() {
    let (builder, mut dials) = scripted();
    let client = builder.build();
    soon(client.close(Reason::default())).await;
    assert_eq!(client.status(), Status::Offline, "closed before it was ever connected");
    for round in 0..3 {
        let (connected, (wire, _)) = tokio::join!(client.connect(), dials.greeted(json!(round)));
        connected.unwrap();
        assert_eq!((client.welcome::<u8>().unwrap(), client.status()), (round, Status::Ready));
        if round == 0 {
            tokio::join!(client.close(Reason::default()), wire.closed());
        } else {
            wire.drop_with(1000, "wse.by-server").await;
            settle().await;
        }
        assert_eq!(client.status(), Status::Offline);
        soon(client.close("again")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn several_closes_at_once_all_return() {
    let (builder, mut dials) = scripted();
    let client = builder.build();
    let (connected, wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    let all = async { tokio::join!(client.close("first"), client.close("second"), client.close("third")) };
    let (_, closed) = tokio::join!(soon(all), wire.closed());
    assert_eq!(closed, (1000, "first".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_closes_the_connection() {
    let (builder, mut dials) = scripted();
    let client = builder.reconnect(Backoff::default()).build();
    let (connected, mut wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    let other = client.clone();
    drop(client);
    wire.hears_nothing().await;
    other.send("still", 1).unwrap();
    drop(other);
    assert_eq!(wire.text().await, r#"["still",1,null]"#);
    assert_eq!(wire.closed().await, (1000, "wse.by-client".to_owned()));
    dials.none_within(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_builders_connect_leaves_nothing_behind() {
    let (builder, mut dials) = scripted();
    let connect = tokio::spawn(builder.reconnect(Backoff::default()).connect());
    let mut wire = dials.upgraded().await;
    wire.json().await;
    connect.abort();
    assert_eq!(wire.next().await, Got::End);
    dials.none_within(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_while_a_reconnect_waits_stops_it() {
    let (builder, mut dials) = scripted();
    let client = builder.reconnect(Backoff::default()).build();
    let (connected, wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.unwrap();
    drop(wire);
    let mut status = client.watch_status();
    status.wait_for(|status| *status == Status::ReConnecting).await.unwrap();
    drop(client);
    dials.none_within(Duration::from_secs(60)).await;
}
