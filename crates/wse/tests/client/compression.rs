//! permessage-deflate (RFC 7692) on a client: what it offers, which answers it takes, and what travels compressed.

use serde_json::{Value, json};
use std::io::ErrorKind::InvalidData;
use wse::{Client, ClientBuilder, ConnectError};
use wse_frame::Opcode;
use wse_test_peers::{Dials, Got, RawServer, on_net, scripted, server, soon};

const AGREED: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

fn compressing() -> (ClientBuilder, Dials) {
    let (builder, dials) = scripted();
    (builder.compress_from(512), dials)
}

/// Grants the next upgrade with that agreement.
async fn granted(dials: &mut Dials, agreed: &str) -> RawServer {
    let request = dials.next().await.request().await;
    let headers = format!("Sec-WebSocket-Protocol: wse-default-json\r\nSec-WebSocket-Extensions: {agreed}\r\n");
    let mut wire = request.upgrade_with(&headers).await;
    wire.reader.inflate();
    wire
}

fn long(word: &str) -> String {
    word.repeat(2000 / word.len())
}

#[tokio::test(start_paused = true)]
async fn compression_is_offered_only_where_it_was_asked_for() {
    let offer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits";
    for ((builder, mut dials), offered) in [(scripted(), None), (compressing(), Some(offer))] {
        tokio::spawn(builder.connect());
        let request = dials.next().await.request().await;
        assert_eq!(request.header("sec-websocket-extensions"), offered);
    }
}

#[tokio::test(start_paused = true)]
async fn messages_from_the_size_on_travel_compressed_both_ways_and_the_hi_never() {
    let (builder, mut dials) = compressing();
    let long = long("so much ");
    let builder = builder.meta(&long).register("echo", async |_, what: Value| Ok(what));
    let connecting = tokio::spawn(builder.connect());
    let mut wire = granted(&mut dials, AGREED).await;
    assert_eq!(wire.json().await[1]["meta"], long);
    assert_eq!(wire.reader.compressed(), 0, "the hi is not compressed");
    let welcome = json!(["~wse:welcome", long, null]).to_string();
    wire.writer.compressed(Opcode::Text, welcome.as_bytes()).await;
    let client: Client = soon(connecting).await.unwrap().unwrap();
    client.send("m", &long).unwrap();
    assert_eq!((wire.json().await, wire.reader.compressed()), (json!(["m", long, null]), 1));
    client.send("m", "short").unwrap();
    assert_eq!((wire.json().await, wire.reader.compressed()), (json!(["m", "short", null]), 1));
    wire.writer.compressed(Opcode::Text, json!(["echo", long, "stamp"]).to_string().as_bytes()).await;
    assert_eq!((wire.json().await[1].clone(), wire.reader.compressed()), (json!(long), 2));
}

#[tokio::test(start_paused = true)]
async fn a_server_may_decline_and_then_a_compressed_message_is_a_protocol_error() {
    let (builder, mut dials) = compressing();
    let connecting = tokio::spawn(builder.connect());
    let mut wire = dials.welcomed().await;
    let client = soon(connecting).await.unwrap().unwrap();
    client.send("m", long("plain ")).unwrap();
    assert_eq!(wire.json().await[0], "m");
    wire.writer.compressed(Opcode::Text, json!(["m", long("a"), null]).to_string().as_bytes()).await;
    let Got::Close(Some((code, _))) = wire.next().await else { panic!("no close frame") };
    assert_eq!(code, 1002);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_not_offered_fails_the_connection() {
    for ((builder, mut dials), answer) in [
        (scripted(), AGREED),
        (compressing(), "permessage-deflate"), // its messages might refer to earlier ones
        (compressing(), "x-other"),
        (compressing(), "permessage-deflate; server_no_context_takeover; server_max_window_bits=16"),
        (
            compressing(),
            "permessage-deflate; server_no_context_takeover, permessage-deflate; server_no_context_takeover",
        ),
        (compressing(), "permessage-deflate; server_no_context_takeover;"),
    ] {
        let connecting = tokio::spawn(builder.connect());
        let _wire = granted(&mut dials, answer).await;
        match soon(connecting).await.unwrap() {
            Err(ConnectError::Unreachable(error)) => assert_eq!(error.kind(), InvalidData, "{answer}"),
            other => panic!("{answer}: {other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn client_and_server_of_this_library_agree_and_exchange_large_messages() {
    let server = server(|builder| builder.compress_from(100).register("echo", async |_, what: Value| Ok(what)));
    let client = on_net(&[("a", &server)]).identity("ann").compress_from(100).connect().await.unwrap();
    for len in [0, 10, 100, 1000, 100_000, 900_000] {
        let what = "etaoin".repeat(len / 6);
        assert_eq!(client.call::<_, String>("echo", &what).await.unwrap(), what);
    }
}
