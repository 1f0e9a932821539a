//! The recordings of the real npm server of 4.12, replayed against our client: fed what the server sent, it
//! must send what the real client sent, byte for byte. Only stamps that a client draws and the
//! stacks of JavaScript may differ.

use crate::replay::{Act, Part, Play, replay};
use serde_json::{Value, json};
use wse::{ClientBuilder, RpError};

use Act::{Call, Calls, Close, Ended, Hear, Jump, Refused, Rest, Send, Welcome};

pub(crate) const HEY: &str = r#"{"hey":"some data"}"#;
pub(crate) const SECRET: &str = r#""valid-secret""#;

pub(crate) fn part(identity: &'static str, meta: &'static str, acts: Vec<Act>) -> Part {
    Part { who: Some((identity, meta)), acts }
}

/// Lets itself in as most recordings do, and leaves with the default reason.
pub(crate) fn secret(acts: Vec<Act>) -> Play {
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

#[tokio::test(start_paused = true)]
async fn our_client_sends_in_every_recording_what_the_real_one_sent() {
    let recordings = wse_test_peers::recordings::all();
    assert!(recordings.len() >= 27, "{}", recordings.len());
    for recording in recordings {
        let Some(play) = play(&recording.scenario) else {
            panic!("neither an application nor a reason for {}: {}", recording.scenario, recording.note);
        };
        let configure = |builder| application(&recording.scenario, builder);
        replay(&recording, play, configure).await;
    }
}
