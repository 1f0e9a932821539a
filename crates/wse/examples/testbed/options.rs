//! The options of the testbed, and how a size is written.

use crate::common::{duration, protocol, split};
use clap::Parser;
use std::{path::PathBuf, time::Duration};
use wse::Protocol;

#[derive(Parser)]
#[command(after_help = include_str!("testbed.txt"))]
pub(crate) struct Options {
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: String,
    #[arg(long, default_value_t = 4300)]
    pub(crate) port: u16,
    /// The WebSocket path; any when `*`.
    #[arg(long, default_value = "/")]
    pub(crate) path: String,
    /// Has a second server on this path of the same port: the same options, other users and
    /// procedures. The event lines of both have the server's `path`.
    #[arg(long, value_parser = path)]
    pub(crate) second_path: Option<String>,
    #[arg(long, default_value_t = 1)]
    pub(crate) conns_per_user: usize,
    /// Asks every device `{"a":1,"b":2}`; the answer is 3.
    #[arg(long)]
    pub(crate) challenge: bool,
    /// Refuses every device where it would be challenged, whatever its identity.
    #[arg(long)]
    pub(crate) refuse_before_challenge: bool,
    /// Lets everybody in.
    #[arg(long)]
    pub(crate) anonymous: bool,
    /// Sends devices the texts of errors without a code too: as the message, and in `details.origin`.
    #[arg(long)]
    pub(crate) expose_errors: bool,
    #[arg(long, default_value = "20s", value_parser = duration)]
    pub(crate) rpc_timeout: Duration,
    /// 10 s, and 20 s for `ws-messaging`; both when it is given. 0s: none.
    #[arg(long, value_parser = duration)]
    pub(crate) auth_timeout: Option<Duration>,
    #[arg(long, default_value = "25s", value_parser = duration)]
    pub(crate) ping_interval: Duration,
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub(crate) ping_timeout: Duration,
    #[arg(long, default_value = "1MiB", value_parser = bytes)]
    pub(crate) max_message: usize,
    #[arg(long, default_value = "1MiB", value_parser = bytes)]
    pub(crate) queue_bytes: usize,
    #[arg(long, default_value = "8MiB", value_parser = bytes)]
    pub(crate) queue_bytes_max: usize,
    /// How long more than `--queue-bytes` may wait for a device.
    #[arg(long, default_value = "2s", value_parser = duration)]
    pub(crate) slow_timeout: Duration,
    /// The subprotocols spoken, the preferred first. `custom` is `testbed-custom`: the frames of
    /// `wse-default-json` behind the word `CUSTOM:`.
    #[arg(long, value_delimiter = ',', default_value = "wse-default-json,wse-msgpack,ws-messaging", value_parser = protocol)]
    pub(crate) protocols: Vec<Protocol>,
    #[arg(long, default_value = "20s", value_parser = duration)]
    pub(crate) ws_ping_interval: Duration,
    #[arg(long, default_value = "20s", value_parser = duration)]
    pub(crate) ws_ping_timeout: Duration,
    /// How long a session is kept without a connection; 0s: there are none.
    #[arg(long, default_value = "60s", value_parser = duration)]
    pub(crate) resume_window: Duration,
    /// Rooms that one device is in at the most.
    #[arg(long, default_value_t = 128)]
    pub(crate) rooms_per_conn: usize,
    /// How long a user counts as away whose last device has left without a goodbye.
    #[arg(long, default_value = "15s", value_parser = duration)]
    pub(crate) presence_grace: Duration,
    /// Agrees to permessage-deflate, and compresses messages whose frames have at least so many bytes.
    #[arg(long, value_parser = bytes)]
    pub(crate) compress: Option<usize>,
    #[arg(long)]
    pub(crate) origin: Vec<String>,
    #[arg(long)]
    pub(crate) trusted_proxy: Vec<ipnet::IpNet>,
    /// Trusted proxies send a PROXY header.
    #[arg(long, conflicts_with = "second_path")]
    pub(crate) proxy_protocol: bool,
    /// The path that answers 200, and 503 during the shutdown.
    #[arg(long, value_parser = path, conflicts_with = "second_path")]
    pub(crate) health: Option<String>,
    /// Listens on a Unix socket too.
    #[arg(long, conflicts_with = "second_path")]
    pub(crate) unix: Option<PathBuf>,
    /// The most connections; beyond: 503. Without it there is no bound.
    #[arg(long)]
    pub(crate) connections: Option<usize>,
    /// Runtime threads; as many as there are cores by default. With 1 the runtime is a current-thread one.
    #[arg(long)]
    pub(crate) workers: Option<usize>,
    /// Serves connections on so many threads of the server's own.
    #[arg(long, default_value_t = 0, conflicts_with = "second_path")]
    pub(crate) cores: usize,
    /// Takes part in a cluster over this engine: `nats://HOST:PORT`, several by commas; `redis://HOST:PORT`;
    /// `redis-cluster://HOST:PORT,HOST:PORT`.
    #[arg(long, conflicts_with = "second_path")]
    pub(crate) cluster: Option<String>,
    /// The name of the cluster: `a` to `z`, digits and `-`.
    #[arg(long, default_value = "t")]
    pub(crate) cluster_name: String,
    /// The name of this node: a newer node of that name takes its place.
    #[arg(long)]
    pub(crate) node: Option<String>,
    /// The key of the cluster: 64 hexadecimal digits.
    #[arg(long, value_parser = key)]
    pub(crate) cluster_key: Option<[u8; 32]>,
    /// Serves what others publish to the cluster from outside.
    #[arg(long)]
    pub(crate) outside: bool,
    /// No event lines.
    #[arg(long)]
    pub(crate) quiet: bool,
}

fn path(text: &str) -> Result<String, String> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err(format!("{text:?}: a path begins with /")) }
}

/// 64 hexadecimal digits.
fn key(text: &str) -> Result<[u8; 32], String> {
    let wrong = || "a key has 64 hexadecimal digits".to_owned();
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let mut key = [0; 32];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(key)
}

/// `512`, `16KiB`, `1MiB`.
fn bytes(text: &str) -> Result<usize, String> {
    let (number, unit) = split(text)?;
    let factor = match unit {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(format!("{text:?}: a size is written as 512, 16KiB or 1MiB")),
    };
    usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| format!("{text:?}: too big"))
}
