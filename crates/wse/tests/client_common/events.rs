//! What a client tells its application, as lines to compare.

use super::WAIT;
use serde_json::Value;
use std::{
    future::{Ready, ready},
    sync::{Arc, Mutex},
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wse::ClientEvent;

/// The events of a client, in order.
pub(crate) struct Events(UnboundedReceiver<String>);

/// A handler for `when`, and where its events arrive.
pub(crate) fn events() -> (impl FnOnce(ClientEvent) -> Ready<()> + Clone + Send + Sync + 'static, Events) {
    let (sender, receiver) = unbounded_channel();
    let handler = move |event| {
        let _ = sender.send(line(&event)); // the test may be over
        ready(())
    };
    (handler, Events(receiver))
}

/// One event as a line.
pub(crate) fn line(event: &ClientEvent) -> String {
    match event {
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

impl Events {
    pub(crate) async fn next(&mut self) -> String {
        let event = tokio::time::timeout(WAIT, self.0.recv()).await.expect("no event came");
        event.expect("the client lives")
    }

    /// The next event that begins like this; what comes before is dropped.
    pub(crate) async fn next_like(&mut self, start: &str) -> String {
        loop {
            let event = self.next().await;
            if event.starts_with(start) {
                return event;
            }
        }
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
}
