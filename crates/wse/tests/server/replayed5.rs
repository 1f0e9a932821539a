//! The recordings of npm wse 5.1 where it is not as 4.12, replayed against our server: it must answer what the
//! real server answered, byte for byte and in order. What it does otherwise on purpose stands in two lists.

use crate::{
    replay::replay,
    replayed::{calls, challenged, fails, secret},
};
use serde_json::{Value, json, value::RawValue};
use std::{collections::BTreeSet, future::pending, pin::Pin, time::Duration};
use wse::{CallError, Conn, Event, Limits, Reason, RpError, Server, ServerBuilder, Stranger};
use wse_test_peers::{
    Log,
    recordings::{self, By, What},
    settle,
};

/// The recordings in which our server closes otherwise: how, and why.
const OTHER_CLOSES: &[(&str, (u16, &str), &str)] = &[(
    "wse/auth-timeout-identify",
    (1013, "wse.later after=1000"),
    "that identify is late is our fault and no client's, and 1013 lets every client come back",
)];

/// The recordings of what our server never says, and why. Our client is fed with them.
const NEVER: &[(&str, &str)] = &[
    ("wse/answer-unknown-stamp-to-client", "our server answers calls and nothing else"),
    ("wse/broken-error-answer-to-client", "an error answer of our server always has a code"),
    ("wse/jump-then-reconnect", "our server says 1012 when it shuts down, and then when to come back"),
];

/// What the `note` of a recording demands of the application; `None` for an unknown scenario.
fn application(scenario: &str, builder: ServerBuilder, log: &Log) -> Option<Server> {
    let patient = Limits { conns_per_user: 2, ..Limits::default() };
    let hasty = Limits { auth_timeout: Duration::from_millis(300), ..patient.clone() };
    let builder = builder.limits(patient);
    let named = async |who: Stranger, name: String| Ok(who.accept(name));
    Some(match scenario.strip_prefix("wse/")? {
        "answer-from-another-connection" => builder.identify(named).when(connected(log, asks_the_victim)).build(),
        "answer-unknown-stamp-to-server" => builder.identify(secret).on("echo", echo).build(),
        "auth-timeout-challenged" => builder.limits(hasty).identify(challenged).build(),
        "auth-timeout-identify" => builder.limits(hasty).identify(async |_, _: String| pending().await).build(),
        "auth-timeout-silent" => builder.limits(hasty).identify(secret).build(),
        "broken-error-answer-to-server" => {
            builder.identify(secret).on("echo", echo).when(calls(log, &["whatever"], json!(1))).build()
        }
        "call-unencodable" => builder.identify(secret).build(),
        "challenge-junk" => {
            let asked = log.clone();
            let identify = async move |who: Stranger, name: String| {
                if let Some((_, answer)) = who.answer::<Value, Value>()? {
                    asked.add(format!("asked about {answer}"));
                }
                challenged(who, name).await
            };
            builder.identify(identify).build()
        }
        "challenge-null-solution" => {
            let identify = async |who: Stranger, name: String| {
                Ok(match who.answer::<Value, Value>()? {
                    None => who.challenge(&json!({"a": 1, "b": 2})),
                    Some((_, Value::Null)) => who.accept(name).welcome("hello"),
                    Some(_) => who.refuse(),
                })
            };
            builder.identify(identify).build()
        }
        "drop-during-incoming-call" => builder.identify(secret).when(connected(log, drops_while_it_calls)).build(),
        "jump-bare" | "jump-identity" | "jump-idle" => {
            builder.identify(async |who: Stranger, id: String| Ok(who.accept(id).welcome("srv"))).build()
        }
        "late-answer-to-client" => {
            let slow = async |_, _: u8| {
                tokio::time::sleep(Duration::from_millis(200)).await;
                Ok("late")
            };
            builder.identify(secret).register("slow", slow).build()
        }
        "late-answer-to-server" => builder.identify(secret).when(connected(log, gives_up)).build(),
        "rpc-error-from-client" => {
            builder.identify(secret).when(calls(log, &["e", "w", "o", "t"], json!({"value": 1}))).build()
        }
        "rpc-not-registered" => builder.identify(secret).when(calls(log, &["missing-on-client"], json!(1))).build(),
        failing => {
            let error = error(failing.strip_prefix("rpc-error-")?)?;
            builder.identify(secret).expose_errors(true).register("boom", fails(error)).build()
        }
    })
}

