//! The client for the testbed: it is driven by JSON commands on stdin, one a line. Its
//! behaviour is a contract; it is extended, never changed. It may use the public API only.

mod common;

use clap::Parser;
use common::{described, duration, ended, fail, protocol};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    future::{Future, poll_fn},
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::watch,
};
use wse::{
    Backoff, CallError, Client, ClientEvent, ConnectError, Limits, Protocol, Reason, Status, WsMessaging,
    codec::Payload,
};

#[derive(Parser)]
struct Options {
    #[arg(long)]
    url: String,
    /// Any JSON.
    #[arg(long, default_value = "\"\"", value_parser = json)]
    identity: Value,
    /// Any JSON.
    #[arg(long, default_value = "{}", value_parser = json)]
    meta: Value,
    #[arg(long)]
    reconnect: bool,
    #[arg(long, default_value = "500ms", value_parser = duration)]
    backoff_min: Duration,
    #[arg(long, default_value = "20s", value_parser = duration)]
    backoff_max: Duration,
    #[arg(long, default_value = "20s", value_parser = duration)]
    rpc_timeout: Duration,
    /// From the dial to the welcome, whatever the protocol.
    #[arg(long, default_value = "10s", value_parser = duration)]
    connect_timeout: Duration,
    /// The subprotocol; `custom` is that of the testbed.
    #[arg(long, default_value = "wse-default-json", value_parser = protocol)]
    protocol: Protocol,
    /// Offers permessage-deflate, and compresses messages whose frames have at least so many bytes.
    #[arg(long)]
    compress: Option<usize>,
    /// Speaks `ws-messaging` in MessagePack.
    #[arg(long)]
    messagepack: bool,
    #[arg(long, default_value = "20s", value_parser = duration)]
    ws_ping_interval: Duration,
    #[arg(long, default_value = "20s", value_parser = duration)]
    ws_ping_timeout: Duration,
    /// Reconnects, in a session that survives a lost connection.
    #[arg(long)]
    resume: bool,
    /// Reconnects, and is as patient before its first welcome as after it.
    #[arg(long)]
    persistent: bool,
    /// Sends a balancer its cookies back.
    #[arg(long)]
    cookies: bool,
    /// Connects through the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names, but for NO_PROXY.
    #[arg(long)]
    proxy_from_env: bool,
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
    Connect,
    Send {
        #[serde(rename = "type")]
        kind: String,
        #[serde(default)]
        payload: Value,
    },
    Call {
        rp: String,
        #[serde(default)]
        payload: Value,
        timeout_ms: Option<u64>,
    },
    Jump {
        url: String,
        identity: Option<Value>,
        meta: Option<Value>,
    },
    Close {
        reason: Option<String>,
    },
    /// Closes the raw socket without a close frame.
    Cut,
    Status,
}

#[derive(Deserialize)]
struct Number {
    value: f64,
}

#[derive(Deserialize)]
struct Quest {
    a: i64,
    b: i64,
}

fn json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}

/// The identity and meta of the client. A jump may change either.
type Said = Mutex<(Value, Value)>;

fn refused(error: &ConnectError) -> Value {
    let mut refused = json!({"code": error.code(), "message": error.to_string()});
    if let ConnectError::Refused(closed) | ConnectError::Closed(closed) = error {
        refused["details"] = ended(closed);
    }
    refused
}

async fn answer(client: &Client, said: &Said, what: What) -> Result<Value, Value> {
    let welcome = || client.welcome::<Value>().map_err(|error| json!({"code": error.to_string()}));
    match what {
        What::Connect => {
            client.connect().await.map_err(|error| refused(&error))?;
            welcome()
        }
        What::Send { kind, payload } => match client.send(kind.as_str(), payload) {
            Ok(_) => Ok(Value::Null),
            Err(error) => Err(json!({"code": error.code(), "message": error.to_string()})),
        },
        What::Cut => {
            client.cut();
            Ok(Value::Null)
        }
        What::Call { rp, payload, timeout_ms } => {
            let called = match timeout_ms {
                Some(ms) => client.call_within(Duration::from_millis(ms), rp.as_str(), payload).await,
                None => client.call(rp.as_str(), payload).await,
            };
            called.map_err(|error: CallError| described(&error))
        }
        What::Jump { url, identity, meta } => {
            let jumped = if identity.is_some() || meta.is_some() {
                let (identity, meta) = {
                    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    said.0 = identity.unwrap_or_else(|| said.0.clone());
                    said.1 = meta.unwrap_or_else(|| said.1.clone());
                    said.clone()
                };
                client.jump_with(&url, &identity, &meta).await
            } else {
                client.jump(&url).await
            };
            jumped.map_err(|error| refused(&error))?;
            welcome()
        }
        What::Close { reason } => {
            client.close(reason.map_or_else(Reason::default, Reason::from)).await;
            Ok(Value::Null)
        }
        What::Status => Ok(json!(client.status().as_str())),
    }
}

