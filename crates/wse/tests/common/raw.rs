//! A peer that is nothing but frames: it sends what it is told and answers nothing by itself.

use super::WAIT;
use serde_json::{Value, json};
use std::collections::VecDeque;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use wse_frame::{CloseFrame, Decoder, Item, Limits, Opcode, Role, put_close, put_frame};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Got {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    /// The end of the stream.
    End,
}

pub(crate) struct Raw<IO = DuplexStream> {
    pub(crate) reader: Reader<IO>,
    pub(crate) writer: Writer<IO>,
}

pub(crate) struct Reader<IO = DuplexStream> {
    io: ReadHalf<IO>,
    decoder: Decoder,
    got: VecDeque<Got>,
}

pub(crate) struct Writer<IO = DuplexStream>(WriteHalf<IO>);

/// One final frame as a client sends it.
pub(crate) fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let Ok(()) = put_frame(&mut out, opcode, Some(MASK), |out| {
        out.extend_from_slice(payload);
        Ok::<_, std::convert::Infallible>(())
    });
    out
}

/// A text frame as a client sends it.
pub(crate) fn text(text: &str) -> Vec<u8> {
    frame(Opcode::Text, text.as_bytes())
}

/// The header of a client's frame whose payload is still to come.
pub(crate) fn header(first: u8, length: usize) -> Vec<u8> {
    let mut out = vec![first];
    match length {
        0..=125 => out.push(0x80 | length as u8),
        126..=0xffff => {
            out.push(0x80 | 126);
            out.extend((length as u16).to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Raw<IO> {
    pub(crate) fn new(io: IO) -> Self {
        Self::with(io, &[])
    }

    /// With bytes that were read of the stream before.
    pub(crate) fn with(io: IO, ahead: &[u8]) -> Self {
        let (reader, writer) = tokio::io::split(io);
        let limits = Limits { frame: 64 << 20, message: 64 << 20, fragments: 1 };
        let mut reader = Reader { io: reader, decoder: Decoder::new(Role::Client, limits), got: VecDeque::new() };
        reader.take_in(&mut ahead.to_vec());
        Self { reader, writer: Writer(writer) }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.writer.write(bytes).await;
    }

    /// Sends a text frame.
    pub(crate) async fn send(&mut self, what: &str) {
        self.write(&text(what)).await;
    }

    /// Sends a message.
    pub(crate) async fn say(&mut self, name: &str, payload: Value) {
        self.send(&json!([name, payload, null]).to_string()).await;
    }

    /// Sends a call.
    pub(crate) async fn ask(&mut self, rp: &str, payload: Value, stamp: &str) {
        self.send(&json!([rp, payload, stamp]).to_string()).await;
    }

    /// Calls, and reads the answer, which must be the next frame.
    pub(crate) async fn call(&mut self, rp: &str, payload: Value) -> Value {
        self.ask(rp, payload, "its-stamp").await;
        let answer = self.json().await;
        assert_eq!(answer[2], "its-stamp", "{answer}");
        json!([answer[0], answer[1]])
    }

    pub(crate) async fn hi(&mut self, identity: Value, meta: Value) {
        self.say("~wse:hi", json!({"identity": identity, "meta": meta})).await;
    }

    /// Says hi and is welcome.
    pub(crate) async fn enter(&mut self, name: &str) {
        self.enter_with(json!(name), json!({})).await;
    }

    pub(crate) async fn enter_with(&mut self, identity: Value, meta: Value) {
        self.hi(identity, meta).await;
        assert_eq!(self.json().await[0], "~wse:welcome");
    }

    /// Sends a close frame.
    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        self.writer.close(code, reason).await;
    }

    /// Says goodbye and is answered.
    pub(crate) async fn leave(mut self) {
        self.close(1000, "wse.by-client").await;
        assert_eq!(self.next().await, Got::Close(Some((1000, "wse.by-client".into()))));
        assert_eq!(self.next().await, Got::End);
    }

    pub(crate) async fn next(&mut self) -> Got {
        self.reader.next().await
    }

    /// The next frame, a text.
    pub(crate) async fn text(&mut self) -> String {
        self.reader.text().await
    }

    /// The next frame, JSON.
    pub(crate) async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).expect("JSON")
    }

    /// The server's close frame, which must be the next; it is answered, and then nothing follows.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let Got::Close(Some((code, reason))) = self.next().await else { panic!("no close frame") };
        self.close(code, &reason).await;
        assert_eq!(self.next().await, Got::End);
        (code, reason)
    }

    /// Nothing comes for 100 ms: in paused time, however long one waits that is shorter than a heartbeat.
    pub(crate) async fn hears_nothing(&mut self) {
        let heard = tokio::time::timeout(std::time::Duration::from_millis(100), self.reader.read()).await;
        assert!(heard.is_err(), "{:?}", heard.ok());
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Writer<IO> {
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        // A server that hangs up early is seen by the reader.
        let _ = self.0.write_all(bytes).await;
        let _ = self.0.flush().await;
    }

    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        let mut out = Vec::new();
        put_close(&mut out, Some(MASK), code, reason);
        self.write(&out).await;
    }

    /// Ends the stream without a goodbye.
    pub(crate) async fn hang_up(&mut self) {
        self.0.shutdown().await.expect("a stream to end");
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Reader<IO> {
    pub(crate) async fn next(&mut self) -> Got {
        tokio::time::timeout(WAIT, self.read()).await.expect("nothing came")
    }

    pub(crate) async fn text(&mut self) -> String {
        match self.next().await {
            Got::Text(text) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    async fn read(&mut self) -> Got {
        loop {
            if let Some(got) = self.got.pop_front() {
                return got;
            }
            let mut bytes = vec![0; 16 << 10];
            // A reset is an end too.
            let read = self.io.read(&mut bytes).await.unwrap_or(0);
            if read == 0 {
                return Got::End;
            }
            self.take_in(&mut bytes[..read]);
        }
    }

    fn take_in(&mut self, mut input: &mut [u8]) {
        while let Some(item) = self.decoder.next(&mut input).expect("the server's frames are good") {
            self.got.push_back(match item {
                Item::Message(message) if message.opcode == Opcode::Text => {
                    Got::Text(message.text().expect("UTF-8").to_owned())
                }
                Item::Message(message) => Got::Binary(message.payload.into_owned()),
                Item::Ping(payload) => Got::Ping(payload.as_slice().to_vec()),
                Item::Pong(payload) => Got::Pong(payload.as_slice().to_vec()),
                Item::Close(frame) => Got::Close(frame.map(|CloseFrame { code, reason }| (code, reason))),
            });
        }
    }
}
