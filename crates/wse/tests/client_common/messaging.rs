//! The server's end of a `ws-messaging` connection, by hand.

use super::{Dials, Got, Wire};
use serde_json::{Value, json};
use wse::codec::{Format, Payload};
use wse_frame::Opcode;

impl Dials {
    /// The next connection, upgraded to what it offers.
    pub(crate) async fn agreed(&mut self) -> Wire {
        let request = self.next().await.request().await;
        let offered = request.header("sec-websocket-protocol").expect("an offer").to_owned();
        request.upgrade_with(&format!("Sec-WebSocket-Protocol: {offered}\r\n")).await
    }

    /// The next connection of `ws-messaging`, accepted; gives the auth data too.
    pub(crate) async fn accepted(&mut self) -> (Wire, String) {
        let mut wire = self.agreed().await;
        let auth = wire.text().await;
        wire.send(r#"{"name":"connect","args":[null]}"#).await;
        (wire, auth)
    }
}

impl Wire {
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
        let payload = Payload::encode(Format::MessagePack, &value).expect("a value");
        self.frame(Opcode::Binary, payload.as_bytes()).await;
    }

    /// The next frame, a binary one of MessagePack.
    pub(crate) async fn unpack(&mut self) -> Value {
        match self.next().await {
            Got::Binary(bytes) => Payload::msgpack(&bytes).expect("MessagePack").decode().expect("a value"),
            other => panic!("no binary frame: {other:?}"),
        }
    }
}
