//! The other wires by hand: auth data, events and calls of `ws-messaging`, frames of MessagePack.

use crate::{
    dials::Dials,
    frames::{ClientEnd, End, Got},
    raw::{Raw, RawClient, RawServer},
    servers::{PIPE, attach_with, server},
};
use http::Request;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinHandle,
};
use wse::{
    Closed, Protocol, Server, ServerBuilder, WsMessaging,
    codec::{Format, Payload},
};
use wse_frame::Opcode;

/// A server of all three protocols with their default options. It accepts every device as the user whose
/// name is the identity.
pub fn messaging(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Server {
    let all = [WsMessaging::new().into(), Protocol::Wse, Protocol::WseMsgpack];
    server(|builder| configure(builder.protocols(all)))
}

/// The request of a client that offers these subprotocols.
pub fn offering(protocols: &str) -> Request<()> {
    Request::builder().header("Sec-WebSocket-Protocol", protocols).body(()).expect("a request")
}

/// A client that offers these subprotocols, and how its connection will have ended.
pub fn attach_to(server: &Server, protocols: &str) -> (RawClient, JoinHandle<Closed>) {
    attach_with(server, PIPE, offering(protocols))
}

/// A client of `ws-messaging` that was accepted.
pub async fn enter_messaging(server: &Server, name: &str) -> RawClient {
    let (mut peer, _) = attach_to(server, "ws-messaging");
    peer.auth(json!(name)).await;
    peer
}

/// A value in MessagePack.
pub fn pack(value: &Value) -> Vec<u8> {
    Payload::encode(Format::MessagePack, value).expect("a value").as_bytes().to_vec()
}

/// The value of these bytes of MessagePack.
pub fn unpack(bytes: &[u8]) -> Value {
    Payload::msgpack(bytes).expect("MessagePack").decode().expect("a value")
}

impl<E: End, IO: AsyncRead + AsyncWrite + Unpin> Raw<E, IO> {
    /// Sends an event.
    pub async fn emit(&mut self, name: &str, args: Value) {
        self.send(&json!({"name": name, "args": args}).to_string()).await;
    }

    /// Calls.
    pub async fn invoke(&mut self, name: &str, args: Value, id: u64) {
        self.send(&json!({"name": name, "args": args, "id": id}).to_string()).await;
    }

    /// Sends a binary frame of MessagePack.
    pub async fn pack(&mut self, value: Value) {
        self.frame(Opcode::Binary, &pack(&value)).await;
    }

    /// The next frame, which must be a binary one of MessagePack.
    pub async fn unpack(&mut self) -> Value {
        match self.next().await {
            Got::Binary(bytes) => unpack(&bytes),
            other => panic!("no binary frame: {other:?}"),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Raw<ClientEnd, IO> {
    /// Sends auth data and is accepted.
    pub async fn auth(&mut self, data: Value) {
        self.send(&data.to_string()).await;
        let connect = self.json().await;
        assert_eq!(connect["name"], "connect", "{connect}");
    }
}

impl Dials {
    /// The next connection, upgraded to what it offers.
    pub async fn agreed(&mut self) -> RawServer {
        let request = self.next().await.request().await;
        let offered = request.header("sec-websocket-protocol").expect("an offer").to_owned();
        request.upgrade_with(&format!("Sec-WebSocket-Protocol: {offered}\r\n")).await
    }

    /// The next connection of `ws-messaging`, accepted, and its auth data.
    pub async fn accepted(&mut self) -> (RawServer, String) {
        let mut wire = self.agreed().await;
        let auth = wire.text().await;
        wire.send(r#"{"name":"connect","args":[null]}"#).await;
        (wire, auth)
    }
}
