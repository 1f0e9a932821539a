//! The recordings of npm wse 5.1 where it is not as 4.12, replayed against our client: fed what the server
//! sent, it must send what the real client sent, byte for byte.

use crate::{
    replay::{Act, Play, replay},
    replayed::{HEY, SECRET, part, secret},
};
use serde_json::{Value, json};
use std::{future::pending, time::Duration};
use wse::{Backoff, ClientBuilder, Limits, RpError};

use Act::{Call, CallBroken, Close, Closed, Ended, Hear, Jump, JumpAs, Rest, Send, Welcome};

const TIMED_OUT: &str = "wse.client.connection-closed closed before the welcome: 1000 wse.auth-timeout";
const BROKE_THE_PROTOCOL: &str = "wse.client.connection-closed closed before the welcome: 1000 wse.protocol-error";

/// What the `note` of a recording demands; `None` for an unknown scenario.
fn play(scenario: &str) -> Option<Play> {
    let whole = |acts| Play { parts: vec![part(SECRET, "{}", acts)], half: None };
    let half = |why, acts| Play { parts: vec![part(SECRET, "{}", acts)], half: Some(why) };
    let jumping = |acts| Play { parts: vec![part(r#""id-1""#, r#"{"m":1}"#, acts)], half: None };
    let welcome = || Welcome(r#""srv""#);
    Some(match scenario.strip_prefix("wse/")? {
        "answer-from-another-connection" => {
            let acts = || vec![Welcome("null"), Rest, Close(None)];
            let parts = vec![part(r#""victim""#, "{}", acts()), part(r#""attacker""#, "{}", acts())];
            Play { parts, half: Some("our client answers its own calls only") }
        }
        "answer-unknown-stamp-to-client" => secret(vec![]),
        "answer-unknown-stamp-to-server" => {
            let acts = vec![Welcome(HEY), Hear(&[r#"echo "still here""#]), Close(None)];
            half("our client answers calls and nothing else", acts)
        }
        "auth-timeout-challenged" | "auth-timeout-identify" => whole(vec![Closed(TIMED_OUT)]),
        "auth-timeout-silent" => half("our client always says hi", vec![Closed(TIMED_OUT)]),
        "broken-error-answer-to-client" => {
            secret(vec![Call("whatever", "1", "wse.server.rp.failed  null"), Send("still-here", "null")])
        }
        "broken-error-answer-to-server" => {
            let acts = vec![Welcome(HEY), Hear(&[r#"echo "still here""#]), Close(None)];
            half("an error answer of our client always has a code", acts)
        }
        "call-unencodable" => secret(vec![CallBroken("whatever", "wse.client.rp.send-failed")]),
        "challenge-junk" => half("our client sends the solution and nothing else", vec![Closed(BROKE_THE_PROTOCOL)]),
        "challenge-null-solution" => Play {
            parts: vec![part(r#""alice""#, r#"{"device":"phone"}"#, vec![Welcome(r#""hello""#), Close(None)])],
            half: None,
        },
        "drop-during-incoming-call" => whole(vec![Welcome(HEY), Ended("closed 1000 wse.by-server")]),
        "jump-bare" => jumping(vec![welcome(), JumpAs(r#""id-2""#, r#"{"m":1}"#), Jump, Close(None)]),
        "jump-identity" => jumping(vec![welcome(), JumpAs(r#""id-2""#, r#"{"m":2}"#), Close(None)]),
        "jump-idle" => jumping(vec![welcome(), Close(None), Jump, Close(None)]),
        "jump-then-reconnect" => {
            let ends = [Ended("closed 4000 jump"), Ended("closed 1012 restart")];
            let jump = [welcome(), JumpAs(r#""id-2""#, r#"{"m":1}"#)];
            jumping(jump.into_iter().chain(ends).chain([Rest, Close(None)]).collect())
        }
        "late-answer-to-client" => secret(vec![Call("slow", "1", "wse.client.rp.timeout")]),
        "late-answer-to-server" | "rpc-error-from-client" => secret(vec![]),
        "rpc-not-registered" => secret(vec![
            Rest,
            Call("missing-on-server", "1", r#"wse.server.rp.not-registered {"rp":"missing-on-server"}"#),
        ]),
        failing => secret(vec![Call("boom", r#"{"value":1}"#, told(failing.strip_prefix("rpc-error-")?)?)]),
    })
}

/// What a failed call of a recording tells: code, message and details.
fn told(how: &str) -> Option<&'static str> {
    Some(match how {
        "custom" => {
            r#"wse.server.rp.failed RPC execution failed {"code":"INVALID_USER","payload":{"value":1},"rp":"boom","test_field":"nope"}"#
        }
        "empty-text" => {
            r#"wse.server.rp.failed Unexpected error {"origin":{"message":""},"payload":{"value":1},"rp":"boom"}"#
        }
        "null" => r#"wse.server.rp.failed null {"origin":{"message":"null"},"payload":{"value":1},"rp":"boom"}"#,
        "number" => r#"wse.server.rp.failed 7 {"origin":{"message":"7"},"payload":{"value":1},"rp":"boom"}"#,
        "own-fields" => {
            r#"wse.server.rp.failed RPC execution failed {"payload":"my own","rp":"mine","rpc":"mine too"}"#
        }
        "text" => r#"wse.server.rp.failed boom {"origin":{"message":"boom"},"payload":{"value":1},"rp":"boom"}"#,
        "undefined" => {
            r#"wse.server.rp.failed undefined {"origin":{"message":"undefined"},"payload":{"value":1},"rp":"boom"}"#
        }
        "vanilla" => {
            r#"wse.server.rp.failed Vanilla error {"origin":{"message":"Vanilla error","name":"Error","stack":"Error: Vanilla error\n    at <stack>"},"payload":{"value":1},"rp":"boom"}"#
        }
        "wse" => r#"test-err-code  {"fun":1,"payload":{"value":1},"rp":"boom"}"#,
        _ => return None,
    })
}

/// What the application has in a recording.
fn application(scenario: &str, builder: ClientBuilder) -> ClientBuilder {
    let builder = builder.expose_errors(true);
    match scenario.strip_prefix("wse/").unwrap_or_default() {
        "answer-unknown-stamp-to-client" => builder.on("echo", async |client: wse::Client, what: Value| {
            client.send("echo", what)?;
            Ok(())
        }),
        "auth-timeout-challenged" => {
            builder.challenge(async |_, _: Value| -> Result<Value, RpError> { pending().await })
        }
        "challenge-junk" => builder.challenge(async |_, _: Value| Ok(3)),
        "challenge-null-solution" => builder.challenge(async |_, quest: Value| {
            assert_eq!(quest, json!({"a": 1, "b": 2}));
            Ok(())
        }),
        "drop-during-incoming-call" => builder.register("slow", async |_, _: u8| {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(1)
        }),
        "jump-then-reconnect" => builder.reconnect(Backoff::default()).resume(false),
        "late-answer-to-client" => {
            builder.limits(Limits { rpc_timeout: Duration::from_millis(100), ..Limits::default() })
        }
        "late-answer-to-server" => builder.register("slow", async |_, _: u8| Ok("late")),
        "rpc-error-from-client" => builder
            .register("e", async |_, _: Value| -> Result<(), RpError> { Err(std::io::Error::other("Vanilla error"))? })
            .register("w", fails(|| RpError::new("test-err-code").details(&json!({"fun": 1}))))
            .register("o", fails(|| RpError::bare(&json!({"test_field": "nope"}))))
            // Rust throws no text. This is what it is answered as.
            .register(
                "t",
                fails(|| {
                    RpError::new("wse.server.rp.failed")
                        .message("boom")
                        .details(&json!({"origin": {"message": "boom"}}))
                }),
            ),
        _ => builder,
    }
}

fn fails(
    error: impl Fn() -> RpError + Clone + std::marker::Send + Sync + 'static,
) -> impl FnOnce(wse::Client, Value) -> std::future::Ready<Result<(), RpError>> + Clone + std::marker::Send + Sync + 'static
{
    move |_, _| std::future::ready(Err(error()))
}

#[tokio::test(start_paused = true)]
async fn our_client_sends_in_every_recording_of_5_1_what_the_real_one_sent() {
    let recordings = wse_test_peers::recordings::all_of("wse5");
    assert_eq!(recordings.len(), 29);
    for recording in recordings {
        let Some(play) = play(&recording.scenario) else {
            panic!("neither an application nor a reason for {}: {}", recording.scenario, recording.note);
        };
        let configure = |builder| application(&recording.scenario, builder);
        replay(&recording, play, configure).await;
    }
}
