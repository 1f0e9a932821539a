//! A client of ours at work as the client of a recording was, at a server that says what the
//! recorded one said. Nothing in here may know what a scenario is about.

use serde::{Serialize, Serializer};
use serde_json::{Value, value::RawValue};
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::task::JoinHandle;
use wse::{CallError, Client, ClientBuilder, Reason};

use Act::{Call, CallBroken, Calls, Close, Closed, Ended, Hear, Jump, JumpAs, Refused, Rest, Send, Welcome};
use wse_test_peers::{
    Dials, Events, Got, RawServer, dials, events,
    recordings::{By, Recording, What, is_call, same, stamp, without_stack},
    soon,
};

/// How long a recorded server takes to answer a call.
const THINKS: Duration = Duration::from_millis(200);

/// What the application does on one connection of a recording, in order. Payloads are JSON text.
pub(crate) enum Act {
    /// Connects and is refused with this.
    Refused(&'static str),
    /// Connects and is closed before the welcome, which is no refusal: code and text of the error.
    Closed(&'static str),
    /// Connects and gets this welcome.
    Welcome(&'static str),
    Send(&'static str, &'static str),
    /// Calls, and gets this: the result, or code, message and details.
    Call(&'static str, &'static str, &'static str),
    /// Calls with a payload that does not encode, and gets this code.
    CallBroken(&'static str, &'static str),
    /// Two calls at the same time.
    Calls([(&'static str, &'static str); 2]),
    /// These messages come.
    Hear(&'static [&'static str]),
    Jump,
    /// Jumps with this identity and meta.
    JumpAs(&'static str, &'static str),
    /// Leaves the server the time to say what it has to.
    Rest,
    Close(Option<&'static str>),
    /// The server ends it.
    Ended(&'static str),
}

/// The application on one connection.
pub(crate) struct Part {
    /// Identity and meta, where they are not left at their defaults.
    pub(crate) who: Option<(&'static str, &'static str)>,
    pub(crate) acts: Vec<Act>,
}

/// What a recording demands of the application.
pub(crate) struct Play {
    /// One for every connection that a client of its own makes, in order.
    pub(crate) parts: Vec<Part>,
    /// Why only the server's half can be played: what the recorded client sends, ours never does.
    pub(crate) half: Option<&'static str>,
}

/// A payload that does not encode.
struct Broken;

impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("broken"))
    }
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).expect("JSON")
}

async fn call(client: &Client, rp: &str, payload: &str) -> String {
    match client.call::<_, Value>(rp, raw(payload)).await {
        Ok(result) => result.to_string(),
        Err(CallError::Failed(error)) => {
            let details: Value = error.decode_details().expect("details").unwrap_or_default();
            format!("{} {} {details}", error.code, error.message.unwrap_or_default())
        }
        Err(CallError::NotRegistered(error)) => match error.decode_details::<Value>().expect("details") {
            Some(details) => format!("{} {details}", error.code),
            None => error.code,
        },
        Err(error) => error.code().to_owned(),
    }
}

async fn perform(client: Client, mut events: Events, acts: Vec<Act>) {
    for act in acts {
        match act {
            Refused(why) => assert_eq!(client.connect().await.expect_err("a refusal").to_string(), why),
            Closed(why) => {
                let error = client.connect().await.expect_err("a close");
                assert_eq!(format!("{} {error}", error.code()), why);
            }
            Welcome(welcome) => {
                client.connect().await.expect("welcome");
                assert_eq!(client.welcome::<Value>().expect("JSON").to_string(), welcome);
            }
            Send(name, payload) => _ = client.send(name, raw(payload)).expect("it is connected"),
            Call(rp, payload, outcome) => assert_eq!(call(&client, rp, payload).await, outcome, "{rp}"),
            CallBroken(rp, code) => {
                let error = client.call::<_, Value>(rp, Broken).await.expect_err("it does not encode");
                assert_eq!(error.code(), code);
            }
            Calls([a, b]) => {
                let (one, other) = tokio::join!(call(&client, a.0, a.1), call(&client, b.0, b.1));
                assert_eq!((one.as_str(), other.as_str()), (a.1, b.1));
            }
            Hear(messages) => {
                for message in messages {
                    assert_eq!(events.next_like("ignored").await, format!("ignored {message}"));
                }
            }
            Jump => client.jump("ws://a.test/").await.expect("it jumps"),
            JumpAs(identity, meta) => {
                client.jump_with("ws://a.test/", &raw(identity), &raw(meta)).await.expect("it jumps");
            }
            Rest => tokio::time::sleep(Duration::from_secs(1)).await,
            Close(reason) => client.close(reason.map_or_else(Reason::default, Reason::from)).await,
            Ended(end) => assert_eq!(events.next_like("closed").await, end),
        }
    }
}

/// The stamps that our client drew, by those that the recorded one drew.
type Stamps = HashMap<String, String>;

fn compare(recorded: &str, got: Got, stamps: &mut Stamps, place: &str) {
    let Got::Text(mut text) = got else { panic!("{place}: {got:?}") };
    let mut recorded = recorded.to_owned();
    if is_call(&recorded) {
        let (theirs, ours) = (stamp(&recorded), stamp(&text));
        assert!(!ours.is_empty(), "{place}: {text}");
        text = text.replace(&ours, &theirs);
        stamps.insert(theirs, ours);
    } else if !text.contains("\"stack\"") {
        recorded = without_stack(&recorded);
    }
    assert!(same(&text, &recorded), "{place}: {text}");
}

/// The next frame; where half of a recording is played, the next behind what the recorded client did not say.
async fn end_of(wire: &mut RawServer, half: bool) -> Got {
    loop {
        let got = wire.next().await;
        if !half || !matches!(got, Got::Text(_)) {
            return got;
        }
    }
}

/// Plays a recording with clients that are configured like this.
pub(crate) async fn replay(recording: &Recording, play: Play, configure: impl Fn(ClientBuilder) -> ClientBuilder) {
    let half = play.half.is_some();
    let (builders, mut dials) = scripted_for(play, configure);
    let mut builders = builders.into_iter();
    let mut performing: Vec<JoinHandle<()>> = Vec::new();
    let mut wires: HashMap<u64, RawServer> = HashMap::new();
    let mut asked = HashMap::new();
    let mut stamps = Stamps::new();
    for line in &recording.lines {
        let place = format!("{}: {line:?}", recording.scenario);
        match (line.by, &line.what) {
            (By::Client, What::Offered(protocols)) => {
                // Where no part is left, a client of before dials by itself: it jumps or comes back.
                if let Some((client, events, acts)) = builders.next() {
                    performing.push(tokio::spawn(perform(client, events, acts)));
                }
                let request = dials.next().await.request().await;
                let offered = request.header("sec-websocket-protocol").unwrap_or_default();
                assert!(half || offered == protocols.join(", "), "{place}: {offered}");
                asked.insert(line.conn, request);
            }
            (By::Server, What::Selected(protocol)) => {
                let request = asked.remove(&line.conn).expect("a request");
                let header =
                    if protocol.is_empty() { String::new() } else { format!("Sec-WebSocket-Protocol: {protocol}\r\n") };
                let mut wire = request.upgrade_with(&header).await;
                if half {
                    wire.text().await; // what every client of ours says first
                }
                wires.insert(line.conn, wire);
            }
            (By::Client, What::Text(_)) if half => {}
            (By::Client, What::Text(recorded)) => {
                let got = wires.get_mut(&line.conn).expect("a connection").next().await;
                compare(recorded, got, &mut stamps, &place);
            }
            (By::Server, What::Text(text)) => {
                let recorded = stamp(text);
                let mut text = text.clone();
                if let Some(ours) = stamps.get(&recorded) {
                    text = text.replace(&recorded, ours);
                    tokio::time::sleep(THINKS).await;
                }
                wires.get_mut(&line.conn).expect("a connection").send(&text).await;
            }
            (By::Client, What::Close(code, reason)) => {
                let mut wire = wires.remove(&line.conn).expect("a connection");
                assert_eq!(end_of(&mut wire, half).await, Got::Close(Some((*code, reason.clone()))), "{place}");
                wire.close(*code, reason).await;
            }
            (By::Server, What::Close(code, reason)) => {
                let mut wire = wires.remove(&line.conn).expect("a connection");
                wire.close(*code, reason).await;
                assert_eq!(end_of(&mut wire, half).await, Got::Close(Some((*code, reason.clone()))), "{place}");
            }
            _ => panic!("{place}: what is that?"),
        }
    }
    for part in performing {
        soon(part).await.unwrap_or_else(|panic| panic!("{}: {panic}", recording.scenario));
    }
    assert!(builders.next().is_none() && wires.is_empty(), "{}", recording.scenario);
}

/// The clients of a play, not connected yet, and where they dial.
fn scripted_for(
    play: Play,
    configure: impl Fn(ClientBuilder) -> ClientBuilder,
) -> (Vec<(Client, Events, Vec<Act>)>, Dials) {
    let (dial, dials) = dials();
    let dial = Arc::new(dial);
    let clients = play.parts.into_iter().map(|part| {
        let ((when, events), dial) = (events(), dial.clone());
        let builder = Client::builder("ws://a.test/").dial(move |uri| dial(uri)).when(when);
        let mut builder = configure(builder);
        if let Some((identity, meta)) = part.who {
            builder = builder.identity(&raw(identity)).meta(&raw(meta));
        }
        (builder.build(), events, part.acts)
    });
    (clients.collect(), dials)
}
