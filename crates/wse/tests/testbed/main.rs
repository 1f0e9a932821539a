//! The built testbed and the built test client, from outside.

mod client;
mod cluster;
mod devices;
mod options;
mod protocols;
mod reach;
mod rooms;
mod sessions;
mod strangers;
mod talk;
mod two_servers;

use serde_json::Value;
use wse::Client;

/// What a procedure of the testbed answers.
async fn ask(client: &Client, rp: &str, payload: Value) -> Value {
    client.call(rp, payload).await.expect("it is a procedure of the testbed")
}