/// The client, and the status that was printed last.
fn client(options: &Options) -> (Client, watch::Receiver<Status>) {
    let (status, printed) = watch::channel(Status::Idle);
    let resume = options.resume;
    let status = Arc::new(status);
    // No handler is registered, so every message arrives as an event of a message without a handler.
    let print = async move |event: ClientEvent| {
        let now = if let ClientEvent::Status(status) = &event { Some(*status) } else { None };
        let line = match event {
            ClientEvent::Status(status) => json!({"event": "status", "status": status.as_str()}),
            ClientEvent::Ready { welcome, resumed, lost } if resume => {
                let mut line = json!({"event": "ready", "welcome": welcome.decode::<Value>().ok(), "resumed": resumed});
                if lost > 0 {
                    line["lost"] = json!(lost);
                }
                line
            }
            ClientEvent::Ready { welcome, .. } => json!({"event": "ready", "welcome": welcome.decode::<Value>().ok()}),
            ClientEvent::Closed(closed) => {
                json!({"event": "closed", "code": closed.code, "reason": closed.reason.as_str()})
            }
            ClientEvent::Ignored { name, payload } => {
                json!({"event": "message", "type": &*name, "payload": payload.decode::<Value>().ok()})
            }
            ClientEvent::Error { code, .. } => json!({"event": "error", "code": code}),
            _ => return,
        };
        println!("{line}");
        _ = now.map(|now| status.send_replace(now));
    };
    let limits =
        Limits { rpc_timeout: options.rpc_timeout, connect_timeout: options.connect_timeout, ..Limits::default() };
    let protocol = match &options.protocol {
        Protocol::WsMessaging(_) => {
            // It would be added to the connect timeout.
            let no_time_of_its_own = WsMessaging::new().auth_timeout(Duration::ZERO);
            let ws_messaging = no_time_of_its_own.ping(options.ws_ping_interval, options.ws_ping_timeout);
            if options.messagepack { ws_messaging.messagepack() } else { ws_messaging }.into()
        }
        other => other.clone(),
    };
    let mut client = Client::builder(&options.url)
        .protocol(protocol)
        .resume(options.resume)
        .cookies(options.cookies)
        .identity(&options.identity)
        .meta(&options.meta)
        .challenge(async |_, Quest { a, b }| Ok(a + b))
        .register("double", async |_, Number { value }| {
            let double = value * 2.0;
            Ok(if double.fract() == 0.0 { json!(double as i64) } else { json!(double) })
        })
        .register("sleep", async |_, ms: u64| {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(ms)
        })
        .register("whoami", async |_, _: Payload<'static>| Ok(json!({"name": "testclient"})))
        .register("fail", async |_, how: String| fail(&how))
        .when(print)
        .limits(limits);
    if let Some(bytes) = options.compress {
        client = client.compress_from(bytes);
    }
    if options.reconnect || options.resume || options.persistent {
        let (min, max, persistent) = (options.backoff_min, options.backoff_max, options.persistent);
        client = client.reconnect(Backoff { min, max, persistent, ..Backoff::default() });
    }
    if options.proxy_from_env {
        client = client.proxy_from_env();
    }
    (client.build(), printed)
}

/// Runs a command to where it first waits, and the rest in a task of its own. Messages and calls are
/// queued before they wait for anything, so they go out in the order of the lines.
async fn start(command: impl Future<Output = ()> + Send + 'static) {
    let mut command = Box::pin(command);
    if poll_fn(|context| Poll::Ready(command.as_mut().poll(context))).await.is_pending() {
        tokio::spawn(command);
    }
}

async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let (client, mut printed) = client(&options);
    let said: Arc<Said> = Arc::new(Mutex::new((options.identity, options.meta)));
    let ready = client.clone();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (client, said) = (client.clone(), said.clone());
        start(async move {
            let answered = match serde_json::from_str(&line) {
                Ok(Command { id, what }) => match answer(&client, &said, what).await {
                    Ok(ok) => json!({"id": id, "ok": ok}),
                    Err(err) => json!({"id": id, "err": err}),
                },
                Err(error) => json!({"id": null, "err": {"code": "bad-command", "message": error.to_string()}}),
            };
            println!("{answered}");
        })
        .await;
    }
    ready.close(Reason::default()).await;
    // What the end brings is printed by a task of the client's.
    printed.wait_for(|status| *status == Status::Offline).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    run(Options::parse()).await
}
