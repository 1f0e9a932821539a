//! Devices that are revoked: those that are there, and those that are just coming in.

use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{sync::Semaphore, time::sleep};
use wse::{Conn, Limits, Server, Stranger};
use wse_test_peers::{Events, Got, RawClient, attach, attach_to, events, resume, settle};

const S: Duration = Duration::from_secs(1);

/// The state of a device: the number of its login.
struct Login(u32);

fn of_login(number: u32) -> impl Fn(&Conn) -> bool + Send + Sync + 'static {
    move |conn| conn.state::<Login>().is_some_and(|login| login.0 == number)
}

/// A server whose devices are `[name, login]`. identify waits for a permit of the gate, once it is closed.
fn gated() -> (Server, Arc<Semaphore>, Events) {
    let (gate, (when, events)) = (Arc::new(Semaphore::new(1000)), events());
    let judge = {
        let gate = gate.clone();
        async move |stranger: Stranger, (name, login): (String, u32)| {
            gate.acquire().await.expect("it stays").forget();
            Ok(stranger.accept(name).state(Login(login)).until(SystemTime::now() + 100 * S))
        }
    };
    let limits = Limits { conns_per_user: 9, auth_timeout: 1000 * S, ..Limits::default() };
    (Server::builder().limits(limits).when(when).identify(judge).build(), gate, events)
}

/// Lets identify wait from now on.
fn shut(gate: &Semaphore) {
    gate.forget_permits(usize::MAX >> 4);
}

/// A client whose hi was sent, and which waits for its verdict.
async fn waiting(server: &Server, claims: Value, session: Value) -> RawClient {
    let mut peer = attach(server);
    peer.say("~wse:hi", json!({"identity": claims, "session": session, "can": ["renew"]})).await;
    settle().await;
    peer
}

async fn enter(server: &Server, claims: Value) -> RawClient {
    let mut peer = waiting(server, claims, json!(null)).await;
    assert_eq!(peer.json().await[0], "~wse:welcome");
    peer
}

const REVOKED: (u16, &str) = (1000, "wse.revoked");

async fn closed(peer: &mut RawClient) -> (u16, String) {
    peer.closed().await
}

#[tokio::test(start_paused = true)]
async fn every_device_for_which_it_is_true_ends_and_no_other() {
    let (server, _gate, mut events) = gated();
    let mut one = enter(&server, json!(["ann", 1])).await;
    let mut two = enter(&server, json!(["bob", 1])).await;
    let mut other = enter(&server, json!(["ann", 2])).await;
    assert_eq!(server.revoke(of_login(1)), 2);
    for peer in [&mut one, &mut two] {
        assert_eq!(closed(peer).await, (REVOKED.0, REVOKED.1.to_owned()));
    }
    other.hears_nothing().await;
    assert_eq!((server.user_count(), server.conn_count()), (1, 1));
    let mut told = events.take(8).await.split_off(5); // those of two users come in any order
    told.sort();
    let of_bob = ["disconnected bob 2 1000 wse.revoked", "left bob 1000 wse.revoked"];
    assert_eq!((told[0].as_str(), &told[1..]), ("disconnected ann 1 1000 wse.revoked", &of_bob.map(str::to_owned)[..]));
    assert_eq!(server.revoke(of_login(1)), 0);
}

#[tokio::test(start_paused = true)]
async fn who_is_just_coming_in_is_not_missed_and_no_event_tells_of_it() {
    let (server, gate, mut events) = gated();
    shut(&gate);
    let mut peer = waiting(&server, json!(["ann", 1]), json!({})).await;
    let mut other = waiting(&server, json!(["bob", 2]), json!({})).await;
    assert_eq!(server.revoke(of_login(1)), 0, "it is not there yet");
    server.revoke(|conn| conn.cid().as_str() == "somebody else");
    gate.add_permits(2);
    assert_eq!(closed(&mut peer).await, (REVOKED.0, REVOKED.1.to_owned()));
    assert_eq!(other.json().await[0], "~wse:welcome");
    assert_eq!(events.take(2).await, ["joined bob", "connected bob 1"]);
    // identify that begins later sees what has changed, and is not asked again.
    gate.add_permits(1);
    let mut later = waiting(&server, json!(["ann", 1]), json!({})).await;
    assert_eq!(later.json().await[0], "~wse:welcome");
}

#[tokio::test(start_paused = true)]
async fn what_was_revoked_is_forgotten_when_no_older_identify_runs() {
    let (server, gate, _events) = gated();
    let kept = Arc::new(());
    let revoke = |number: u32| {
        let kept = kept.clone();
        server.revoke(move |conn| Arc::strong_count(&kept) > 0 && of_login(number)(conn));
    };
    revoke(1);
    assert_eq!(Arc::strong_count(&kept), 1, "nobody was coming in");
    shut(&gate);
    let old = waiting(&server, json!(["ann", 9]), json!(null)).await;
    revoke(1);
    revoke(2);
    let new = waiting(&server, json!(["bob", 9]), json!(null)).await;
    revoke(3);
    assert_eq!(Arc::strong_count(&kept), 4);
    drop(old); // its connection ends, and its identify with it
    settle().await;
    assert_eq!(Arc::strong_count(&kept), 2, "the third is younger than the other's identify");
    gate.add_permits(1);
    settle().await;
    assert_eq!((Arc::strong_count(&kept), server.conn_count()), (1, 1));
    drop(new);
}

