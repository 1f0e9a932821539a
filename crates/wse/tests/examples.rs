//! The examples as a user runs them: the built programs, from outside.

#![expect(clippy::unwrap_used, reason = "a test may panic in its helpers too")]

use serde_json::{Value, json};
use std::{net::SocketAddr, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    sync::mpsc,
    time::timeout,
};
use wse::{CallError, Client, ClientEvent, ConnectError};
use wse_test_peers::programs::{PATIENCE, command};

async fn ends_well(name: &str, lines: &[&str]) {
    let output = timeout(PATIENCE, command(name).output()).await.expect("the example does not end").unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}\n{stdout}{stderr}", output.status);
    for line in lines {
        assert!(stdout.lines().any(|said| said == *line), "{name} does not say {line:?}:\n{stdout}{stderr}");
    }
}

#[tokio::test]
async fn rpc_shows_calls_errors_and_a_timeout() {
    let lines = [
        "42 / 6 = 7",
        "1 / 0 fails with \"NO_QUOTIENT\": there is no such number",
        "a nap of a minute, waiting for 50 ms: no answer in time",
        "the server called back: hello ann, your phone answers",
    ];
    ends_well("rpc", &lines).await;
}

#[tokio::test]
async fn challenge_lets_in_whoever_knows_the_secret_and_nobody_else() {
    let lines = ["ann with her secret: READY", "bob with a wrong secret: refused: 1000 wse.not-authorized"];
    ends_well("challenge", &lines).await;
}

#[tokio::test]
async fn axum_has_two_servers_and_a_route_behind_one_port() {
    let lines = [
        "/members knows ann from 127.0.0.1",
        "/members without a token: the upgrade was refused with status 401",
        "/count says: 1 members, 1 guests",
    ];
    ends_well("axum", &lines).await;
}

#[tokio::test]
async fn custom_codec_reaches_users_of_the_default_one() {
    let lines = [
        "bob hears ann say \"hello from lines\"",
        "ann hears bob say \"hello from JSON\"",
        "a call in lines: 2 + 3 = 5",
    ];
    ends_well("custom_codec", &lines).await;
}

#[tokio::test]
async fn http2_says_where_it_can_be_opened() {
    let mut child = command("http2").args(["--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, said.next_line()).await.unwrap().unwrap().expect("the example does not start");
    let addr = line.strip_prefix("open https://").and_then(|rest| rest.split(' ').next()).expect("no address to open");
    TcpStream::connect(addr).await.unwrap();
}

/// A chat that runs until it is dropped.
struct Chat {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
    addr: SocketAddr,
}

impl Chat {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(args: &[&str]) -> Self {
        let mut child = command("chat").args(["--port", "0"]).args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = timeout(PATIENCE, said.next_line()).await.unwrap().unwrap().expect("the chat does not start");
        let addr = first.split("http://").nth(1).and_then(|rest| rest.split(' ').next()).expect("no address to open");
        Self { child, said, addr: addr.parse().unwrap() }
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.addr);
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        answer
    }

    async fn enter(&self, name: &str, device: &'static str) -> Result<Device, ConnectError> {
        let (tell, told) = mpsc::unbounded_channel();
        let on = |kind: &'static str| {
            let tell = tell.clone();
            async move |_: Client, payload: Value| {
                tell.send((kind, payload))?;
                Ok(())
            }
        };
        let (line, history, here, typist) = (on("line"), on("history"), on("here"), on("typist"));
        let presence = on("wse:presence");
        let client = Client::builder(&format!("ws://{}/ws", self.addr))
            .identity(name)
            .meta(&json!({"device": device}))
            .on("line", line)
            .on("history", history)
            .on("here", here)
            .on("typist", typist)
            .on("wse:presence", presence)
            .register("whoami", async move |_, ()| Ok(device))
            .when(async move |event| {
                if let ClientEvent::Closed(closed) = event {
                    let _ = tell.send(("closed", json!(closed.to_string())));
                }
            })
            .connect()
            .await?;
        Ok(Device { client, told })
    }
}

