//! What an attempt takes along: the cookies of a balancer, and headers that are made anew.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use wse::{Backoff, Client};
use wse_test_peers::{UpgradeRequest, dials, scripted, settle};

const PROTOCOL: &str = "Sec-WebSocket-Protocol: wse-default-json\r\n";

fn cookie(request: &UpgradeRequest) -> Option<&str> {
    request.header("cookie")
}

#[tokio::test(start_paused = true)]
async fn a_balancer_s_cookies_of_an_error_and_of_the_upgrade_are_sent_back_to_the_same_host() {
    let (dial, mut dials) = dials();
    let builder = Client::builder("ws://a.test/ws").dial(dial).cookies(true).header("Cookie", "own=1");
    let client = builder.reconnect(Backoff::persistent()).build();
    let connecting = tokio::spawn({
        let client = client.clone();
        async move { client.connect().await }
    });
    let request = dials.next().await.request().await;
    assert_eq!(cookie(&request), Some("own=1"));
    request.answer("503 Full", "Set-Cookie: node=a; Path=/\r\nSet-Cookie: other=1; Secure\r\n").await;
    let request = dials.next().await.request().await;
    assert_eq!(cookie(&request), Some("own=1; node=a"));
    let set = format!("{PROTOCOL}Set-Cookie: node=b; Path=/; HttpOnly\r\n");
    let mut wire = request.upgrade_with(&set).await;
    wire.json().await;
    wire.say("~wse:welcome", serde_json::Value::Null).await;
    connecting.await.unwrap().unwrap();
    drop(wire);
    let request = dials.next().await.request().await;
    assert_eq!(cookie(&request), Some("own=1; node=b"));
    request.answer("404 None", "Set-Cookie: node=; Max-Age=0\r\nSet-Cookie: node=; Path=/; Max-Age=0\r\n").await;
    let request = dials.next().await.request().await;
    assert_eq!(cookie(&request), Some("own=1"));
    let set = format!("{PROTOCOL}Set-Cookie: node=c; Path=/\r\n");
    let mut wire = request.upgrade_with(&set).await;
    wire.json().await;
    wire.say("~wse:welcome", serde_json::Value::Null).await;
    settle().await;
    // Another host gets none of them.
    let (_, (), request) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(1), client.jump("ws://b.test/ws")),
        async { drop(wire) },
        async { dials.next().await.request().await }
    );
    assert_eq!(cookie(&request), Some("own=1"));
}

#[tokio::test(start_paused = true)]
async fn without_being_asked_for_no_cookie_is_sent_back() {
    let (builder, mut dials) = scripted();
    let _connecting = tokio::spawn(builder.reconnect(Backoff::persistent()).connect());
    let request = dials.next().await.request().await;
    request.answer("503 Full", "Set-Cookie: node=a; Path=/\r\n").await;
    assert_eq!(cookie(&dials.next().await.request().await), None);
}

#[tokio::test(start_paused = true)]
async fn headers_are_made_anew_for_every_attempt_and_replace_those_that_stay() {
    let (builder, mut dials) = scripted();
    let asked = Arc::new(AtomicU32::new(0));
    let builder = builder.header("X-Token", "old").header("X-Kept", "yes").header_with(async move || {
        let number = asked.fetch_add(1, SeqCst);
        tokio::time::sleep(Duration::from_millis(10)).await;
        Ok([("X-Token", format!("token-{number}")), ("Origin", "https://a.example".to_owned())])
    });
    let _connecting = tokio::spawn(builder.reconnect(Backoff::persistent()).connect());
    for number in 0..3 {
        let request = dials.next().await.request().await;
        let (token, kept, origin) = (request.header("x-token"), request.header("x-kept"), request.header("origin"));
        assert_eq!(token, Some(format!("token-{number}").as_str()));
        assert_eq!((kept, origin), (Some("yes"), Some("https://a.example")));
        request.answer("401 Expired", "").await;
    }
}
