//! The options of the testbed that have an effect, and how it ends. It runs the built program.

use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use wse::{Backoff, CallError, Client, ClientBuilder, ConnectError, Status};
use wse_test_peers::{Events, programs::Testbed, soon};

fn ann(testbed: &Testbed) -> ClientBuilder {
    Client::builder(&testbed.url("/")).identity("user-ann")
}

/// What `who` tells a client.
async fn who(builder: ClientBuilder) -> Value {
    let (when, mut events) = wse_test_peers::events();
    let client = soon(builder.when(when).connect()).await.expect("it is let in");
    client.send("who", ()).expect("it is connected");
    let who = soon(events.next_like("ignored who")).await;
    serde_json::from_str(&who["ignored who ".len()..]).expect("JSON")
}

async fn closed(events: &mut Events) -> String {
    soon(events.next_like("closed")).await
}

#[tokio::test]
async fn it_says_where_it_is_ready_and_ends_with_0_when_asked_to() {
    for signal in ["TERM", "INT"] {
        let mut testbed = Testbed::start(&["--host", "127.0.0.2"]).await;
        let port = testbed.addr.strip_prefix("127.0.0.2:").expect("the address bound").parse::<u16>().unwrap();
        assert_ne!(port, 0);
        let (_client, mut events) = testbed.enter("user-ann", json!({})).await;
        testbed.program.signal(signal).await;
        assert_eq!(closed(&mut events).await, "closed 1012 wse.restart after=1000");
        let left = testbed.program.event("left").await;
        assert_eq!(left, json!({"event": "left", "cid": "user-ann", "code": 1012, "reason": "wse.restart after=1000"}));
        assert_eq!(testbed.program.ended().await.0, Some(0), "{signal}");
    }
}

#[tokio::test]
async fn a_handler_at_work_may_answer_before_the_end() {
    let testbed = Testbed::start(&[]).await;
    let (client, mut events) = testbed.enter("user-ann", json!({})).await;
    let caller = client.clone();
    let calling = tokio::spawn(async move { caller.call::<_, u64>("sleep", 400).await });
    tokio::task::yield_now().await;
    // Handlers start in the order of the calls: behind this answer, the first is at work.
    assert_eq!(soon(client.call::<_, i64>("add", (2, 3))).await.unwrap(), 5);
    testbed.terminate().await;
    assert_eq!(soon(calling).await.unwrap().unwrap(), 400);
    assert_eq!(closed(&mut events).await, "closed 1012 wse.restart after=1000");
    drop(client);
}

#[tokio::test]
async fn port_takes_the_port_that_is_named() {
    // An address of its own, so that no other test takes the port meanwhile.
    let testbed = Testbed::start(&["--host", "127.0.0.3"]).await;
    let port = testbed.addr.rsplit(':').next().unwrap().to_owned();
    testbed.terminate().await;
    let testbed = Testbed::start(&["--host", "127.0.0.3", "--port", &port]).await;
    assert_eq!(testbed.addr, format!("127.0.0.3:{port}"));
    testbed.terminate().await;
}