struct Device {
    client: Client,
    told: mpsc::UnboundedReceiver<(&'static str, Value)>,
}

impl Device {
    /// The next of a kind; what is of another is passed over.
    async fn next(&mut self, kind: &str) -> Value {
        let next = async {
            loop {
                let (told, payload) = self.told.recv().await.expect("the client has ended");
                if told == kind {
                    return payload;
                }
            }
        };
        timeout(PATIENCE, next).await.unwrap_or_else(|_| panic!("no {kind} came"))
    }

    /// From whom, to whom, and what the next line says.
    async fn hears(&mut self) -> (String, Option<String>, String) {
        let line = self.next("line").await;
        let text = |field: &str| line[field].as_str().map(str::to_owned);
        (text("from").unwrap(), text("to"), text("text").unwrap())
    }

    async fn says(&self, to: Option<&str>, text: &str) -> Result<(), CallError> {
        self.client.call("say", json!({"to": to, "text": text})).await
    }

    /// Waits until exactly these are here.
    async fn sees(&mut self, expected: &[(&str, usize)]) {
        let expected: Vec<Value> = expected.iter().map(|(name, n)| json!({"name": name, "devices": n})).collect();
        while self.next("here").await != json!(expected) {}
    }
}

fn line(from: &str, to: Option<&str>, text: &str) -> (String, Option<String>, String) {
    (from.to_owned(), to.map(str::to_owned), text.to_owned())
}

#[tokio::test]
async fn the_chat_serves_a_page_with_all_its_parts_and_nothing_else() {
    let chat = Chat::start().await;
    let page = chat.get("/").await;
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("content-type: text/html; charset=utf-8"), "{page}");
    let mut parts = vec!["chat.css".to_owned(), "chat.js".to_owned()];
    for part in &parts {
        assert!(page.contains(&format!("\"{part}\"")), "the page does not ask for {part}");
    }
    let mut at = 0;
    while at < parts.len() {
        let name = parts[at].clone();
        let part = chat.get(&format!("/{name}")).await;
        let kind = if name.ends_with(".css") { "text/css" } else { "text/javascript" };
        let heads =
            [format!("content-type: {kind}; charset=utf-8"), "content-security-policy: default-src 'none';".into()];
        assert!(part.starts_with("HTTP/1.1 200 ") && heads.iter().all(|head| part.contains(head)), "{name}: {part}");
        assert!(!part.contains("innerHTML"), "what people write is text, never markup");
        let imported = part.split("from \"./").skip(1).filter_map(|rest| rest.split('"').next());
        let new: Vec<String> =
            imported.filter(|&name| parts.iter().all(|part| part != name)).map(str::to_owned).collect();
        parts.extend(new);
        at += 1;
    }
    assert!(parts.contains(&"wse-client.js".to_owned()), "the page is built on the client for JavaScript: {parts:?}");
    assert!(chat.get("/ws").await.starts_with("HTTP/1.1 426 "), "a GET without an upgrade");
    assert!(chat.get("/nothing").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn people_in_the_chat_see_who_is_here_and_talk() {
    let mut chat = Chat::start().await;
    let mut ann = chat.enter("ann", "laptop").await.unwrap();
    ann.sees(&[("ann", 1)]).await;
    let mut bob = chat.enter("bob", "phone").await.unwrap();
    ann.sees(&[("ann", 1), ("bob", 1)]).await;
    let _bobs_other = chat.enter("bob", "laptop").await.unwrap();
    ann.sees(&[("ann", 1), ("bob", 2)]).await;

    ann.says(None, "good morning").await.unwrap();
    assert_eq!(bob.hears().await, line("ann", None, "good morning"));
    bob.says(None, "to you too").await.unwrap();
    assert_eq!(ann.hears().await, line("ann", None, "good morning"));
    assert_eq!(ann.hears().await, line("bob", None, "to you too"));

    drop(bob);
    ann.sees(&[("ann", 1), ("bob", 1)]).await;
    for expected in ["ann joined", "bob joined"] {
        assert_eq!(timeout(PATIENCE, chat.said.next_line()).await.unwrap().unwrap().as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn a_private_message_reaches_all_devices_of_both_and_nobody_else() {
    let chat = Chat::start().await;
    let mut devices = Vec::new();
    for name in ["ann", "ann", "bob", "bob", "eve"] {
        devices.push(chat.enter(name, "browser").await.unwrap());
    }
    devices[0].says(Some("bob"), "between us").await.unwrap();
    devices[0].says(None, "for all").await.unwrap();
    let mut eve = devices.pop().unwrap();
    for device in &mut devices {
        assert_eq!(device.hears().await, line("ann", Some("bob"), "between us"));
        assert_eq!(device.hears().await, line("ann", None, "for all"));
    }
    assert_eq!(eve.hears().await, line("ann", None, "for all"));
    let mut late = chat.enter("eve", "browser").await.unwrap();
    assert_eq!(late.next("history").await.as_array().unwrap().len(), 1);

    let error = eve.says(Some("nobody"), "hello?").await.unwrap_err();
    assert_eq!(error.code(), "NOT_HERE");
}

#[tokio::test]
async fn a_typing_hint_reaches_all_but_the_device_that_types() {
    let chat = Chat::start().await;
    let mut ann = chat.enter("ann", "laptop").await.unwrap();
    let mut bob = chat.enter("bob", "phone").await.unwrap();
    ann.client.send("typing", None::<String>).unwrap();
    assert_eq!(bob.next("typist").await, json!({"from": "ann", "to": null}));
    bob.client.send("typing", Some("ann")).unwrap();
    assert_eq!(ann.next("typist").await, json!({"from": "bob", "to": "ann"}));
}

#[tokio::test]
async fn everybody_is_told_who_is_in_the_lobby() {
    let chat = Chat::start().await;
    let mut ann = chat.enter("ann", "laptop").await.unwrap();
    assert_eq!(ann.next("wse:presence").await, json!({"room": "lobby", "all": [["ann", "online"]]}));
    let bob = chat.enter("bob", "phone").await.unwrap();
    assert_eq!(ann.next("wse:presence").await, json!({"room": "lobby", "cid": "bob", "status": "online"}));
    bob.client.close("bye").await;
    assert_eq!(ann.next("wse:presence").await, json!({"room": "lobby", "cid": "bob", "status": "offline"}));
}

#[tokio::test]
async fn the_chat_answers_calls_and_calls_back() {
    let chat = Chat::start().await;
    let ann = chat.enter("ann", "laptop").await.unwrap();
    assert_eq!(ann.client.call::<_, i64>("add", (2, 3)).await.unwrap(), 5);
    assert_eq!(ann.client.call::<_, i64>("add", (i64::MAX, 1)).await.unwrap_err().code(), "OVERFLOW");
    let asked: Value = ann.client.call("ask-me", ()).await.unwrap();
    assert_eq!(asked["device"], "laptop");
}

#[tokio::test]
async fn a_device_disconnects_the_others_of_its_user_and_tells_them_why() {
    let chat = Chat::start().await;
    let mut old = chat.enter("ann", "laptop").await.unwrap();
    let mut bob = chat.enter("bob", "phone").await.unwrap();
    let ann = chat.enter("ann", "phone").await.unwrap();
    bob.sees(&[("ann", 2), ("bob", 1)]).await;
    assert_eq!(ann.client.call::<_, usize>("drop-others", ()).await.unwrap(), 1);
    assert_eq!(old.next("closed").await, "1000 dropped by another device of yours");
    bob.sees(&[("ann", 1), ("bob", 1)]).await;
    assert_eq!(ann.client.call::<_, usize>("drop-others", ()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_sixth_device_pushes_out_the_first_or_as_many_as_were_asked_for() {
    for (args, devices) in [(&[] as &[&str], 5), (&["--conns-per-user", "2"], 2)] {
        let chat = Chat::start_with(args).await;
        let mut first = chat.enter("ann", "device").await.unwrap();
        let welcome: Value = first.client.welcome().unwrap();
        assert_eq!((&welcome["cid"], &welcome["devices"]), (&json!("ann"), &json!(devices)));
        let mut others = Vec::new();
        for _ in 0..devices {
            others.push(chat.enter("ann", "device").await.unwrap());
        }
        assert_eq!(first.next("closed").await, "1000 wse.clients-concurrency");
        let oldest = &mut others[0];
        oldest.sees(&[("ann", devices)]).await;
        assert_eq!(oldest.client.call::<_, i64>("add", (2, 3)).await.unwrap(), 5, "only one was pushed out");
    }
}

#[tokio::test]
async fn the_chat_refuses_bad_names_and_bad_texts() {
    let chat = Chat::start().await;
    for name in ["", " ", "a  b", " a", "a\nb", "a\u{200b}b", "\u{3164}", &"x".repeat(33)] {
        let refused = chat.enter(name, "laptop").await.map(|_| ());
        assert!(matches!(refused, Err(ConnectError::Refused(_))), "{name:?}: {refused:?}");
    }
    let mut ann = chat.enter(&"é".repeat(32), "laptop").await.unwrap();
    for text in ["", " \n", &"x".repeat(2001)] {
        assert_eq!(ann.says(None, text).await.unwrap_err().code(), "TEXT_LENGTH");
    }
    ann.says(None, &"€".repeat(2000)).await.unwrap();
    assert_eq!(ann.hears().await.2.chars().count(), 2000);
}

#[tokio::test]
async fn behind_the_welcome_come_the_last_fifty_lines() {
    let chat = Chat::start().await;
    let ann = chat.enter("ann", "laptop").await.unwrap();
    for n in 0..55 {
        ann.says(None, &format!("line {n}")).await.unwrap();
    }
    let mut bob = chat.enter("bob", "phone").await.unwrap();
    let history = bob.next("history").await;
    let history = history.as_array().unwrap();
    assert_eq!((history.len(), &history[0]["text"], &history[49]["text"]), (50, &json!("line 5"), &json!("line 54")));
    assert!(history.windows(2).all(|pair| pair[0]["at"].as_u64() < pair[1]["at"].as_u64()), "no two at one time");
}

#[tokio::test]
async fn whoever_comes_in_while_others_talk_misses_nothing() {
    let chat = Chat::start().await;
    let ann = chat.enter("ann", "laptop").await.unwrap();
    let talking = tokio::spawn(async move {
        for n in 0..400 {
            ann.says(None, &format!("line {n}")).await.unwrap();
        }
    });
    for nth in 0..20 {
        let mut bob = chat.enter(&format!("bob {nth}"), "phone").await.unwrap();
        let history = bob.next("history").await;
        let last = |line: &Value| line["text"].as_str().and_then(|text| text[5..].parse::<u32>().ok()).unwrap();
        let Some(newest) = history.as_array().unwrap().last().map(last) else { continue };
        if newest == 399 {
            break;
        }
        assert_eq!(last(&bob.next("line").await), newest + 1);
    }
    talking.await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_and_sigterm_send_everybody_away_to_come_back_whatever_half_requests_are_open() {
    for signal in ["-INT", "-TERM"] {
        let mut chat = Chat::start().await;
        let mut ann = chat.enter("ann", "laptop").await.unwrap();
        let mut half = TcpStream::connect(chat.addr).await.unwrap();
        half.write_all(b"GET / HTTP/1.1\r\nhost: ").await.unwrap();
        chat.get("/").await; // so the half request has been accepted before
        let pid = chat.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
        assert_eq!(ann.next("closed").await, "1012 wse.restart after=1000", "{signal}");
        let status = timeout(PATIENCE, chat.child.wait()).await.expect("the half request holds it up").unwrap();
        assert!(status.success(), "{signal}");
    }
}
