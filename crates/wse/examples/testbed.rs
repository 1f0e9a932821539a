//! The fixed server that outside checks drive: black-box tests, other languages' clients, the load
//! generator. Its behaviour is a contract; it is extended, never changed. It may use the
//! public API only.

mod common;

use clap::Parser;
use common::{duration, fail, protocol, split};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Number, Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};
use wse::{
    Conn, Event, Limits, Protocol, Reason, RpError, Server, Stranger, Verdict, WsMessaging, codec::Payload, with,
};

#[derive(Parser)]
#[command(after_help = include_str!("testbed.txt"))]
struct Options {
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    #[arg(long, default_value_t = 4300)]
    port: u16,
    /// The WebSocket path; any when `*`.
    #[arg(long, default_value = "/")]
    path: String,
    #[arg(long, default_value_t = 1)]
    conns_per_user: usize,
    /// Asks every device `{"a":1,"b":2}`; the answer is 3.
    #[arg(long)]
    challenge: bool,
    /// Accepts every device.
    #[arg(long)]
    anonymous: bool,
    #[arg(long, default_value = "20s", value_parser = duration)]
    rpc_timeout: Duration,
    /// 10 s, and 20 s for `ws-messaging`; both when it is given.
    #[arg(long, value_parser = duration)]
    auth_timeout: Option<Duration>,
    #[arg(long, default_value = "25s", value_parser = duration)]
    ping_interval: Duration,
    #[arg(long, default_value = "10s", value_parser = duration)]
    ping_timeout: Duration,
    #[arg(long, default_value = "1MiB", value_parser = bytes)]
    max_message: usize,
    #[arg(long, default_value = "1MiB", value_parser = bytes)]
    queue_bytes: usize,
    /// The subprotocols spoken, the preferred first.
    #[arg(long, value_delimiter = ',', default_value = "wse-default-json,wse-msgpack,ws-messaging", value_parser = protocol)]
    protocols: Vec<Protocol>,
    #[arg(long, default_value = "20s", value_parser = duration)]
    ws_ping_interval: Duration,
    #[arg(long, default_value = "20s", value_parser = duration)]
    ws_ping_timeout: Duration,
    /// How long a session is kept without a connection; 0s: there are none.
    #[arg(long, default_value = "60s", value_parser = duration)]
    resume_window: Duration,
    #[arg(long)]
    origin: Vec<String>,
    #[arg(long)]
    trusted_proxy: Vec<ipnet::IpNet>,
    /// Runtime threads; as many as there are cores by default.
    #[arg(long)]
    workers: Option<usize>,
    /// No event lines.
    #[arg(long)]
    quiet: bool,
}

struct App {
    challenge: bool,
    anonymous: bool,
    users: AtomicU64,
    strangers: AtomicU64,
}

impl App {
    async fn identify(self: Arc<Self>, stranger: Stranger, identity: Value) -> Result<Verdict, RpError> {
        if self.challenge {
            match stranger.answer::<Value, Value>()? {
                None => return Ok(stranger.challenge(&json!({"a": 1, "b": 2}))),
                Some((_, answer)) if answer == json!(3) => {}
                Some(_) => return Ok(stranger.refuse()),
            }
        }
        let identity = match &identity {
            Value::Object(fields) => fields.get("identity").and_then(Value::as_str),
            other => other.as_str(),
        };
        let cid = match identity.unwrap_or_default() {
            "valid-secret" => match stranger.meta::<Value>()?.get("user_id") {
                Some(Value::String(user_id)) => user_id.clone(),
                Some(Value::Number(user_id)) => user_id.to_string(),
                _ => format!("u{}", self.users.fetch_add(1, Relaxed) + 1),
            },
            "error" => Err(std::io::Error::other("identify fails as asked"))?,
            "panic" => panic!("identify panics as asked"),
            "never" => std::future::pending().await,
            other => match other.strip_prefix("slow:").and_then(|ms| ms.parse().ok()) {
                Some(ms) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    "slow".to_owned()
                }
                None if other.starts_with("user-") => other.to_owned(),
                None if self.anonymous => format!("anon-{}", self.strangers.fetch_add(1, Relaxed) + 1),
                None => return Ok(stranger.refuse()),
            },
        };
        Ok(stranger.accept(cid).welcome(&json!({"hey": "some data"})))
    }
}

