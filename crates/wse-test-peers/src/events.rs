//! The events of a server or a client as lines of text that a test compares.

use crate::time::WAIT;
use serde_json::Value;
use std::{
    collections::HashMap,
    future::{Ready, ready},
    sync::{Arc, LazyLock, Mutex},
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wse::{ClientEvent, Conn, Event};

/// The events of one server or one client, in order.
#[derive(Debug)]
pub struct Events(UnboundedReceiver<String>);

/// An event that has a line.
pub trait Told: Send + 'static {
    /// Itself as a line.
    fn line(&self) -> String;
}

/// The devices that each server has reported, in order.
static DEVICES: LazyLock<Mutex<HashMap<String, Vec<u64>>>> = LazyLock::new(Mutex::default);

/// A device's number among those that its server has reported, from 1. `conn_id` counts over all servers
/// of the process, and so over all tests.
pub fn number(conn: &Conn) -> usize {
    let mut devices = DEVICES.lock().expect("no panic while numbering");
    let node = conn.id().to_string()[..13].to_owned();
    let devices = devices.entry(node).or_default();
    if let Some(place) = devices.iter().position(|known| *known == conn.conn_id()) {
        return place + 1;
    }
    devices.push(conn.conn_id());
    devices.len()
}

/// A handler for `when`, and where its events arrive.
pub fn events<E: Told>() -> (impl FnOnce(E) -> Ready<()> + Clone + Send + Sync + 'static, Events) {
    let (sender, receiver) = unbounded_channel();
    let handler = move |event: E| {
        // The test may be over.
        let _ = sender.send(event.line());
        ready(())
    };
    (handler, Events(receiver))
}

/// One event as a line.
pub fn line(event: &impl Told) -> String {
    event.line()
}

impl Told for Event {
    fn line(&self) -> String {
        match self {
            Event::Joined(user) => {
                user.conns().iter().for_each(|conn| _ = number(conn));
                format!("joined {user}")
            }
            Event::Left(user, closed) => format!("left {user} {closed}"),
            Event::Connected(conn) => format!("connected {} {}", conn.cid(), number(conn)),
            Event::Disconnected(conn, closed) => format!("disconnected {} {} {closed}", conn.cid(), number(conn)),
            Event::Ignored { conn, name, payload } => {
                format!("ignored {} {name} {}", conn.cid(), payload.decode::<Value>().expect("JSON"))
            }
            Event::Parked(conn) => format!("parked {} {}", conn.cid(), number(conn)),
            Event::MovedIn(conn) => format!("moved in {} {}", conn.cid(), number(conn)),
            Event::MovedOut(conn, _) => format!("moved out {} {}", conn.cid(), number(conn)),
            Event::Resumed(conn) => format!("resumed {} {}", conn.cid(), number(conn)),
            Event::Error { code, conn, error, remote_addr, .. } => {
                let cid = conn.as_ref().map_or("nobody", |conn| conn.cid().as_str());
                let address = remote_addr.filter(|_| conn.is_none()).map(|address| format!(" from {address}"));
                format!("error {cid} {code} {error}{}", address.unwrap_or_default())
            }
            other => format!("{other:?}"),
        }
    }
}

impl Told for ClientEvent {
    fn line(&self) -> String {
        match self {
            ClientEvent::Status(status) => status.to_string(),
            ClientEvent::Ready { welcome, resumed, lost } => {
                let welcome = welcome.decode::<Value>().expect("JSON");
                let resumed = if *resumed { " resumed" } else { "" };
                let lost = if *lost > 0 { format!(" lost {lost}") } else { String::new() };
                format!("ready {welcome}{resumed}{lost}")
            }
            ClientEvent::Closed(closed) => format!("closed {closed}"),
            ClientEvent::Ignored { name, payload } => {
                format!("ignored {name} {}", payload.decode::<Value>().expect("JSON"))
            }
            ClientEvent::Error { code, error, .. } => format!("error {code}: {error}"),
            other => format!("{other:?}"),
        }
    }
}

impl Events {
    /// The next event.
    pub async fn next(&mut self) -> String {
        let event = tokio::time::timeout(WAIT, self.0.recv()).await.expect("no event came");
        event.expect("the server or client lives")
    }

    /// The next event that begins like this. Drops those before it.
    pub async fn next_like(&mut self, start: &str) -> String {
        loop {
            let event = self.next().await;
            if event.starts_with(start) {
                return event;
            }
        }
    }

    /// The next events.
    pub async fn take(&mut self, number: usize) -> Vec<String> {
        let mut events = Vec::new();
        while events.len() < number {
            events.push(self.next().await);
        }
        events
    }

    /// The events that have come already.
    pub fn so_far(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// Lines that handlers wrote down, in order.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

/// An empty log.
pub fn log() -> Log {
    Log::default()
}

impl Log {
    /// Writes a line down.
    pub fn add(&self, line: impl ToString) {
        self.0.lock().expect("no panic while logging").push(line.to_string());
    }

    /// Takes all lines out.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic while logging"))
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.0.lock().expect("no panic while logging").len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