#[tokio::test]
async fn a_proxy_tells_the_address_by_a_proxy_header_or_over_a_unix_socket() {
    let trusting = Testbed::start(&["--proxy-protocol", "--trusted-proxy", "127.0.0.0/8"]).await;
    let at = trusting.addr.clone();
    let told = who(Client::builder("ws://a/").identity("user-ann").dial(async move |_| {
        let mut tcp = TcpStream::connect(at).await?;
        tcp.write_all(b"PROXY TCP4 198.51.100.7 192.0.2.1 4711 443\r\n").await?;
        Ok(tcp)
    }));
    assert_eq!(told.await["remote_addr"], "198.51.100.7");
    trusting.terminate().await;

    let path = std::env::temp_dir().join(format!("wse-testbed-{}", std::process::id()));
    let testbed = Testbed::start(&["--unix", path.to_str().unwrap()]).await;
    let (dialed, at) =
        (Client::builder("ws://a/").identity("user-ann").header("X-Forwarded-For", "[2001:db8::7]:9"), path.clone());
    let told = who(dialed.dial(async move |_| {
        loop {
            match tokio::net::UnixStream::connect(&at).await {
                Err(_) => tokio::task::yield_now().await,
                connected => return connected,
            }
        }
    }));
    assert_eq!(told.await["remote_addr"], "2001:db8::7");
    assert_eq!(who(ann(&testbed)).await["remote_addr"], "127.0.0.1", "it listens on TCP too");
    testbed.terminate().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn health_answers_also_when_the_testbed_is_full_and_503_while_it_drains() {
    let testbed = Testbed::start(&["--health", "/healthz", "--connections", "1"]).await;
    let (client, mut events) = testbed.enter("user-ann", json!({})).await;
    assert!(testbed.status_line("/", "").await.contains(" 503 "));
    assert!(testbed.status_line("/healthz", "").await.contains(" 200 "));
    client.send("hold", 1500).unwrap();
    assert_eq!(soon(client.call::<_, i64>("add", (2, 3))).await.unwrap(), 5);
    testbed.program.signal("TERM").await;
    let draining = async {
        while !testbed.status_line("/healthz", "").await.contains(" 503 ") {
            tokio::task::yield_now().await;
        }
    };
    soon(draining).await;
    assert_eq!(closed(&mut events).await, "closed 1012 wse.restart after=1000");
    assert_eq!(testbed.program.ended().await.0, Some(0));
}

#[tokio::test]
async fn path_is_where_it_listens_and_a_star_is_everywhere() {
    let status = async |options: &[&str], path: &str| {
        let testbed = Testbed::start(options).await;
        let status = testbed.status_line(path, "").await;
        testbed.terminate().await;
        status
    };
    assert!(status(&[], "/").await.contains(" 101 "));
    assert!(status(&[], "/ws").await.contains(" 404 "));
    assert!(status(&["--path", "/ws"], "/ws?x=1").await.contains(" 101 "));
    assert!(status(&["--path", "/ws"], "/").await.contains(" 404 "));
    assert!(status(&["--path", "*"], "/any/thing").await.contains(" 101 "));
}

#[tokio::test]
async fn conns_per_user_is_one_by_default_and_pushes_the_oldest_out() {
    for (options, stay) in [(&[][..], 1), (&["--conns-per-user", "2"], 2)] {
        let testbed = Testbed::start(options).await;
        let mut devices = Vec::new();
        for _ in 0..=stay {
            devices.push(testbed.enter("user-ann", json!({})).await);
        }
        let (_, oldest) = &mut devices[0];
        assert_eq!(closed(oldest).await, "closed 1000 wse.clients-concurrency");
        for (client, _) in &devices[1..] {
            assert_eq!(soon(client.call::<_, usize>("devices", ())).await.unwrap(), stay);
        }
        testbed.terminate().await;
    }
}

#[tokio::test]
async fn auth_timeout_bounds_the_time_to_the_verdict() {
    let testbed = Testbed::start(&["--auth-timeout", "250ms"]).await;
    let start = Instant::now();
    let error = soon(Client::builder(&testbed.url("/")).identity("slow:60000").connect()).await.unwrap_err();
    assert!(error.to_string().contains("1013 wse.later after=1000"), "{error}");
    let below_the_default = start.elapsed() < Duration::from_secs(9);
    assert!(start.elapsed() >= Duration::from_millis(250) && below_the_default, "{:?}", start.elapsed());
    testbed.terminate().await;
}

#[tokio::test]
async fn expose_errors_shows_the_text_of_an_error_without_a_code() {
    for (options, message) in [(&[][..], "RPC execution failed"), (&["--expose-errors"], "Vanilla error")] {
        let testbed = Testbed::start(options).await;
        let (client, _events) = testbed.enter("user-ann", json!({})).await;
        let Err(CallError::Failed(error)) = soon(client.call::<_, Value>("fail", "plain")).await else {
            panic!("it does not fail")
        };
        assert_eq!((error.code.as_str(), error.message.as_deref()), ("wse.server.rp.failed", Some(message)));
        let details: Value = error.decode_details().unwrap().unwrap();
        let origin = if options.is_empty() { Value::Null } else { json!(message) };
        assert_eq!(details["origin"]["message"], origin, "{details}");
        testbed.terminate().await;
    }
}

#[tokio::test]
async fn refuse_before_challenge_refuses_everybody_and_asks_nobody() {
    for options in [&["--refuse-before-challenge"][..], &["--challenge", "--refuse-before-challenge", "--anonymous"]] {
        let testbed = Testbed::start(options).await;
        for identity in ["valid-secret", "user-ann", "else"] {
            let asked = Arc::new(AtomicBool::new(false));
            let asking = asked.clone();
            let builder = Client::builder(&testbed.url("/")).identity(identity).challenge(async move |_, _: Value| {
                asking.store(true, Relaxed);
                Ok(3)
            });
            let error = soon(builder.connect()).await.unwrap_err();
            assert_eq!(error.to_string(), "refused: 1000 wse.not-authorized", "{identity}");
            assert!(!asked.load(Relaxed), "{identity}");
        }
        assert!(testbed.terminate().await.is_empty(), "a refusal is no event");
    }
}

#[tokio::test]
async fn rpc_timeout_bounds_the_calls_of_the_server() {
    let testbed = Testbed::start(&["--rpc-timeout", "2s"]).await;
    let (client, mut events) = testbed.enter("user-ann", json!({})).await;
    let sleep = async |_, ms: u64| {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Ok(ms)
    };
    client.register("sleep", sleep).unwrap();
    for (ms, outcome) in [(60_000, r#"called {"err":{"code":"wse.client.rp.timeout"}}"#), (0, r#"called {"ok":0}"#)] {
        client.send("call-me", json!({"rp": "sleep", "payload": ms})).unwrap();
        assert_eq!(soon(events.next_like("ignored")).await, format!("ignored {outcome}"));
    }
    testbed.terminate().await;
}

/// A device that was let in as `user-dead`, and neither reads nor answers.
async fn dead(testbed: &mut Testbed) -> TcpStream {
    let hi = br#"["~wse:hi",{"identity":"user-dead"},null]"#;
    let mut bytes = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: wse-default-json\r\n\r\n"
        .to_vec();
    bytes.extend([0x81, 0x80 | hi.len() as u8, 0, 0, 0, 0]); // masked with zeros
    bytes.extend(hi);
    let mut tcp = TcpStream::connect(&testbed.addr).await.expect("somebody listens");
    tcp.write_all(&bytes).await.expect("bytes are taken");
    testbed.program.find(|line| line["event"] == "connected" && line["cid"] == "user-dead").await;
    tcp
}

#[tokio::test]
async fn ping_interval_and_timeout_find_a_dead_device() {
    let mut testbed = Testbed::start(&["--ping-interval", "200ms", "--ping-timeout", "2s"]).await;
    // A live client answers, for longer than the dead one is there.
    let (client, _events) = testbed.enter("user-live", json!({})).await;
    let _dead = dead(&mut testbed).await;
    let start = Instant::now();
    let end = testbed.program.event("disconnected").await;
    assert_eq!((&end["cid"], &end["code"]), (&json!("user-dead"), &json!(1006)));
    assert!(start.elapsed() >= Duration::from_millis(300), "{:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(20), "the defaults find it after 35 s: {:?}", start.elapsed());
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(client.status(), Status::Ready);
    testbed.terminate().await;
}

#[tokio::test]
async fn max_message_bounds_what_a_device_may_send() {
    let testbed = Testbed::start(&["--max-message", "64KiB"]).await;
    let (client, mut events) = testbed.enter("user-ann", json!({})).await;
    client.send("echo", "x".repeat(60_000)).unwrap();
    soon(events.next_like("ignored echo")).await;
    client.send("echo", "x".repeat(70_000)).unwrap();
    assert!(closed(&mut events).await.starts_with("closed 1009"));
    testbed.terminate().await;
}

#[tokio::test]
async fn queue_bytes_their_maximum_and_the_time_for_what_is_between_bound_what_waits_for_a_device() {
    for (most, time) in [("512KiB", "3600s"), ("1GiB", "200ms")] {
        let options = ["--queue-bytes", "256KiB", "--queue-bytes-max", most, "--slow-timeout", time];
        let mut testbed = Testbed::start(&options).await;
        let _dead = dead(&mut testbed).await;
        let (client, mut events) = testbed.enter("user-ann", json!({})).await;
        // More than the kernel keeps for a device that does not read.
        let flooding = tokio::spawn(async move {
            loop {
                client.send("bc", 100_000).unwrap();
                soon(events.next_like("ignored news")).await;
            }
        });
        let end = testbed.program.event("disconnected").await;
        let expected = (&json!("user-dead"), &json!(1013), &json!("wse.slow"));
        assert_eq!((&end["cid"], &end["code"], &end["reason"]), expected);
        flooding.abort();
        let _ = flooding.await;
        // One that reads is kept, and what never fits is an error of whoever sends it.
        let (client, mut events) = testbed.enter("user-bob", json!({})).await;
        client.send("echo", "x".repeat(200 << 10)).unwrap();
        soon(events.next_like("ignored echo")).await;
        client.send("echo", "x".repeat(300 << 10)).unwrap();
        assert_eq!(testbed.program.event("error").await["code"], "wse.server.msg-processing-error");
        testbed.terminate().await;
    }
}

#[tokio::test]
async fn origin_is_an_allow_list() {
    let options = ["--origin", "https://a.example", "--origin", "https://b.example"];
    let testbed = Testbed::start(&options).await;
    for (origin, status) in [("https://a.example", 101), ("https://b.example", 101), ("https://c.example", 403)] {
        let answer = testbed.status_line("/", &format!("Origin: {origin}\r\n")).await;
        assert!(answer.contains(&format!(" {status} ")), "{origin}: {answer}");
    }
    let error = soon(ann(&testbed).header("Origin", "https://a.example.evil").connect()).await.unwrap_err();
    assert!(matches!(error, ConnectError::UpgradeRefused { status: 403, .. }), "{error}");
    testbed.terminate().await;
    let open = Testbed::start(&[]).await;
    assert!(open.status_line("/", "Origin: https://any.example\r\n").await.contains(" 101 "));
    open.terminate().await;
}

#[tokio::test]
async fn trusted_proxy_is_whose_word_about_the_address_counts() {
    for (options, addr) in [
        (&[][..], "127.0.0.1"),
        (&["--trusted-proxy", "10.0.0.0/8"], "127.0.0.1"),
        (&["--trusted-proxy", "10.0.0.0/8", "--trusted-proxy", "127.0.0.0/8"], "203.0.113.7"),
    ] {
        let testbed = Testbed::start(options).await;
        let who = who(ann(&testbed).header("X-Forwarded-For", "203.0.113.7")).await;
        assert_eq!(who["remote_addr"], addr, "{options:?}");
        testbed.terminate().await;
    }
}

#[tokio::test]
async fn quiet_prints_no_event_lines() {
    let testbed = Testbed::start(&["--quiet"]).await;
    let (client, mut events) = testbed.enter("user-ann", json!({})).await;
    client.send("unknown", ()).unwrap();
    client.send("echo", ()).unwrap();
    soon(events.next_like("ignored echo")).await;
    assert!(testbed.terminate().await.is_empty());
}

/// The threads of a process whose names begin like this.
fn threads(id: u32, begin: &str) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{id}/task")).expect("the process runs");
    let names = tasks.map(|task| std::fs::read_to_string(task.expect("a thread").path().join("comm")));
    names.filter(|name| name.as_ref().is_ok_and(|name| name.starts_with(begin))).count()
}

#[tokio::test]
async fn workers_sets_the_threads_and_one_is_the_main_thread_itself() {
    for (workers, beside) in [("1", 0), ("3", 3)] {
        let testbed = Testbed::start(&["--workers", workers]).await;
        let (client, _events) = testbed.enter("user-ann", json!({})).await;
        assert_eq!(soon(client.call::<_, i64>("add", (2, 3))).await.unwrap(), 5);
        // A thread has its name only a moment after it was started.
        let start = Instant::now();
        let threads = || threads(testbed.program.id(), "tokio-r");
        while threads() != beside {
            assert!(start.elapsed() < Duration::from_secs(60), "{workers}: {}", threads());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        testbed.terminate().await;
    }
}

#[tokio::test]
async fn cores_sets_the_threads_that_serve() {
    let testbed = Testbed::start(&["--workers", "1", "--cores", "2"]).await;
    let (client, _events) = testbed.enter("user-ann", json!({})).await;
    assert_eq!(soon(client.call::<_, i64>("add", (2, 3))).await.unwrap(), 5);
    assert_eq!(threads(testbed.program.id(), "wse-core-"), 2);
    testbed.terminate().await;
}

#[tokio::test]
async fn a_client_that_reconnects_finds_it_again_after_a_restart_on_the_same_port() {
    let testbed = Testbed::start(&["--host", "127.0.0.4"]).await;
    let port = testbed.addr.rsplit(':').next().unwrap().to_owned();
    let (when, mut events) = wse_test_peers::events();
    let backoff = Backoff { min: Duration::from_millis(20), max: Duration::from_millis(100), ..Backoff::default() };
    let client = soon(ann(&testbed).when(when).reconnect(backoff).connect()).await.unwrap();
    testbed.terminate().await;
    assert_eq!(closed(&mut events).await, "closed 1012 wse.restart after=1000");
    let testbed = Testbed::start(&["--host", "127.0.0.4", "--port", &port]).await;
    soon(events.next_like("ready")).await;
    assert_eq!(soon(client.call::<_, i64>("add", (2, 3))).await.unwrap(), 5);
    testbed.terminate().await;
}
