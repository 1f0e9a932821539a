//! Asking many devices: those that answer, fail, are silent, leave and are parked, on every wire.

use futures_util::StreamExt;
use serde_json::{Value, json};
use std::time::Duration;
use wse::{
    CallError, Conn, DeviceId, Limits, Rp, RpError, SendError, Server,
    ask::{Answers, AskError},
    codec::Envelope,
};
use wse_test_peers::{RawClient, about, attach_to, messaging, settle, soon, timed};

const S: Duration = Duration::from_secs(1);
const DOUBLE: Rp<u32, u32> = Rp::new("double");

fn server(limits: Limits) -> Server {
    messaging(|builder| builder.limits(Limits { conns_per_user: 8, ..limits }))
}

/// A device that can so much, and its id.
struct Device {
    peer: RawClient,
    id: DeviceId,
    protocol: &'static str,
}

impl Device {
    async fn enter(server: &Server, protocol: &'static str, hi: Value) -> Self {
        let (peer, _) = attach_to(server, protocol);
        let known: Vec<DeviceId> = server.user("ann").conns().iter().map(Conn::id).collect();
        let mut device = Device { peer, id: "0".repeat(26).parse().expect("an id"), protocol };
        let hi = if protocol == "ws-messaging" { json!("ann") } else { json!(["~wse:hi", hi, null]) };
        device.send(hi).await;
        device.next().await;
        settle().await;
        let conns = server.user("ann").conns();
        device.id = conns.iter().map(Conn::id).find(|id| !known.contains(id)).expect("it is there");
        device
    }

    async fn able(server: &Server, protocol: &'static str) -> Self {
        Self::enter(server, protocol, json!({"identity": "ann", "can": ["cancel"]})).await
    }

    async fn send(&mut self, value: Value) {
        match self.protocol {
            "wse-msgpack" => self.peer.pack(value).await,
            _ => self.peer.send(&value.to_string()).await,
        }
    }

    async fn next(&mut self) -> Value {
        match self.protocol {
            "wse-msgpack" => self.peer.unpack().await,
            _ => self.peer.json().await,
        }
    }

    /// The stamp of the call that comes next.
    async fn asked(&mut self) -> Value {
        let call = self.next().await;
        if self.protocol == "ws-messaging" {
            assert_eq!((&call["name"], &call["args"]), (&json!("double"), &json!([21])));
            return call["id"].clone();
        }
        assert_eq!((&call[0], &call[1]), (&json!("double"), &json!(21)));
        call[2].clone()
    }

    async fn answer(&mut self, stamp: &Value, result: u32) {
        let answer = match self.protocol {
            "ws-messaging" => json!({"id": stamp, "result": result}),
            _ => json!(["~wse:response", result, stamp]),
        };
        self.send(answer).await;
    }

    async fn hears_a_cancel_of(&mut self, stamp: &Value) {
        assert_eq!(self.next().await, json!(["~wse:cancel", null, stamp]));
        self.peer.hears_nothing().await;
    }
}

type Asking<T> = tokio::task::JoinHandle<(Duration, T)>;

/// Runs it beside the devices, and tells how long it took.
fn asking<T: Send + 'static>(answers: impl Future<Output = T> + Send + 'static) -> Asking<T> {
    tokio::spawn(timed(answers))
}

fn ask(server: &Server) -> Answers<u32> {
    server.user("ann").ask(DOUBLE, 21)
}

