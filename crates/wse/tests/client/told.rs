//! When a client comes back that was told when: by the end of its connection, or instead of one.

use std::time::Duration;
use tokio::time::Instant;
use wse::{Backoff, Client, ConnectError, Limits, WsMessaging};
use wse_test_peers::{Dials, dials, on_net, scripted, server, soon};

const S: Duration = Duration::from_secs(1);
const ZERO: Duration = Duration::ZERO;

/// What a timer adds to a wait.
const GRAIN: Duration = Duration::from_millis(3);

/// A client that was just told something, and where it will dial.
struct Away {
    began: Instant,
    dials: Dials,
    /// Connected once, or still connecting.
    _client: Box<dyn std::any::Any>,
}

impl Away {
    /// How long it stays away: so long at least.
    async fn at_least(mut self, time: Duration) -> Duration {
        if !time.is_zero() {
            self.dials.none_within(time - GRAIN).await;
        }
        self.dials.next().await.at - self.began
    }
}

/// A client that was closed like this after its welcome.
async fn closed(code: u16, reason: &str) -> Away {
    let (builder, mut dials) = scripted();
    let (client, wire) = tokio::join!(builder.reconnect(Backoff::default()).connect(), dials.welcomed());
    wire.drop_with(code, reason).await;
    Away { began: Instant::now(), dials, _client: Box::new(client.expect("welcomed")) }
}

/// A client whose request was answered like this.
async fn refused(status: &str, headers: &str) -> Away {
    let (builder, mut dials) = scripted();
    let connecting = tokio::spawn(builder.reconnect(Backoff::default()).connect());
    let request = dials.next().await.request().await;
    let _wire = request.answer(status, &format!("Content-Length: 0\r\n{headers}")).await;
    Away { began: Instant::now(), dials, _client: Box::new(connecting) }
}

async fn lies(away: Away, from: Duration, to: Duration) -> Duration {
    let wait = away.at_least(from).await;
    assert!(wait <= to + GRAIN, "{wait:?}, not between {from:?} and {to:?}");
    wait
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_told_its_turn_keeps_it() {
    for _ in 0..20 {
        lies(closed(1012, "wse.restart after=0").await, ZERO, ZERO).await;
        lies(closed(1012, "wse.restart after=200").await, S / 5, S / 5 + S / 50).await;
        lies(closed(1012, "wse.restart after=7000").await, 7 * S, 7 * S + S / 10).await;
        lies(closed(1013, "wse.later after=7000").await, 7 * S, 7 * S + S / 10).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_sent_away_for_more_than_five_minutes() {
    let years = "9".repeat(20);
    lies(closed(1012, &format!("wse.restart after={years}")).await, 300 * S, 300 * S + S / 10).await;
    lies(refused("503 Full", &format!("Retry-After: {years}\r\n")).await, 300 * S, 600 * S).await;
}

#[tokio::test(start_paused = true)]
async fn what_tells_no_turn_leaves_it_to_the_backoff() {
    for (code, reason) in [
        (1012, "wse.restart"),
        (1012, ""),
        (1012, "wse.restart after=soon"),
        (1013, "wse.later"),
        (1011, "after=60000"),
    ] {
        lies(closed(code, reason).await, ZERO, S / 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_decide_yet_says_when_to_come_back_as_one_that_restarts() {
    lies(closed(1013, "wse.later after=7000").await, 7 * S, 7 * S + S / 10).await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_told_before_the_welcome_is_kept_too() {
    let (builder, mut dials) = scripted();
    let connecting = tokio::spawn(builder.reconnect(Backoff::default()).connect());
    let mut wire = dials.upgraded().await;
    wire.json().await;
    wire.drop_with(1012, "wse.restart after=7000").await;
    lies(Away { began: Instant::now(), dials, _client: Box::new(connecting) }, 7 * S, 7 * S + S / 10).await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_is_kept_on_the_other_wire_too() {
    let (dial, mut dials) = dials();
    let builder = Client::builder("ws://a.test/").protocol(WsMessaging::new()).dial(dial);
    let connecting = tokio::spawn(builder.reconnect(Backoff::default()).connect());
    let mut wire = dials.next().await.request().await.upgrade_with("Sec-WebSocket-Protocol: ws-messaging\r\n").await;
    wire.json().await;
    wire.drop_with(1012, "wse.restart after=7000").await;
    lies(Away { began: Instant::now(), dials, _client: Box::new(connecting) }, 7 * S, 7 * S + S / 10).await;
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_a_floor_with_as_much_again_for_the_spread() {
    for status in ["503 Full", "429 Slow Down"] {
        let mut waits = Vec::new();
        for _ in 0..50 {
            waits.push(lies(refused(status, "Retry-After: 8\r\n").await, 8 * S, 16 * S).await);
        }
        // Fails by chance once in 10^7 runs.
        assert!(waits.iter().any(|wait| *wait < 10 * S) && waits.iter().any(|wait| *wait > 14 * S), "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_date_and_a_retry_after_of_another_status_are_passed_over() {
    let date = "Retry-After: Wed, 21 Oct 2099 07:28:00 GMT\r\n";
    for (status, headers) in [("503 Full", date), ("503 Full", ""), ("500 Broken", "Retry-After: 60\r\n")] {
        lies(refused(status, headers).await, ZERO, S / 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_reconnect_learns_from_a_full_server_how_long_to_stay_away() {
    let full = server(|builder| builder.limits(Limits { strangers: 0, ..Limits::default() }));
    let error = soon(on_net(&[("a", &full)]).connect()).await.unwrap_err();
    assert!(matches!(error, ConnectError::UpgradeRefused { status: 503, retry_after: Some(S) }), "{error:?}");
    assert_eq!(error.to_string(), "the upgrade was refused with status 503");
}

#[tokio::test(start_paused = true)]
async fn somebody_who_waits_for_a_turn_can_still_be_closed_or_sent_elsewhere() {
    let (builder, mut dials) = scripted();
    let (client, wire) = tokio::join!(builder.reconnect(Backoff::default()).connect(), dials.welcomed());
    let client = client.unwrap();
    wire.drop_with(1012, "wse.restart after=250000").await;
    wse_test_peers::settle().await;
    let began = Instant::now();
    let jumping = client.clone();
    let jump = tokio::spawn(async move { jumping.jump("ws://b.test/").await });
    let wire = dials.welcomed().await;
    soon(jump).await.unwrap().unwrap();
    wire.drop_with(1012, "wse.restart after=250000").await;
    wse_test_peers::settle().await;
    soon(client.close("enough")).await;
    assert!(began.elapsed() < S / 10);
    dials.none_within(600 * S).await;
}
