//! How connections of `ws-messaging` devices end, in the codes that their clients stay away after,
//! what the application is told, and what a device can do to others: nothing.

use serde_json::{Value, json};
use std::time::Duration;
use wse::{Conn, Limits, Reason, Server, ServerBuilder};
use wse_frame::Opcode;
use wse_test_peers::{
    Got, RawClient, attach_to, attach_with, end, enter_messaging, events, frame, messaging, offering, settle, text,
};

/// A server where a user may have two devices.
fn server(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Server {
    messaging(|builder| configure(builder.limits(Limits { conns_per_user: 2, ..Limits::default() })))
}

fn conn(server: &Server, name: &str) -> Conn {
    server.user(name).conns().remove(0)
}

#[tokio::test(start_paused = true)]
async fn whatever_drops_a_device_is_4003_with_the_reason_and_told_so() {
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when));
    type How = fn(&Server);
    let ways: [(How, &str); 6] = [
        (|server| conn(server, "ann").drop(Reason::default()), " wse.by-server"),
        (|server| conn(server, "ann").drop("banned"), " banned"),
        (|server| conn(server, "ann").drop(""), ""),
        (|server| _ = server.user("ann").drop(Reason::default()), " wse.by-server"),
        (|server| _ = server.drop_user("ann", Reason::default()), ""),
        (|server| _ = server.drop_user("ann", "BECAUSE"), " BECAUSE"),
    ];
    for (number, (drop, reason)) in ways.into_iter().enumerate() {
        let (mut peer, ended) = attach_to(&server, "ws-messaging");
        peer.auth(json!("ann")).await;
        events.take(2).await;
        conn(&server, "ann").send("last", "word").unwrap();
        drop(&server);
        assert_eq!(server.conn_count(), 0, "at once");
        let id = number + 1;
        let told = [format!("disconnected ann {id} 4003{reason}"), format!("left ann 4003{reason}")];
        assert_eq!(events.take(2).await, told);
        assert_eq!(peer.text().await, r#"{"name":"last","args":["word"]}"#);
        assert_eq!(peer.closed().await, (4003, reason.trim().into()));
        assert_eq!(end(ended).await, format!("4003{reason}"));
    }
}

#[tokio::test(start_paused = true)]
async fn devices_of_one_user_on_two_wires_are_dropped_each_in_its_code() {
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when));
    let mut one = enter_messaging(&server, "ann").await;
    let (mut two, _) = attach_to(&server, "wse-default-json");
    two.enter("ann").await;
    events.take(3).await;
    assert_eq!(server.user("ann").drop("enough"), 2);
    assert_eq!(one.closed().await, (4003, "enough".into()));
    assert_eq!(two.closed().await, (1000, "enough".into()));
    let told = ["disconnected ann 1 4003 enough", "disconnected ann 2 1000 enough", "left ann 1000 enough"];
    assert_eq!(events.take(3).await, told);
}

