//! The recordings of the real npm server, replayed against our client: fed what the server sent, it
//! must send what the real client sent, byte for byte. Only stamps that a client draws and the
//! stacks of JavaScript may differ.

mod client_common;
#[path = "common/recordings.rs"]
#[allow(dead_code, reason = "the replay against the server uses the rest")]
mod recordings;

use client_common::{Events, Got, Wire, events, soon};
use recordings::{By, Recording, What, is_call, stamp, without_stack};
use serde_json::{Value, json, value::RawValue};
use std::{collections::HashMap, time::Duration};
use tokio::task::JoinHandle;
use wse::{CallError, Client, ClientBuilder, Reason, RpError};

/// What the application does on one connection of a recording, in order. Payloads are JSON text.
enum Act {
    /// Connects and is refused with this.
    Refused(&'static str),
    /// Connects and gets this welcome.
    Welcome(&'static str),
    Send(&'static str, &'static str),
    /// Calls, and gets this: the result, or code, message and details.
    Call(&'static str, &'static str, &'static str),
    /// Two calls at the same time.
    Calls([(&'static str, &'static str); 2]),
    /// These messages come.
    Hear(&'static [&'static str]),
    Jump,
    /// Leaves the server the time to say what it has to.
    Rest,
    Close(Option<&'static str>),
    /// The server ends it.
    Ended(&'static str),
}

use Act::{Call, Calls, Close, Ended, Hear, Jump, Refused, Rest, Send, Welcome};

/// The application on one connection.
struct Part {
    /// Identity and meta, where they are not left at their defaults.
    who: Option<(&'static str, &'static str)>,
    acts: Vec<Act>,
}

/// What a recording demands of the application.
struct Play {
    /// One for every connection that a client of its own makes, in order.
    parts: Vec<Part>,
    /// Why only the server's half can be played: what the recorded client sends, ours never does.
    half: Option<&'static str>,
}

const HEY: &str = r#"{"hey":"some data"}"#;
const SECRET: &str = r#""valid-secret""#;

fn part(identity: &'static str, meta: &'static str, acts: Vec<Act>) -> Part {
    Part { who: Some((identity, meta)), acts }
}

/// Lets itself in as most recordings do, and leaves with the default reason.
fn secret(acts: Vec<Act>) -> Play {
    let all = [Welcome(HEY)].into_iter().chain(acts).chain([Rest, Close(None)]);
    Play { parts: vec![part(SECRET, "{}", all.collect())], half: None }
}

/// What the `note` of a recording demands; `None` for an unknown scenario.
fn play(scenario: &str) -> Option<Play> {
    let whole = |parts| Play { parts, half: None };
    let half = |why, acts| Play { parts: vec![part(SECRET, "{}", acts)], half: Some(why) };
    Some(match scenario.strip_prefix("wse/")? {
        "challenge-accepted" => {
            whole(vec![part(r#""alice""#, r#"{"device":"phone"}"#, vec![Welcome(r#""hello""#), Close(None)])])
        }
        "challenge-failed" | "challenge-refused-halfway" => {
            whole(vec![part(r#""alice""#, "{}", vec![Refused("refused: 1000 wse.not-authorized")])])
        }
        "connect-defaults" => {
            whole(vec![Part { who: None, acts: vec![Welcome("null"), Close(Some("CUSTOM_REASON"))] }])
        }
        "connect-welcome" => {
            let meta = r#"{"user_id":"UID1","client":1}"#;
            whole(vec![part(SECRET, meta, vec![Welcome(HEY), Close(None)])])
        }
        "connection-limit" => {
            let meta = [
                r#"{"user_id":"UID1","client":1}"#,
                r#"{"user_id":"UID1","client":2}"#,
                r#"{"user_id":"UID1","client":3}"#,
            ];
            let pushed = vec![Welcome(HEY), Ended("closed 1000 wse.clients-concurrency")];
            let stays = || vec![Welcome(HEY), Rest, Close(None)];
            whole(vec![part(SECRET, meta[0], pushed), part(SECRET, meta[1], stays()), part(SECRET, meta[2], stays())])
        }
        "drops" => {
            let dropped = |meta, how, end| part(SECRET, meta, vec![Welcome(HEY), Send("d", how), Ended(end)]);
            whole(vec![
                dropped(r#"{"user_id":"U0"}"#, "0", "closed 1000 wse.by-server"),
                dropped(r#"{"user_id":"U1"}"#, "1", "closed 1000 custom-reason"),
                dropped(r#"{"user_id":"U2"}"#, "2", "closed 1000 BECAUSE"),
                dropped(r#"{"user_id":"U3"}"#, "3", "closed 1000"),
            ])
        }
        "jump" => {
            let acts = vec![Welcome(r#""srv""#), Jump, Close(None)];
            whole(vec![part(r#""id-1""#, r#"{"m":1}"#, acts)])
        }
        "message-unhandled" => secret(vec![Send("nobody-listens", r#"{"value":42}"#)]),
        "messages-both-ways" => secret(vec![
            Send("m", r#"{"value":42,"nested":{"a":[1,2]}}"#),
            Send("m", r#""text \"quoted\" ünï""#),
            Send("m", "42"),
            Send("m", "-1.5e+300"),
            Send("m", "true"),
            Send("m", "null"),
            Send("m", "null"),
            Send("m", r#"[1,"two",null]"#),
            Hear(&[
                r#"echo {"nested":{"a":[1,2]},"value":42}"#,
                r#"echo "text \"quoted\" ünï""#,
                "echo 42",
                "echo -1.5e+300",
                "echo true",
                "echo null",
                "echo null",
                r#"echo [1,"two",null]"#,
            ]),
        ]),
        "multi-device-fanout" => {
            let meta = r#"{"user_id":"UID1"}"#;
            let heard = Hear(&["both null", "only null", "by-id 1", r#"all {"n":1}"#]);
            let first = vec![Welcome(HEY), Rest, Send("hey", "null"), heard, Rest, Close(None)];
            let heard = Hear(&["both null", "by-id 1", r#"all {"n":1}"#]);
            let second = vec![Welcome(HEY), heard, Close(None)];
            whole(vec![part(SECRET, meta, first), part(SECRET, meta, second)])
        }
        "refused" => whole(vec![part(r#""INVALID""#, "{}", vec![Refused("refused: 1000 wse.not-authorized")])]),
        "rpc-client-to-server" => secret(vec![
            Call("add", r#"{"a":5,"b":3}"#, "8"),
            Call("obj", "null", r#"{"ok":true}"#),
            Call("nil", "null", "null"),
            Call("undef", "1", "null"),
            Call("slow", "[1,2]", "[1,2]"),
        ]),
        "rpc-disconnect" => {
            let call = Call("t", "null", "wse.client.rp.disconnect");
            whole(vec![part(SECRET, "{}", vec![Welcome(HEY), call, Ended("closed 1000 user-banned")])])
        }
        "rpc-error-custom" => secret(vec![Call(
            "boom",
            r#"{"value":1}"#,
            r#"wse.server.rp.failed RPC execution failed {"code":"INVALID_USER","payload":{"value":1},"rpc":"boom","test_field":"nope"}"#,
        )]),
        "rpc-error-vanilla" => secret(vec![Call(
            "boom",
            r#"{"value":1}"#,
            r#"wse.server.rp.failed Vanilla error {"origin":{"message":"Vanilla error","name":"Error","stack":"Error: Vanilla error\n    at <stack>"},"payload":{"value":1},"rpc":"boom"}"#,
        )]),
        "rpc-error-wse" => secret(vec![Call(
            "boom",
            r#"{"value":1}"#,
            r#"test-err-code  {"fun":1,"payload":{"value":1},"rpc":"boom"}"#,
        )]),
        "rpc-error-from-client" | "rpc-server-to-client" => secret(vec![]),
        "rpc-interleaved" => secret(vec![Calls([("sleep", "80"), ("sleep", "10")])]),
        "rpc-not-registered" => secret(vec![Rest, Call("missing-on-server", "1", "wse.server.rp.not-registered")]),
        "no-subprotocol" => half(
            "our client always offers its codec's subprotocol",
            vec![Refused("closed before the welcome: 1000 wse.protocol-error")],
        ),
        "protocol-error-before-hi" | "protocol-error-not-hi" => half(
            "the first message of our client is always a hi",
            vec![Refused("closed before the welcome: 1000 wse.protocol-error")],
        ),
        "protocol-error-after-welcome" | "protocol-error-no-type" => {
            half("our client sends whole envelopes only", vec![Welcome(HEY), Ended("closed 1000 wse.protocol-error")])
        }
        "short-envelopes" => half(
            "our client writes all three places of an envelope",
            vec![Welcome(HEY), Hear(&["pong null"]), Close(Some(""))],
        ),
        _ => return None,
    })
}

/// What is registered in all recordings alike.
fn application(scenario: &str, builder: ClientBuilder) -> ClientBuilder {
    let solves = scenario == "wse/challenge-accepted";
    builder
        .challenge(async move |_, quest: Value| {
            assert_eq!(quest, json!({"a": 1, "b": 2}));
            Ok(if solves { json!(3) } else { json!("wrong") })
        })
        .register("double", async |_, what: Value| Ok(what["value"].as_i64().map(|value| 2 * value)))
        .register("e", async |_, _: Value| -> Result<(), RpError> { Err(std::io::Error::other("Vanilla error"))? })
        .register("w", async |_, _: Value| -> Result<(), RpError> {
            Err(RpError::new("test-err-code").details(&json!({"fun": 1})))
        })
        .register("o", async |_, _: Value| -> Result<(), RpError> {
            Err(RpError::bare(&json!({"test_field": "nope"})))
        })
        .expose_errors(true)
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
        Err(error) => error.code().to_owned(),
    }
}

async fn perform(client: Client, mut events: Events, acts: Vec<Act>) {
    for act in acts {
        match act {
            Refused(why) => assert_eq!(client.connect().await.expect_err("a refusal").to_string(), why),
            Welcome(welcome) => {
                client.connect().await.expect("welcome");
                assert_eq!(client.welcome::<Value>().expect("JSON").to_string(), welcome);
            }
            Send(name, payload) => client.send(name, raw(payload)).expect("it is connected"),
            Call(rp, payload, outcome) => assert_eq!(call(&client, rp, payload).await, outcome, "{rp}"),
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
    assert_eq!(text, recorded, "{place}");
}

async fn replay(recording: &Recording, play: Play) {
    let half = play.half.is_some();
    let (builders, mut dials) = scripted_for(&recording.scenario, play);
    let mut builders = builders.into_iter();
    let mut performing: Vec<JoinHandle<()>> = Vec::new();
    let mut wires: HashMap<u64, Wire> = HashMap::new();
    let mut asked = HashMap::new();
    let mut stamps = Stamps::new();
    for line in &recording.lines {
        let place = format!("{}: {line:?}", recording.scenario);
        match (line.by, &line.what) {
            (By::Client, What::Offered(protocols)) => {
                // A jump dials by itself.
                if recording.scenario != "wse/jump" || performing.is_empty() {
                    let (client, events, acts) = builders.next().expect("a part for every connection");
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
                    assert_eq!(wire.json().await[0], "~wse:hi");
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
                let text = stamps.get(&recorded).map_or(text.clone(), |ours| text.replace(&recorded, ours));
                wires.get_mut(&line.conn).expect("a connection").send(&text).await;
            }
            (By::Client, What::Close(code, reason)) => {
                let wire = wires.remove(&line.conn).expect("a connection");
                assert_eq!(wire.closed().await, (*code, reason.clone()), "{place}");
            }
            (By::Server, What::Close(code, reason)) => {
                wires.remove(&line.conn).expect("a connection").drop_with(*code, reason).await;
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
fn scripted_for(scenario: &str, play: Play) -> (Vec<(Client, Events, Vec<Act>)>, client_common::Dials) {
    let (dial, dials) = client_common::dials();
    let dial = std::sync::Arc::new(dial);
    let clients = play.parts.into_iter().map(|part| {
        let ((when, events), dial) = (events(), dial.clone());
        let builder = Client::builder("ws://a.test/").dial(move |uri| dial(uri)).when(when);
        let mut builder = application(scenario, builder);
        if let Some((identity, meta)) = part.who {
            builder = builder.identity(&raw(identity)).meta(&raw(meta));
        }
        (builder.build(), events, part.acts)
    });
    (clients.collect(), dials)
}

#[tokio::test(start_paused = true)]
async fn our_client_sends_in_every_recording_what_the_real_one_sent() {
    let recordings = recordings::all();
    assert!(recordings.len() >= 27, "{}", recordings.len());
    for recording in recordings {
        let Some(play) = play(&recording.scenario) else {
            panic!("neither an application nor a reason for {}: {}", recording.scenario, recording.note);
        };
        replay(&recording, play).await;
    }
}
