//! The names of `messaging` and `transport`: what crosses, and over which codec.

use serde_json::{Value, json};
use wse::{
    Client, Conn, Limits, Protocol, Server, ServerBuilder,
    codec::{CustomCodec, EncodeError, Envelope, Payload, ProtocolError},
};
use wse_test_peers::{Events, Log, events, log, on_net, server, soon};

/// A client of this name that writes down the messages `news`.
async fn client(server: &Server, name: &str, heard: &Log) -> (Client, Events) {
    let (heard, name_there) = (heard.clone(), name.to_owned());
    let (when, events) = events();
    let builder = on_net(&[("a", server)]).identity(name).meta(&json!({"of": name})).when(when);
    let client = builder
        .on("news", async move |_, what: Value| {
            heard.add(format!("{name_there} {what}"));
            Ok(())
        })
        .connect();
    (soon(client).await.expect("it comes in"), events)
}

fn echoing(builder: ServerBuilder) -> ServerBuilder {
    builder.on("echo", async |conn: Conn, what: Value| {
        conn.send("echo", what)?;
        Ok(())
    })
}

/// Sends one message after the other, each when the one before has come back.
async fn round_trips(number: usize) {
    let server = server(echoing);
    let (client, mut events) = client(&server, "ann", &log()).await;
    for n in 0..number {
        client.send("echo", json!({"n": n})).expect("it is sent");
        assert_eq!(events.next_like("ignored").await, format!("ignored echo {{\"n\":{n}}}"));
    }
}

#[tokio::test(start_paused = true)]
async fn ten_round_trips() {
    round_trips(10).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_round_trips() {
    round_trips(1000).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_reaches_its_handler_with_its_connection_and_else_ignored() {
    let (when, mut told) = events();
    let heard = log();
    let there = heard.clone();
    let server = server(|builder| {
        builder.when(when).on("m", async move |conn: Conn, what: Value| {
            there.add(format!("{} {} {what}", conn.cid(), conn.meta::<Value>()?));
            Ok(())
        })
    });
    let (client, mut events) = client(&server, "ann", &heard).await;
    client.send("m", json!({"a": 1})).unwrap();
    client.send("unknown", 2).unwrap();
    assert_eq!(told.next_like("ignored").await, "ignored ann unknown 2");
    server.user("ann").send("news", 3).unwrap();
    server.user("ann").send("unknown", 4).unwrap();
    assert_eq!(events.next_like("ignored").await, "ignored unknown 4");
    assert_eq!(heard.take(), [r#"ann {"of":"ann"} {"a":1}"#, "ann 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_reaches_the_device_the_user_or_everybody_each_exactly_once() {
    let limits = Limits { conns_per_user: 2, ..Limits::default() };
    let (server, heard) = (server(|builder| builder.limits(limits)), log());
    let mut devices = Vec::new();
    for name in ["ann", "ann", "bob", "cid"] {
        devices.push(client(&server, name, &heard).await);
    }
    let all = async |devices: &mut Vec<(Client, Events)>| {
        // A message that everybody ignores comes last, so all others have been handled.
        assert_eq!(server.broadcast("end", ()).unwrap().here, 4);
        for (_, events) in devices {
            events.next_like("ignored end").await;
        }
        let mut heard = heard.take();
        heard.sort();
        heard
    };
    server.broadcast("news", "all").unwrap();
    assert_eq!(all(&mut devices).await, [r#"ann "all""#, r#"ann "all""#, r#"bob "all""#, r#"cid "all""#]);
    server.user("ann").send("news", "by cid").unwrap();
    assert_eq!(all(&mut devices).await, [r#"ann "by cid""#; 2]);
    let conn = server.user("ann").conns().remove(0);
    conn.send("news", "one").unwrap();
    assert_eq!(all(&mut devices).await, [r#"ann "one""#]);
    conn.user().send("news", "both").unwrap();
    assert_eq!(all(&mut devices).await, [r#"ann "both""#; 2]);
}

/// `name stamp payload`, each on a line of its own.
struct Lines;

impl CustomCodec for Lines {
    fn name(&self) -> &str {
        "lines"
    }

    fn binary(&self) -> bool {
        true
    }

    fn write(&self, envelope: &Envelope<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let stamp = envelope.stamp.as_deref().unwrap_or_default();
        out.extend([envelope.name.as_bytes(), b"\n", stamp.as_bytes(), b"\n", envelope.payload.as_bytes()].concat());
        Ok(())
    }

    fn read<'a>(&self, frame: &'a [u8]) -> Result<Envelope<'a>, ProtocolError> {
        let text = std::str::from_utf8(frame).map_err(|_| ProtocolError::new("no text"))?;
        let mut parts = text.splitn(3, '\n');
        let (Some(name), Some(stamp), Some(payload)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ProtocolError::new("no three lines"));
        };
        Ok(Envelope { name: name.into(), payload: Payload::json(payload)?, stamp: Some(stamp.into()) })
    }
}

#[tokio::test(start_paused = true)]
async fn a_custom_protocol_carries_both_messages_and_calls() {
    let server = server(|builder| {
        let builder = echoing(builder).protocols([Protocol::custom(Lines)]);
        builder.register("add", async |_, (a, b): (i64, i64)| Ok(a + b))
    });
    let (when, mut events) = events();
    let builder = on_net(&[("a", &server)]).protocol(Protocol::custom(Lines)).identity("ann").when(when);
    let client = soon(builder.register("double", async |_, n: i64| Ok(2 * n)).connect()).await.unwrap();
    client.send("echo", json!({"a": [1, null]})).unwrap();
    assert_eq!(events.next_like("ignored").await, r#"ignored echo {"a":[1,null]}"#);
    assert_eq!(client.call::<_, i64>("add", (2, 3)).await.unwrap(), 5);
    let conn = server.user("ann").conns().remove(0);
    assert_eq!(conn.protocol(), "lines");
    assert_eq!(conn.call::<_, i64>("double", 21).await.unwrap(), 42);
}