#[tokio::test(start_paused = true)]
async fn a_newer_device_pushes_out_the_oldest_whatever_both_speak() {
    let (when, mut events) = events();
    let server = messaging(|builder| builder.when(when));
    let mut messaging = enter_messaging(&server, "ann").await;
    let (mut wse, _) = attach_to(&server, "wse-default-json");
    wse.enter("ann").await;
    assert_eq!(messaging.closed().await, (4003, "wse.clients-concurrency".into()));
    let mut messaging = enter_messaging(&server, "ann").await;
    assert_eq!(wse.closed().await, (1000, "wse.clients-concurrency".into()));
    settle().await;
    let told: Vec<String> = events.so_far().into_iter().filter(|event| event.starts_with("disconnected")).collect();
    assert_eq!(
        told,
        ["disconnected ann 1 4003 wse.clients-concurrency", "disconnected ann 2 1000 wse.clients-concurrency"]
    );
    messaging.hears_nothing().await;
    assert_eq!(server.conn_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_1012_on_every_wire_and_for_strangers_too() {
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when));
    let mut messaging = enter_messaging(&server, "ann").await;
    let (mut wse, _) = attach_to(&server, "wse-default-json");
    wse.enter("bob").await;
    let (mut stranger, _) = attach_to(&server, "ws-messaging");
    events.take(4).await;
    let down = tokio::spawn({
        let server = server.clone();
        async move { server.shutdown(Duration::from_secs(1)).await }
    });
    for (peer, after) in [(&mut messaging, 1000), (&mut wse, 1001), (&mut stranger, 1002)] {
        assert_eq!(peer.closed().await, (1012, format!("wse.restart after={after}")));
    }
    down.await.unwrap();
    let told = events.take(4).await;
    assert!(told.contains(&"disconnected ann 1 1012 wse.restart after=1000".into()), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_does_not_read_is_closed_as_slow_with_1013_and_nobody_else_notices() {
    let (when, mut events) = events();
    let limits = Limits { queue_bytes: 10_000, queue_bytes_max: 10_000, ..Limits::default() };
    let server = messaging(|builder| builder.when(when).limits(limits));
    let (mut slow, ended) = attach_with(&server, 1000, offering("ws-messaging"));
    slow.auth(json!("ann")).await;
    let mut other = enter_messaging(&server, "bob").await;
    events.take(4).await;
    let mut sent = 0;
    while server.conn_count() == 2 {
        server.broadcast("news", "x".repeat(1000)).unwrap();
        assert!(other.text().await.starts_with(r#"{"name":"news""#));
        sent += 1;
        assert!(sent < 20);
    }
    assert_eq!(events.take(2).await, ["disconnected ann 1 1013 wse.slow", "left ann 1013 wse.slow"]);
    assert_eq!(end(ended).await, "1013 wse.slow");
    other.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn the_goodbye_of_a_device_is_answered_by_the_same_and_told_as_it_is() {
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when));
    for (id, (code, reason)) in
        [(1000, ""), (1000, "done"), (4008, "Auth timeout"), (3000, "x")].into_iter().enumerate()
    {
        let (mut peer, ended) = attach_to(&server, "ws-messaging");
        peer.auth(json!("ann")).await;
        events.take(2).await;
        peer.close(code, reason).await;
        assert_eq!(peer.next().await, Got::Close(Some((code, reason.into()))));
        assert_eq!(peer.next().await, Got::End);
        let text = format!("{code} {reason}");
        assert_eq!(end(ended).await, text.trim());
        let told = [format!("disconnected ann {} {}", id + 1, text.trim()), format!("left ann {}", text.trim())];
        assert_eq!(events.take(2).await, told);
    }
}

#[tokio::test(start_paused = true)]
async fn frames_that_are_none_end_it_with_the_codes_of_websocket() {
    let limits = Limits { message_bytes: 1000, ..Limits::default() };
    let server = messaging(|builder| builder.limits(limits));
    for (bytes, code) in [
        (vec![0x83, 0x80, 0, 0, 0, 0], 1002),
        (frame(Opcode::Text, b"\xff\xff"), 1007),
        (text(&"x".repeat(1001)), 1009),
        (vec![0x81, 0x01, b'x'], 1002),
    ] {
        let (mut peer, ended) = attach_to(&server, "ws-messaging");
        peer.auth(json!("ann")).await;
        peer.write(&bytes).await;
        assert_eq!(peer.closed().await.0, code);
        assert!(end(ended).await.starts_with(&code.to_string()));
    }
}

/// Everything that does not validate, and the text that answers it; a text of its own for no JSON.
const INVALID: [&str; 20] = [
    "{}",
    "[]",
    "null",
    "1",
    r#""str""#,
    r#"["m",1,null]"#,
    r#"["~wse:hi",{"identity":"x"},null]"#,
    r#"{"name":"n"}"#,
    r#"{"args":[]}"#,
    r#"{"name":1,"args":[]}"#,
    r#"{"name":"","args":[]}"#,
    r#"{"name":"~wse:hi","args":[]}"#,
    r#"{"name":"~wse:response","args":[],"id":1}"#,
    r#"{"name":"n","args":{}}"#,
    r#"{"name":"n","args":[],"id":0}"#,
    r#"{"name":"n","args":[],"id":"1"}"#,
    r#"{"name":"n","args":[],"id":1.5}"#,
    r#"{"name":"n","args":[],"id":1,"x":1}"#,
    r#"{"id":1,"result":1,"error":1}"#,
    r#"{"id":-1,"result":1}"#,
];

#[tokio::test(start_paused = true)]
async fn what_does_not_validate_is_answered_and_the_connection_stays() {
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when).register("add", async |_, (a, b): (i64, i64)| Ok(a + b)));
    let mut peer = enter_messaging(&server, "ann").await;
    events.take(2).await;
    for frame in INVALID {
        peer.send(frame).await;
        let answer = peer.text().await;
        assert_eq!(answer, r#"{"name":"preprocessingError","args":["Error: Validation error"]}"#, "{frame}");
    }
    for frame in ["password123", "{", "", &("[".repeat(200) + &"]".repeat(200))] {
        peer.send(frame).await;
        let answer = peer.text().await;
        assert!(answer.starts_with(r#"{"name":"preprocessingError","args":["SyntaxError: "#), "{answer}");
        assert!(!answer.contains("password"));
    }
    peer.write(&frame(Opcode::Binary, &wse_test_peers::pack(&json!({"name": "n", "args": []})))).await;
    assert_eq!(peer.json().await["name"], "preprocessingError", "the other kind of frame");
    // One that comes is an event like every other.
    peer.emit("preprocessingError", json!(["Error: x"])).await;
    assert_eq!(events.next().await, r#"ignored ann preprocessingError "Error: x""#);
    peer.invoke("add", json!([1, 2]), 1).await;
    assert_eq!(peer.text().await, r#"{"id":1,"result":3}"#);
    assert!(events.so_far().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_unusual_but_valid_is_taken() {
    let server = server(|builder| builder.register("add", async |_, (a, b): (i64, i64)| Ok(a + b)));
    let mut peer = enter_messaging(&server, "ann").await;
    for (frame, id) in [
        (r#"{"id":1,"args":[1,2],"name":"add"}"#, "1"),
        (r#" { "name" : "add" , "args" : [ 1 , 2 ] , "id" : 1.0 } "#, "1"),
        (r#"{"name":"x","name":"add","args":[],"args":[1,2],"id":7}"#, "7"),
        (r#"{"name":"\u0061dd","args":[1,2],"id":1e2}"#, "100"),
        (r#"{"name":"add","args":[1,2],"id":9007199254740993}"#, "9007199254740993"),
    ] {
        peer.send(frame).await;
        assert_eq!(peer.text().await, format!(r#"{{"id":{id},"result":3}}"#), "{frame}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_nothing_is_not_answered() {
    let server = server(|builder| builder);
    let mut peer = enter_messaging(&server, "ann").await;
    peer.send(r#"{"id":9,"result":1}"#).await;
    peer.send(r#"{"id":9,"error":{"a":1}}"#).await;
    peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_garbage_whose_answers_nobody_reads_is_bounded_by_the_queue() {
    let limits = Limits { queue_bytes: 4000, queue_bytes_max: 4000, ..Limits::default() };
    let server = messaging(|builder| builder.limits(limits).register("echo", async |_, what: Value| Ok(what)));
    let mut bystander = enter_messaging(&server, "bob").await;
    let (RawClient { mut reader, mut writer }, ended) = attach_with(&server, 1000, offering("ws-messaging"));
    writer.write(&text(r#""ann""#)).await;
    assert!(reader.text().await.contains("connect"));
    let flooding = tokio::spawn(async move {
        for _ in 0..2000 {
            writer.write(&text("garbage")).await;
        }
    });
    settle().await;
    assert_eq!(server.conn_count(), 1, "it was closed as slow");
    bystander.invoke("echo", json!(["hey"]), 1).await;
    assert_eq!(bystander.text().await, r#"{"id":1,"result":"hey"}"#);
    assert_eq!(end(ended).await, "1013 wse.slow");
    flooding.await.unwrap();
    drop(reader);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_garbage_that_is_read_is_answered_one_by_one() {
    let server = server(|builder| builder);
    let (RawClient { mut reader, mut writer }, _ended) = attach_to(&server, "ws-messaging");
    writer.write(&text(r#""ann""#)).await;
    reader.text().await;
    let flooding = tokio::spawn(async move {
        for _ in 0..5000 {
            writer.write(&text("{}")).await;
        }
        writer
    });
    for _ in 0..5000 {
        assert!(reader.text().await.contains("Validation"));
    }
    flooding.await.unwrap();
    assert_eq!(server.conn_count(), 1);
}
