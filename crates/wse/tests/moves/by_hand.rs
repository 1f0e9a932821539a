//! A session that moves, frame by frame, against a raw peer.

use crate::cluster::{S, one, two};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::sleep;
use wse::{CallError, DeviceId, Limits, Server};
use wse_test::Bus;
use wse_test_peers::{Got, attach, begin, resent, resume, settle};

#[tokio::test(start_paused = true)]
async fn a_session_goes_on_at_another_server_with_all_that_was_not_seen() {
    let bus = Bus::new();
    let [(a, mut events_of_a), (b, mut events_of_b)] = two(&bus).await;
    let (mut peer, granted) = begin(&a, "ann", json!({})).await;
    for n in 1..=3 {
        peer.say("echo", json!(n)).await;
        assert_eq!(peer.json().await[1], json!(n));
    }
    let id = id_of(&a);
    drop(peer);
    settle().await;
    a.user("ann").send("while-away", 4).unwrap();

    let (mut peer, granted) = resume(&b, "ann", &granted["session"], 2).await;
    assert_eq!((&granted["resumed"], &granted["seen"]), (&json!(true), &json!(3)));
    assert_eq!(resent(&mut peer).await, [json!(["echo", 3, null]), json!(["while-away", 4, null])]);
    peer.say("echo", json!(5)).await;
    assert_eq!(peer.json().await, json!(["echo", 5, null]));
    let conn = b.device(id).conn().expect("it is there");
    assert_eq!((conn.id(), conn.conn_id(), b.user("ann").conns().len()), (id, id.number(), 1));
    settle().await;
    assert!(a.device(id).conn().is_none() && a.user("ann").conns().is_empty() && conn.is_open());

    // One device, told as come and gone once; it is a pair at each server.
    sleep(10 * S).await;
    peer.close(1000, "").await;
    sleep(10 * S).await;
    let mut all = [events_of_a.so_far(), events_of_b.so_far()].concat();
    let of_users: Vec<String> =
        all.extract_if(.., |line| line.starts_with("joined") || line.starts_with("left")).collect();
    assert_eq!(of_users, ["joined ann", "left ann 1000"]);
    let expected = [
        "connected ann 1",
        "parked ann 1",
        "moved out ann 1",
        "moved in ann 1",
        "resumed ann 1",
        "disconnected ann 1 1000",
    ];
    assert_eq!(all, expected);
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_let_go_and_the_session_moves_on_and_back() {
    let bus = Bus::new();
    let [(a, _ea), (b, _eb)] = two(&bus).await;
    let (_half_open, granted) = begin(&a, "ann", json!({})).await;
    let id = id_of(&a);
    let mut token = granted["session"].clone();
    let mut peers = Vec::new();
    for (round, server) in [&b, &a, &b, &b, &a].into_iter().enumerate() {
        sleep(2 * S).await;
        let (mut peer, granted) = resume(server, "ann", &token, round as u64).await;
        assert_eq!(granted["resumed"], json!(true), "{round}");
        assert_eq!(resent(&mut peer).await, Vec::<Value>::new(), "{round}");
        peer.say("echo", json!(round)).await;
        assert_eq!(peer.json().await, json!(["echo", round, null]));
        token = granted["session"].clone();
        assert_eq!(id_of(server), id);
        peers.push(peer); // the server does not hear that it is gone
    }
    assert_eq!((a.user("ann").conns().len(), b.user("ann").conns().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn handlers_that_run_finish_where_they_began_and_reach_the_device_where_it_is() {
    let bus = Bus::new();
    let [(a, _ea), (b, _eb)] = two(&bus).await;
    let (mut peer, granted) = begin(&a, "ann", json!({})).await;
    peer.ask("slow", json!(3), "mine").await;
    peer.say("later", json!(4)).await;
    peer.say("ask-back", json!(5)).await;
    settle().await;
    drop(peer);
    let (mut peer, granted) = resume(&b, "ann", &granted["session"], 0).await;
    assert_eq!((&granted["resumed"], &granted["seen"]), (&json!(true), &json!(3)));
    assert_eq!(resent(&mut peer).await, Vec::<Value>::new());
    assert_eq!(peer.json().await, json!(["~wse:response", 3, "mine"]));
    assert_eq!(peer.json().await, json!(["later", 4, null]));
    let call = peer.json().await;
    assert_eq!((&call[0], &call[1]), (&json!("double"), &json!(5)));
    peer.send(&json!(["~wse:response", 10, call[2]]).to_string()).await;
    assert_eq!(peer.json().await, json!(["answered", 10, null]));
    // What was carried is counted as all else: it is not sent again.
    drop(peer);
    let (mut peer, granted) = resume(&b, "ann", &granted["session"], 4).await;
    assert_eq!(granted["resumed"], json!(true));
    assert_eq!(resent(&mut peer).await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn what_the_application_has_of_a_device_reaches_it_elsewhere() {
    let bus = Bus::new();
    let [(a, _ea), (b, _eb)] = two(&bus).await;
    let (peer, granted) = begin(&a, "ann", json!({})).await;
    let conn = a.user("ann").conns().remove(0);
    let calling = tokio::spawn({
        let conn = conn.clone();
        async move { conn.call::<_, u32>("double", 4).await }
    });
    settle().await;
    let receipt = conn.send("first", 1).unwrap();
    let arrived = tokio::spawn(receipt.delivered());
    settle().await;
    drop(peer);
    settle().await;
    conn.send("second", 2).unwrap();
    let (mut peer, _) = resume(&b, "ann", &granted["session"], 0).await;
    let resent = resent(&mut peer).await;
    assert_eq!((resent.len(), &resent[1], &resent[2]), (3, &json!(["first", 1, null]), &json!(["second", 2, null])));
    settle().await;
    assert!(conn.is_open() && !conn.is_parked());
    for n in 3..6 {
        conn.send("after", n).unwrap();
        assert_eq!(peer.json().await, json!(["after", n, null]));
    }
    peer.send(&json!(["~wse:response", 8, resent[0][2]]).to_string()).await;
    assert_eq!(calling.await.unwrap().unwrap(), 8);
    peer.say("~wse:ack", json!(3)).await;
    arrived.await.unwrap().expect("it has arrived");
    let calling = tokio::spawn({
        let conn = conn.clone();
        async move { conn.call_within::<_, u32>(9 * S, "double", 7).await }
    });
    let call = peer.json().await;
    peer.send(&json!(["~wse:response", 14, call[2]]).to_string()).await;
    assert_eq!(calling.await.unwrap().unwrap(), 14);
    conn.drop("enough");
    let closed = loop {
        if let Got::Close(closed) = peer.next().await {
            break closed;
        }
    };
    assert_eq!(closed, Some((1000, "enough".to_owned())));
    settle().await;
    assert!(b.user("ann").conns().is_empty() && conn.send("late", 0).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_call_to_a_device_that_has_moved_ends_with_its_session() {
    let bus = Bus::new();
    let [(a, _ea), (b, _eb)] = two(&bus).await;
    let (peer, granted) = begin(&a, "ann", json!({})).await;
    let conn = a.user("ann").conns().remove(0);
    drop(peer);
    let (mut peer, _) = resume(&b, "ann", &granted["session"], 0).await;
    settle().await;
    let calling = tokio::spawn({
        let conn = conn.clone();
        async move { conn.call::<_, u32>("double", 4).await }
    });
    settle().await;
    peer.say("~wse:ack", json!(1)).await;
    peer.close(1000, "bye").await;
    let ended = calling.await.unwrap();
    let Err(CallError::Disconnected { closed }) = ended else { panic!("{ended:?}") };
    assert_eq!(closed.to_string(), "1000 bye");
    assert!(!conn.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_is_heard_where_the_procedure_runs() {
    let bus = Bus::new();
    let [(a, _ea), (b, _eb)] = two(&bus).await;
    let (stopped, mut stops) = tokio::sync::mpsc::unbounded_channel();
    a.register("endless", async move |conn: wse::Conn, (): ()| {
        conn.caller_gone().await;
        let _ = stopped.send(());
        Ok(())
    })
    .unwrap();
    let can = json!({"identity": "ann", "session": {}, "can": ["skip", "cancel", "time", "renew"]});
    let mut peer = attach(&a);
    peer.say("~wse:hi", can.clone()).await;
    let token = peer.json().await[2]["session"].clone();
    peer.ask("endless", json!(null), "ABCDEFGHIJKLMNOP").await;
    settle().await;
    drop(peer);
    let mut peer = attach(&b);
    peer.say("~wse:hi", json!({"identity": "ann", "session": {"resume": token, "seen": 0}, "can": can["can"]})).await;
    assert_eq!(peer.json().await[2]["resumed"], json!(true));
    settle().await;
    assert!(stops.try_recv().is_err());
    peer.send(r#"["~wse:cancel",null,"ABCDEFGHIJKLMNOP"]"#).await;
    settle().await;
    stops.try_recv().expect("it has heard of it");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_comes_to_two_servers_at_once_is_good_at_one() {
    let bus = Bus::new();
    let servers = ["a", "b", "c"].map(|name| one(&bus, name, Limits::default()));
    crate::cluster::meet(servers.iter().map(|(server, _)| server)).await;
    let [(a, _), (b, _), (c, _)] = &servers;
    let (peer, granted) = begin(a, "ann", json!({})).await;
    drop(peer);
    settle().await;
    let at = async |server: &Server| {
        let mut peer = attach(server);
        peer.say("~wse:hi", json!({"identity": "ann", "session": {"resume": granted["session"], "seen": 0}})).await;
        let got = peer.next().await;
        (got, peer)
    };
    let ((at_b, _b), (at_c, _c), (at_a, _a)) = tokio::join!(at(b), at(c), at(a));
    let all = [at_a, at_b, at_c];
    let resumed = all.iter().filter(|got| matches!(got, Got::Text(text) if text.contains(r#""resumed":true"#)));
    let broken = all.iter().filter(|got| matches!(got, Got::End));
    assert_eq!((resumed.count(), broken.count()), (1, 2), "{all:?}");
    settle().await;
    assert_eq!(a.user("ann").conns().len() + b.user("ann").conns().len() + c.user("ann").conns().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_resumed_there_begins_anew_at_once() {
    let bus = Bus::new();
    let [(a, _ea), (b, _eb)] = two(&bus).await;
    let (peer, granted) = begin(&a, "ann", json!({})).await;
    drop(peer);
    settle().await;
    let token = granted["session"].as_str().unwrap();
    let wrong = format!("{}{}", &token[..43], if token.ends_with('A') { "B" } else { "A" });
    let begun = tokio::time::Instant::now();
    for (name, token, seen) in [("ann", &*wrong, 0), ("ann", token, 9), ("bob", token, 0)] {
        let (_peer, granted) = resume(&b, name, &json!(token), seen).await;
        assert_eq!(granted["resumed"], json!(false), "{name} {seen}");
    }
    assert!(begun.elapsed() < Duration::from_millis(200), "{:?}", begun.elapsed());
    let (_peer, granted) = resume(&b, "ann", &json!(token), 0).await;
    assert_eq!(granted["resumed"], json!(true), "none of that has used it up");
    let nobodys = "A".repeat(44);
    let (_peer, granted) = resume(&b, "eve", &json!(nobodys), 0).await;
    assert_eq!(granted["resumed"], json!(false));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_did_not_arrive_stays_and_is_resumed_where_it_is() {
    let bus = Bus::new();
    let [(a, _ea), (b, _eb)] = two(&bus).await;
    let (mut peer, granted) = begin(&a, "ann", json!({})).await;
    peer.say("later", json!(20)).await;
    settle().await;
    drop(peer);
    settle().await;
    let conn = a.user("ann").conns().remove(0);
    // The session goes out, and the other node is gone before it has it.
    bus.faults().latency(Duration::from_millis(50));
    let mut other = attach(&b);
    other.say("~wse:hi", json!({"identity": "ann", "session": {"resume": granted["session"], "seen": 0}})).await;
    sleep(Duration::from_millis(75)).await;
    bus.faults().node("b").kill();
    conn.send("meanwhile", 1).unwrap();
    sleep(15 * S).await;
    assert!(conn.is_open() && conn.is_parked());
    let (mut peer, granted) = resume(&a, "ann", &granted["session"], 0).await;
    assert_eq!((&granted["resumed"], &granted["seen"]), (&json!(true), &json!(1)));
    assert_eq!(resent(&mut peer).await, [json!(["meanwhile", 1, null])]);
    assert_eq!(peer.json().await, json!(["later", 20, null]), "its handlers went on");
}

#[tokio::test(start_paused = true)]
async fn while_the_owner_is_not_reached_the_client_comes_again_and_a_deaf_server_lets_it_begin_anew() {
    let bus = Bus::new();
    let [(a, _ea), (b, _eb)] = two(&bus).await;
    let (peer, granted) = begin(&a, "ann", json!({})).await;
    drop(peer);
    settle().await;
    bus.faults().node("a").pause();
    let begun = tokio::time::Instant::now();
    let mut peer = attach(&b);
    peer.say("~wse:hi", json!({"identity": "ann", "session": {"resume": granted["session"], "seen": 0}})).await;
    assert_eq!(peer.next().await, Got::End, "it comes again");
    assert!((S..3 * S).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    bus.faults().node("a").heal();
    sleep(S).await;
    let (_peer, granted) = resume(&b, "ann", &granted["session"], 0).await;
    assert_eq!(granted["resumed"], json!(true));

    bus.down();
    sleep(S).await;
    let begun = tokio::time::Instant::now();
    let (_peer, granted) = resume(&a, "ann", &granted["session"], 0).await;
    assert_eq!((&granted["resumed"], begun.elapsed() < S), (&json!(false), true));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_server_is_gone_is_answered_with_an_error() {
    let bus = Bus::new();
    let [(a, _ea), (b, _eb)] = two(&bus).await;
    let (mut peer, granted) = begin(&a, "ann", json!({})).await;
    peer.ask("slow", json!(300), "mine").await;
    settle().await;
    drop(peer);
    let (mut peer, _) = resume(&b, "ann", &granted["session"], 0).await;
    assert_eq!(resent(&mut peer).await, Vec::<Value>::new());
    settle().await;
    bus.faults().node("a").kill();
    let answer = loop {
        let next = peer.next().await;
        match next {
            Got::Text(text) if text.starts_with(r#"["~wse:ack"#) => {}
            Got::Text(text) => break serde_json::from_str::<Value>(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        (&answer[0], &answer[1]["code"], &answer[2]),
        (&json!("~wse:response-err"), &json!("wse.server.rp.failed"), &json!("mine"))
    );
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_handler_is_handled_once_at_the_server_to_which_it_moves() {
    let bus = Bus::new();
    let limits = Limits { handlers_per_conn: 1, ..Limits::default() };
    let servers = ["a", "b"].map(|name| one(&bus, name, limits.clone()));
    crate::cluster::meet(servers.iter().map(|(server, _)| server)).await;
    let [(a, _), (b, _)] = &servers;
    let (mut peer, granted) = begin(a, "ann", json!({})).await;
    peer.say("later", json!(9)).await;
    for n in 0..5 {
        peer.say("echo", json!(n)).await;
    }
    peer.ask("slow", json!(1), "mine").await;
    settle().await;
    drop(peer);
    let (mut peer, granted) = resume(b, "ann", &granted["session"], 0).await;
    assert_eq!(granted["seen"], json!(7));
    let mut heard = resent(&mut peer).await;
    while heard.len() < 7 {
        match peer.next().await {
            Got::Text(text) if text.starts_with(r#"["~wse:ack"#) => {}
            Got::Text(text) => heard.push(serde_json::from_str(&text).unwrap()),
            _ => {}
        }
    }
    let mut expected: Vec<Value> = (0..5).map(|n| json!(["echo", n, null])).collect();
    expected.extend([json!(["~wse:response", 1, "mine"]), json!(["later", 9, null])]);
    assert_eq!(heard, expected);
}

#[tokio::test(start_paused = true)]
async fn rooms_move_with_the_session_and_are_left_with_it() {
    let bus = Bus::new();
    let [(a, _ea), (b, _eb)] = two(&bus).await;
    let (peer, granted) = begin(&a, "ann", json!({})).await;
    a.user("ann").conns()[0].join("tea").unwrap();
    drop(peer);
    let (mut peer, _) = resume(&b, "ann", &granted["session"], 0).await;
    settle().await;
    assert_eq!((a.room("tea").members().len(), b.room("tea").members().len()), (0, 1));
    b.room("tea").send("hello", 1).unwrap();
    assert_eq!(resent(&mut peer).await, Vec::<Value>::new());
    assert_eq!(peer.json().await, json!(["hello", 1, null]));
}

fn id_of(server: &Server) -> DeviceId {
    server.user("ann").conns()[0].id()
}
