//! A wire format of your own: lines of text, `name stamp payload`, with names of your own for the
//! protocol's types. One server speaks it and the default one, and its users reach each other.
//!
//! ```text
//! cargo run -p wse --example custom_codec
//! ```

use std::{error::Error, time::Duration};
use tokio::{net::TcpListener, sync::mpsc};
use wse::{
    Client, ClientBuilder, Conn, Msg, Protocol, Rp, Server,
    codec::{CustomCodec, EncodeError, Envelope, Payload, ProtocolError},
};

/// `say - "hello"` is a message, `add 17 [2,3]` a call, `ok 17 5` its answer.
struct Lines;

/// The protocol's own types, and what they are called here.
const WORDS: [(&str, &str); 5] = [
    ("~wse:hi", "hi"),
    ("~wse:challenge", "prove"),
    ("~wse:welcome", "welcome"),
    ("~wse:response", "ok"),
    ("~wse:response-err", "fail"),
];

impl CustomCodec for Lines {
    fn name(&self) -> &str {
        "lines" // the subprotocol, by which client and server agree on it
    }

    fn write(&self, envelope: &Envelope<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let name = match WORDS.iter().find(|(name, _)| *name == envelope.name) {
            Some((_, word)) => word,
            None if envelope.name.contains(' ') || WORDS.iter().any(|(_, word)| *word == envelope.name) => {
                return Err(EncodeError::new("a name that lines cannot carry"));
            }
            None => &*envelope.name,
        };
        out.extend_from_slice(format!("{name} {} ", envelope.stamp.as_deref().unwrap_or("-")).as_bytes());
        out.extend_from_slice(envelope.payload.as_bytes());
        Ok(())
    }

    fn read<'a>(&self, frame: &'a [u8]) -> Result<Envelope<'a>, ProtocolError> {
        let line = std::str::from_utf8(frame).map_err(|_| ProtocolError::new("not UTF-8"))?;
        let mut parts = line.splitn(3, ' ');
        let (Some(name), Some(stamp), Some(payload)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ProtocolError::new("not three parts"));
        };
        let name = WORDS.iter().find(|(_, word)| *word == name).map_or(name, |(name, _)| name);
        let stamp = (stamp != "-").then(|| stamp.into());
        Ok(Envelope { name: name.into(), payload: Payload::json(payload)?, stamp })
    }
}

const SAY: Msg<String> = Msg::new("say");
const LINE: Msg<(String, String)> = Msg::new("line");
const ADD: Rp<(i64, i64), i64> = Rp::new("add");

fn server() -> Server {
    Server::builder()
        .identify(async |stranger, name: String| Ok(stranger.accept(name)))
        .on(SAY, async |conn: Conn, text| {
            // Encoded once for each codec, not once for each device.
            conn.server().broadcast(LINE, (conn.cid().to_string(), text))?;
            Ok(())
        })
        .register(ADD, async |_, (a, b)| Ok(a + b))
        .protocols([Protocol::custom(Lines), Protocol::Wse])
        .build()
}

async fn show(url: &str) -> Result<(), Box<dyn Error>> {
    let (heard, mut hearing) = mpsc::unbounded_channel();
    let hear = |client: ClientBuilder, listener: &'static str| {
        let heard = heard.clone();
        client.on(LINE, async move |_, (from, text)| {
            heard.send(format!("{listener} hears {from} say {text:?}"))?;
            Ok(())
        })
    };
    let ann = hear(Client::builder(url).identity("ann").protocol(Protocol::custom(Lines)), "ann").connect().await?;
    let bob = hear(Client::builder(url).identity("bob"), "bob").connect().await?;

    ann.send(SAY, "hello from lines".to_owned())?;
    bob.send(SAY, "hello from JSON".to_owned())?;
    let mut all = Vec::new();
    while all.len() < 4 {
        all.extend(tokio::time::timeout(Duration::from_secs(5), hearing.recv()).await?);
    }
    all.sort();
    println!("{}", all.join("\n"));
    assert!(all.contains(&r#"bob hears ann say "hello from lines""#.to_owned()));
    assert!(all.contains(&r#"ann hears bob say "hello from JSON""#.to_owned()));

    let five = ann.call(ADD, (2, 3)).await?;
    println!("a call in lines: 2 + 3 = {five}");
    assert_eq!(five, 5);

    ann.close("done").await;
    bob.close("done").await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}", listener.local_addr()?);
    let server = server();
    tokio::select! {
        served = server.serve(listener) => served?,
        shown = show(&url) => shown?,
    }
    server.shutdown(Duration::from_secs(1)).await;
    Ok(())
}