#[tokio::test(start_paused = true)]
async fn a_parked_device_loses_its_session() {
    let (server, _gate, mut events) = gated();
    let mut peer = waiting(&server, json!(["ann", 1]), json!({})).await;
    let granted = peer.json().await[2].clone();
    drop(peer);
    settle().await;
    assert_eq!(server.revoke(of_login(1)), 1);
    settle().await;
    let told = events.take(5).await;
    assert_eq!(told[3..], ["disconnected ann 1 1000 wse.revoked", "left ann 1000 wse.revoked"]);
    let mut peer = waiting(&server, json!(["ann", 2]), json!({"resume": granted["session"], "seen": 0})).await;
    assert_eq!(peer.json().await[2]["resumed"], false, "identify decides about it anew");
}

#[tokio::test(start_paused = true)]
async fn who_is_just_coming_back_is_judged_by_what_it_was_and_by_what_it_becomes() {
    for (revoked, goes_on) in [(1, "anew"), (2, "revoked"), (3, "resumed")] {
        let (server, gate, _events) = gated();
        let mut peer = waiting(&server, json!(["ann", 1]), json!({})).await;
        let granted = peer.json().await[2].clone();
        drop(peer);
        settle().await;
        let conn = server.user("ann").conns().remove(0);
        shut(&gate);
        let mut peer = waiting(&server, json!(["ann", 2]), json!({"resume": granted["session"], "seen": 0})).await;
        server.revoke(of_login(revoked));
        gate.add_permits(1);
        match goes_on {
            "revoked" => assert_eq!(closed(&mut peer).await, (REVOKED.0, REVOKED.1.to_owned())),
            _ => assert_eq!(peer.json().await[2]["resumed"], goes_on == "resumed", "{goes_on}"),
        }
        settle().await;
        assert_eq!(conn.is_open(), goes_on == "resumed", "{goes_on}");
        assert_eq!(server.conn_count(), usize::from(goes_on != "revoked"), "{goes_on}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_revoked_while_its_session_moves_gets_nothing_more() {
    let (server, _gate, _events) = gated();
    let mut peer = waiting(&server, json!(["ann", 1]), json!({})).await;
    let granted = peer.json().await[2].clone();
    let conn = server.user("ann").conns().remove(0);
    drop(peer);
    settle().await;
    let mut peer = attach(&server);
    let wanted = json!({"identity": ["ann", 1], "session": {"resume": granted["session"], "seen": 0}});
    peer.say("~wse:hi", wanted).await;
    // Wherever the return is now, the device ends.
    for _ in 0..10 {
        wse_test_peers::next_in_line().await;
        if !conn.is_parked() {
            break;
        }
    }
    server.revoke(of_login(1));
    settle().await;
    assert!(!conn.is_open() && server.conn_count() == 0);
    loop {
        match peer.next().await {
            Got::Close(Some((code, reason))) => break assert_eq!((code, &*reason), REVOKED),
            Got::End => break,
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_identity_that_was_revoked_meanwhile_ends_its_device() {
    for revoked in [1, 2] {
        let (server, gate, _events) = gated();
        let mut peer = enter(&server, json!(["ann", 1])).await;
        let call = loop {
            match peer.next().await {
                Got::Text(call) => break serde_json::from_str::<Value>(&call).unwrap(),
                Got::Ping(ping) => peer.write(&wse_test_peers::frame(wse_frame::Opcode::Pong, &ping)).await,
                other => panic!("{other:?}"),
            }
        };
        shut(&gate);
        peer.send(&json!(["~wse:response", ["ann", 2], call[2]]).to_string()).await;
        settle().await;
        assert_eq!(server.revoke(of_login(revoked)), usize::from(revoked == 1));
        gate.add_permits(1);
        assert_eq!(closed(&mut peer).await, (REVOKED.0, REVOKED.1.to_owned()), "{revoked}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_panics_for_who_comes_in_has_revoked_it() {
    let (server, gate, _events) = gated();
    shut(&gate);
    let mut peer = waiting(&server, json!(["ann", 1]), json!({})).await;
    server.revoke(|_| panic!("the predicate broke"));
    gate.add_permits(1);
    assert_eq!(closed(&mut peer).await, (REVOKED.0, REVOKED.1.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_device_of_ws_messaging_is_told_in_its_own_form() {
    let server = wse_test_peers::messaging(|builder| builder);
    let mut bob = wse_test_peers::enter_messaging(&server, "bob").await;
    let (_plain, _) = attach_to(&server, "wse-default-json");
    assert_eq!(server.revoke(|conn| conn.cid().as_str() == "bob"), 1);
    assert_eq!(bob.next().await, Got::Close(Some((4003, "wse.revoked".into()))));
    sleep(S).await;
    assert_eq!(server.conn_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_revoked_session_is_worth_nothing() {
    let (server, _gate, _events) = gated();
    let mut peer = waiting(&server, json!(["ann", 1]), json!({})).await;
    let granted = peer.json().await[2].clone();
    server.revoke(|_| true);
    assert_eq!(closed(&mut peer).await, (REVOKED.0, REVOKED.1.to_owned()));
    let plain = wse_test_peers::three_devices().0;
    let (_peer, again) = resume(&plain, "ann", &granted["session"], 0).await;
    assert_eq!(again["resumed"], false, "nor at another server");
}
