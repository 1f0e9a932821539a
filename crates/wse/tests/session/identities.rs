//! What identify knows of the session that a token would resume, and what its verdict does to it.

use serde_json::{Value, json};
use std::time::Duration;
use wse::{Conn, Limits, Server, Stranger, Verdict};
use wse_test_peers::{
    Events, Log, RawClient, attach, attach_to, begin, end, events, log, resent, resume, settle, three_devices,
};

const S: Duration = Duration::from_secs(1);

#[derive(Debug, PartialEq)]
struct Login(u32);

/// Identities are `name-number` or a word that says what becomes of the stranger. Writes down whom it sees.
async fn judge(log: Log, stranger: Stranger, identity: String) -> Result<Verdict, wse::RpError> {
    let resumes = stranger.resumes();
    let before = resumes.as_ref().and_then(|conn| conn.state::<Login>()).map_or(0, |login| login.0);
    let of = resumes.as_ref().map_or("nobody".to_owned(), |conn| format!("{} {before}", conn.cid()));
    log.add(format!("{identity} resumes {of}"));
    match &*identity {
        "refuse" => Ok(stranger.refuse()),
        "fail" => Err(wse::RpError::new("the database is away")),
        _ => {
            let (name, number) = identity.split_once('-').expect("a name and a number");
            Ok(stranger.accept(name).state(Login(number.parse().expect("a number"))))
        }
    }
}

fn judged() -> (Server, Log, Events) {
    let (log, (when, events)) = (log(), events());
    let hook = log.clone();
    let server = Server::builder()
        .identify(async move |stranger, identity: String| judge(hook, stranger, identity).await)
        .limits(Limits { conns_per_user: 3, ..Limits::default() })
        .when(when)
        .build();
    (server, log, events)
}

fn ann(server: &Server) -> Conn {
    server.user("ann").conns().remove(0)
}

#[tokio::test(start_paused = true)]
async fn what_is_accepted_over_a_resumed_session_replaces_identity_meta_and_state() {
    let (server, log, mut events) = judged();
    let (peer, granted) = begin(&server, "ann-1", json!({})).await;
    let conn = ann(&server);
    assert_eq!(server.user("ann").meta::<Value>().unwrap(), json!({}));
    let before = conn.state::<Login>().unwrap();
    drop(peer);
    settle().await;
    assert!(conn.is_parked());

    let mut peer = attach(&server);
    let hi = json!({"identity": "ann-2", "meta": {"v": 2}, "session": {"resume": granted["session"], "seen": 0}});
    peer.say("~wse:hi", hi).await;
    let welcome = peer.json().await;
    assert_eq!((&welcome[2]["resumed"], &welcome[2]["cid"]), (&json!(true), &json!("ann")));
    resent(&mut peer).await;
    assert_eq!(log.take(), ["ann-1 resumes nobody", "ann-2 resumes ann 1"]);
    assert_eq!(ann(&server), conn, "the same device");
    assert_eq!((conn.state::<Login>().as_deref(), &*before), (Some(&Login(2)), &Login(1)));
    assert_eq!(conn.identity::<String>().unwrap(), "ann-2");
    assert_eq!(conn.meta::<Value>().unwrap(), json!({"v": 2}));
    assert_eq!(server.user("ann").meta::<Value>().unwrap(), json!({"v": 2}), "it is the user's first device");
    assert!(!conn.is_parked());
    assert_eq!(events.take(4).await[2..], ["parked ann 1", "resumed ann 1"]);
    // The second device is not the user's first.
    let (second, granted) = begin(&server, "ann-3", json!({})).await;
    drop(second);
    settle().await;
    let mut second = attach(&server);
    let hi = json!({"identity": "ann-4", "meta": {"v": 4}, "session": {"resume": granted["session"], "seen": 0}});
    second.say("~wse:hi", hi).await;
    assert_eq!(second.json().await[2]["resumed"], true);
    assert_eq!(server.user("ann").meta::<Value>().unwrap(), json!({"v": 2}));
}

#[tokio::test(start_paused = true)]
async fn asking_whose_session_it_is_uses_nothing_up() {
    let (server, log, _events) = judged();
    let (peer, granted) = begin(&server, "ann-1", json!({})).await;
    drop(peer);
    settle().await;
    for judged in ["refuse", "fail"] {
        let mut peer = attach(&server);
        let wanted = json!({"identity": judged, "session": {"resume": granted["session"], "seen": 0}});
        peer.say("~wse:hi", wanted).await;
        peer.closed().await;
        assert_eq!(ann(&server).state::<Login>().as_deref(), Some(&Login(1)), "nothing has changed");
    }
    let (_peer, again) = resume(&server, "ann-2", &granted["session"], 0).await;
    assert_eq!(again["resumed"], true);
    let seen = log.take();
    assert_eq!(seen[1..], ["refuse resumes ann 1", "fail resumes ann 1", "ann-2 resumes ann 1"]);
}