#[derive(Deserialize)]
struct Count {
    count: i64,
}

#[derive(Deserialize)]
struct To {
    #[serde(default)]
    cid: Value,
    #[serde(rename = "type")]
    kind: String,
    payload: Option<Payload<'static>>,
}

#[derive(Deserialize)]
struct Drop {
    what: String,
    #[serde(default)]
    cid: Value,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct CallMe {
    rp: String,
    payload: Option<Payload<'static>>,
}

#[derive(Deserialize)]
struct Add {
    a: Number,
    b: Number,
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

/// The string, or the number in decimal.
fn text(cid: &Value) -> String {
    cid.as_str().map_or_else(|| cid.to_string(), str::to_owned)
}

fn reason(reason: Option<String>) -> Reason {
    reason.map_or_else(Reason::default, Reason::from)
}

async fn who(conn: Conn, _: IgnoredAny) -> Result<(), RpError> {
    let who = json!({
        "cid": conn.cid().as_str(),
        "conn_id": conn.conn_id(),
        "devices": conn.user().conn_count(),
        "remote_addr": conn.remote_addr(),
        "identity": conn.identity::<Value>()?,
        "meta": conn.meta::<Value>()?,
    });
    conn.send("who", who)?;
    Ok(())
}

async fn drop(conn: Conn, Drop { what, cid, reason: why }: Drop) -> Result<(), RpError> {
    match what.as_str() {
        "conn" => conn.drop(reason(why)),
        "user" => _ = conn.user().drop(reason(why)),
        "cid" => _ = conn.server().drop_user(text(&cid), reason(why)),
        _ => return Err(RpError::new("unknown-drop")),
    }
    Ok(())
}

async fn call_me(conn: Conn, CallMe { rp, payload }: CallMe) -> Result<(), RpError> {
    let called = match conn.call::<_, Value>(rp.as_str(), payload).await {
        Ok(result) => json!({"ok": result}),
        Err(error) => json!({"err": common::described(&error)}),
    };
    conn.send("called", called)?;
    Ok(())
}

async fn add(_: Conn, Add { a, b }: Add) -> Result<Number, RpError> {
    let whole = a.as_i64().zip(b.as_i64()).and_then(|(a, b)| a.checked_add(b)).map(Number::from);
    let sum = whole.or_else(|| Number::from_f64(a.as_f64()? + b.as_f64()?));
    sum.ok_or_else(|| RpError::new("no-sum"))
}

async fn big(_: Conn, n: usize) -> Result<String, RpError> {
    if n > 64 << 20 { Err(RpError::new("too-big")) } else { Ok("x".repeat(n)) }
}

async fn print(event: Event) {
    let line = match event {
        Event::Joined(user) => {
            json!({"event": "joined", "cid": user.cid().as_str(), "meta": user.meta::<Value>().ok()})
        }
        Event::Left(user, closed) => {
            json!({"event": "left", "cid": user.cid().as_str(), "code": closed.code, "reason": closed.reason.as_str()})
        }
        Event::Connected(conn) => {
            json!({"event": "connected", "cid": conn.cid().as_str(), "conn_id": conn.conn_id()})
        }
        Event::Disconnected(conn, closed) => json!({
            "event": "disconnected", "cid": conn.cid().as_str(), "conn_id": conn.conn_id(),
            "code": closed.code, "reason": closed.reason.as_str(),
        }),
        Event::Parked(conn) => json!({"event": "parked", "cid": conn.cid().as_str(), "conn_id": conn.conn_id()}),
        Event::Resumed(conn) => json!({"event": "resumed", "cid": conn.cid().as_str(), "conn_id": conn.conn_id()}),
        Event::Ignored { conn, name, payload } => json!({
            "event": "ignored", "cid": conn.cid().as_str(), "conn_id": conn.conn_id(),
            "type": &*name, "payload": payload.decode::<Value>().ok(),
        }),
        Event::Error { code, conn: Some(conn), .. } => {
            json!({"event": "error", "code": code, "cid": conn.cid().as_str()})
        }
        Event::Error { code, conn: None, .. } => json!({"event": "error", "code": code}),
        _ => return,
    };
    println!("{line}");
}

fn server(options: &Options) -> Server {
    let app = Arc::new(App {
        challenge: options.challenge,
        anonymous: options.anonymous,
        users: AtomicU64::new(0),
        strangers: AtomicU64::new(0),
    });
    let mut ws_messaging = WsMessaging::new().ping(options.ws_ping_interval, options.ws_ping_timeout);
    if let Some(timeout) = options.auth_timeout {
        ws_messaging = ws_messaging.auth_timeout(timeout);
    }
    let protocols = options.protocols.iter().map(|protocol| match protocol {
        Protocol::WsMessaging(_) => ws_messaging.clone().into(),
        other => other.clone(),
    });
    let mut server = Server::builder()
        .protocols(protocols)
        .identify(with(&app, App::identify))
        .on("echo", async |conn, payload: Payload<'static>| {
            conn.send("echo", payload)?;
            Ok(())
        })
        .on("count", async |conn, Count { count }| {
            conn.send("count", json!({"count": count + 1}))?;
            Ok(())
        })
        .on("hey", async |conn, _: IgnoredAny| {
            conn.user().send("both", ())?;
            conn.send("only", ())?;
            Ok(())
        })
        .on("to-user", async |conn, to: To| {
            conn.server().user(text(&to.cid)).send(&*to.kind, to.payload)?;
            Ok(())
        })
        .on("to-all", async |conn, to: To| {
            conn.server().broadcast(&*to.kind, to.payload)?;
            Ok(())
        })
        .on("bc", async |conn, n: usize| {
            conn.server().broadcast("news", big(conn.clone(), n).await?)?;
            Ok(())
        })
        .on("who", who)
        .on("drop", drop)
        .on("call-me", call_me)
        .on("hold", async |conn, ms: u64| {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            conn.send("held", ())?;
            Ok(())
        })
        .on("cut", async |conn, _: IgnoredAny| {
            conn.cut();
            Ok(())
        })
        .on("panic", async |_, _: IgnoredAny| panic!("asked to"))
        .register("add", add)
        .register("obj", async |_, _: IgnoredAny| Ok(json!({"ok": true})))
        .register("nil", async |_, _: IgnoredAny| Ok(()))
        .register("sleep", async |_, ms: u64| {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(ms)
        })
        .register("big", big)
        .register("devices", async |conn, _: IgnoredAny| Ok(conn.user().conn_count()))
        .register("fail", async |_, how: String| fail(&how))
        .limits(Limits {
            conns_per_user: options.conns_per_user,
            rpc_timeout: options.rpc_timeout,
            auth_timeout: options.auth_timeout.unwrap_or(Limits::default().auth_timeout),
            ping_interval: options.ping_interval,
            ping_timeout: options.ping_timeout,
            message_bytes: options.max_message,
            queue_bytes: options.queue_bytes,
            resume_window: options.resume_window,
            ..Limits::default()
        });
    if !options.quiet {
        server = server.when(print);
    }
    if options.path != "*" {
        server = server.path(&options.path);
    }
    for origin in &options.origin {
        server = server.origin(origin);
    }
    for proxy in &options.trusted_proxy {
        server = server.trusted_proxy(*proxy);
    }
    server.build()
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn run(options: Options) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::bind((options.host.as_str(), options.port)).await?;
    // As soon as the line is printed, its reader may send the signal to end.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    println!("ready {}", listener.local_addr()?);
    let server = server(&options);
    tokio::select! {
        served = server.serve(listener) => served?,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.shutdown(Duration::from_secs(5)).await;
    Ok(())
}

fn main() -> Result<(), Failure> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let options = Options::parse();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(workers) = options.workers {
        runtime.worker_threads(workers);
    }
    // Everything runs on the workers, so that their number is what is measured.
    runtime.enable_all().build()?.block_on(async { tokio::spawn(run(options)).await? })
}
