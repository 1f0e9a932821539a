//! The recordings of the real server of npm `ws-messaging`, replayed against our client: fed what
//! that server sent, it must send what the real client sent, byte for byte.

use crate::replay::{Act, Part, Play, replay};
use wse::{ClientBuilder, WsMessaging};

use Act::{Call, Close, Ended, Hear, Refused, Rest, Send, Welcome};

/// What the `note` of a recording demands; `None` for an unknown scenario.
fn play(scenario: &str) -> Option<Play> {
    // Nobody tells who it is: the auth data is the default.
    let whole = |acts| Play { parts: vec![Part { who: None, acts }], half: None };
    let half = |why, acts| Play { half: Some(why), ..whole(acts) };
    Some(match scenario.strip_prefix("ws-messaging/")? {
        "connect-defaults" => whole(vec![Welcome("null"), Close(None)]),
        "connect" => {
            let who = Some((r#"{"token":"t1"}"#, r#"{"what":"has no place here"}"#));
            let acts = vec![Welcome(r#"{"user":"t1"}"#), Close(None)];
            Play { parts: vec![Part { who, acts }], half: None }
        }
        "events-both-ways" => whole(vec![
            Welcome("null"),
            Send("e0", "[]"),
            Send("e1", r#"{"x":1}"#),
            Send("e2", r#"[1,"two",null]"#),
            Send("ea", "[[1,2]]"),
            Hear(&["echo-e0 []", r#"echo-e1 {"x":1}"#, r#"echo-e2 [1,"two",null]"#, "echo-ea [[1,2]]"]),
            Close(None),
        ]),
        "invoke-both-ways" => whole(vec![
            Welcome("null"),
            Call("sum", "[2,3]", "5"),
            Call("nothing", "[]", "null"),
            Call("boom", "1", r#"wse.server.rp.failed  "Error: Some error""#),
            Call("missing", "1", "wse.server.rp.not-registered"),
            Rest,
            Close(None),
        ]),
        "ping" => whole([Welcome("null")].into_iter().chain((0..50).map(|_| Rest)).chain([Close(None)]).collect()),
        "refused" => whole(vec![Refused("refused: 4003 Error: Auth error")]),
        "auth-timeout" => half("our client always sends its auth data", vec![Refused("refused: 4003")]),
        "ping-timeout" => {
            half("our client answers every ping", vec![Welcome("null"), Ended("closed 4008 Ping timeout")])
        }
        "invalid-messages" => half(
            "our client sends whole frames only",
            vec![
                Welcome("null"),
                Hear(&[
                    r#"preprocessingError "SyntaxError: Unexpected token 'a', \"arbitrary\" is not valid JSON""#,
                    r#"preprocessingError "Error: Validation error""#,
                    r#"preprocessingError "Error: Validation error""#,
                    r#"preprocessingError "Error: Validation error""#,
                    r#"preprocessingError "Error: Validation error""#,
                    r#"preprocessingError "Error: Validation error""#,
                ]),
                Close(None),
            ],
        ),
        _ => return None,
    })
}

fn application(builder: ClientBuilder) -> ClientBuilder {
    builder.protocol(WsMessaging::new()).register("double", async |_, number: i64| Ok(2 * number))
}

#[tokio::test(start_paused = true)]
async fn our_client_sends_in_every_recording_what_the_real_one_sent() {
    let recordings = wse_test_peers::recordings::all_of("ws-messaging");
    assert!(recordings.len() >= 9, "{}", recordings.len());
    for recording in recordings {
        let Some(play) = play(&recording.scenario) else {
            panic!("neither an application nor a reason for {}: {}", recording.scenario, recording.note);
        };
        replay(&recording, play, application).await;
    }
}
