//! The server's end of a client's connection, by hand: the dial, the HTTP of the upgrade, frames.

use super::WAIT;
use ::http::Uri;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use std::{
    collections::VecDeque,
    future::{Ready, ready},
    io,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::Instant,
};
use wse_frame::{CloseFrame, Decoder, Item, Limits, Opcode, Role, put_close, put_frame};

/// Every dial of a client, in order. Nobody answers once this is dropped.
pub(crate) struct Dials(UnboundedReceiver<Knock>);

/// One dial.
pub(crate) struct Knock {
    pub(crate) at: Instant,
    pub(crate) uri: Uri,
    pub(crate) io: DuplexStream,
}

/// What [`dials`] gives to [`ClientBuilder::dial`](wse::ClientBuilder::dial).
pub(crate) fn dials() -> (impl Fn(Uri) -> Ready<io::Result<DuplexStream>> + Clone + Send + Sync + 'static, Dials) {
    let (sender, receiver) = unbounded_channel();
    let dial = move |uri| {
        let (ours, theirs) = tokio::io::duplex(super::PIPE);
        let knock = Knock { at: Instant::now(), uri, io: theirs };
        ready(sender.send(knock).map(|()| ours).map_err(|_| io::ErrorKind::ConnectionRefused.into()))
    };
    (dial, Dials(receiver))
}

impl Dials {
    pub(crate) async fn next(&mut self) -> Knock {
        tokio::time::timeout(WAIT, self.0.recv()).await.expect("nobody dials").expect("the client lives")
    }

    /// The next connection, upgraded.
    pub(crate) async fn upgraded(&mut self) -> Wire {
        self.next().await.request().await.upgrade().await
    }

    /// The next connection, welcomed; gives the hi too.
    pub(crate) async fn greeted(&mut self, welcome: Value) -> (Wire, Value) {
        let mut wire = self.upgraded().await;
        let hi = wire.json().await;
        assert_eq!(hi[0], "~wse:hi", "{hi}");
        wire.say("~wse:welcome", welcome).await;
        (wire, hi[1].clone())
    }

    /// The next connection, welcomed.
    pub(crate) async fn welcomed(&mut self) -> Wire {
        self.greeted(Value::Null).await.0
    }

    /// Nobody dials for so long.
    pub(crate) async fn none_within(&mut self, time: Duration) {
        if let Ok(Some(knock)) = tokio::time::timeout(time, self.0.recv()).await {
            panic!("{} is dialed", knock.uri);
        }
    }
}

/// A connection with its request for the upgrade.
pub(crate) struct Asked {
    /// The request line and the headers.
    pub(crate) head: String,
    pub(crate) io: DuplexStream,
}

impl Knock {
    pub(crate) async fn request(mut self) -> Asked {
        let mut head = Vec::new();
        let read = async {
            while !head.ends_with(b"\r\n\r\n") {
                assert_ne!(self.io.read_buf(&mut head).await.expect("a request"), 0, "the client has gone");
            }
        };
        tokio::time::timeout(WAIT, read).await.expect("no request came");
        Asked { head: String::from_utf8(head).expect("a head is text"), io: self.io }
    }
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// What `Sec-WebSocket-Accept` must be (RFC 6455 section 4.2.2).
    pub(crate) fn accept(&self) -> String {
        let key = self.header("sec-websocket-key").expect("a key");
        STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")))
    }

    /// Never answers.
    pub(crate) fn silent(self) -> Wire {
        Wire::new(self.io)
    }

    /// Answers with a status line and headers, each with its line end.
    pub(crate) async fn answer(mut self, status: &str, headers: &str) -> Wire {
        let answer = format!("HTTP/1.1 {status}\r\n{headers}\r\n");
        let _ = self.io.write_all(answer.as_bytes()).await; // the client may have gone
        Wire::new(self.io)
    }

    /// Grants the upgrade, with these headers besides the usual.
    pub(crate) async fn upgrade_with(self, headers: &str) -> Wire {
        let accept = self.accept();
        let usual = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ";
        self.answer("101 Switching Protocols", &format!("{usual}{accept}\r\n{headers}")).await
    }

    pub(crate) async fn upgrade(self) -> Wire {
        self.upgrade_with("Sec-WebSocket-Protocol: wse-default-json\r\n").await
    }
}

