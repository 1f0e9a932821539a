//! Identities that end while their device is away, and what a return does to a question that is on its way.

use crate::until::{Login, ann, asked, enter, give, judged};
use serde_json::json;
use std::time::Duration;
use tokio::time::sleep;
use wse_test_peers::{attach, settle, timed};

const S: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_parked_session_ends_with_its_identity_and_is_not_asked() {
    let (server, log, mut events) = judged(|builder| builder);
    let (peer, granted) = enter(&server, json!(["ann", 1, 100, ""]), json!({})).await;
    sleep(50 * S).await;
    drop(peer);
    settle().await;
    let conn = ann(&server);
    assert!(conn.is_parked());
    let (waited, _) = timed(async {
        while conn.is_open() {
            sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert!(waited > 49 * S && waited < 51 * S, "{waited:?}");
    let told = events.take(5).await;
    assert_eq!(
        told[2..],
        ["parked ann 1", "disconnected ann 1 1000 wse.identity-expired", "left ann 1000 wse.identity-expired"]
    );
    let wanted = json!({"resume": granted["session"], "seen": 0});
    let (_peer, again) = enter(&server, json!(["ann", 2, 100, ""]), wanted).await;
    assert_eq!(again["resumed"], false);
    assert_eq!(log.take(), ["ann 1 after None", "ann 2 after None"]);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_with_another_identity_is_not_asked_for_one() {
    let (server, log, _events) = judged(|builder| builder);
    let (peer, granted) = enter(&server, json!(["ann", 1, 100, ""]), json!({})).await;
    sleep(80 * S).await;
    drop(peer);
    sleep(15 * S).await; // beyond the time when it would have been asked
    let wanted = json!({"resume": granted["session"], "seen": 0});
    let (mut peer, again) = enter(&server, json!(["ann", 2, 100, ""]), wanted).await;
    assert_eq!(again["resumed"], true);
    asked(&mut peer, 90 * S).await;
    assert_eq!(log.take(), ["ann 1 after None", r#"ann 2 after Some(("ann", Some(1)))"#]);
}

#[tokio::test(start_paused = true)]
async fn an_identity_that_has_ended_does_not_resume_and_the_session_keeps_its_own_end() {
    let (server, _log, _events) = judged(|builder| builder);
    let (peer, granted) = enter(&server, json!(["ann", 1, 100, ""]), json!({})).await;
    drop(peer);
    settle().await;
    let mut peer = attach(&server);
    let wanted = json!({"resume": granted["session"], "seen": 0});
    peer.say("~wse:hi", json!({"identity": ["ann", 2, 0, ""], "session": wanted})).await;
    assert_eq!(peer.closed().await, (1000, "wse.identity-expired".into()));
    assert!(ann(&server).is_parked() && ann(&server).state::<Login>().as_deref() == Some(&Login(1)));
    let (_peer, again) = enter(&server, json!(["ann", 3, 100, ""]), wanted).await;
    assert_eq!(again["resumed"], true);
}

#[tokio::test(start_paused = true)]
async fn a_return_makes_a_question_on_its_way_void() {
    let (server, log, _events) = judged(|builder| builder);
    let (mut peer, granted) = enter(&server, json!(["ann", 1, 100, ""]), json!({})).await;
    let old = asked(&mut peer, 90 * S).await;
    drop(peer);
    settle().await;
    let wanted = json!({"resume": granted["session"], "seen": 0});
    let (mut peer, again) = enter(&server, json!(["ann", 2, 100, ""]), wanted).await;
    assert_eq!(again["resumed"], true);
    assert_eq!(peer.json().await, old, "it was not seen, so it is sent again");
    give(&mut peer, &old, json!(["ann", 3, 5, ""])).await;
    let call = asked(&mut peer, 90 * S).await;
    assert_ne!(call[2], old[2]);
    give(&mut peer, &call, json!(["ann", 4, 100, ""])).await;
    peer.ask("number", json!(null), "s").await;
    assert_eq!(peer.json().await, json!(["~wse:response", 4, "s"]));
    assert_eq!(log.len(), 3, "{:?}", log.take());
}

#[tokio::test(start_paused = true)]
async fn a_verdict_that_comes_after_a_return_does_not_replace_what_that_brought() {
    let (server, log, _events) = judged(|builder| builder);
    let (mut peer, granted) = enter(&server, json!(["ann", 1, 100, ""]), json!({})).await;
    let call = asked(&mut peer, 90 * S).await;
    give(&mut peer, &call, json!(["ann", 2, 100, "slow 3"])).await;
    settle().await;
    drop(peer);
    sleep(S).await;
    let wanted = json!({"resume": granted["session"], "seen": 1});
    let (mut peer, again) = enter(&server, json!(["ann", 3, 100, ""]), wanted).await;
    assert_eq!(again["resumed"], true);
    sleep(5 * S).await;
    assert_eq!(ann(&server).state::<Login>().as_deref(), Some(&Login(3)));
    asked(&mut peer, 85 * S).await;
    assert_eq!(log.len(), 3);
    // The other way round: the verdict over the old connection first, then that of the return.
    let (server, _log, _events) = judged(|builder| builder);
    let (mut peer, granted) = enter(&server, json!(["ann", 1, 100, ""]), json!({})).await;
    let call = asked(&mut peer, 90 * S).await;
    give(&mut peer, &call, json!(["ann", 2, 100, "slow 1"])).await;
    settle().await;
    drop(peer);
    let wanted = json!({"resume": granted["session"], "seen": 1});
    let (_peer, again) = enter(&server, json!(["ann", 3, 100, "slow 3"]), wanted).await;
    assert_eq!(again["resumed"], true);
    assert_eq!(ann(&server).state::<Login>().as_deref(), Some(&Login(3)));
}
