//! A device at each server, which sends to the others and calls them, and notes what becomes of that.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::time::{Instant, interval, timeout};
use wse::{CallError, Client};
use wse_test_peers::programs::Testbed;

/// Between two messages, and two calls, to each of the others.
const PACE: Duration = Duration::from_millis(100);
/// How long a call may take.
pub(crate) const WITHIN: Duration = Duration::from_secs(5);

#[derive(Serialize, Deserialize)]
struct Numbered {
    from: usize,
    number: u64,
}

/// What has become of the messages of one device to another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) sent: u64,
    /// Those that the server took.
    pub(crate) taken: u64,
    pub(crate) refused: u64,
    /// Their numbers as they arrived.
    pub(crate) arrived: Vec<u64>,
}

/// A call that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    pub(crate) start: Instant,
    pub(crate) end: Instant,
    /// `ok`, or the code.
    pub(crate) how: String,
}

#[derive(Debug, Default)]
struct Notes {
    /// By receiver.
    sent: [Sent; 3],
    /// The receivers of those whose fate the server has not told yet.
    pending: VecDeque<usize>,
    calls: Vec<Called>,
    open: u64,
}

/// One device.
pub(crate) struct Device {
    pub(crate) client: Client,
    id: Value,
    notes: Arc<Mutex<Notes>>,
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().expect("no panic while noting")
}

/// A device at each of the testbeds.
pub(crate) async fn devices(testbeds: &[Testbed]) -> Vec<Device> {
    let all: Vec<Arc<Mutex<Notes>>> = testbeds.iter().map(|_| Arc::default()).collect();
    let mut devices = Vec::new();
    for (me, testbed) in testbeds.iter().enumerate() {
        let (senders, own) = (all.clone(), Arc::clone(&all[me]));
        let client = Client::builder(&testbed.url("/"))
            .identity(&format!("user-{me}"))
            .on("m", async move |_, Numbered { from, number }| {
                lock(&senders[from]).sent[me].arrived.push(number);
                Ok(())
            })
            .on("sent", async move |_, sent: Value| {
                let mut notes = lock(&own);
                let to = notes.pending.pop_front().expect("as many as were sent");
                match sent["elsewhere"].as_u64() {
                    Some(1) => notes.sent[to].taken += 1,
                    _ => notes.sent[to].refused += 1,
                }
                Ok(())
            })
            .register("double", async |_, number: u64| Ok(2 * number))
            .connect()
            .await
            .expect("the testbed lets it in");
        let id = ask(&client, "me").await["id"].clone();
        devices.push(Device { client, id, notes: Arc::clone(&all[me]) });
    }
    devices
}

/// What a procedure without a payload returns.
pub(crate) async fn ask(client: &Client, rp: &str) -> Value {
    client.call(rp, json!(null)).await.expect("it is a procedure of the testbed")
}

impl Device {
    /// Sends to the others and calls them until the connection ends or the task is aborted.
    pub(crate) async fn work(me: usize, client: Client, notes: Notebook, ids: Vec<Value>) {
        let mut pace = interval(PACE);
        loop {
            pace.tick().await;
            for (to, id) in ids.iter().enumerate().filter(|(to, _)| *to != me) {
                let number = {
                    let mut notes = lock(&notes.0);
                    notes.sent[to].sent += 1;
                    notes.pending.push_back(to);
                    notes.sent[to].sent
                };
                let message = json!({"id": id, "type": "m", "payload": Numbered { from: me, number }});
                if client.send("to-device", message).is_err() {
                    return;
                }
                let (client, notes, id) = (client.clone(), notes.clone(), id.clone());
                tokio::spawn(async move { call(&client, &notes, &id, number).await });
            }
        }
    }

    pub(crate) fn notebook(&self) -> Notebook {
        Notebook(Arc::clone(&self.notes))
    }
}

/// The notes of a device.
#[derive(Clone)]
pub(crate) struct Notebook(Arc<Mutex<Notes>>);

impl Notebook {
    pub(crate) fn sent(&self) -> [Sent; 3] {
        lock(&self.0).sent.clone()
    }

    pub(crate) fn calls(&self) -> Vec<Called> {
        lock(&self.0).calls.clone()
    }

    /// Calls that have not ended.
    pub(crate) fn open(&self) -> u64 {
        lock(&self.0).open
    }
}

/// Calls a device elsewhere through the own server.
async fn call(client: &Client, notes: &Notebook, id: &Value, number: u64) {
    lock(&notes.0).open += 1;
    let start = Instant::now();
    let request = json!({"id": id, "rp": "double", "payload": number, "within_ms": WITHIN.as_millis() as u64});
    // the server's own word comes first; this bound is for a server that stands still
    let called = timeout(8 * WITHIN, client.call_within::<_, Value>(8 * WITHIN, "call-device", request)).await;
    let how = match called {
        Ok(Ok(answer)) if answer["ok"] == json!(2 * number) => "ok".to_owned(),
        Ok(Ok(answer)) => answer["err"]["code"].as_str().unwrap_or("wrong answer").to_owned(),
        Ok(Err(CallError::Disconnected { .. })) => "own server lost".to_owned(),
        Ok(Err(error)) => error.code().to_owned(),
        Err(_) => "hung".to_owned(),
    };
    let mut notes = lock(&notes.0);
    notes.open -= 1;
    notes.calls.push(Called { start, end: Instant::now(), how });
}

/// The ids of the devices.
pub(crate) fn ids(devices: &[Device]) -> Vec<Value> {
    devices.iter().map(|device| device.id.clone()).collect()
}
