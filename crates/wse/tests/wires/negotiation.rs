//! Which of several subprotocols a connection speaks, and what those are told that speak none of
//! them.

use http::Request;
use serde_json::json;
use tokio::io::DuplexStream;
use wse::{Client, Conn, ConnectError, Protocol, Server, Stranger, WsMessaging};
use wse_test_peers::{
    Answer, ask_upgrade, attach_to, attach_with, broke_protocol, dial, end, enter_messaging, log, messaging, offering,
    request, settle,
};

fn speaking(protocols: &[&str]) -> Server {
    let protocols: Vec<Protocol> = protocols.iter().map(|name| Protocol::named(name).expect("a protocol")).collect();
    wse_test_peers::server(|builder| builder.protocols(protocols))
}

async fn ask(server: &Server, headers: &[(&str, &str)]) -> Answer<DuplexStream> {
    let (ours, theirs) = tokio::io::duplex(wse_test_peers::PIPE);
    let server = server.clone();
    tokio::spawn(async move { server.serve_stream(theirs, None).await });
    ask_upgrade(ours, request("/", headers)).await
}

async fn selected(server: &Server, offered: &str) -> String {
    let answer = ask(server, &[("Sec-WebSocket-Protocol", offered)]).await;
    assert_eq!(answer.status, 101, "{offered}: {}", answer.head);
    answer.header("sec-websocket-protocol").expect("a protocol").to_owned()
}

#[tokio::test]
async fn of_what_a_client_offers_the_server_takes_what_it_prefers_itself() {
    let all = "wse-default-json, wse-msgpack, ws-messaging";
    for order in [
        ["wse-default-json", "wse-msgpack", "ws-messaging"],
        ["ws-messaging", "wse-msgpack", "wse-default-json"],
        ["wse-msgpack", "ws-messaging", "wse-default-json"],
    ] {
        let server = speaking(&order);
        assert_eq!(selected(&server, all).await, order[0]);
        assert_eq!(selected(&server, "ws-messaging,wse-msgpack , wse-default-json").await, order[0]);
        assert_eq!(selected(&server, &format!("{}, {}", order[2], order[1])).await, order[1]);
        assert_eq!(selected(&server, &format!("unknown, {}", order[2])).await, order[2]);
    }
}

#[tokio::test]
async fn an_offer_may_be_spread_over_several_headers() {
    let server = speaking(&["ws-messaging", "wse-default-json"]);
    let line = "wse-default-json\r\nSec-WebSocket-Protocol: ws-messaging";
    assert_eq!(selected(&server, line).await, "ws-messaging");
}

#[tokio::test]
async fn by_default_a_server_speaks_wse_default_json_alone() {
    for server in [wse_test_peers::server(|builder| builder), speaking(&[])] {
        assert_eq!(selected(&server, "ws-messaging, wse-msgpack, wse-default-json").await, "wse-default-json");
        for offered in ["ws-messaging", "wse-msgpack"] {
            let answer = ask(&server, &[("Sec-WebSocket-Protocol", offered)]).await;
            assert_eq!(answer.status, 400, "{offered}");
        }
    }
}

#[tokio::test]
async fn a_client_that_offers_nothing_known_is_refused_with_400_and_the_names_of_what_is_spoken() {
    for spoken in [&["wse-default-json"][..], &["ws-messaging", "wse-msgpack"]] {
        let server = speaking(spoken);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move { server.serve(listener).await });
        for offered in ["unknown", "wse, ws", "WS-MESSAGING", "wse-default-json2"] {
            let headers = [("Sec-WebSocket-Protocol", offered), ("Connection", "close, Upgrade")];
            let answer = dial(addr, request("/", &headers)).await;
            assert_eq!(answer.status, 400, "{offered}");
            let body = answer.rest().await;
            assert!(body.ends_with(&format!("the subprotocols here: {}\n", spoken.join(", "))), "{offered}: {body}");
        }
    }
}

#[tokio::test]
async fn a_client_that_offers_nothing_is_let_in_and_told_of_the_protocol_error() {
    for spoken in [&["wse-default-json", "ws-messaging"][..], &["ws-messaging"], &["wse-msgpack"]] {
        let server = speaking(spoken);
        let answer = ask(&server, &[("Sec-WebSocket-Protocol", "")]).await;
        assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, None), "{spoken:?}");
        let mut peer = answer.upgraded();
        peer.send("{}").await;
        assert!(broke_protocol(&peer.closed().await), "{spoken:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_attached_speaks_what_its_request_offers_or_the_first() {
    let server = messaging(|builder| builder);
    for (offered, protocol) in [
        ("wse-default-json", "wse-default-json"),
        ("x, wse-msgpack", "wse-msgpack"),
        ("wse-msgpack, ws-messaging", "ws-messaging"),
    ] {
        let (mut peer, _) = attach_with(&server, wse_test_peers::PIPE, offering(offered));
        match protocol {
            "wse-default-json" => peer.enter("ann").await,
            "ws-messaging" => peer.auth(json!("ann")).await,
            _ => {
                peer.pack(json!(["~wse:hi", {"identity": "ann"}])).await;
                assert_eq!(peer.unpack().await, json!(["~wse:welcome", null, null]));
            }
        }
        assert_eq!(server.user("ann").conns()[0].protocol(), protocol);
    }
    let (mut peer, _) = attach_with(&server, wse_test_peers::PIPE, Request::new(()));
    peer.auth(json!("ann")).await;
    let (mut peer, ended) = attach_to(&server, "unknown");
    let told = "wse.protocol-error: expected a subprotocol: ws-messaging, wse-default-json, wse-msgpack";
    assert_eq!(peer.closed().await, (1000, told.into()));
    assert_eq!(end(ended).await, format!("1000 {told}"));
}

#[tokio::test(start_paused = true)]
async fn identify_and_handlers_know_what_a_device_speaks() {
    let log = log();
    let (asked, handled) = (log.clone(), log.clone());
    let server = Server::builder()
        .protocols([Protocol::Wse, WsMessaging::new().into()])
        .identify(async move |stranger: Stranger, name: String| {
            asked.add(stranger.protocol());
            Ok(stranger.accept(name))
        })
        .on("m", async move |conn: Conn, ()| {
            handled.add(conn.protocol());
            Ok(())
        })
        .build();
    let mut messaging = enter_messaging(&server, "ann").await;
    messaging.emit("m", json!([])).await;
    settle().await;
    let (mut wse, _) = attach_to(&server, "wse-default-json");
    wse.enter("bob").await;
    wse.say("m", json!(null)).await;
    settle().await;
    assert_eq!(log.take(), ["ws-messaging", "ws-messaging", "wse-default-json", "wse-default-json"]);
}

#[tokio::test]
async fn a_client_is_refused_by_a_server_that_does_not_speak_its_protocol() {
    let server = speaking(&["wse-msgpack"]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { server.serve(listener).await });
    for protocol in [Protocol::Wse, WsMessaging::new().into()] {
        let error = Client::builder(&url).identity("ann").protocol(protocol).connect().await.unwrap_err();
        assert!(matches!(error, ConnectError::UpgradeRefused { status: 400, .. }), "{error}");
    }
    let client = Client::builder(&url).protocol(Protocol::WseMsgpack).identity("ann").connect().await;
    client.unwrap().close("done").await;
}
