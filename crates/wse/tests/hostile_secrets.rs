//! Identities, metas, quests, answers, payloads and details of errors stand in no line of the log,
//! however verbose, and in no `Debug` form.

use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tracing_subscriber::filter::LevelFilter;
use wse::{
    Backoff, Client, ClientBuilder, Conn, ConnectError, Limits, Protocol, RpError, Server, Stranger, WsMessaging,
};
use wse_frame::Opcode;
use wse_test_peers::{
    PIPE, attach, attach_to,
    floods::{every_wire, until},
    frame, pack, recordings,
    secrets::{MARK, Seen, leaks, secret},
    text,
};

/// A type that a secret is not of.
#[derive(Debug, serde::Deserialize)]
#[expect(dead_code, reason = "it is never read")]
struct Account {
    number: u64,
}

/// A server whose identify does what the identity says, and whose handlers fail in every way.
fn server(seen: &Seen) -> Server {
    let (when, hook, leaving) = (seen.clone(), seen.clone(), seen.clone());
    let (by_identify, by_message) = (seen.clone(), seen.clone());
    let limits = Limits { queue_bytes: 100_000, conns_per_user: 3, ..Limits::default() };
    let builder = Server::builder()
        .limits(limits)
        .protocols(every_wire())
        .when(async move |event| when.show("Event", &event))
        .on_receive(async move |conn, envelope| {
            hook.show("Envelope", &(&conn, &envelope));
            if envelope.name == "stopped" { Err(RpError::new("stopped").details(&secret("details"))) } else { Ok(()) }
        })
        .on_send(move |conn, envelope| {
            leaving.show("leaving Envelope", &(conn, envelope));
            Ok(())
        })
        .on("m", async move |conn: Conn, what: Value| {
            by_message.show("Conn", &(&conn, conn.user(), conn.server()));
            if what["fail"] == true {
                return Err(RpError::new("failed").details(&what));
            }
            conn.send("m", what)?;
            Ok(())
        })
        .on("account", async |_, _: Account| Ok(()))
        .register("echo", async |_, what: Value| Ok(what))
        .register("account", async |_, _: Account| Ok(()))
        .register("fails", async |_, what: Value| -> Result<(), _> { Err(RpError::new("no").details(&what)) })
        .register("breaks", async |_, what: Value| Ok(serde_json::from_value::<()>(json!(null)).map(|()| what)?))
        .register("big", async |_, what: Value| Ok([what.to_string(), "x".repeat(200_000)]))
        .register("back", async |conn: Conn, what: Value| Ok(conn.call::<_, u8>("back", what).await?));
    seen.show("ServerBuilder", &builder);
    let builder = builder.identify(async move |stranger: Stranger, who: Value| {
        by_identify.show("Stranger", &stranger);
        let verdict = match who["how"].as_str() {
            Some("refuse") => stranger.refuse(),
            Some("fail") => return Err(RpError::new("no").details(&who)),
            Some("wrong type") => return Err(stranger.meta::<Account>().expect_err("it is none").into()),
            Some("challenge") => match stranger.answer::<Value, Account>() {
                Ok(None) => stranger.challenge(&secret("quest")),
                Ok(Some(_)) => stranger.refuse(),
                Err(error) => {
                    by_identify.show("DecodeError", &error);
                    return Err(error.into());
                }
            },
            _ => stranger.accept("ann").welcome(&secret("welcome")),
        };
        by_identify.show("Verdict", &verdict);
        Ok(verdict)
    });
    seen.show("ServerBuilder<Identified>", &builder);
    builder.build()
}

