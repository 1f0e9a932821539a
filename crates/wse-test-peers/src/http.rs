//! The client's side of an upgrade: its HTTP, written and read by hand.

use crate::{raw::RawClient, time::WAIT};
use std::net::SocketAddr;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

/// What a server answered to a request, and the stream it came over.
#[derive(Debug)]
pub struct Answer<IO> {
    /// The status code.
    pub status: u16,
    /// The status line and the headers.
    pub head: String,
    /// What followed the head.
    pub body: Vec<u8>,
    io: IO,
}

/// An upgrade request for a path; `headers` replace those of the same name, and one without a
/// value is left out.
pub fn request(path: &str, headers: &[(&str, &str)]) -> String {
    let mut all = vec![
        ("Host", "test.example"),
        ("Connection", "keep-alive, Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", "wse-default-json"),
    ];
    all.retain(|(name, _)| !headers.iter().any(|(other, _)| other == name));
    all.extend(headers.iter().filter(|(_, value)| !value.is_empty()));
    let head: String = all.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\n{head}\r\n")
}

/// Sends a request over a stream and reads the head of the answer.
pub async fn ask_upgrade<IO>(mut io: IO, request: impl AsRef<[u8]>) -> Answer<IO>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    io.write_all(request.as_ref()).await.expect("a request is taken");
    let read = async {
        let mut answer = Vec::new();
        loop {
            if let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
                let body = answer.split_off(end + 4);
                return (String::from_utf8(answer).expect("a head is text"), body);
            }
            let read = io.read_buf(&mut answer).await.expect("an answer");
            assert_ne!(read, 0, "no answer: {:?}", String::from_utf8_lossy(&answer));
        }
    };
    let (head, body) = tokio::time::timeout(WAIT, read).await.expect("no answer came");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head, body, io }
}

/// Sends a request to an address.
pub async fn dial(addr: SocketAddr, request: impl AsRef<[u8]>) -> Answer<TcpStream> {
    ask_upgrade(TcpStream::connect(addr).await.expect("a server listens"), request).await
}

/// Upgrades at a path.
pub async fn upgrade(addr: SocketAddr, path: &str) -> RawClient<TcpStream> {
    dial(addr, request(path, &[])).await.upgraded()
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Answer<IO> {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.into_iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The peer behind an upgrade that was granted.
    pub fn upgraded(self) -> RawClient<IO> {
        assert_eq!(self.status, 101, "{}", self.head);
        RawClient::with(self.io, &self.body)
    }

    /// The whole body, up to the end of the stream.
    pub async fn rest(mut self) -> String {
        let read = self.io.read_to_end(&mut self.body);
        tokio::time::timeout(WAIT, read).await.expect("the stream ends").expect("a body");
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
