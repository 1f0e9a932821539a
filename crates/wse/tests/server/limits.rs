//! What a peer may send: sizes before and after the welcome, envelopes and frames that are none,
//! and how deaf a server is to a peer it has given up.

use http::Request;
use serde_json::{Value, json};
use wse::{Conn, Limits, Server, Stranger};
use wse_frame::Opcode;
use wse_test_peers::{
    Got, attach, attach_with, broke_protocol, end, enter, events, frame, header, log, server, settle, text,
};

const TEXT: u8 = 0x81;

/// A server that tells the length of every text it gets as `big`.
fn measuring() -> Server {
    server(|builder| {
        builder.on("big", async |conn: Conn, text: String| {
            conn.send("length", text.len())?;
            Ok(())
        })
    })
}

/// A message of exactly so many bytes.
fn big(bytes: usize) -> String {
    let envelope = r#"["big","",null]"#;
    envelope.replace(r#""","#, &format!("\"{}\",", "x".repeat(bytes - envelope.len())))
}

#[tokio::test(start_paused = true)]
async fn before_the_welcome_a_message_has_16_kib_and_is_refused_by_its_header() {
    let mut peer = attach(&measuring());
    peer.write(&header(TEXT, (16 << 10) + 1)).await;
    assert_eq!(peer.closed().await.0, 1009);

    let mut peer = attach(&measuring());
    let hi = json!(["~wse:hi", {"identity": "ann", "meta": {"fill": ""}}, null]).to_string();
    let fill = "x".repeat((16 << 10) - hi.len());
    peer.send(&hi.replace(r#""fill":"""#, &format!(r#""fill":"{fill}""#))).await;
    assert_eq!(peer.json().await[0], "~wse:welcome");
}

#[tokio::test(start_paused = true)]
async fn after_the_welcome_a_message_has_1_mib_and_is_refused_by_its_header() {
    let server = measuring();
    let mut peer = enter(&server, "ann").await;
    peer.send(&big(1 << 20)).await;
    assert_eq!(peer.json().await, json!(["length", (1 << 20) - 15, null]));
    peer.write(&header(TEXT, (1 << 20) + 1)).await;
    assert_eq!(peer.closed().await.0, 1009);
}

#[tokio::test(start_paused = true)]
async fn fragments_are_counted_together_and_in_number() {
    let limits = Limits { message_bytes: 1000, fragments: 8, ..Limits::default() };
    let server = server(|builder| {
        builder.limits(limits).on("big", async |conn: Conn, text: String| {
            conn.send("length", text.len())?;
            Ok(())
        })
    });
    // In eight pieces a message is taken, in nine it is not.
    for (pieces, taken) in [(8, true), (9, false)] {
        let mut peer = enter(&server, "ann").await;
        let message = big(90).into_bytes();
        let mut bytes = Vec::new();
        for (at, piece) in message.chunks(message.len().div_ceil(pieces)).enumerate() {
            let mut fragment = frame(if at == 0 { Opcode::Text } else { Opcode::Continuation }, piece);
            if at + 1 < pieces {
                fragment[0] &= 0x7f;
            }
            bytes.extend(fragment);
        }
        peer.write(&bytes).await;
        if taken {
            assert_eq!(peer.json().await, json!(["length", 75, null]));
        } else {
            assert_eq!(peer.closed().await.0, 1009);
        }
    }
    // Two pieces that are too big together are refused by the header of the second.
    let mut peer = enter(&server, "ann").await;
    let mut bytes = frame(Opcode::Text, big(600).as_bytes());
    bytes[0] &= 0x7f;
    bytes.extend(header(0x80, 500));
    peer.write(&bytes).await;
    assert_eq!(peer.closed().await.0, 1009);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_envelope_ends_the_connection_as_a_protocol_error() {
    let (when, mut events) = events();
    let server = server(|builder| builder.when(when));
    let deep = format!("[\"m\",{}1{}]", "[".repeat(200), "]".repeat(200));
    let frames = [
        "{{{",
        "",
        "1",
        "\"m\"",
        "{}",
        "[]",
        "[1,2]",
        "[null,1,null]",
        "[\"\",1]",
        "[\"m\",1,2]",
        "[\"m\"",
        "[\"m\"]]",
        "[\"m\",1,\"s\",3]",
        "[\"~wse:hi\",{}]",
        "[\"~wse:welcome\",1]",
        "[\"~wse:call\",1,\"s\"]",
        "[\"~wse:challenge\",1]",
        &deep,
    ];
    for bad in frames {
        let mut peer = enter(&server, "ann").await;
        peer.send(bad).await;
        assert_eq!(peer.closed().await, (1000, "wse.protocol-error".into()), "{bad}");
        let told = events.take(4).await;
        assert!(told[2].ends_with("1000 wse.protocol-error"), "{bad}: {told:?}");
        assert_eq!(told[3], "left ann 1000 wse.protocol-error");
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_message_that_is_no_hi_ends_the_connection_as_a_protocol_error() {
    let server = measuring();
    for bad in [
        "not json",
        "[\"chat\",{\"a\":1},null]",
        "[\"chat\",1,\"stamp\"]",
        "[\"~wse:hi\"]",
        "[\"~wse:hi\",1]",
        "[\"~wse:hi\",[]]",
        "[\"~wse:challenge\",3]",
        "[\"~wse:response\",3,\"s\"]",
        "[\"~wse:welcome\"]",
    ] {
        let mut peer = attach(&server);
        peer.send(bad).await;
        assert!(broke_protocol(&peer.closed().await), "{bad}");
    }
    let mut peer = attach(&server);
    peer.write(&frame(Opcode::Binary, b"[\"~wse:hi\",{\"identity\":\"ann\"}]")).await;
    assert!(broke_protocol(&peer.closed().await));
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_breaks_websocket_ends_the_connection_with_the_code_for_it() {
    let server = measuring();
    let mut bystander = enter(&server, "bob").await;
    let mut unmasked = vec![TEXT, 2];
    unmasked.extend(b"[]");
    for (what, bytes, code) in [
        ("no mask", unmasked, 1002),
        ("a reserved bit", header(0xc1, 2), 1002),
        ("an unknown opcode", header(0x83, 2), 1002),
        ("a continuation of nothing", frame(Opcode::Continuation, b"x"), 1002),
        ("a long ping", header(0x89, 126), 1002),
        ("no UTF-8", frame(Opcode::Text, b"[\"m\xff\"]"), 1007),
        ("half a close code", header(0x88, 1), 1002),
    ] {
        let mut peer = enter(&server, "ann").await;
        peer.write(&bytes).await;
        let Got::Close(Some((got, _))) = peer.next().await else { panic!("{what}: no close frame") };
        assert_eq!(got, code, "{what}");
    }
    bystander.say("big", json!("abc")).await;
    assert_eq!(bystander.json().await, json!(["length", 3, null]));
}

#[tokio::test(start_paused = true)]
async fn nothing_that_follows_a_refused_hi_in_the_same_segment_is_handled() {
    let log = log();
    let handled = log.clone();
    let (when, mut events) = events();
    let server = Server::builder()
        .when(when)
        .on("m", async move |_, what: Value| {
            handled.add(what);
            Ok(())
        })
        .identify(async |stranger: Stranger, _: Value| Ok(stranger.refuse()))
        .build();
    let mut peer = attach(&server);
    let hi = text(r#"["~wse:hi",{"identity":"ann"}]"#);
    peer.write(&[hi.clone(), text(r#"["m",1]"#), hi, text(r#"["m",2,"stamp"]"#)].concat()).await;
    assert_eq!(peer.closed().await, (1000, "wse.not-authorized".into()));
    settle().await;
    assert!(log.take().is_empty());
    assert!(events.so_far().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_given_up_is_deaf_at_once() {
    let log = log();
    let handled = log.clone();
    let server = server(|builder| {
        builder
            .on("m", async move |_, what: Value| {
                handled.add(what);
                Ok(())
            })
            .on("drop", async |conn: Conn, ()| {
                conn.drop("banned");
                Ok(())
            })
    });
    // A frame behind the broken one came too late even in the same segment.
    let mut peer = enter(&server, "ann").await;
    peer.write(&[text("[\"m\",\"before\"]"), text("{{{"), text("[\"m\",\"after\"]")].concat()).await;
    assert_eq!(peer.closed().await, (1000, "wse.protocol-error".into()));
    assert_eq!(log.take(), ["\"before\""]);
    // One that comes when the server has dropped the peer is not handled either.
    let mut peer = enter(&server, "ann").await;
    peer.send("[\"drop\"]").await;
    assert_eq!(peer.next().await, Got::Close(Some((1000, "banned".into()))));
    peer.say("m", json!("later")).await;
    settle().await;
    assert_eq!(log.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_offers_another_subprotocol_is_closed_before_it_speaks() {
    let server = measuring();
    let other = Request::builder().header("sec-websocket-protocol", "other").body(()).unwrap();
    let (mut peer, ended) = attach_with(&server, wse_test_peers::PIPE, other);
    let told = "wse.protocol-error: expected a subprotocol: wse-default-json";
    assert_eq!(peer.closed().await, (1000, told.into()));
    assert_eq!(end(ended).await, format!("1000 {told}"));
}
