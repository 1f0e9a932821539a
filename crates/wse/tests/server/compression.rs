//! permessage-deflate (RFC 7692) on a server: what is agreed on, what travels compressed, and what a peer cannot do
//! with it.

use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::DuplexStream;
use wse::{Conn, Limits, Protocol, Server, ServerBuilder, WsMessaging};
use wse_frame::Opcode;
use wse_test_peers::{
    Answer, Got, PIPE, RawClient, ask_upgrade, attach, compressed, enter, frame, header, pack, pipe_to, request,
    server, unpack,
};

/// As browsers and npm `ws` offer it.
const OFFER: &str = "permessage-deflate; client_max_window_bits";

fn echo(builder: ServerBuilder) -> ServerBuilder {
    let all = [Protocol::Wse, Protocol::WseMsgpack, WsMessaging::new().into()];
    builder.protocols(all).compress_from(512).on("echo", async |conn: Conn, what: Value| {
        conn.send("echo", what)?;
        Ok(())
    })
}

async fn ask(server: &Server, extensions: &str, protocol: &str) -> Answer<DuplexStream> {
    let headers = [("Sec-WebSocket-Extensions", extensions), ("Sec-WebSocket-Protocol", protocol)];
    ask_upgrade(pipe_to(server.clone(), PIPE), request("/", &headers)).await
}

/// A client that offers compression, and that nobody has asked who it is.
async fn stranger(server: &Server, offer: &str) -> RawClient {
    let answer = ask(server, offer, "wse-default-json").await;
    assert!(answer.header("sec-websocket-extensions").is_some(), "{}", answer.head);
    let mut peer = answer.upgraded();
    peer.reader.inflate();
    peer
}

async fn compressing(server: &Server, name: &str) -> RawClient {
    let mut peer = stranger(server, OFFER).await;
    peer.enter(name).await;
    peer
}

fn long(word: &str) -> String {
    word.repeat(2000 / word.len())
}