/// What a device of `wse` says, in and out of order.
async fn talk(server: &Server, seen: &Seen) {
    for how in ["refuse", "fail", "wrong type", "challenge"] {
        let mut peer = attach(server);
        peer.hi(json!({"how": how, "password": secret("identity")}), json!({"phone": secret("meta")})).await;
        if how == "challenge" {
            assert!(peer.text().await.contains(&secret("quest")));
            peer.say("~wse:challenge", json!(secret("answer"))).await;
        }
        let (code, reason) = peer.closed().await;
        let end = if how == "fail" { (1013, "wse.later after=1000") } else { (1000, "wse.not-authorized") };
        assert_eq!((code, &*reason), end, "{how}");
    }
    let secret_text = secret("payload");
    let garbage = [
        format!("[\"m\",\"{secret_text}\" \"{secret_text}\"]"),
        format!("{{\"{secret_text}\":"),
        format!("[\"m\",{}\"{secret_text}\"]", "[".repeat(200)),
        format!("[{{\"{secret_text}\":1}}]"),
        format!("[\"~wse:welcome\",\"{secret_text}\"]"),
    ];
    for garbage in garbage {
        for known in [false, true] {
            let mut peer = attach(server);
            if known {
                peer.enter_with(json!({"password": secret("identity")}), json!({"phone": secret("meta")})).await;
            }
            peer.send(&garbage).await;
            assert_eq!(peer.closed().await.0, 1000);
        }
    }
    let mut peer = attach(server);
    peer.write(&[text("[\"~wse:hi\",{}]"), frame(Opcode::Text, &[MARK.as_bytes(), b"\xff"].concat())].concat()).await;
    let mut known = attach(server);
    known.enter_with(json!({"password": secret("identity")}), json!({"phone": secret("meta")})).await;
    for name in ["m", "account", "stopped", "nobody-listens"] {
        known.say(name, json!({"fail": name == "account", "text": secret_text})).await;
        known.say(name, json!(secret_text)).await;
    }
    known.say("m", json!({"fail": true, "text": secret_text})).await;
    for rp in ["echo", "account", "fails", "breaks", "big", "nobody-registered", "stopped"] {
        known.ask(rp, json!({"text": secret_text}), "stamp").await;
    }
    // Answers to the server's own call, of a wrong type and an error.
    for own in [["~wse:response", "result"], ["~wse:response-err", "error"]] {
        known.ask("back", json!(secret_text), "back").await;
        let stamp = loop {
            let envelope = known.text().await;
            if envelope.starts_with("[\"back\"") {
                break recordings::stamp(&envelope);
            }
        };
        known.send(&json!([own[0], {"code": "x", "details": secret(own[1])}, stamp]).to_string()).await;
        while !known.text().await.contains("\"back\"]") {}
    }
    let message = server.encode("m", secret_text.as_str()).expect("it encodes");
    seen.show("Encoded and others", &(&message, server.everyone(), server.users(), server.service()));
    seen.show("SendError", &server.broadcast("m", secret_text.repeat(10_000)).expect_err("it is too big"));
    known.leave().await;
}

/// Sessions that are resumed, lost and refused. Gives their tokens.
async fn resume(server: &Server) -> Vec<String> {
    let identity = json!({"password": secret("identity")});
    let mut tokens: Vec<String> = Vec::new();
    for round in 0..4 {
        let mut peer = attach(server);
        let used = tokens.last().filter(|_| round < 3);
        let session = used.map_or(json!({}), |token| json!({"resume": token, "seen": 0}));
        peer.say("~wse:hi", json!({"identity": identity, "session": session})).await;
        let welcome = peer.json().await;
        assert_eq!(welcome[2]["resumed"], json!(used.is_some()), "{welcome}");
        tokens.push(welcome[2]["session"].as_str().expect("a token").to_owned());
        peer.say("m", json!({"text": secret("payload")})).await;
        peer.say("~wse:ack", json!(1000 * u32::from(round == 3))).await;
        until("it is lost", || round == 3 || server.conn_count() == 1).await;
    }
    tokens
}

/// The same on the other wires.
async fn talk_otherwise(server: &Server) {
    for wire in ["wse-msgpack", "ws-messaging"] {
        let (mut peer, _) = attach_to(server, wire);
        let identity = json!({"password": secret("identity")});
        let hi = if wire == "wse-msgpack" {
            json!(["~wse:hi", {"identity": identity, "meta": secret("meta")}])
        } else {
            identity
        };
        peer.pack(hi).await;
        peer.unpack().await;
        let payload = secret("payload");
        let said = if wire == "wse-msgpack" {
            [
                json!(["account", payload]),
                json!(["nobody-listens", payload]),
                json!(["fails", payload, "s"]),
                json!(["stopped", payload]),
            ]
        } else {
            [
                json!({"name": "account", "args": [payload]}),
                json!({"name": "nobody-listens", "args": [payload]}),
                json!({"name": "fails", "args": [payload], "id": 1}),
                json!({"name": "stopped", "args": [payload], "more": payload}),
            ]
        };
        for said in said {
            peer.pack(said).await;
        }
        let mut garbage = pack(&json!([payload, payload]));
        garbage.push(0xc1);
        peer.write(&frame(Opcode::Binary, &garbage)).await;
        let (mut stranger, _) = attach_to(server, wire);
        stranger.write(&frame(Opcode::Binary, &garbage)).await;
        stranger.next().await;
    }
}

fn client(server: &Server, seen: &Seen, protocol: Protocol) -> ClientBuilder {
    let (server, when, solving) = (server.clone(), seen.clone(), seen.clone());
    Client::builder(&format!("ws://{MARK}:{MARK}@a.test/{MARK}?token={MARK}"))
        .protocol(protocol)
        .header("Authorization", &secret("header"))
        .meta(&json!({"phone": secret("meta")}))
        .dial(async move |_| {
            let (ours, theirs) = tokio::io::duplex(PIPE);
            tokio::spawn(async move { server.serve_stream(theirs, None).await });
            Ok(ours)
        })
        .when(async move |event| when.show("ClientEvent", &event))
        .challenge(async move |client, quest: Value| {
            solving.show("Client", &client);
            Ok(quest)
        })
        .on("account", async |_, _: Account| Ok(()))
        .register("back", async |_, _: Account| Ok(1u8))
}

