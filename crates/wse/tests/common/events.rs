//! What a server tells its application, as lines to compare.

use super::WAIT;
use serde_json::Value;
use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex},
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wse::Event;

/// The events of a server, in order.
pub(crate) struct Events(UnboundedReceiver<String>);

/// A handler for `when`, and where its events arrive.
pub(crate) fn events() -> (impl FnOnce(Event) -> Ready<()> + Clone + Send + Sync + 'static, Events) {
    let (sender, receiver) = unbounded_channel();
    let handler = move |event| {
        // The test may be over.
        let _ = sender.send(line(&event));
        ready(())
    };
    (handler, Events(receiver))
}

/// One event as a line.
pub(crate) fn line(event: &Event) -> String {
    match event {
        Event::Joined(user) => format!("joined {user}"),
        Event::Left(user, closed) => format!("left {user} {closed}"),
        Event::Connected(conn) => format!("connected {} {}", conn.cid(), conn.conn_id()),
        Event::Disconnected(conn, closed) => format!("disconnected {} {} {closed}", conn.cid(), conn.conn_id()),
        Event::Ignored { conn, name, payload } => {
            format!("ignored {} {name} {}", conn.cid(), payload.decode::<Value>().expect("JSON"))
        }
        Event::Parked(conn) => format!("parked {} {}", conn.cid(), conn.conn_id()),
        Event::Resumed(conn) => format!("resumed {} {}", conn.cid(), conn.conn_id()),
        Event::Error { code, conn, error, .. } => {
            let cid = conn.as_ref().map_or("nobody", |conn| conn.cid().as_str());
            format!("error {cid} {code} {error}")
        }
        other => format!("{other:?}"),
    }
}

impl Events {
    pub(crate) async fn next(&mut self) -> String {
        let event = tokio::time::timeout(WAIT, self.0.recv()).await.expect("no event came");
        event.expect("the server lives")
    }

    pub(crate) async fn take(&mut self, number: usize) -> Vec<String> {
        let mut events = Vec::new();
        while events.len() < number {
            events.push(self.next().await);
        }
        events
    }

    /// What has come so far.
    pub(crate) fn so_far(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// In order, what handlers wrote down.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: impl ToString) {
        self.0.lock().expect("no panic while logging").push(line.to_string());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic while logging"))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().expect("no panic while logging").len()
    }
}
