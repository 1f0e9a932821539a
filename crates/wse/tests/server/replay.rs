//! What one client of a recording did, done again to a server of ours, and what the recorded server
//! answered, compared with what ours does. Nothing in here may know what a scenario is about.

use std::{collections::HashMap, time::Duration};
use wse::Server;
use wse_test_peers::{
    Got, PIPE, RawClient, ask_upgrade, broke_protocol,
    recordings::{By, Recording, What, is_call, same, stamp, without_stack},
    request,
};

/// How long a recorded client takes to answer a call.
const THINKS: Duration = Duration::from_millis(200);

/// One connection of a recording.
struct Client {
    peer: RawClient,
    /// Whether the server has sent its close frame.
    closed: bool,
}

/// The stamps that our server drew, by those that the recorded one drew.
type Stamps = HashMap<String, String>;

/// Plays a recording against a server.
pub(crate) async fn replay(server: &Server, recording: &Recording) {
    let mut clients: HashMap<u64, Client> = HashMap::new();
    let mut offered = HashMap::new();
    let mut stamps = Stamps::new();
    for line in &recording.lines {
        let place = format!("{}: {line:?}", recording.scenario);
        match (line.by, &line.what) {
            (By::Client, What::Offered(protocols)) => _ = offered.insert(line.conn, protocols.join(", ")),
            (By::Server, What::Selected(protocol)) => {
                let peer = open(server, &offered[&line.conn], protocol).await;
                clients.insert(line.conn, Client { peer, closed: false });
            }
            (by, what) => {
                let client = clients.get_mut(&line.conn).expect("a connection that was opened");
                match by {
                    By::Client => feed(client, what, &stamps).await,
                    By::Server => expect(client, what, &mut stamps, &place).await,
                }
            }
        }
    }
    for (number, mut client) in clients {
        if !client.closed {
            panic!("{}: connection {number} has no end", recording.scenario);
        }
        assert_eq!(client.peer.next().await, Got::End, "{}: {number} hears more than recorded", recording.scenario);
    }
}

async fn open(server: &Server, offered: &str, selected: &str) -> RawClient {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let server = server.clone();
    tokio::spawn(async move { server.serve_stream(theirs, None).await });
    let answer = ask_upgrade(ours, request("/", &[("Sec-WebSocket-Protocol", offered)])).await;
    assert_eq!(answer.header("sec-websocket-protocol").unwrap_or_default(), selected);
    answer.upgraded()
}

async fn feed(client: &mut Client, what: &What, stamps: &Stamps) {
    match what {
        What::Text(text) => {
            let recorded = stamp(text);
            let mut text = text.clone();
            if let Some(drawn) = stamps.get(&recorded) {
                text = text.replace(&recorded, drawn);
                tokio::time::sleep(THINKS).await;
            }
            client.peer.send(&text).await;
        }
        What::Close(code, reason) => {
            client.peer.close(*code, reason).await;
            // The recordings leave out that a close frame is answered by the same.
            assert_eq!(client.peer.next().await, Got::Close(Some((*code, reason.clone()))));
            client.closed = true;
        }
        other => panic!("the recorded client never sends {other:?}"),
    }
}

async fn expect(client: &mut Client, what: &What, stamps: &mut Stamps, place: &str) {
    let got = client.peer.next().await;
    match (what, got) {
        (What::Text(recorded), Got::Text(text)) => {
            let (mut recorded, mut text) = (recorded.clone(), text);
            if is_call(&recorded) {
                let (theirs, drawn) = (stamp(&recorded), stamp(&text));
                assert!(!drawn.is_empty(), "{place}: {text}");
                text = text.replace(&drawn, &theirs);
                stamps.insert(theirs, drawn);
            }
            if !text.contains("\"stack\"") {
                recorded = without_stack(&recorded);
            }
            assert!(same(&text, &recorded), "{place}: {text}");
        }
        // Our reason goes on where npm `wse` says only that the protocol was broken.
        (What::Close(1000, recorded), Got::Close(Some(closed))) if recorded == "wse.protocol-error" => {
            assert!(broke_protocol(&closed), "{place}: {closed:?}");
            client.peer.close(closed.0, &closed.1).await;
            client.closed = true;
        }
        (What::Close(code, reason), got) => {
            assert_eq!(got, Got::Close(Some((*code, reason.clone()))), "{place}");
            client.peer.close(*code, reason).await;
            client.closed = true;
        }
        (_, got) => panic!("{place}: {got:?}"),
    }
}