#[tokio::test(start_paused = true)]
async fn all_have_answered_failed_been_silent_or_left_by_the_deadline_and_each_is_told_once() {
    let server = server(Limits::default());
    let mut quick = Device::able(&server, "wse-default-json").await;
    let mut packed = Device::able(&server, "wse-msgpack").await;
    let mut other = Device::able(&server, "ws-messaging").await;
    let mut fails = Device::able(&server, "wse-default-json").await;
    let mut silent = Device::able(&server, "wse-default-json").await;
    let mut leaves = Device::able(&server, "wse-msgpack").await;
    let session = json!({"identity": "ann", "can": ["cancel"], "session": {}});
    let parked = Device::enter(&server, "wse-default-json", session).await;
    drop(parked.peer);
    settle().await;
    let all = asking(ask(&server).within(3 * S).all());
    for (device, result) in [(&mut packed, 42), (&mut other, 43), (&mut quick, 44)] {
        let stamp = device.asked().await;
        device.answer(&stamp, result).await;
        settle().await;
    }
    let stamp = fails.asked().await;
    fails.send(json!(["~wse:response-err", {"code": "no"}, stamp])).await;
    settle().await;
    leaves.asked().await;
    drop(leaves.peer);
    let stamp = silent.asked().await;
    let (time, answers) = all.await.unwrap();
    assert!(about(time, 3 * S), "{time:?}");
    let told = answers.iter().map(|(device, answer)| (*device, answer.as_ref().map_err(CallError::code).copied()));
    let mut told: Vec<_> = told.collect();
    assert_eq!(
        told.drain(..5).collect::<Vec<_>>(),
        [
            (packed.id, Ok(42)),
            (other.id, Ok(43)),
            (quick.id, Ok(44)),
            (fails.id, Err("no")),
            (leaves.id, Err("wse.client.rp.disconnect")),
        ],
        "in the order in which they came"
    );
    told.sort();
    assert_eq!(told, [(silent.id, Err("wse.client.rp.timeout")), (parked.id, Err("wse.client.rp.timeout"))]);
    silent.hears_a_cancel_of(&stamp).await;
    quick.peer.hears_nothing().await;
    other.peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn the_first_that_succeeds_wins_and_the_others_are_cancelled() {
    let server = server(Limits::default());
    let mut fails = Device::able(&server, "wse-default-json").await;
    let mut wins = Device::able(&server, "wse-msgpack").await;
    let mut late = Device::able(&server, "wse-default-json").await;
    let mut old = Device::enter(&server, "wse-default-json", json!({"identity": "ann"})).await;
    let first = asking(ask(&server).first());
    let stamp = fails.asked().await;
    fails.send(json!(["~wse:response-err", {"code": "no"}, stamp])).await;
    let (winning, losing, _) = (wins.asked().await, late.asked().await, old.asked().await);
    settle().await;
    assert!(!first.is_finished(), "an error is no answer");
    wins.answer(&winning, 42).await;
    let (time, first) = first.await.unwrap();
    assert_eq!(first.unwrap(), (wins.id, 42));
    assert!(time < S);
    late.hears_a_cancel_of(&losing).await;
    old.peer.hears_nothing().await;
    wins.peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_and_nothing_but_errors_is_an_error_of_the_first() {
    let server = server(Limits::default());
    let none = server.user("nobody").ask(DOUBLE, 21).first().await.unwrap_err();
    assert!(matches!(none, AskError::Nobody) && none.code() == "wse.client.not-ready", "{none}");
    assert!(server.user("nobody").ask(DOUBLE, 21).all().await.is_empty());
    let _silent = Device::able(&server, "wse-default-json").await;
    let mut fails = Device::able(&server, "wse-default-json").await;
    let first = asking(ask(&server).within(S).first());
    let stamp = fails.asked().await;
    fails.send(json!(["~wse:response-err", {"code": "no"}, stamp])).await;
    let (time, first) = first.await.unwrap();
    assert!(about(time, S), "{time:?}");
    let error = first.unwrap_err();
    assert_eq!((error.to_string(), error.code()), ("none of 2 devices has answered".into(), "wse.client.rp.timeout"));
    let AskError::Unanswered(errors) = error else { panic!("{error}") };
    assert_eq!(errors[0].0, fails.id);
}

#[tokio::test(start_paused = true)]
async fn a_quorum_ends_with_the_last_that_it_needs_or_at_the_deadline_with_what_has_come() {
    let server = server(Limits::default());
    let mut devices = Vec::new();
    for protocol in ["wse-default-json", "wse-msgpack", "wse-default-json"] {
        devices.push(Device::able(&server, protocol).await);
    }
    for (wanted, answers) in [(2, 2), (3, 2), (0, 0), (9, 1)] {
        let quorum = asking(ask(&server).within(2 * S).quorum(wanted));
        if wanted == 0 {
            assert_eq!(quorum.await.unwrap().1, [], "nothing is asked");
            continue;
        }
        let mut stamps = Vec::new();
        for device in &mut devices {
            stamps.push(device.asked().await);
        }
        for (device, stamp) in devices.iter_mut().zip(&stamps).take(answers) {
            device.answer(stamp, 42).await;
            settle().await;
        }
        let (time, succeeded) = quorum.await.unwrap();
        let expected: Vec<_> = devices[..answers].iter().map(|device| (device.id, 42)).collect();
        assert_eq!(succeeded, expected);
        assert!(if wanted == answers { time < S } else { about(time, 2 * S) }, "{time:?}");
        for (device, stamp) in devices.iter_mut().zip(&stamps).skip(answers) {
            device.hears_a_cancel_of(stamp).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn answers_come_as_a_stream_and_dropping_it_cancels_what_is_missing() {
    let server = server(Limits::default());
    let mut one = Device::able(&server, "wse-default-json").await;
    let mut other = Device::able(&server, "wse-default-json").await;
    drop(ask(&server)); // nothing is asked before it is polled
    let mut answers = ask(&server).within(S);
    let (first, stamp) = tokio::join!(StreamExt::next(&mut answers), async {
        let (stamp, missing) = (one.asked().await, other.asked().await);
        one.answer(&stamp, 42).await;
        missing
    });
    let (device, answer) = first.unwrap();
    assert_eq!((device, answer.unwrap()), (one.id, 42));
    drop(answers);
    other.hears_a_cancel_of(&stamp).await;
    one.peer.hears_nothing().await;
    // The default deadline is that of every call.
    let (time, all) = timed(ask(&server).all()).await;
    assert!(about(time, 20 * S) && all.len() == 2, "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_parked_device_can_still_answer_when_it_comes_back_in_time() {
    let server = wse_test_peers::server(|builder| builder);
    let (mut peer, granted) = wse_test_peers::begin(&server, "ann", json!({})).await;
    peer.hears_nothing().await;
    drop(peer);
    settle().await;
    let all = asking(ask(&server).within(9 * S).all());
    tokio::time::sleep(S).await;
    let (mut peer, _) = wse_test_peers::resume(&server, "ann", &granted["session"], 0).await;
    let call = wse_test_peers::resent(&mut peer).await.remove(0);
    peer.send(&json!(["~wse:response", 42, call[2]]).to_string()).await;
    let (_, answers) = all.await.unwrap();
    assert_eq!(*answers[0].1.as_ref().unwrap(), 42);
}

#[tokio::test(start_paused = true)]
async fn those_left_out_of_an_audience_are_not_asked() {
    let server = server(Limits::default());
    let mut one = Device::able(&server, "wse-default-json").await;
    let mut other = Device::able(&server, "wse-default-json").await;
    let mut bob = wse_test_peers::enter_messaging(&server, "bob").await;
    let all = asking(server.everyone().except(one.id).except_user("bob").ask(DOUBLE, 21).all());
    let stamp = other.asked().await;
    other.answer(&stamp, 42).await;
    assert_eq!(all.await.unwrap().1.len(), 1);
    one.peer.hears_nothing().await;
    bob.hears_nothing().await;
    one.peer.close(1000, "").await;
}

#[tokio::test(start_paused = true)]
async fn a_device_that_cannot_be_asked_fails_at_once_and_the_others_are_asked() {
    // On `ws-messaging` the name means something else; only there nothing can be sent.
    let server = server(Limits::default());
    let other = Device::able(&server, "ws-messaging").await;
    let mut one = Device::able(&server, "wse-default-json").await;
    let all = asking(server.user("ann").ask::<_, u32>("close", 21).within(S).all());
    let call = one.next().await;
    one.answer(&call[2], 42).await;
    let (time, answers) = all.await.unwrap();
    assert!(time < S);
    assert_eq!(answers[0].0, other.id);
    assert!(matches!(answers[0].1, Err(CallError::Send(SendError::Encode(_)))), "{answers:?}");
    assert_eq!((answers[1].0, *answers[1].1.as_ref().unwrap()), (one.id, 42));

    /// It never encodes.
    struct Broken;
    impl serde::Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("broken on purpose"))
        }
    }
    let answers = soon(server.user("ann").ask::<_, u32>("rp", Broken).all()).await;
    assert_eq!(answers.len(), 2);
    for (_, answer) in answers {
        assert!(answer.unwrap_err().to_string().contains("broken on purpose"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_hook_sees_every_call_and_may_stop_some() {
    let server = messaging(|builder| {
        builder.limits(Limits { conns_per_user: 8, ..Limits::default() }).on_send(
            |conn: &Conn, envelope: &Envelope<'_>| {
                let spared = conn.protocol() == "wse-msgpack" && envelope.is_call();
                if spared { Err(RpError::new("spared")) } else { Ok(()) }
            },
        )
    });
    let spared = Device::able(&server, "wse-msgpack").await;
    let mut one = Device::able(&server, "wse-default-json").await;
    let all = asking(ask(&server).all());
    let stamp = one.asked().await;
    one.answer(&stamp, 42).await;
    let (_, answers) = all.await.unwrap();
    assert_eq!((answers[0].0, answers[0].1.as_ref().unwrap_err().code()), (spared.id, "spared"));
}