/// What a client sent.
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

/// Frames to and from a client; it answers nothing by itself.
pub(crate) struct Wire {
    io: DuplexStream,
    decoder: Decoder,
    got: VecDeque<Got>,
}

impl Wire {
    fn new(io: DuplexStream) -> Self {
        let limits = Limits { frame: 64 << 20, message: 64 << 20, fragments: 1 };
        Self { io, decoder: Decoder::new(Role::Server, limits), got: VecDeque::new() }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = self.io.write_all(bytes).await; // a client that has gone is seen by reading
    }

    /// Bytes as they come, of which nothing was read as frames before.
    pub(crate) async fn raw(&mut self, bytes: &mut [u8]) {
        tokio::time::timeout(WAIT, self.io.read_exact(bytes)).await.expect("nothing came").expect("it is open");
    }

    pub(crate) async fn frame(&mut self, opcode: Opcode, payload: &[u8]) {
        let mut out = Vec::new();
        let Ok(()) = put_frame(&mut out, opcode, None, |out| {
            out.extend_from_slice(payload);
            Ok::<_, std::convert::Infallible>(())
        });
        self.write(&out).await;
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.frame(Opcode::Text, text.as_bytes()).await;
    }

    /// Sends a message.
    pub(crate) async fn say(&mut self, name: &str, payload: Value) {
        self.send(&json!([name, payload, null]).to_string()).await;
    }

    /// Calls, and reads the answer, which must be the next frame.
    pub(crate) async fn call(&mut self, rp: &str, payload: Value) -> Value {
        self.send(&json!([rp, payload, "its-stamp"]).to_string()).await;
        let answer = self.json().await;
        assert_eq!(answer[2], "its-stamp", "{answer}");
        json!([answer[0], answer[1]])
    }

    /// Answers a call that came as JSON.
    pub(crate) async fn respond(&mut self, call: &Value, result: Value) {
        self.send(&json!(["~wse:response", result, call[2]]).to_string()).await;
    }

    pub(crate) async fn fail(&mut self, call: &Value, error: Value) {
        self.send(&json!(["~wse:response-err", error, call[2]]).to_string()).await;
    }

    /// Sends a close frame.
    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        let mut out = Vec::new();
        put_close(&mut out, None, code, reason);
        self.write(&out).await;
    }

    /// Says goodbye, is answered by the same, and hangs up.
    pub(crate) async fn drop_with(mut self, code: u16, reason: &str) {
        self.close(code, reason).await;
        let expected = if code == 1005 { None } else { Some((code, reason.to_owned())) };
        assert_eq!(self.next().await, Got::Close(expected));
    }

    pub(crate) async fn next(&mut self) -> Got {
        tokio::time::timeout(WAIT, self.read()).await.expect("nothing came")
    }

    /// The next frame, a text.
    pub(crate) async fn text(&mut self) -> String {
        match self.next().await {
            Got::Text(text) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    /// The next frame, JSON.
    pub(crate) async fn json(&mut self) -> Value {
        serde_json::from_str(&self.text().await).expect("JSON")
    }

    /// The client's close frame, which must be the next; it is answered, and the server hangs up.
    pub(crate) async fn closed(mut self) -> (u16, String) {
        let got = self.next().await;
        let Got::Close(Some((code, reason))) = got else { panic!("no close frame: {got:?}") };
        self.close(code, &reason).await;
        (code, reason)
    }

    /// Nothing comes for 100 ms: in paused time, however long one waits that is shorter than a heartbeat.
    pub(crate) async fn hears_nothing(&mut self) {
        let heard = tokio::time::timeout(Duration::from_millis(100), self.read()).await;
        assert!(heard.is_err(), "{heard:?}");
    }

    async fn read(&mut self) -> Got {
        loop {
            if let Some(got) = self.got.pop_front() {
                return got;
            }
            let mut bytes = vec![0; 16 << 10];
            let read = self.io.read(&mut bytes).await.unwrap_or(0);
            if read == 0 {
                return Got::End;
            }
            let mut input = &mut bytes[..read];
            while let Some(item) = self.decoder.next(&mut input).expect("the client's frames are good") {
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
}
