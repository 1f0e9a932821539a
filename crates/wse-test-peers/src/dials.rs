//! The server's side of a client under test: its dials, and the HTTP of the upgrade written by hand.

use crate::{raw::RawServer, servers::PIPE, time::WAIT};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::Uri;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use std::{
    future::{Ready, ready},
    io,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::Instant,
};

/// Every dial of a client, in order. Once this is dropped, further dials fail.
#[derive(Debug)]
pub struct Dials(UnboundedReceiver<Dial>);

/// One dial.
#[derive(Debug)]
pub struct Dial {
    /// When the client dialed.
    pub at: Instant,
    /// The address that the client dialed.
    pub uri: Uri,
    /// The stream to the client.
    pub io: DuplexStream,
}

/// A function for [`ClientBuilder::dial`](wse::ClientBuilder::dial), and the dials that it reports.
pub fn dials() -> (impl Fn(Uri) -> Ready<io::Result<DuplexStream>> + Clone + Send + Sync + 'static, Dials) {
    let (sender, receiver) = unbounded_channel();
    let handler = move |uri| {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        let dial = Dial { at: Instant::now(), uri, io: theirs };
        ready(sender.send(dial).map(|()| ours).map_err(|_| io::ErrorKind::ConnectionRefused.into()))
    };
    (handler, Dials(receiver))
}

impl Dials {
    /// The next dial.
    pub async fn next(&mut self) -> Dial {
        tokio::time::timeout(WAIT, self.0.recv()).await.expect("no dial came").expect("the client lives")
    }

    /// The next connection, upgraded.
    pub async fn upgraded(&mut self) -> RawServer {
        self.next().await.request().await.upgrade().await
    }

    /// The next connection, welcomed, and its hi.
    pub async fn greeted(&mut self, welcome: Value) -> (RawServer, Value) {
        let mut wire = self.upgraded().await;
        let hi = wire.json().await;
        assert_eq!(hi[0], "~wse:hi", "{hi}");
        wire.say("~wse:welcome", welcome).await;
        (wire, hi[1].clone())
    }

    /// The next connection, welcomed by a server that says what it can.
    pub async fn able(&mut self, can: &[&str]) -> RawServer {
        let mut wire = self.upgraded().await;
        let hi = wire.json().await;
        assert!(hi[1]["can"].is_array(), "{hi}");
        wire.send(&json!(["~wse:welcome", null, {"can": can}]).to_string()).await;
        wire
    }

    /// The next connection, welcomed.
    pub async fn welcomed(&mut self) -> RawServer {
        self.greeted(Value::Null).await.0
    }

    /// Checks that the client does not dial for this long.
    pub async fn none_within(&mut self, time: Duration) {
        if let Ok(Some(dial)) = tokio::time::timeout(time, self.0.recv()).await {
            panic!("{} is dialed", dial.uri);
        }
    }
}

/// A request for the upgrade, and the stream it came over.
#[derive(Debug)]
pub struct UpgradeRequest {
    /// The request line and the headers.
    pub head: String,
    /// The stream to the client.
    pub io: DuplexStream,
}

impl Dial {
    /// Reads the request.
    pub async fn request(mut self) -> UpgradeRequest {
        let mut head = Vec::new();
        let read = async {
            while !head.ends_with(b"\r\n\r\n") {
                assert_ne!(self.io.read_buf(&mut head).await.expect("a request"), 0, "the client has gone");
            }
        };
        tokio::time::timeout(WAIT, read).await.expect("no request came");
        UpgradeRequest { head: String::from_utf8(head).expect("a head is text"), io: self.io }
    }
}

impl UpgradeRequest {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// What `Sec-WebSocket-Accept` must be (RFC 6455 section 4.2.2).
    pub fn accept(&self) -> String {
        let key = self.header("sec-websocket-key").expect("a key");
        STANDARD.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")))
    }

    /// Never answers.
    pub fn silent(self) -> RawServer {
        RawServer::new(self.io)
    }

    /// Answers with a status line and headers, each with its line end.
    pub async fn answer(mut self, status: &str, headers: &str) -> RawServer {
        let answer = format!("HTTP/1.1 {status}\r\n{headers}\r\n");
        let _ = self.io.write_all(answer.as_bytes()).await; // the client may have gone
        RawServer::new(self.io)
    }

    /// Grants the upgrade, with these headers besides the usual.
    pub async fn upgrade_with(self, headers: &str) -> RawServer {
        let accept = self.accept();
        let usual = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ";
        self.answer("101 Switching Protocols", &format!("{usual}{accept}\r\n{headers}")).await
    }

    /// Grants the upgrade.
    pub async fn upgrade(self) -> RawServer {
        self.upgrade_with("Sec-WebSocket-Protocol: wse-default-json\r\n").await
    }
}
