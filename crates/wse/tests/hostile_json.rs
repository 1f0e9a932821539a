//! Envelopes that no good peer sends: nested without end, of a million parts, with keys twice and
//! halves of characters, under names that mean something to somebody.

use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;
use wse::{Limits, Server, Stranger, codec::Payload};
use wse_test_peers::{
    Got, Log, RawClient, attach, attach_to, broke_protocol, enter, events,
    floods::{MIB, alone, every_wire, harmless, serving},
    log, text,
};

/// Names that mean something to JavaScript, to this protocol's relatives, or to a terminal.
const NAMES: [&str; 16] = [
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "hasOwnProperty",
    "~wse:",
    "~wse:Welcome",
    "~wse:welcome ",
    "~WSE:HI",
    "\0",
    "a\0b",
    "\u{1b}[31m\r\nWARN forged",
    "\u{202e}evil",
    "%n%s{}{{0}}",
    "' OR 1=1 --",
    "../../etc/passwd",
];

/// The types that a client has no business to send once it is let in.
const OWN: [&str; 4] = ["~wse:hi", "~wse:challenge", "~wse:welcome", "~wse:call"];

fn protocol_error() -> Got {
    Got::Close(Some((1000, "wse.protocol-error".into())))
}

/// A server that takes text as `text`, anything as `any`, and passes on what came as `same`.
fn taking(limits: Limits) -> (Server, Log) {
    let log = log();
    let noted = log.clone();
    let server = serving(|builder| {
        let limits = Limits { conns_per_user: 10_000, ..limits };
        builder
            .limits(limits)
            .protocols(every_wire())
            .on("m", async move |_, what: Value| {
                noted.add(what);
                Ok(())
            })
            .on("quiet", async |_, _: Value| Ok(()))
            .register("text", async |_, what: String| Ok(what))
            .register("any", async |_, what: Value| Ok(what))
            .register("same", async |_, what: Payload<'static>| Ok(what))
    });
    (server, log)
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    open.repeat(depth) + &close.repeat(depth)
}

#[test]
fn json_a_hundred_thousand_deep_ends_the_connection_and_nothing_else() {
    alone(async {
        let (server, log) = taking(Limits::default());
        let arrays = nested("[", "]", 100_000);
        let objects = nested("{\"a\":", "", 100_000) + "1" + &"}".repeat(100_000);
        let mut frames = Vec::new();
        for deep in [&arrays, &objects, &"[".repeat(100_000), &"{\"a\":".repeat(100_000), &"[{\"\":".repeat(50_000)] {
            for whole in
                [format!("[\"m\",{deep}]"), format!("[\"any\",{deep},\"s\"]"), format!("[{deep}]"), deep.clone()]
            {
                frames.push(text(&whole));
            }
            frames.push(text(&format!("[\"m\",1,{deep}]")));
        }
        harmless(&server, 32 * MIB, async || {
            for frame in &frames {
                let mut peer = enter(&server, "eve").await;
                peer.write(frame).await;
                assert_eq!(peer.next().await, protocol_error());
                // A stranger has 16 KiB: the header says enough.
                let mut stranger = attach(&server);
                stranger.write(frame).await;
                assert!(matches!(stranger.next().await, Got::Close(Some((1009, _)))));
            }
            for deep in ["[", "{\"a\":"] {
                let mut stranger = attach(&server);
                stranger.send(&format!("[\"~wse:hi\",{{\"identity\":{}", deep.repeat(3000))).await;
                assert!(broke_protocol(&stranger.closed().await));
            }
        })
        .await;
        assert_eq!(log.len(), 0);
    });
}

#[test]
fn a_million_empty_objects_are_refused_by_default_and_cost_their_bytes_where_they_are_allowed() {
    alone(async {
        let objects = format!("[{}{{}}]", "{},".repeat(999_999));
        let keys = format!("{{{}\"a\":1}}", "\"a\":0,".repeat(499_999));
        let (server, _) = taking(Limits::default());
        for payload in [&objects, &keys] {
            let mut peer = enter(&server, "eve").await;
            peer.write(&text(&format!("[\"quiet\",{payload}]"))).await;
            assert!(matches!(peer.next().await, Got::Close(Some((1009, _)))));
        }
        let (server, _) = taking(Limits { message_bytes: 4 * MIB, queue_bytes: 4 * MIB, ..Limits::default() });
        let frames = [&objects, &keys].map(|payload| text(&format!("[\"nobody-listens\",{payload}]")));
        let calls = [&objects, &keys].map(|payload| text(&format!("[\"same\",{payload},\"s\"]")));
        // The message, what is taken of it, and the answer; nothing a part.
        harmless(&server, 48 * MIB, async || {
            for (frame, call) in frames.iter().zip(&calls) {
                let mut peer = enter(&server, "eve").await;
                peer.write(frame).await;
                peer.write(call).await;
                let Got::Text(answer) = peer.next().await else { panic!("no answer") };
                assert!(answer.len() > 2 * MIB && answer.starts_with("[\"~wse:response\","));
            }
        })
        .await;
    });
}

#[test]
fn keys_that_stand_twice_break_a_hi_and_nothing_else() {
    alone(async {
        let (server, log) = taking(Limits::default());
        let hi = |fields: &str| format!("[\"~wse:hi\",{{{fields}}}]");
        harmless(&server, 16 * MIB, async || {
            for fields in [
                r#""identity":"ann","identity":"eve""#,
                r#""identity":"ann","meta":{},"meta":{}"#,
                r#""identity":"ann","ident\u0069ty":"eve""#,
            ] {
                let mut peer = attach(&server);
                peer.send(&hi(fields)).await;
                assert!(broke_protocol(&peer.closed().await), "{fields}");
            }
            // Fields that mean nothing may stand as often as they like, here and in a payload.
            let mut peer = attach(&server);
            peer.send(&hi(r#""x":1,"identity":"eve","x":2,"__proto__":{"identity":"ann"},"constructor":1"#)).await;
            assert_eq!(peer.json().await[0], "~wse:welcome");
            peer.send(r#"["m",{"a":1,"b":2,"a":3,"__proto__":{"b":4}}]"#).await;
            assert_eq!(peer.call("any", json!(1)).await, json!(["~wse:response", 1]));
            assert_eq!(log.take(), [json!({"a": 3, "b": 2, "__proto__": {"b": 4}}).to_string()]);
            peer.send(r#"["same",{"a":1,"a":2},"s"]"#).await;
            assert_eq!(peer.text().await, r#"["~wse:response",{"a":1,"a":2},"s"]"#);
            assert_eq!(server.user("ann").conn_count(), 0);
        })
        .await;
    });
}

#[test]
fn half_a_character_in_a_name_is_no_envelope_and_in_a_payload_it_is_the_handlers() {
    alone(async {
        let (server, log) = taking(Limits::default());
        harmless(&server, 16 * MIB, async || {
            for half in [r"\ud800", r"\udc00", r"x\udbff", r"\udc00\ud800", r"\ud83d\ud83d"] {
                for envelope in [format!(r#"["{half}",1]"#), format!(r#"["m",1,"{half}"]"#), format!(r#"["{half}"]"#)] {
                    let mut peer = enter(&server, "eve").await;
                    peer.send(&envelope).await;
                    assert_eq!(peer.next().await, protocol_error(), "{envelope}");
                }
                // Whoever says that it is half a character is nobody.
                let mut peer = attach(&server);
                peer.send(&format!(r#"["~wse:hi",{{"identity":"{half}"}}]"#)).await;
                assert_eq!(peer.next().await, Got::Close(Some((1000, "wse.not-authorized".into()))), "{half}");

                let mut peer = enter(&server, "eve").await;
                peer.send(&format!(r#"["m","{half}"]"#)).await;
                peer.send(&format!(r#"["text",["{half}"],"s"]"#)).await;
                let answer = peer.text().await;
                assert!(answer.starts_with(r#"["~wse:response-err",{"code":"wse.server.rp.failed","#), "{answer}");
                peer.send(&format!(r#"["same",["{half}"],"s"]"#)).await;
                assert_eq!(peer.text().await, format!(r#"["~wse:response",["{half}"],"s"]"#));
                assert_eq!(peer.call("any", json!("😀")).await, json!(["~wse:response", "😀"]));
            }
        })
        .await;
        assert_eq!(log.len(), 0);
    });
}

#[test]
fn names_that_mean_something_elsewhere_are_names_as_any_other() {
    alone(async {
        let (when, mut events) = events();
        let server = serving(|builder| builder.when(when).protocols(every_wire()));
        harmless(&server, 16 * MIB, async || {
            let mut peer = enter(&server, "eve").await;
            let long = "n".repeat(100_000);
            for name in NAMES.iter().copied().chain([long.as_str()]) {
                peer.say(name, json!({"__proto__": 1})).await;
                let answer = peer.call(name, json!(null)).await;
                let mut unknown = json!({"code": "wse.server.rp.not-registered", "details": {"rp": name}});
                if name.len() > 16 << 10 {
                    unknown.as_object_mut().unwrap().remove("details"); // a name that long is not repeated
                }
                assert_eq!(answer, json!(["~wse:response-err", unknown]), "{name:?}");
            }
            peer.leave().await;
            for own in OWN {
                for envelope in [json!([own, {}]), json!([own, {}, "s"])] {
                    let mut peer = enter(&server, "eve").await;
                    peer.send(&envelope.to_string()).await;
                    assert_eq!(peer.next().await, protocol_error(), "{envelope}");
                }
            }
            // On the other wire the protocol's own names are none.
            let (mut peer, _) = attach_to(&server, "ws-messaging");
            peer.auth(json!("mallory")).await;
            for own in OWN {
                peer.emit(own, json!([])).await;
                assert_eq!(peer.json().await["name"], "preprocessingError", "{own}");
            }
            peer.send(r#"{"__proto__":{"name":"m"},"args":[]}"#).await;
            assert_eq!(peer.json().await["name"], "preprocessingError");
            peer.invoke("constructor", json!([]), 7).await;
            assert_eq!(peer.json().await, json!({"id": 7, "error": "NoProcedureError"}));
        })
        .await;
        let told = events.so_far();
        for name in NAMES {
            assert!(told.iter().any(|line| line.starts_with(&format!("ignored eve {name} "))), "{name:?}");
        }
    });
}

#[test]
fn a_handler_under_such_a_name_gets_what_is_for_it_alone() {
    alone(async {
        let log = log();
        let server = serving(|builder| builder);
        for name in NAMES {
            let noted = log.clone();
            server.on(name, async move |_, what: Value| {
                noted.add(format!("{name} {what}"));
                Ok(())
            });
            server.register(name, async move |_, (): ()| Ok(name)).expect("a name of its own");
        }
        harmless(&server, 16 * MIB, async || {
            let mut peer = enter(&server, "eve").await;
            for name in NAMES {
                peer.say(name, json!(1)).await;
                assert_eq!(peer.call(name, json!(null)).await, json!(["~wse:response", name]));
            }
            assert_eq!(log.take(), NAMES.map(|name| format!("{name} 1")));
        })
        .await;
    });
}

#[test]
fn a_user_under_such_a_name_is_one_user_and_no_other() {
    alone(async {
        let server = serving(|builder| builder);
        harmless(&server, 24 * MIB, async || {
            let long = "c".repeat(15_000);
            let cids: Vec<&str> = NAMES.iter().chain(&OWN).copied().chain([long.as_str(), "7", "0x7", " 7"]).collect();
            let mut peers: Vec<RawClient> = Vec::new();
            for cid in &cids {
                peers.push(enter(&server, cid).await);
            }
            assert_eq!(server.user_count(), cids.len() + 1); // and the good one
            for (cid, peer) in cids.iter().zip(&mut peers) {
                assert_eq!(server.user(*cid).send("m", *cid).expect("it is sent").here, 1, "{cid:?}");
                assert_eq!(peer.json().await, json!(["m", cid, null]));
                assert_eq!(server.drop_user(*cid, "bye"), 1);
                assert_eq!(peer.next().await, Got::Close(Some((1000, "bye".into()))));
            }
            assert_eq!(server.user_count(), 1);
            // Nobody is accepted under no name.
            let mut nobody = attach(&server);
            nobody.hi(json!(""), json!({})).await;
            assert_eq!(nobody.next().await, Got::Close(Some((1013, "wse.later after=1000".into()))));
        })
        .await;
    });
}

#[test]
fn a_hundred_thousand_names_that_nobody_knows_leave_nothing_behind() {
    alone(async {
        let server = serving(|builder| builder);
        harmless(&server, 16 * MIB, async || {
            let RawClient { mut reader, mut writer } = enter(&server, "eve").await;
            let flood = async {
                for number in 0..100_000 {
                    let stamp = if number % 4 == 0 { format!("\"{number}\"") } else { "null".into() };
                    writer.write(&text(&format!("[\"name {number}\",1,{stamp}]"))).await;
                }
            };
            let answers = async {
                for number in (0..100_000).step_by(4) {
                    let answer = reader.text().await;
                    let end = format!(r#"not-registered","details":{{"rp":"name {number}"}}}},"{number}"]"#);
                    assert!(answer.ends_with(&end), "{answer}");
                }
            };
            tokio::join!(flood, answers);
            assert!(timeout(Duration::from_millis(50), reader.next()).await.is_err(), "a message was answered");
        })
        .await;
    });
}

#[test]
fn an_identity_of_any_shape_is_accepted_or_refused_and_never_more() {
    alone(async {
        let server = Server::builder()
            .register("echo", async |_, what: Value| Ok(what))
            .identify(async |stranger: Stranger, who: Value| {
                Ok(match who.as_str() {
                    Some(name) => stranger.accept(name),
                    None => stranger.refuse(),
                })
            })
            .build();
        harmless(&server, 16 * MIB, async || {
            for payload in ["null", "[]", "1", "\"eve\"", "[{\"identity\":\"eve\"}]", "", "{\"identity\"", "{]"] {
                let mut peer = attach(&server);
                peer.send(&format!("[\"~wse:hi\",{payload}]")).await;
                assert!(broke_protocol(&peer.closed().await), "{payload}");
            }
            let long = format!("[{}1]", "1,".repeat(7000));
            for identity in ["null", "1e308", "-0", "[]", "{}", "true", "{\"__proto__\":\"eve\"}", &long] {
                let mut peer = attach(&server);
                peer.send(&format!("[\"~wse:hi\",{{\"identity\":{identity}}}]")).await;
                assert_eq!(peer.next().await, Got::Close(Some((1000, "wse.not-authorized".into()))), "{identity}");
            }
            for meta in ["null", "[]", "1e999", "\"\\ud800\"", "{\"a\":1,\"a\":2}"] {
                let mut peer = attach(&server);
                peer.send(&format!("[\"~wse:hi\",{{\"identity\":\"eve\",\"meta\":{meta}}}]")).await;
                assert_eq!(peer.json().await[0], "~wse:welcome", "{meta}");
                // What it is, is found out only by whoever asks, as an error.
                let conn = server.user("eve").conns().remove(0);
                assert_eq!(conn.meta::<Value>().is_err(), meta.contains("999") || meta.contains("ud800"), "{meta}");
            }
        })
        .await;
    });
}
