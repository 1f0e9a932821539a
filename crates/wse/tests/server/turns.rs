//! Devices that are told why they are refused, or when to come back: on purpose, and in turns.

use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;
use wse::{Limits, Protocol, Server, ServerBuilder, Stranger, WsMessaging};
use wse_test_peers::{attach, attach_to, events};

const S: Duration = Duration::from_secs(1);

/// A server whose identify does what the identity says.
fn obeying(builder: ServerBuilder) -> Server {
    builder
        .identify(async |stranger: Stranger, how: String| {
            Ok(match how.as_str() {
                "banned" => stranger.refuse().reason("banned until Monday").welcome(&1),
                "later" => stranger.later(90 * S).reason("no refusal"),
                _ => Err(std::io::Error::other("the database is down"))?,
            })
        })
        .build()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_can_say_why_and_a_device_can_be_told_when_to_come_back() {
    let (when, mut events) = events();
    let server = obeying(Server::builder().protocols([Protocol::Wse, WsMessaging::new().into()]).when(when));
    for (how, code, messaging_code, reason) in
        [("banned", 1000, 4003, "banned until Monday"), ("later", 1013, 1013, "wse.later after=90000")]
    {
        let mut peer = attach(&server);
        peer.hi(json!(how), json!({})).await;
        assert_eq!(peer.closed().await, (code, reason.into()));
        let (mut peer, _) = attach_to(&server, "ws-messaging");
        peer.send(&json!(how).to_string()).await;
        assert_eq!(peer.closed().await, (messaging_code, reason.into()));
    }
    assert!(events.so_far().is_empty(), "both are verdicts");
}

#[tokio::test(start_paused = true)]
async fn turns_are_handed_out_below_the_rate_of_returns_and_anew_when_time_has_passed() {
    let server = obeying(Server::builder().limits(Limits { returns_per_second: 10, ..Limits::default() }));
    let turn = async || {
        let mut peer = attach(&server);
        peer.hi(json!("error"), json!({})).await;
        peer.closed().await.1
    };
    for after in ["1000", "1111", "1222", "1333"] {
        assert_eq!(turn().await, format!("wse.later after={after}"));
        // Who says what is no identity takes nobody's turn.
        let mut stranger = attach(&server);
        stranger.hi(json!({"no": "text"}), json!({})).await;
        assert_eq!(stranger.closed().await, (1000, "wse.not-authorized".into()));
    }
    sleep(5 * S).await;
    assert_eq!(turn().await, "wse.later after=1000");
}