#[tokio::test(start_paused = true)]
async fn another_cid_begins_anew_and_the_session_waits_for_its_own_client() {
    let (server, _log, _events) = judged();
    let (peer, granted) = begin(&server, "ann-1", json!({})).await;
    drop(peer);
    settle().await;
    let (_bob, of_bob) = resume(&server, "bob-1", &granted["session"], 0).await;
    assert_eq!((&of_bob["resumed"], &of_bob["cid"]), (&json!(false), &json!("bob")));
    assert!(ann(&server).is_parked());
    assert_eq!(ann(&server).identity::<String>().unwrap(), "ann-1");
    let (_peer, of_ann) = resume(&server, "ann-2", &granted["session"], 0).await;
    assert_eq!(of_ann["resumed"], true);
}

#[tokio::test(start_paused = true)]
async fn only_a_token_that_would_resume_tells_whose_session_it_is() {
    let (server, log, _events) = judged();
    let (peer, granted) = begin(&server, "ann-1", json!({})).await;
    drop(peer);
    settle().await;
    let token = granted["session"].as_str().unwrap().to_owned();
    assert_eq!(token.len(), 44);
    let (node, rest) = token.split_at(11);
    let (device, random) = rest.split_at(11);
    let other = |text: &str| -> String {
        let first = if text.starts_with('B') { "A" } else { "B" };
        format!("{first}{}", &text[1..])
    };
    log.take();
    let guesses = [
        format!("{}{device}{random}", other(node)),
        format!("{node}{}{random}", other(device)),
        format!("{node}{device}{}", other(random)),
        format!("{node}{device}{}", "A".repeat(22)),
        random.to_owned(),
        "A".repeat(44),
    ];
    for guess in guesses {
        let (_peer, granted) = resume(&server, "bob-9", &json!(guess), 0).await;
        assert_eq!(granted["resumed"], false);
        assert_eq!(log.take(), ["bob-9 resumes nobody"], "{guess}");
    }
    // More than was ever sent is not seen, so the session is none for that client.
    let (_peer, ahead) = resume(&server, "bob-9", &granted["session"], 1).await;
    assert_eq!((&ahead["resumed"], log.take()), (&json!(false), vec!["bob-9 resumes nobody".to_owned()]));
    tokio::time::sleep(61 * S).await;
    let (_peer, _) = resume(&server, "ann-2", &granted["session"], 0).await;
    assert_eq!(log.take(), ["ann-2 resumes nobody"], "its window is over");
}

#[tokio::test(start_paused = true)]
async fn a_session_is_that_of_one_wire() {
    let log = log();
    let hook = log.clone();
    let server = Server::builder()
        .identify(async move |stranger, identity: String| judge(hook, stranger, identity).await)
        .protocols([wse::Protocol::Wse, wse::Protocol::WseMsgpack])
        .build();
    let (peer, granted) = begin(&server, "ann-1", json!({})).await;
    drop(peer);
    settle().await;
    log.take();
    let (mut packed, ended) = attach_to(&server, "wse-msgpack");
    let hi = json!({"identity": "ann-2", "session": {"resume": granted["session"], "seen": 0}});
    let (codec, mut frame) = (wse_proto::Codec::MessagePack, Vec::new());
    let hi = wse_proto::Payload::encode(codec.format(), &hi).unwrap();
    codec.write_encoded(&mut frame, "~wse:hi", &hi, None).unwrap();
    packed.frame(wse_frame::Opcode::Binary, &frame).await;
    packed.next().await;
    assert_eq!(log.take(), ["ann-2 resumes nobody"]);
    drop(packed);
    end(ended).await;
}

#[tokio::test(start_paused = true)]
async fn a_device_is_parked_from_the_loss_to_the_return_or_the_end() {
    let (server, _events) = three_devices();
    let (mut peer, granted): (RawClient, _) = begin(&server, "ann", json!({})).await;
    let conn = ann(&server);
    assert!(!conn.is_parked());
    peer.say("echo", json!(1)).await;
    peer.json().await;
    drop(peer);
    settle().await;
    assert!(conn.is_parked() && conn.is_open());
    let (mut peer, _) = resume(&server, "ann", &granted["session"], 1).await;
    resent(&mut peer).await;
    assert!(!conn.is_parked());
    drop(peer);
    settle().await;
    assert!(conn.is_parked());
    conn.drop("");
    assert!(!conn.is_parked() && !conn.is_open());
    let _plain = wse_test_peers::enter(&server, "bob").await;
    assert!(!server.user("bob").conns()[0].is_parked());
}
