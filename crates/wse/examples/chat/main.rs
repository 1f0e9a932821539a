//! A chat for the browser: users with several devices each, messages to all and to one, and calls
//! in both directions.
//!
//! ```text
//! cargo run --release -p wse --example chat
//! ```
//!
//! Then open <http://127.0.0.1:4200> in two tabs. Tabs with one name are devices of one user,
//! another name is another user; there are no passwords. `--port 0` takes any free port,
//! `--host 0.0.0.0` makes it reachable for your phone, and with `--conns-per-user 2` a third device of
//! a user pushes out the first. Ctrl-C or SIGTERM stops it.
//!
//! The page uses the client for JavaScript: begin with `chat.js`. `wse-client.js` is that client,
//! bundled by `npm run build:chat` in `clients/js`.

mod contract;

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    middleware::{Next, from_fn},
    response::Response,
    routing::{MethodRouter, get},
    serve::ListenerExt,
};
use clap::Parser;
use contract::*;
use std::{
    collections::VecDeque,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use wse::{Conn, Event, Limits, RpError, Server, Stranger, Verdict, service::RemoteAddr, with};

struct App {
    room: Mutex<Room>,
    conns_per_user: usize,
}

#[derive(Default)]
struct Room {
    history: VecDeque<Line>,
    last_at: u64,
}

impl App {
    /// Messages are sent while the room is locked, so all devices get them in one order. Sending never
    /// waits.
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn identify(self: Arc<Self>, stranger: Stranger, name: String) -> Result<Verdict, RpError> {
        if !is_name(&name) {
            return Ok(stranger.refuse());
        }
        let welcome = Welcome { cid: name.clone(), text_chars: TEXT_CHARS, devices: self.conns_per_user };
        Ok(stranger.accept(name).welcome(&welcome))
    }

    async fn say(self: Arc<Self>, conn: Conn, Draft { to, text }: Draft) -> Result<(), RpError> {
        if text.trim().is_empty() || text.chars().count() > TEXT_CHARS {
            return Err(RpError::new("TEXT_LENGTH").message(format!("A message has 1 to {TEXT_CHARS} characters.")));
        }
        let (server, from) = (conn.server(), conn.cid().to_string());
        let mut room = self.room();
        room.last_at = now().max(room.last_at + 1);
        let line = Line { at: room.last_at, from, to, text };
        let encoded = server.encode(LINE, line.clone())?;
        if let Some(to) = &line.to {
            if server.user(to).send_encoded(&encoded).total() == 0 {
                return Err(RpError::new("NOT_HERE").message(format!("{to} is not here.")));
            }
            if *to != line.from {
                conn.user().send_encoded(&encoded);
            }
        } else {
            server.room(LOBBY).send_encoded(&encoded);
            room.history.push_back(line);
            if room.history.len() > HISTORY_LINES {
                room.history.pop_front();
            }
        }
        Ok(())
    }

    async fn when(self: Arc<Self>, event: Event) {
        let conn = match event {
            Event::Joined(user) => return println!("{user} joined"),
            Event::Left(user, closed) => return println!("{user} left: {closed}"),
            Event::Error { error, .. } if error.source().is_some() => return eprintln!("unexpected: {error}"),
            Event::Connected(ref conn) | Event::Disconnected(ref conn, _) => conn,
            _ => return,
        };
        let room = self.room();
        if let Event::Connected(_) = event {
            // Later lines reach the device as messages, earlier ones are in the history. It may have gone already.
            let _ = conn.join(LOBBY);
            let _ = conn.presence_for(LOBBY);
            let _ = conn.send(HISTORY, room.history.clone());
        }
        let present = |user: wse::User| Present { name: user.cid().to_string(), devices: user.conn_count() };
        let mut here: Vec<Present> = conn.server().users().into_iter().map(present).collect();
        here.sort_by(|a, b| a.name.cmp(&b.name));
        let _ = conn.server().broadcast(HERE, here); // fails only for what does not encode
    }
}

async fn typing(conn: Conn, to: Option<String>) -> Result<(), RpError> {
    let (server, from) = (conn.server(), conn.cid().to_string());
    // A device that reads slowly gets the newest hint of each user, and none that is old.
    let hint = TYPIST.latest(&from).ttl(HINT);
    match to.clone() {
        Some(user) => server.user(user).send(hint, Typist { from, to })?,
        None => server.room(LOBBY).except(&conn).send(hint, Typist { from, to })?,
    };
    Ok(())
}

async fn ask_me(conn: Conn, (): ()) -> Result<Asked, RpError> {
    let started = Instant::now();
    let device = conn.call_within(Duration::from_secs(5), WHOAMI, ()).await?;
    Ok(Asked { device, ms: started.elapsed().as_secs_f64() * 1e3 })
}

async fn drop_others(conn: Conn, (): ()) -> Result<usize, RpError> {
    let others: Vec<Conn> = conn.user().conns().into_iter().filter(|other| *other != conn).collect();
    others.iter().for_each(|other| other.drop("dropped by another device of yours"));
    Ok(others.len())
}

/// 1 to 32 visible characters, with single spaces inside.
fn is_name(name: &str) -> bool {
    let blank = |c| matches!(c, '\u{ad}' | '\u{61c}' | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{e0000}'..);
    let format = |c| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}');
    let unseen = |c: char| c.is_control() || c.is_whitespace() || blank(c) || format(c);
    name.chars().count() <= NAME_CHARS && name.split(' ').all(|word| !word.is_empty() && !word.contains(unseen))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

fn server(conns_per_user: usize) -> Server {
    let app = Arc::new(App { room: Mutex::default(), conns_per_user });
    Server::builder()
        .identify(with(&app, App::identify))
        .register(SAY, with(&app, App::say))
        .on(TYPING, typing)
        .register(ADD, async |_, (a, b)| a.checked_add(b).ok_or_else(|| RpError::new("OVERFLOW").message("Too large.")))
        .register(ASK_ME, ask_me)
        .register(DROP_OTHERS, drop_others)
        .when(async move |event| app.when(event).await)
        .limits(Limits { conns_per_user, message_bytes: 32 << 10, ..Limits::default() })
        .build()
}

/// Tells wse from which address a connection comes, since axum has accepted it.
async fn remote_addr(ConnectInfo(addr): ConnectInfo<SocketAddr>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(RemoteAddr(addr.ip()));
    next.run(request).await
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// What the page consists of.
const FILES: [(&str, &str, &str); 13] = [
    ("/", HTML, include_str!("index.html")),
    ("/chat.css", CSS, include_str!("chat.css")),
    ("/chat.js", JS, include_str!("chat.js")),
    ("/calls.js", JS, include_str!("calls.js")),
    ("/client.js", JS, include_str!("client.js")),
    ("/composer.js", JS, include_str!("composer.js")),
    ("/dom.js", JS, include_str!("dom.js")),
    ("/log.js", JS, include_str!("log.js")),
    ("/people.js", JS, include_str!("people.js")),
    ("/status.js", JS, include_str!("status.js")),
    ("/typing.js", JS, include_str!("typing.js")),
    ("/words.js", JS, include_str!("words.js")),
    ("/wse-client.js", JS, include_str!("wse-client.js")),
];

fn file(kind: &'static str, text: &'static str) -> MethodRouter {
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' ws: wss:";
    get(move || async move { ([(CONTENT_TYPE, kind), (CONTENT_SECURITY_POLICY, policy)], text) })
}

#[derive(Parser)]
struct Options {
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    #[arg(long, default_value_t = 4200)]
    port: u16,
    /// How many devices a user may have at once; a newer one pushes out the oldest.
    #[arg(long, default_value = "5")]
    conns_per_user: NonZeroUsize,
}

/// Resolves on SIGTERM, by which a supervisor ends a process, and on Ctrl-C.
async fn told_to_end() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        tokio::select! {
            _ = terminate.recv() => Ok(()),
            interrupted = tokio::signal::ctrl_c() => interrupted,
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    let server = server(options.conns_per_user.get());
    let page = FILES.into_iter().fold(Router::new(), |page, (path, kind, text)| page.route(path, file(kind, text)));
    let router = page.route_service("/ws", server.service()).layer(from_fn(remote_addr));
    let (host, port) = (options.host, options.port);
    let listener = tokio::net::TcpListener::bind((&*host, port)).await;
    let listener = listener.map_err(|error| format!("cannot listen on {host}:{port}: {error}"))?;
    println!("the chat is at http://{} (open it in two tabs; Ctrl-C stops)", listener.local_addr()?);
    let listener = listener.tap_io(|tcp| _ = tcp.set_nodelay(true));
    // Not axum's own graceful shutdown: it waits for every request, even for one that never comes to its end.
    tokio::select! {
        served = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()) => served?,
        ended = told_to_end() => ended?,
    }
    server.shutdown(Duration::from_secs(2)).await;
    Ok(())
}
