//! The other wires in the hands of a raw peer: the auth data, events and calls of `ws-messaging`,
//! frames of MessagePack.

use super::{PIPE, Raw, attach_with, frame, server};
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

/// A server of all three protocols, the two that are spoken by default options; it accepts everybody
/// as the user whose name the identity is.
pub(crate) fn messaging(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Server {
    let all = [WsMessaging::new().into(), Protocol::Wse, Protocol::WseMsgpack];
    server(|builder| configure(builder.protocols(all)))
}

/// The request of a client that offers these subprotocols.
pub(crate) fn offering(protocols: &str) -> Request<()> {
    Request::builder().header("Sec-WebSocket-Protocol", protocols).body(()).expect("a request")
}

/// A peer of one protocol, and how its connection will have ended.
pub(crate) fn attach_to(server: &Server, protocol: &str) -> (Raw, JoinHandle<Closed>) {
    attach_with(server, PIPE, offering(protocol))
}

/// A peer of `ws-messaging` that was let in.
pub(crate) async fn sit_down(server: &Server, name: &str) -> Raw {
    let (mut peer, _) = attach_to(server, "ws-messaging");
    peer.auth(json!(name)).await;
    peer
}

/// A value in MessagePack.
pub(crate) fn pack(value: &Value) -> Vec<u8> {
    Payload::encode(Format::MessagePack, value).expect("a value").as_bytes().to_vec()
}

/// The value of these bytes of MessagePack.
pub(crate) fn unpack(bytes: &[u8]) -> Value {
    Payload::msgpack(bytes).expect("MessagePack").decode().expect("a value")
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Raw<IO> {
    /// Sends auth data and is accepted.
    pub(crate) async fn auth(&mut self, data: Value) {
        self.send(&data.to_string()).await;
        let connect = self.json().await;
        assert_eq!(connect["name"], "connect", "{connect}");
    }

    /// Sends an event.
    pub(crate) async fn emit(&mut self, name: &str, args: Value) {
        self.send(&json!({"name": name, "args": args}).to_string()).await;
    }

    /// Calls.
    pub(crate) async fn invoke(&mut self, name: &str, args: Value, id: u64) {
        self.send(&json!({"name": name, "args": args, "id": id}).to_string()).await;
    }

    /// Sends a binary frame of MessagePack.
    pub(crate) async fn pack(&mut self, value: Value) {
        self.write(&frame(Opcode::Binary, &pack(&value))).await;
    }

    /// The next frame, a binary one of MessagePack.
    pub(crate) async fn unpack(&mut self) -> Value {
        match self.next().await {
            super::Got::Binary(bytes) => unpack(&bytes),
            other => panic!("no binary frame: {other:?}"),
        }
    }
}