/// What the procedure of a recording fails with. What JavaScript throws and Rust cannot is failed with on purpose.
fn error(how: &str) -> Option<fn() -> RpError> {
    Some(match how {
        "custom" => || RpError::bare(&json!({"code": "INVALID_USER", "test_field": "nope"})),
        "empty-text" => || thrown("Unexpected error", ""),
        "null" => || thrown("null", "null"),
        "number" => || thrown("7", "7"),
        "own-fields" => || {
            let own = r#"{"rp":"mine","rpc":"mine too","payload":"my own"}"#;
            RpError::bare(&RawValue::from_string(own.to_owned()).expect("JSON"))
        },
        "text" => || thrown("boom", "boom"),
        "undefined" => || thrown("undefined", "undefined"),
        "vanilla" => || std::io::Error::other("Vanilla error").into(),
        "wse" => || RpError::new("test-err-code").details(&json!({"fun": 1})),
        _ => return None,
    })
}

fn thrown(message: &str, text: &str) -> RpError {
    RpError::new("wse.server.rp.failed").message(message).details(&json!({"origin": {"message": text}}))
}

async fn echo(conn: Conn, what: Value) -> Result<(), RpError> {
    conn.send("echo", what)?;
    Ok(())
}

/// Does this with every device that connects, and writes down what comes of it.
fn connected<F, Fut>(
    log: &Log,
    act: F,
) -> impl FnOnce(Event) -> Pin<Box<dyn Future<Output = ()> + Send>> + Clone + Send + Sync + 'static
where
    F: FnOnce(Conn) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Option<Result<Value, CallError>>> + Send + 'static,
{
    let log = log.clone();
    move |event| {
        Box::pin(async move {
            let Event::Connected(conn) = event else { return };
            if let Some(outcome) = act(conn).await {
                log.add(outcome.map_or_else(|error| error.code().to_owned(), |result| result.to_string()));
            }
        })
    }
}

/// Asks the user `victim` who it is, once the attacker is there.
async fn asks_the_victim(conn: Conn) -> Option<Result<Value, CallError>> {
    let victim = (conn.cid().as_str() == "attacker").then(|| conn.server().user("victim").conns().remove(0))?;
    Some(victim.call("whoami", 1).await)
}

/// Calls, and drops the device while its procedure is at work.
async fn drops_while_it_calls(conn: Conn) -> Option<Result<Value, CallError>> {
    let drops = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        conn.drop(Reason::default());
    };
    Some(tokio::join!(conn.call("slow", 1), drops).0)
}

/// Calls, and waits for a time that is too short.
async fn gives_up(conn: Conn) -> Option<Result<Value, CallError>> {
    Some(conn.call_within(Duration::from_millis(100), "slow", 1).await)
}

#[tokio::test(start_paused = true)]
async fn our_server_answers_every_recording_of_5_1_as_the_real_one_did() {
    let recordings = recordings::all_of("wse5");
    assert_eq!(recordings.len(), 29);
    let known: BTreeSet<&str> = recordings.iter().map(|recording| recording.scenario.as_str()).collect();
    let listed = OTHER_CLOSES.iter().map(|(scenario, ..)| scenario).chain(NEVER.iter().map(|(scenario, _)| scenario));
    listed.for_each(|scenario| assert!(known.contains(scenario), "{scenario}"));
    for mut recording in recordings {
        if NEVER.iter().any(|(scenario, _)| *scenario == recording.scenario) {
            continue;
        }
        if let Some((_, (code, reason), _)) = OTHER_CLOSES.iter().find(|(scenario, ..)| *scenario == recording.scenario)
        {
            let close = recording.lines.iter_mut().rfind(|line| line.by == By::Server).expect("a close");
            close.what = What::Close(*code, (*reason).to_owned());
        }
        let log = Log::default();
        let Some(server) = application(&recording.scenario, Server::builder(), &log) else {
            panic!("neither an application nor a reason for {}: {}", recording.scenario, recording.note);
        };
        replay(&server, &recording).await;
        settle().await;
        assert_eq!(log.take(), seen(&recording.scenario), "{}", recording.scenario);
        assert_eq!(server.conn_count(), 0, "{}", recording.scenario);
    }
}

/// What the application must have seen of a scenario, besides what crossed the wire.
fn seen(scenario: &str) -> &'static [&'static str] {
    match scenario {
        "wse/answer-from-another-connection" => &["\"REAL\""],
        "wse/broken-error-answer-to-server" => &["wse.server.rp.failed"],
        "wse/drop-during-incoming-call" => &["wse.client.rp.disconnect"],
        "wse/late-answer-to-server" => &["wse.client.rp.timeout"],
        "wse/rpc-error-from-client" => {
            &["wse.server.rp.failed", "test-err-code", "wse.server.rp.failed", "wse.server.rp.failed"]
        }
        "wse/rpc-not-registered" => &["wse.server.rp.not-registered"],
        _ => &[],
    }
}
