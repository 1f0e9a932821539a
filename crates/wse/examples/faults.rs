//! The fault proxy as a program, for clients in other languages: it opens proxies in front of an
//! address and breaks their connections as JSON commands say, one a line.
//!
//! ```text
//! cargo run --release -p wse --example faults -- --behind 127.0.0.1:4300
//! {"id":1,"do":"open"}
//! {"id":1,"ok":"ws://127.0.0.1:40123"}
//! {"id":2,"do":"fault","url":"ws://127.0.0.1:40123","nth":1,"way":"to_server","fault":{"cut_after":300}}
//! {"id":2,"ok":null}
//! {"id":3,"do":"drop","url":"ws://127.0.0.1:40123"}
//! {"id":3,"ok":{"connections":2}}
//! ```
//!
//! `--help` lists the faults and the fields. End of input ends it.

use clap::Parser;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::HashMap, net::SocketAddr, time::Duration};
use tokio::io::{AsyncBufReadExt, BufReader};
use wse_test::{Cut, Faults, Proxy};

const HELP: &str = r#"Commands, one JSON object a line; each is answered with its id, and `ok` or `err`:
  {"id":1,"do":"open"}                                      a new proxy: {"id":1,"ok":"ws://127.0.0.1:40123"}
  {"id":2,"do":"fault","url":URL,"nth":1,"way":"to_server","fault":{"cut_after":300}}
  {"id":3,"do":"drop","url":URL}                            ends it: {"id":3,"ok":{"connections":2}}

  nth     the connection of that number, from 1 on in the order of dialing, refused ones too. It may be
          one that is still to come. Without it: all connections, those to come as well. So `cut_after`
          without `nth` cuts each later connection too; with less than a welcome takes (about 240) no
          client ever connects. "heal" takes it back.
  way     "to_server" or "to_client": what the client sends, or the server. Without it: both, each with
          a count of its own. "cut", "cut_as" and "refuse" ignore the way.

Faults:
  "cut"                  cuts what is there, now; connections to come are not touched
  {"cut_after":N}        cuts when N bytes were delivered in one direction, from the HTTP request on. Until
                         the welcome they are about 240 each way
  {"cut_as":HOW}         who sees the cuts that follow: "reset" (both, abruptly; this is the default),
                         "fin" (both, as an orderly end), "client-only", "server-only"
  "blackhole"            bytes vanish, and neither end is told
  {"blackhole_after":N}  the same, when N bytes were delivered
  {"latency":MS}         delays every byte by so many milliseconds
  {"bandwidth":N}        lets N bytes a second through; 0: nothing moves, and nothing is lost
  {"split":N}            delivers pieces of at most N bytes
  "refuse"               new connections fail, the others stay
  "heal"                 takes all faults back; what was cut or has vanished stays so"#;

/// Breaks connections as the JSON lines on its input say.
#[derive(Parser)]
#[command(after_help = HELP)]
struct Options {
    /// The address of the server behind.
    #[arg(long)]
    behind: SocketAddr,
}

#[derive(Deserialize)]
struct Command {
    id: Value,
    #[serde(flatten)]
    what: What,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum What {
    Open,
    Fault {
        url: String,
        nth: Option<u64>,
        way: Option<Way>,
        fault: Fault,
    },
    /// Ends the proxy and its connections. Returns how many there were.
    Drop {
        url: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    ToServer,
    ToClient,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fault {
    Cut,
    CutAfter(u64),
    CutAs(Ends),
    Blackhole,
    BlackholeAfter(u64),
    Latency(u64),
    Bandwidth(u64),
    Split(usize),
    Refuse,
    Heal,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ends {
    Reset,
    Fin,
    ClientOnly,
    ServerOnly,
}

fn set(faults: Faults, fault: Fault) -> Faults {
    match fault {
        Fault::Cut => faults.cut(),
        Fault::CutAfter(bytes) => faults.cut_after(bytes),
        Fault::CutAs(Ends::Reset) => faults.cut_as(Cut::Reset),
        Fault::CutAs(Ends::Fin) => faults.cut_as(Cut::Fin),
        Fault::CutAs(Ends::ClientOnly) => faults.cut_as(Cut::ClientOnly),
        Fault::CutAs(Ends::ServerOnly) => faults.cut_as(Cut::ServerOnly),
        Fault::Blackhole => faults.blackhole(),
        Fault::BlackholeAfter(bytes) => faults.blackhole_after(bytes),
        Fault::Latency(ms) => faults.latency(Duration::from_millis(ms)),
        Fault::Bandwidth(bytes) => faults.bandwidth(bytes),
        Fault::Split(bytes) => faults.split(bytes),
        Fault::Refuse => faults.refuse(),
        Fault::Heal => faults.heal(),
    }
}

async fn answer(proxies: &mut HashMap<String, Proxy>, behind: SocketAddr, what: What) -> Result<Value, String> {
    match what {
        What::Open => {
            let proxy = Proxy::new(behind).await.map_err(|error| error.to_string())?;
            let url = proxy.url();
            proxies.insert(url.clone(), proxy);
            Ok(json!(url))
        }
        What::Fault { url, nth, way, fault } => {
            let faults = proxies.get(&url).ok_or("no such proxy")?.faults();
            let faults = nth.map_or(faults.clone(), |nth| faults.nth(nth));
            let faults = match way {
                Some(Way::ToServer) => faults.to_server(),
                Some(Way::ToClient) => faults.to_client(),
                None => faults,
            };
            set(faults, fault);
            Ok(Value::Null)
        }
        What::Drop { url } => {
            let proxy = proxies.remove(&url).ok_or("no such proxy")?;
            Ok(json!({"connections": proxy.counts().connections}))
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Options { behind } = Options::parse();
    let mut proxies = HashMap::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let answered = match serde_json::from_str(&line) {
            Ok(Command { id, what }) => match answer(&mut proxies, behind, what).await {
                Ok(ok) => json!({"id": id, "ok": ok}),
                Err(error) => json!({"id": id, "err": error}),
            },
            Err(error) => {
                let id = serde_json::from_str::<Value>(&line).ok().and_then(|line| line.get("id").cloned());
                json!({"id": id, "err": error.to_string()})
            }
        };
        println!("{answered}");
    }
    Ok(())
}
