//! What both echo examples need: an upgrade by hand, and an echo over any stream. May never be taken for a server: it
//! trusts the HTTP it reads, and masks with keys that a stranger could guess.

use std::{
    convert::Infallible,
    error::Error,
    hash::{BuildHasher, RandomState},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use sha1::{Digest, Sha1};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wse_frame::{
    Decoder, FrameError, Item, Limits, Message, Opcode, Role,
    deflate::{Deflate, Deflater, Inflater, RSV1},
    put_close, put_frame,
};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Autobahn's largest messages have 16 MiB, and its longest are cut into 256 Ki frames.
const LIMITS: Limits = Limits { frame: 64 << 20, message: 64 << 20, fragments: 1 << 20 };

/// The answer to a client's `Sec-WebSocket-Key`, RFC 6455 section 4.2.2.
pub(crate) fn accept(key: &str) -> String {
    BASE64.encode(Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")))
}

/// Reads an HTTP head, and gives what came behind it as well.
pub(crate) async fn read_head(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let behind = bytes.split_off(end + 4);
            return Ok((String::from_utf8(bytes)?, behind));
        }
        if bytes.len() > 16 << 10 || stream.read_buf(&mut bytes).await? == 0 {
            return Err("no HTTP head".into());
        }
    }
}

/// The value of a header, whatever the case of its name.
pub(crate) fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// The values of a header, of all its lines.
pub(crate) fn headers<'h>(head: &'h str, name: &str) -> impl Iterator<Item = &'h str> {
    head.lines().filter_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

/// Sends every message back until the conversation ends; `first` is what has been read already.
///
/// Gives the last text, which some of Autobahn's answers are.
pub(crate) async fn echo(
    mut stream: TcpStream,
    role: Role,
    mut first: Vec<u8>,
    agreed: Option<Deflate>,
) -> Result<Option<String>> {
    stream.set_nodelay(true)?;
    let mut decoder = Decoder::new(role, LIMITS);
    decoder.allow_reserved(if agreed.is_some() { RSV1 } else { 0 });
    let mut zlib = Zlib { agreed, ..Zlib::default() };
    let mut scratch = vec![0; 64 << 10];
    let mut out = Vec::new();
    let mut last = None;
    let mut open = true;
    let mut input = &mut first[..];
    loop {
        if open {
            open = answer(&mut decoder, &mut zlib, role, input, &mut out, &mut last);
        }
        stream.write_all(&out).await?;
        out = Vec::new();
        if !open && role == Role::Server {
            stream.shutdown().await?; // the server ends the connection first (section 7.1.1)
        }
        let len = match stream.read(&mut scratch).await {
            Ok(len) => len,
            Err(_) if !open => 0,
            Err(error) => return Err(error.into()),
        };
        if len == 0 {
            return Ok(last);
        }
        input = &mut scratch[..len];
    }
}

/// permessage-deflate, where it was agreed on.
#[derive(Default)]
struct Zlib {
    agreed: Option<Deflate>,
    deflater: Deflater,
    inflater: Inflater,
    inflated: Vec<u8>,
    plain: Vec<u8>,
}

impl Zlib {
    /// Sends a message back, compressed if that makes it smaller. Gives its text.
    fn echo(
        &mut self,
        message: &Message,
        role: Role,
        out: &mut Vec<u8>,
    ) -> std::result::Result<Option<String>, FrameError> {
        let payload = if message.reserved == 0 {
            message.payload.as_slice()
        } else {
            let payload = message.payload.as_slice();
            self.inflater.inflate(message.opcode, payload, LIMITS.message, &mut self.inflated)?;
            &self.inflated
        };
        self.plain.clear();
        put(&mut self.plain, message.opcode, role, payload);
        let compressed = self.agreed.is_some_and(|agreed| self.deflater.put_frame(out, &self.plain, key(role), agreed));
        if !compressed {
            out.extend_from_slice(&self.plain);
        }
        let is_text = message.opcode == Opcode::Text;
        Ok(is_text.then(|| String::from_utf8_lossy(payload).into_owned()))
    }
}

fn put(out: &mut Vec<u8>, opcode: Opcode, role: Role, payload: &[u8]) {
    let Ok(()) = put_frame(out, opcode, key(role), |out| {
        out.extend_from_slice(payload);
        Ok::<_, Infallible>(())
    });
}

/// Answers what the input brings; false if that has ended the conversation.
fn answer(
    decoder: &mut Decoder,
    zlib: &mut Zlib,
    role: Role,
    mut input: &mut [u8],
    out: &mut Vec<u8>,
    last: &mut Option<String>,
) -> bool {
    loop {
        let error = match decoder.next(&mut input) {
            Ok(None) => return true,
            Ok(Some(Item::Message(message))) => match zlib.echo(&message, role, out) {
                Ok(text) => {
                    *last = text;
                    continue;
                }
                Err(error) => error,
            },
            Ok(Some(Item::Ping(ping))) => {
                put(out, Opcode::Pong, role, ping.as_slice());
                continue;
            }
            Ok(Some(Item::Pong(_))) => continue,
            Ok(Some(Item::Close(close))) => {
                let code = close.map_or(1005, |close| close.code); // 1005: an empty close frame
                put_close(out, key(role), code, "");
                return false;
            }
            Err(error) => error,
        };
        put_close(out, key(role), error.close_code(), &error.to_string());
        return false;
    }
}

/// A new key for each frame of a client. Good enough for a test; a real client asks its system for randomness.
fn key(role: Role) -> Option<[u8; 4]> {
    (role == Role::Client).then(|| (RandomState::new().hash_one(()) as u32).to_ne_bytes())
}