async fn connect(server: &Server, seen: &Seen) {
    let mut protocols = every_wire().to_vec();
    protocols.push(WsMessaging::new().messagepack().into());
    for protocol in protocols {
        for how in ["refuse", "fail", "wrong type", "challenge"] {
            let identity = json!({"how": how, "password": secret("identity")});
            let builder = client(server, seen, protocol.clone()).identity(&identity);
            seen.show("ClientBuilder", &builder);
            let error = builder.connect().await.expect_err("it is refused");
            seen.show("ConnectError", &error);
            tracing::info!(%error, "as an application would log it");
        }
        let builder = client(server, seen, protocol).identity(&json!({"password": secret("identity")}));
        let client = builder.connect().await.expect("it is let in");
        let payload = json!({"text": secret("payload")});
        server.broadcast("account", &payload).expect("it is sent");
        server.broadcast("nobody-listens", &payload).expect("it is sent");
        client.send("m", &payload).expect("it is sent");
        for rp in ["echo", "account", "fails", "breaks", "big", "back", "nobody-registered"] {
            let outcome = client.call::<_, u8>(rp, &payload).await;
            let error = outcome.expect_err("no procedure gives a number");
            seen.show("CallError", &error);
            tracing::info!(%error, rp, "as an application would log it");
        }
        for conn in server.user("ann").conns() {
            let error = conn.call::<_, u8>("back", &payload).await.expect_err("it is no account");
            seen.show("CallError", &error);
            seen.show("meta", &conn.meta::<Account>().expect_err("it is none"));
            seen.show("identity", &conn.identity::<Account>().expect_err("it is none"));
        }
        seen.show("Client", &client);
        client.close("done").await;
    }
    // Addresses and headers that are none.
    for url in [format!("ws:// {MARK}"), format!("http://{MARK}/"), MARK.to_owned()] {
        let builder = Client::builder(&url);
        seen.show("ClientBuilder", &builder);
        seen.show("ConnectError", &builder.connect().await.expect_err("no address"));
    }
    let builder = Client::builder("ws://a.test/").header("X-Token", &format!("{MARK}\n"));
    seen.show("ConnectError", &builder.connect().await.expect_err("no header"));
}

/// A client with cookies and headers made anew, refused by a balancer that sets a cookie.
async fn be_refused(seen: &Seen) {
    let balancer = async move |_| {
        let (ours, theirs) = tokio::io::duplex(PIPE);
        tokio::spawn(async move {
            let (reader, mut writer) = tokio::io::split(theirs);
            let mut lines = BufReader::new(reader).lines();
            while lines.next_line().await.is_ok_and(|line| line.is_some_and(|line| !line.is_empty())) {}
            let set = format!("Set-Cookie: node={MARK}; Path=/\r\n");
            writer.write_all(format!("HTTP/1.1 403 No\r\n{set}Content-Length: 0\r\n\r\n").as_bytes()).await
        });
        Ok(ours)
    };
    for (token, refused) in [(secret("token"), true), (format!("{MARK}\n"), false)] {
        let builder = Client::builder("ws://a.test/").dial(balancer).cookies(true);
        let builder = builder.header_with(async move || Ok([("X-Token", token)]));
        seen.show("ClientBuilder", &builder);
        let twice = Backoff { retries: 2, min: Duration::ZERO, max: Duration::ZERO, ..Backoff::persistent() };
        let error = builder.reconnect(twice).connect().await.expect_err("it is refused");
        assert_eq!(matches!(error, ConnectError::UpgradeRefused { status: 403, .. }), refused, "{error}");
        seen.show("ConnectError", &error);
        tracing::info!(%error, "as an application would log it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_stands_in_a_line_of_the_log_or_in_a_debug_form() {
    let seen = Seen::default();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(seen.clone())
        .with_ansi(false)
        .try_init()
        .expect("nobody else logs here");
    let server = server(&seen);
    talk(&server, &seen).await;
    talk_otherwise(&server).await;
    connect(&server, &seen).await;
    be_refused(&seen).await;
    let tokens = resume(&server).await;
    server.shutdown(Duration::from_secs(10)).await;
    until("everybody has gone", || server.conn_count() == 0).await;

    let lines = seen.lines();
    let mut leaking: Vec<&String> =
        lines.iter().filter(|line| leaks(line) || tokens.iter().any(|token| line.contains(token))).collect();
    leaking.sort();
    leaking.dedup();
    assert!(leaking.is_empty(), "{} lines, such as {:#?}", leaking.len(), &leaking[..leaking.len().min(20)]);
    // All of it was really looked at.
    for expected in [
        "wse::server::failures: protocol error",
        "wse::server::failures: handler failed",
        "wse::server::owner: message ignored",
        "wse::server::owner: unauthenticated connection closed",
        "wse::server::owner: session parked",
        "Event: Resumed",
        "wse::client::owner: handler failed",
        "Event: Error",
        "Event: Ignored",
        "ClientEvent: Ready",
        "ClientEvent: Ignored",
        "ClientEvent: Error",
        "CallError: Failed",
        "CallError: Decode",
        "ConnectError: Refused",
        "ConnectError: UpgradeRefused",
        "ConnectError: Headers",
        "Envelope: (Conn",
        "Stranger: Stranger",
    ] {
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected}");
    }
}
