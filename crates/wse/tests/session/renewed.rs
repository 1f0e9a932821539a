//! A client that is asked for its identity anew: what it answers, and a real one with a real server for hours.

use crate::client::{builder, connected};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, sleep};
use wse::{Backoff, Conn, Limits, Protocol, RpError, Server, Status};
use wse_test_peers::{RawServer, events, on_net, settle};

const S: Duration = Duration::from_secs(1);

/// The client's answer to the call for its identity.
async fn identity(wire: &mut RawServer, stamp: &str) -> Value {
    wire.send(&json!(["~wse:identity", null, stamp]).to_string()).await;
    loop {
        let answer = wire.json().await;
        if answer[0] != "~wse:ack" {
            return answer;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_library_answers_with_an_identity_made_anew_and_nothing_of_the_application_sees_the_call() {
    let made = Arc::new(AtomicU32::new(0));
    let (builder, mut dials, mut events) = builder();
    let builder = builder
        .identity_with({
            let made = made.clone();
            async move || Ok(format!("token-{}", made.fetch_add(1, Relaxed)))
        })
        .on_receive(async |_, envelope| panic!("the hook sees {}", envelope.name))
        .handlers(wse::Handlers::<wse::Client>::new().fallback(async |_, _| Ok("the fallback")));
    let (client, mut wire) = connected(builder, &mut dials).await;
    for number in 1..4 {
        let expected = json!(["~wse:response", format!("token-{number}"), "stamp"]);
        assert_eq!(identity(&mut wire, "stamp").await, expected);
    }
    assert_eq!((client.status(), made.load(Relaxed)), (Status::Ready, 4));
    assert!(events.so_far().iter().all(|event| !event.starts_with("error")), "nothing is told of it");
    assert!(client.register("~wse:identity", async |_, ()| Ok(())).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_plain_identity_is_answered_as_it_is() {
    let (builder, mut dials, _events) = builder();
    let (_client, mut wire) = connected(builder.identity(&("ann", 7)), &mut dials).await;
    assert_eq!(identity(&mut wire, "s").await, json!(["~wse:response", ["ann", 7], "s"]));
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_fails_is_an_error_and_the_connection_stays() {
    let made = Arc::new(AtomicU32::new(0));
    let (builder, mut dials, mut events) = builder();
    let builder = builder.identity_with(async move || match made.fetch_add(1, Relaxed) {
        0 | 5 => Ok("token"),
        1 => Err(RpError::new("signed-out")),
        2 => Err(std::io::Error::other("a secret of the client"))?,
        3 => panic!("it broke"),
        _ => {
            sleep(1000 * S).await;
            Ok("late")
        }
    });
    let (client, mut wire) = connected(builder, &mut dials).await;
    let answer = identity(&mut wire, "1").await;
    assert_eq!(
        (&answer[0], &answer[1]["code"], &answer[2]),
        (&json!("~wse:response-err"), &json!("signed-out"), &json!("1"))
    );
    for stamp in ["2", "3"] {
        let answer = identity(&mut wire, stamp).await;
        assert_eq!((&answer[0], &answer[2]), (&json!("~wse:response-err"), &json!(stamp)));
        assert!(!answer.to_string().contains("secret"), "{answer}");
    }
    let answer = identity(&mut wire, "4").await;
    assert_eq!(answer[0], "~wse:response-err", "it has taken too long");
    assert_eq!(identity(&mut wire, "5").await, json!(["~wse:response", "token", "5"]));
    assert_eq!(client.status(), Status::Ready);
    assert!(events.next_like("error").await.contains("a secret of the client"), "the client itself is told");
}

#[tokio::test(start_paused = true)]
async fn one_identity_is_made_at_a_time_however_often_a_server_asks() {
    let made = Arc::new(AtomicU32::new(0));
    let (builder, mut dials, _events) = builder();
    let builder = builder.identity_with({
        let made = made.clone();
        async move || {
            if made.fetch_add(1, Relaxed) > 0 {
                sleep(S).await;
            }
            Ok("token")
        }
    });
    let (_client, mut wire) = connected(builder, &mut dials).await;
    for number in 0..1000 {
        wire.send(&json!(["~wse:identity", null, number.to_string()]).to_string()).await;
    }
    let mut answers = Vec::new();
    while answers.len() < 1000 {
        let answer = wire.json().await;
        if answer[0] != "~wse:ack" {
            answers.push(answer[0].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(made.load(Relaxed), 2);
    assert_eq!(answers.iter().filter(|answer| *answer == "~wse:response").count(), 1);
}

/// A server whose identities live for that long, with the number of the identity as state.
fn short_lived(life: Duration, protocol: Protocol) -> (Server, wse_test_peers::Events) {
    let (when, events) = events();
    let server = Server::builder()
        .protocols([protocol])
        .limits(Limits { conns_per_user: 9, ..Limits::default() })
        .identify(async move |stranger, number: u32| {
            let before = stranger.resumes().and_then(|conn| conn.state::<u32>());
            assert!(before.is_none_or(|before| *before < number), "it is made anew");
            Ok(stranger.accept("ann").state(number).until(SystemTime::now() + life))
        })
        .when(when)
        .register("number", async |conn: Conn, ()| Ok(conn.state::<u32>().map(|number| *number)))
        .build();
    (server, events)
}

#[tokio::test(start_paused = true)]
async fn a_device_whose_tokens_live_for_minutes_stays_for_hours_and_nobody_hears_of_it() {
    for protocol in [Protocol::Wse, Protocol::WseMsgpack] {
        let (server, mut events) = short_lived(300 * S, protocol.clone());
        let made = Arc::new(AtomicU32::new(0));
        let count = made.clone();
        let client = on_net(&[("a", &server)])
            .protocol(protocol)
            .reconnect(Backoff::default())
            .identity_with(async move || Ok(count.fetch_add(1, Relaxed)))
            .connect()
            .await
            .unwrap();
        sleep(5 * S).await; // between two renewals from now on
        for hour in 1..4 {
            for _ in 0..360 {
                sleep(10 * S).await;
                client.send("unheard", ()).unwrap();
            }
            let number: u32 = client.call("number", ()).await.unwrap();
            assert_eq!((number + 1, number / (hour * 13)), (made.load(Relaxed), 1), "about every 270 seconds");
        }
        assert_eq!(client.status(), Status::Ready);
        let told = events.so_far();
        let told: Vec<_> = told.iter().filter(|line| !line.starts_with("ignored")).collect();
        assert_eq!(told, ["joined ann", "connected ann 1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_without_a_session_is_recalled_and_comes_back_with_another_identity() {
    let (server, mut events) = short_lived(300 * S, Protocol::Wse);
    let made = AtomicU32::new(0);
    let made = Arc::new(made);
    let client = on_net(&[("a", &server)])
        .reconnect(Backoff { min: Duration::ZERO, ..Backoff::default() })
        .resume(false)
        .identity_with(async move || Ok(made.fetch_add(1, Relaxed)))
        .connect()
        .await
        .unwrap();
    sleep(400 * S).await;
    assert_eq!(client.call::<_, u32>("number", ()).await.unwrap(), 1);
    let recalled = "1012 wse.restart after=0";
    let gone = [format!("disconnected ann 1 {recalled}"), format!("left ann {recalled}")];
    assert_eq!(events.take(6).await[2..4], gone);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_at_any_moment_of_a_renewal_loses_nothing() {
    for millis in (26_400..27_600).step_by(97) {
        let (server, mut events) = short_lived(30 * S, Protocol::Wse);
        let made = Arc::new(AtomicU32::new(0));
        let backoff = Backoff { min: Duration::from_millis(100), max: S, ..Backoff::default() };
        let client = on_net(&[("a", &server)])
            .reconnect(backoff)
            .identity_with(async move || {
                sleep(Duration::from_millis(700)).await; // as a service of tokens takes
                Ok(made.fetch_add(1, Relaxed))
            })
            .connect()
            .await
            .unwrap();
        sleep(Duration::from_millis(millis - 2000)).await;
        client.cut();
        sleep(300 * S).await;
        assert_eq!(client.status(), Status::Ready, "{millis}");
        assert_eq!(events.so_far(), ["joined ann", "connected ann 1", "parked ann 1", "resumed ann 1"], "{millis}");
        client.close("").await;
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_identity_stays_the_same_is_told_that_it_has_ended_and_stays_away() {
    let began = Instant::now();
    let server = Server::builder()
        .identify(async move |stranger, name: String| {
            // The clock of the system does not stand still as that of the test does.
            let left = (60 * S).saturating_sub(began.elapsed());
            Ok(stranger.accept(name).until(SystemTime::now() + left))
        })
        .build();
    let (when, mut events) = events();
    let client = on_net(&[("a", &server)]).when(when).reconnect(Backoff::default()).identity("ann");
    let client = client.connect().await.unwrap();
    sleep(62 * S).await;
    assert_eq!(client.status(), Status::Offline);
    assert_eq!(events.next_like("closed").await, "closed 1000 wse.identity-expired");
}