fn said(name: &str, payload: &str) -> Vec<u8> {
    json!([name, payload, null]).to_string().into_bytes()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_agreed_on_by_default_and_a_compressed_message_is_a_protocol_error() {
    let server = server(|builder| builder);
    let answer = ask(&server, OFFER, "wse-default-json").await;
    assert_eq!(answer.header("sec-websocket-extensions"), None);
    let mut peer = answer.upgraded();
    peer.write(&compressed(Opcode::Text, &said("~wse:hi", &long("a")))).await;
    assert_eq!(peer.closed().await.0, 1002);
    // So it is on a server that would, when the client does not offer it, and on a stream that was attached.
    let server = wse_test_peers::server(echo);
    let mut peer = ask(&server, "", "wse-default-json").await.upgraded();
    peer.enter("ann").await;
    peer.write(&compressed(Opcode::Text, &said("echo", &long("a")))).await;
    assert_eq!(peer.closed().await.0, 1002);
    let mut peer = attach(&server);
    peer.enter("bob").await;
    peer.write(&compressed(Opcode::Text, &said("echo", &long("a")))).await;
    assert_eq!(peer.closed().await.0, 1002);
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_always_without_context_and_a_bad_offer_is_none() {
    let server = server(echo);
    let anew = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    let [smaller, largest] = [12, 15].map(|bits| format!("{anew}; server_max_window_bits={bits}"));
    for (offer, answered) in [
        (OFFER, Some(anew)),
        ("permessage-deflate; server_max_window_bits=12", Some(smaller.as_str())),
        ("permessage-deflate; server_max_window_bits=15", Some(largest.as_str())),
        ("permessage-deflate; strange, x-other", None),
    ] {
        let answer = ask(&server, offer, "wse-default-json").await;
        assert_eq!((answer.status, answer.header("sec-websocket-extensions")), (101, answered), "{offer}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_from_the_size_on_travel_compressed_both_ways_and_others_as_they_are() {
    let server = server(echo);
    let mut peer = compressing(&server, "ann").await;
    assert_eq!(peer.reader.compressed(), 0, "the welcome is not compressed");
    let long = long("so much ");
    peer.write(&compressed(Opcode::Text, &said("echo", &long))).await;
    assert_eq!(peer.json().await, json!(["echo", long, null]));
    assert_eq!(peer.reader.compressed(), 1);
    // 502 bytes with the envelope and the frame's head: below the size.
    let short = "a".repeat(482);
    peer.say("echo", json!(short)).await;
    assert_eq!(peer.json().await, json!(["echo", short, null]));
    assert_eq!(peer.reader.compressed(), 1);
    // What does not become smaller.
    let noise = noise(600);
    peer.say("echo", json!(noise)).await;
    assert_eq!(peer.json().await, json!(["echo", noise, null]));
    assert_eq!(peer.reader.compressed(), 1);
    // A call from each side, and a message that waits for room.
    let conn = server.user("ann").conns().remove(0);
    conn.send_when_ready("ready", &long).await.unwrap();
    assert_eq!(peer.json().await, json!(["ready", long, null]));
    assert_eq!(peer.reader.compressed(), 2);
}

/// Text of which no zlib makes less.
fn noise(len: usize) -> String {
    let mut seed = 7u32;
    let next = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from_u32(0x4e00 + (seed >> 18)).unwrap_or_default()
    });
    next.take(len / 3).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stranger_may_compress_its_hi_and_is_sent_nothing_compressed() {
    let server = server(echo);
    let mut peer = stranger(&server, OFFER).await;
    let hi = json!(["~wse:hi", {"identity": "ann", "meta": {"about": long("me ")}}, null]).to_string();
    peer.write(&compressed(Opcode::Text, hi.as_bytes())).await;
    assert_eq!(peer.json().await[0], "~wse:welcome");

    let challenging = Server::builder().compress_from(1).identify(async |stranger: wse::Stranger, _: String| {
        Ok(match stranger.answer::<Value, Value>()? {
            None => stranger.challenge(&long("a quest ")),
            Some(_) => stranger.accept("ann").welcome(&long("news ")),
        })
    });
    let challenging = challenging.build();
    let mut peer = stranger(&challenging, OFFER).await;
    peer.hi(json!("ann"), json!({})).await;
    let challenge = peer.json().await;
    assert_eq!((challenge[0].as_str(), peer.reader.compressed()), (Some("~wse:challenge"), 0));
    peer.say("~wse:challenge", json!(1)).await;
    assert_eq!((peer.json().await[0].as_str(), peer.reader.compressed()), (Some("~wse:welcome"), 0));
}

/// A message that has so many bytes inflated, and next to none compressed.
fn bomb(bytes: usize) -> Vec<u8> {
    let envelope = said("echo", "").len();
    compressed(Opcode::Text, &said("echo", &"a".repeat(bytes - envelope)))
}

#[tokio::test(start_paused = true)]
async fn the_inflated_size_is_bounded_before_the_verdict_and_after_it() {
    let limits = Limits { auth_message_bytes: 1000, message_bytes: 50_000, ..Limits::default() };
    let server = wse_test_peers::server(|builder| echo(builder).limits(limits));
    let mut peer = stranger(&server, OFFER).await;
    peer.write(&bomb(1001)).await;
    assert_eq!(peer.closed().await, (1009, "a message is too big".into()));
    let mut peer = compressing(&server, "ann").await;
    peer.write(&bomb(50_000)).await;
    assert_eq!(peer.json().await[0], "echo");
    peer.write(&bomb(50_001)).await;
    assert_eq!(peer.closed().await.0, 1009);
    // 8 MiB, of which some KiB travel.
    let mut peer = compressing(&server, "bob").await;
    peer.write(&compressed(Opcode::Binary, &vec![0; 8 << 20])).await;
    assert_eq!(peer.closed().await.0, 1009);
}

#[tokio::test(start_paused = true)]
async fn damaged_data_text_that_is_none_and_a_reference_to_an_earlier_message_end_the_connection() {
    let server = server(echo);
    for (bad, reason) in [
        // "Hello" as a reference to the same word in the message before (RFC 7692 section 7.2.3.2).
        (&[0xf2, 0x00, 0x11, 0x00, 0x00][..], "compressed data is damaged"),
        (&[0xff], "compressed data is damaged"),
        (&[0xf2, 0x48], "compressed data is damaged"),
        (&[0x00, 0x01, 0x00, 0xfe, 0xff, 0xc3, 0x00], "text is not UTF-8"), // half an umlaut
    ] {
        let mut peer = compressing(&server, reason).await;
        peer.write(&compressed(Opcode::Text, &said("echo", &"Hello".repeat(9)))).await;
        assert_eq!(peer.json().await[0], "echo");
        peer.write(&with_rsv1(Opcode::Text, bad)).await;
        assert_eq!(peer.closed().await, (1007, reason.to_owned()));
    }
}

fn with_rsv1(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = frame(opcode, payload);
    frame[0] |= 0x40;
    frame
}

#[tokio::test(start_paused = true)]
async fn a_compressed_message_may_come_in_fragments_with_pings_between() {
    let server = server(echo);
    let mut peer = compressing(&server, "ann").await;
    let long = long("in parts ");
    let whole = compressed(Opcode::Text, &said("echo", &long));
    // The header of the whole has 8 bytes or 6, the key last.
    let head = if whole[1] & 0x7f == 126 { 8 } else { 6 };
    let key: [u8; 4] = whole[head - 4..head].try_into().unwrap();
    let payload: Vec<u8> = whole[head..].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
    let parts: Vec<&[u8]> = payload.chunks(payload.len() / 3 + 1).collect();
    for (at, part) in parts.iter().enumerate() {
        let (opcode, last) = (if at == 0 { 0x41 } else { 0 }, if at + 1 == parts.len() { 0x80 } else { 0 });
        let mut fragment = header(opcode | last, part.len());
        let key: [u8; 4] = fragment[fragment.len() - 4..].try_into().unwrap();
        fragment.extend(part.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        peer.write(&fragment).await;
        peer.frame(Opcode::Ping, &[at as u8]).await;
        if at + 1 < parts.len() {
            assert_eq!(peer.next().await, Got::Pong(vec![at as u8]));
        }
    }
    let (mut texts, mut pongs) = (Vec::new(), 0);
    for _ in 0..2 {
        match peer.next().await {
            Got::Text(text) => texts.push(text),
            Got::Pong(_) => pongs += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((texts, pongs), (vec![json!(["echo", long, null]).to_string()], 1));
    // The bit on a continuation is an error.
    let mut fragment = header(0x41, 0);
    fragment.extend(header(0xc0, 0));
    peer.write(&fragment).await;
    assert_eq!(peer.closed().await.0, 1002);
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_reaches_those_who_take_compression_and_those_who_do_not() {
    let server = server(echo);
    let mut plain = enter(&server, "ann").await;
    let mut one = compressing(&server, "bob").await;
    let mut other = compressing(&server, "cat").await;
    let mut small = stranger(&server, "permessage-deflate; server_max_window_bits=9").await;
    small.enter("dan").await;
    let mut smallest = stranger(&server, "permessage-deflate; server_max_window_bits=8").await;
    smallest.enter("eve").await;
    let long = long("to everyone ");
    assert_eq!(server.everyone().send("news", &long).unwrap().here, 5);
    let encoded = server.encode("news", &long).unwrap();
    assert_eq!(server.everyone().send_encoded(&encoded).here, 5);
    for peer in [&mut plain, &mut one, &mut other, &mut small, &mut smallest] {
        for _ in 0..2 {
            assert_eq!(peer.json().await, json!(["news", long, null]));
        }
    }
    let compressed = [&plain, &one, &other, &small, &smallest].map(|peer| peer.reader.compressed());
    assert_eq!(compressed, [0, 2, 2, 2, 0]);
}

#[tokio::test(start_paused = true)]
async fn every_wire_is_compressed_alike() {
    let server = server(echo);
    let long = long("on every wire ");
    let mut packed = ask(&server, OFFER, "wse-msgpack").await.upgraded();
    packed.reader.inflate();
    packed.writer.compressed(Opcode::Binary, &pack(&json!(["~wse:hi", {"identity": "ann", "meta": long}]))).await;
    assert_eq!(packed.unpack().await[0], "~wse:welcome");
    packed.writer.compressed(Opcode::Binary, &pack(&json!(["echo", long]))).await;
    let Got::Binary(bytes) = packed.next().await else { panic!("no binary frame") };
    assert_eq!((unpack(&bytes)[1].as_str(), packed.reader.compressed()), (Some(long.as_str()), 1));

    let mut messaging = ask(&server, OFFER, "ws-messaging").await.upgraded();
    messaging.reader.inflate();
    messaging.auth(json!("bob")).await;
    let event = json!({"name": "echo", "args": [long]});
    messaging.writer.compressed(Opcode::Text, event.to_string().as_bytes()).await;
    assert_eq!((messaging.json().await, messaging.reader.compressed()), (event, 1));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_bombs_leaves_the_others_their_turns() {
    let server = server(echo);
    let mut bomber = compressing(&server, "ann").await;
    let mut other = enter(&server, "bob").await;
    let bomb = compressed(Opcode::Text, &said("nobody", &"a".repeat(1 << 19)));
    let flood = bomb.repeat(40);
    let flooding = tokio::spawn(async move {
        bomber.write(&flood).await;
        bomber
    });
    for n in 0..5 {
        other.say("echo", json!(n)).await;
        assert_eq!(other.json().await, json!(["echo", n, null]));
    }
    let mut bomber = flooding.await.unwrap();
    bomber.say("echo", json!("alive")).await;
    assert_eq!(bomber.json().await[1], "alive");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_slow_peer_counts_as_it_is_queued() {
    let limits = Limits {
        queue_bytes: 20_000,
        queue_bytes_max: 40_000,
        slow_timeout: Duration::from_secs(5),
        ..Limits::default()
    };
    let server = wse_test_peers::server(|builder| echo(builder).limits(limits));
    let mut peer = compressing(&server, "ann").await;
    let conn = server.user("ann").conns().remove(0);
    // A megabyte, which is some kilobytes compressed.
    for n in 0..100 {
        conn.send("n", (n, "x".repeat(10_000))).unwrap();
    }
    for n in 0..100 {
        assert_eq!(peer.json().await[1][0], n);
    }
    assert_eq!(peer.reader.compressed(), 100);
}
