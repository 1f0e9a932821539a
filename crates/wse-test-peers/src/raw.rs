//! `Raw`: one end of a connection, whose frames a test writes and reads. It answers nothing by itself.

use crate::frames::{ClientEnd, End, Got, Reader, ServerEnd, Writer};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use wse_frame::Opcode;

/// One end of a connection.
#[derive(Debug)]
pub struct Raw<E, IO = DuplexStream> {
    /// What the other end sends.
    pub reader: Reader<IO>,
    /// To the other end.
    pub writer: Writer<E, IO>,
}

/// A client of a server under test.
pub type RawClient<IO = DuplexStream> = Raw<ClientEnd, IO>;

/// A server of a client under test.
pub type RawServer<IO = DuplexStream> = Raw<ServerEnd, IO>;

impl<E: End, IO: AsyncRead + AsyncWrite + Unpin> Raw<E, IO> {
    /// Over a stream that is upgraded already.
    pub fn new(io: IO) -> Self {
        Self::with(io, &[])
    }

    /// The same, with bytes that were read of the stream before.
    pub fn with(io: IO, ahead: &[u8]) -> Self {
        let (reader, writer) = tokio::io::split(io);
        Self { reader: Reader::new::<E>(reader, ahead), writer: Writer::new(writer) }
    }

    /// Writes bytes.
    pub async fn write(&mut self, bytes: &[u8]) {
        self.writer.write(bytes).await;
    }

    /// Writes one final frame.
    pub async fn frame(&mut self, opcode: Opcode, payload: &[u8]) {
        self.writer.frame(opcode, payload).await;
    }

    /// Sends a text frame.
    pub async fn send(&mut self, text: &str) {
        self.frame(Opcode::Text, text.as_bytes()).await;
    }

    /// Sends a message.
    pub async fn say(&mut self, name: &str, payload: Value) {
        self.send(&json!([name, payload, null]).to_string()).await;
    }

    /// Sends a call.
    pub async fn ask(&mut self, rp: &str, payload: Value, stamp: &str) {
        self.send(&json!([rp, payload, stamp]).to_string()).await;
    }

    /// Calls, and reads the answer, which must be the next frame.
    pub async fn call(&mut self, rp: &str, payload: Value) -> Value {
        self.ask(rp, payload, "its-stamp").await;
        let answer = self.json().await;
        assert_eq!(answer[2], "its-stamp", "{answer}");
        json!([answer[0], answer[1]])
    }

    /// Sends a close frame.
    pub async fn close(&mut self, code: u16, reason: &str) {
        self.writer.close(code, reason).await;
    }

    /// What comes next.
    pub async fn next(&mut self) -> Got {
        self.reader.next().await
    }

    /// The next frame, which must be a text.
    pub async fn text(&mut self) -> String {
        self.reader.text().await
    }

    /// The next frame, which must be JSON.
    pub async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).expect("JSON")
    }

    /// Checks that nothing comes for 100 ms. In paused time that is as good as any time below a heartbeat.
    pub async fn hears_nothing(&mut self) {
        let heard = tokio::time::timeout(Duration::from_millis(100), self.reader.read()).await;
        assert!(heard.is_err(), "{:?}", heard.ok());
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Raw<ClientEnd, IO> {
    /// Sends a hi.
    pub async fn hi(&mut self, identity: Value, meta: Value) {
        self.say("~wse:hi", json!({"identity": identity, "meta": meta})).await;
    }

    /// Sends a hi and is welcomed.
    pub async fn enter(&mut self, name: &str) {
        self.enter_with(json!(name), json!({})).await;
    }

    /// Sends a hi of any content and is welcomed.
    pub async fn enter_with(&mut self, identity: Value, meta: Value) {
        self.hi(identity, meta).await;
        assert_eq!(self.json().await[0], "~wse:welcome");
    }

    /// Sends a close frame and is answered.
    pub async fn leave(mut self) {
        self.close(1000, "wse.by-client").await;
        assert_eq!(self.next().await, Got::Close(Some((1000, "wse.by-client".into()))));
        assert_eq!(self.next().await, Got::End);
    }

    /// The server's close frame, which must be the next. Answers it, and the server hangs up.
    pub async fn closed(&mut self) -> (u16, String) {
        let Got::Close(Some((code, reason))) = self.next().await else { panic!("no close frame") };
        self.close(code, &reason).await;
        assert_eq!(self.next().await, Got::End);
        (code, reason)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Raw<ServerEnd, IO> {
    /// Answers a call that came as JSON.
    pub async fn respond(&mut self, call: &Value, result: Value) {
        self.send(&json!(["~wse:response", result, call[2]]).to_string()).await;
    }

    /// Answers a call that came as JSON with an error.
    pub async fn fail(&mut self, call: &Value, error: Value) {
        self.send(&json!(["~wse:response-err", error, call[2]]).to_string()).await;
    }

    /// Sends a close frame, is answered by the same, and hangs up.
    pub async fn drop_with(mut self, code: u16, reason: &str) {
        self.close(code, reason).await;
        let expected = if code == 1005 { None } else { Some((code, reason.to_owned())) };
        assert_eq!(self.next().await, Got::Close(expected));
    }

    /// The client's close frame, which must be the next. Answers it and hangs up.
    pub async fn closed(mut self) -> (u16, String) {
        let got = self.next().await;
        let Got::Close(Some((code, reason))) = got else { panic!("no close frame: {got:?}") };
        self.close(code, &reason).await;
        (code, reason)
    }

    /// Fills the buffer with bytes of the stream, before any frame was read.
    pub async fn raw(&mut self, bytes: &mut [u8]) {
        self.reader.bytes(bytes).await;
    }
}

/// Whether a connection was closed because the protocol was broken, whatever the reason says besides.
pub fn broke_protocol((code, reason): &(u16, String)) -> bool {
    *code == 1000 && reason.split(':').next() == Some("wse.protocol-error")
}
