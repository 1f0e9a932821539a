//! WebSocket frames, written and read by hand, for either end of a connection. They answer nothing by themselves.

use crate::time::WAIT;
use std::{collections::VecDeque, convert::Infallible, io, marker::PhantomData};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use wse_frame::{
    CloseFrame, Decoder, Item, Limits, Opcode, Payload, Role,
    deflate::{Deflate, Deflater, Inflater, RSV1},
    put_close, put_frame,
};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Which end of a connection writes: a client masks its frames, a server does not.
pub trait End: Send + 'static {
    /// The role in RFC 6455.
    const ROLE: Role;
    /// The mask of every frame.
    const MASK: Option<[u8; 4]>;
}

/// The client's end.
#[derive(Debug)]
pub enum ClientEnd {}

/// The server's end.
#[derive(Debug)]
pub enum ServerEnd {}

impl End for ClientEnd {
    const ROLE: Role = Role::Client;
    const MASK: Option<[u8; 4]> = Some(MASK);
}

impl End for ServerEnd {
    const ROLE: Role = Role::Server;
    const MASK: Option<[u8; 4]> = None;
}

/// What the other end sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A close frame: its code and reason, if it has them.
    Close(Option<(u16, String)>),
    /// The end of the stream.
    End,
}

/// Reads frames.
#[derive(Debug)]
pub struct Reader<IO = DuplexStream> {
    io: ReadHalf<IO>,
    decoder: Decoder,
    inflater: Inflater,
    /// How many compressed messages have come.
    compressed: usize,
    got: VecDeque<Got>,
}

/// Writes frames as one of the two ends.
#[derive(Debug)]
pub struct Writer<E, IO = DuplexStream> {
    io: WriteHalf<IO>,
    end: PhantomData<fn() -> E>,
}

/// One final frame as that end sends it.
fn frame_of<E: End>(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let Ok(()) = put_frame(&mut out, opcode, E::MASK, |out| {
        out.extend_from_slice(payload);
        Ok::<_, Infallible>(())
    });
    out
}

/// One final frame as a client sends it.
pub fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    frame_of::<ClientEnd>(opcode, payload)
}

/// A text frame as a client sends it.
pub fn text(text: &str) -> Vec<u8> {
    frame(Opcode::Text, text.as_bytes())
}

/// A frame as a client sends it, compressed; it must have become smaller.
pub fn compressed(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    compressed_of::<ClientEnd>(opcode, payload)
}

fn compressed_of<E: End>(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let (plain, mut out) = (frame_of::<E>(opcode, payload), Vec::new());
    assert!(Deflater::default().put_frame(&mut out, &plain, E::MASK, Deflate::default()), "not smaller");
    out
}

/// The header of a client's frame whose payload is still to come.
pub fn header(first: u8, length: usize) -> Vec<u8> {
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

impl<E: End, IO: AsyncRead + AsyncWrite + Unpin> Writer<E, IO> {
    pub(crate) fn new(io: WriteHalf<IO>) -> Self {
        Self { io, end: PhantomData }
    }

    /// Writes bytes. When the other end has left, only the reader tells.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = self.try_write(bytes).await;
    }

    /// Writes bytes, or fails when the other end has left.
    pub async fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.io.write_all(bytes).await?;
        self.io.flush().await
    }

    /// Writes one final frame.
    pub async fn frame(&mut self, opcode: Opcode, payload: &[u8]) {
        self.write(&frame_of::<E>(opcode, payload)).await;
    }

    /// Writes one final frame, compressed.
    pub async fn compressed(&mut self, opcode: Opcode, payload: &[u8]) {
        self.write(&compressed_of::<E>(opcode, payload)).await;
    }

    /// Writes a close frame.
    pub async fn close(&mut self, code: u16, reason: &str) {
        let mut out = Vec::new();
        put_close(&mut out, E::MASK, code, reason);
        self.write(&out).await;
    }

    /// Ends the stream without a close frame.
    pub async fn hang_up(&mut self) {
        self.io.shutdown().await.expect("a stream to end");
    }
}

impl<IO: AsyncRead + Unpin> Reader<IO> {
    /// Reads as that end, after bytes that were read of the stream before.
    pub(crate) fn new<E: End>(io: ReadHalf<IO>, ahead: &[u8]) -> Self {
        let limits = Limits { frame: 64 << 20, message: 64 << 20, fragments: 1 };
        let mut reader = Self {
            io,
            decoder: Decoder::new(E::ROLE, limits),
            inflater: Inflater::default(),
            compressed: 0,
            got: VecDeque::new(),
        };
        reader.decode(&mut ahead.to_vec());
        reader
    }

    /// What comes next.
    pub async fn next(&mut self) -> Got {
        tokio::time::timeout(WAIT, self.read()).await.expect("nothing came")
    }

    /// Inflates compressed messages from now on, which are no valid frames before.
    pub fn inflate(&mut self) {
        self.decoder.allow_reserved(RSV1);
    }

    /// How many compressed messages have been read.
    pub fn compressed(&self) -> usize {
        self.compressed
    }

    /// The next frame, which must be a text.
    pub async fn text(&mut self) -> String {
        match self.next().await {
            Got::Text(text) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    /// Exactly this many bytes of the stream, before any frame was read.
    pub(crate) async fn bytes(&mut self, bytes: &mut [u8]) {
        tokio::time::timeout(WAIT, self.io.read_exact(bytes)).await.expect("nothing came").expect("it is open");
    }

    pub(crate) async fn read(&mut self) -> Got {
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
            self.decode(&mut bytes[..read]);
        }
    }

    fn decode(&mut self, mut input: &mut [u8]) {
        let mut inflated = Vec::new();
        while let Some(mut item) = self.decoder.next(&mut input).expect("the other end's frames are valid") {
            if let Item::Message(message) = &mut item
                && message.reserved != 0
            {
                let inflating =
                    self.inflater.inflate(message.opcode, message.payload.as_slice(), 64 << 20, &mut inflated);
                inflating.expect("what the other end compresses is valid");
                message.payload = Payload::Owned(std::mem::take(&mut inflated));
                message.reserved = 0;
                self.compressed += 1;
            }
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
