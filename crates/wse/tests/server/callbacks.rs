//! Handlers that wait for an answer of the very peer whose messages they handle, with more messages than
//! an inbox holds: the answers come behind the messages, and nothing waits for what waits for it.

use serde_json::{Value, json};
use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};
use wse::{Backoff, Client, ClientBuilder, ClientEvent, Conn, Event, Limits, Protocol, Server, WsMessaging};
use wse_test::Net;
use wse_test_peers::{Got, attach_with, enter, events, messaging, server, settle, soon};

const S: Duration = Duration::from_secs(1);

/// How many messages, and of how many bytes: more than an inbox holds.
const BURSTS: [(usize, usize); 2] = [(3000, 1), (500, 2000)];

/// Counts what was answered, and tells when all is.
#[derive(Clone)]
struct Answered(Arc<AtomicUsize>, mpsc::UnboundedSender<Duration>, usize, Instant);

impl Answered {
    fn of(number: usize) -> (Self, mpsc::UnboundedReceiver<Duration>) {
        let (tell, told) = mpsc::unbounded_channel();
        (Self(Arc::default(), tell, number, Instant::now()), told)
    }

    fn one_more(&self) {
        if self.0.fetch_add(1, SeqCst) + 1 == self.2 {
            let _ = self.1.send(self.3.elapsed());
        }
    }
}

fn payload(number: usize, size: usize) -> Value {
    json!([number, "x".repeat(size)])
}

/// A server that calls back the sender of `m`, and what is told when all calls are answered.
fn calling_back(messages: usize) -> (Server, mpsc::UnboundedReceiver<Duration>) {
    let (answered, told) = Answered::of(messages);
    let server = messaging(|builder| {
        builder
            .on("m", async move |conn: Conn, what: Value| {
                assert_eq!(conn.call::<_, Value>("back", &what[0]).await?, what[0]);
                answered.one_more();
                Ok(())
            })
            .register("back", async |_, what: Value| Ok(what))
    });
    (server, told)
}

fn protocols() -> [Protocol; 3] {
    [Protocol::Wse, Protocol::WseMsgpack, WsMessaging::new().into()]
}

async fn connect(net: &Net, configure: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Client {
    let builder = net.client().identity("ann").register("back", async |_, what: Value| Ok(what));
    soon(configure(builder).connect()).await.expect("the server lets it in")
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_messages_whose_handler_calls_back_the_device_is_answered_at_once() {
    for protocol in protocols() {
        for (messages, size) in BURSTS {
            for resume in [false, true] {
                let (server, mut told) = calling_back(messages);
                let net = Net::new(&server);
                let client = connect(&net, |builder| {
                    builder.protocol(protocol.clone()).reconnect(Backoff::default()).resume(resume)
                })
                .await;
                for number in 0..messages {
                    client.send("m", payload(number, size)).expect("it fits into the queue");
                }
                let time = soon(told.recv()).await.expect("all are answered");
                assert!(time < 2 * S, "{protocol:?}, {messages} of {size} bytes: {time:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_of_messages_whose_handler_calls_back_the_server_is_answered_at_once() {
    for protocol in protocols() {
        for (messages, size) in BURSTS {
            let (server, _) = calling_back(0);
            let (answered, mut told) = Answered::of(messages);
            let net = Net::new(&server);
            let _client = connect(&net, |builder| {
                builder.protocol(protocol.clone()).on("m", async move |client: Client, what: Value| {
                    assert_eq!(client.call::<_, Value>("back", &what[0]).await?, what[0]);
                    answered.one_more();
                    Ok(())
                })
            })
            .await;
            for number in 0..messages {
                server.broadcast("m", payload(number, size)).expect("it fits into the queue");
            }
            let time = soon(told.recv()).await.expect("all are answered");
            assert!(time < 2 * S, "{protocol:?}, {messages} of {size} bytes: {time:?}");
        }
    }
}

/// Checks that 3,000 messages of a device are answered within that time.
async fn answers_a_burst(server: &Server, mut told: mpsc::UnboundedReceiver<Duration>, resume: bool, within: Duration) {
    let net = Net::new(server);
    let client = connect(&net, |builder| builder.reconnect(Backoff::default()).resume(resume)).await;
    for number in 0..3000 {
        client.send("m", payload(number, 100)).expect("it fits into the queue");
    }
    let time = soon(told.recv()).await.expect("all are answered");
    assert!(time < within, "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn so_is_one_whose_hook_calls_back_or_whose_handler_waits_for_a_receipt_or_for_a_task_that_calls() {
    let (answered, told) = Answered::of(3000);
    let gate = Arc::new(Semaphore::new(0));
    let permits = gate.clone();
    let by_hook = server(|builder| {
        builder.on_receive(async move |conn: Conn, _| {
            _ = permits.acquire().await; // the inbox is full before the first call
            conn.call::<_, Value>("back", 1).await?;
            answered.one_more();
            Ok(())
        })
    });
    let opening = by_hook.clone();
    tokio::spawn(async move {
        tokio::time::sleep(S).await;
        opening.broadcast("news", 1).expect("it encodes"); // one wake for this and for what the hook sends
        gate.add_permits(1);
    });
    answers_a_burst(&by_hook, told, false, 3 * S).await;

    let (answered, told) = Answered::of(3000);
    let by_receipt = server(|builder| {
        builder.on("m", async move |conn: Conn, _: Value| {
            conn.send("news", 1)?.delivered().await?;
            answered.one_more();
            Ok(())
        })
    });
    // 64 handlers wait for one acknowledgement, which takes up to a second.
    answers_a_burst(&by_receipt, told, true, 3000 / 64 * S + 2 * S).await;

    let (answered, told) = Answered::of(3000);
    let by_task = server(|builder| {
        builder.on("m", async move |conn: Conn, _: Value| {
            tokio::spawn(async move { conn.call::<_, Value>("back", 1).await }).await??;
            answered.one_more();
            Ok(())
        })
    });
    answers_a_burst(&by_task, told, false, 2 * S).await;
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_calls_back_is_answered_though_messages_that_wait_for_it_come_first() {
    // The server's listener calls the device, whose answer stands behind its messages.
    let server = server(|builder| {
        builder.on("m", async |_, _: Value| Ok(())).register("last", async |_, (): ()| Ok(())).when(async |event| {
            if let Event::Connected(conn) = event {
                let answer = conn.call::<_, Value>("back", 1).await;
                assert_eq!(answer.expect("the device answers"), json!(1));
            }
        })
    });
    let (mut device, _ended) = attach_with(&server, 1 << 10, http::Request::new(()));
    device.enter("ann").await;
    let call = device.json().await;
    let start = Instant::now();
    for number in 0..3000 {
        device.say("m", payload(number, 1)).await;
    }
    device.send(&json!(["~wse:response", 1, call[2]]).to_string()).await;
    assert_eq!(soon(device.call("last", Value::Null)).await, json!(["~wse:response", null]));
    assert!(start.elapsed() < 2 * S, "{:?}", start.elapsed());

    // The client's listener calls the server, which has sent it messages before.
    let (answered, mut told) = Answered::of(1);
    let server = wse_test_peers::server(|builder| {
        builder.register("back", async |_, what: Value| Ok(what)).when(async |event| {
            if let Event::Connected(conn) = event {
                (0..3000).for_each(|number| _ = conn.send("m", payload(number, 1)).expect("it fits into the queue"));
            }
        })
    });
    let net = Net::new(&server);
    let held: Arc<OnceLock<Client>> = Arc::default();
    let itself = held.clone();
    let client = net.client().identity("ann").on("m", async |_, _: Value| Ok(())).when(async move |event| {
        if let (ClientEvent::Ready { .. }, Some(client)) = (event, itself.get()) {
            let answer = client.call::<_, Value>("back", 1).await;
            assert_eq!(answer.expect("the server answers"), json!(1));
            answered.one_more();
        }
    });
    let client = held.get_or_init(|| client.build());
    soon(client.connect()).await.expect("the server lets it in");
    let time = soon(told.recv()).await.expect("it is answered");
    assert!(time < 2 * S, "{time:?}");
}

/// At 100 ms a round trip, 64 handlers answer 640 messages in a second, however many messages there are.
#[tokio::test(start_paused = true)]
async fn callbacks_beyond_the_places_keep_their_rate_over_a_long_way() {
    const ROUND_TRIP: Duration = Duration::from_millis(100);
    for messages in [64, 640, 3200, 6400] {
        let (server, mut told) = calling_back(messages);
        let net = Net::new(&server);
        let client = connect(&net, |builder| builder).await;
        net.faults().latency(ROUND_TRIP / 2);
        for number in 0..messages {
            client.send("m", payload(number, 1)).expect("it fits into the queue");
        }
        let time = soon(told.recv()).await.expect("all are answered");
        let ideal = ROUND_TRIP * (messages as u32).div_ceil(64) + ROUND_TRIP / 2;
        assert!((ideal..ideal * 6 / 5).contains(&time), "{messages}: {time:?}, where {ideal:?} is ideal");
    }
}

/// What may wait for handlers while answers are awaited.
const BEFORE_ANSWERS: usize = 8 * 10_000;

fn small_inbox() -> Limits {
    Limits { inbox_bytes: 10_000, handlers_per_conn: 2, ..Limits::default() }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_puts_too_much_before_its_answers_is_told_so() {
    let (when, mut events) = events();
    let server = server(|builder| {
        builder.limits(small_inbox()).when(when).on("m", async |conn: Conn, _: Value| {
            let _ = conn.call::<_, ()>("never", 1).await; // the connection ends before an answer
            Ok(())
        })
    });
    let mut device = enter(&server, "ann").await;
    let mut sent = 0;
    while server.conn_count() == 1 && sent < 1000 {
        device.say("m", json!("x".repeat(1000))).await;
        settle().await;
        sent += 1;
    }
    let waited = (sent - 2) * 1000;
    assert!((BEFORE_ANSWERS - 10_000..BEFORE_ANSWERS + 3000).contains(&waited), "{waited} bytes waited");
    let reason = "wse.slow: answers are behind more messages than may wait";
    let closed = loop {
        match device.next().await {
            Got::Text(call) => assert!(call.starts_with("[\"never\""), "{call}"),
            closed => break closed,
        }
    };
    assert_eq!(closed, Got::Close(Some((1013, reason.into()))));
    assert_eq!(events.next_like("left").await, format!("left ann 1013 {reason}"));
}

#[tokio::test(start_paused = true)]
async fn a_device_whose_messages_wait_for_a_slow_listener_is_slowed_and_not_closed() {
    const MESSAGES: usize = 300;
    let (answered, mut told) = Answered::of(MESSAGES);
    let server = server(|builder| {
        let builder = builder.limits(small_inbox()).when(async |event| {
            if let Event::Connected(conn) = event {
                tokio::spawn(async move { conn.call::<_, Value>("back", 1).await });
                tokio::time::sleep(5 * S).await;
            }
        });
        builder.on("m", async move |_, _: Value| {
            answered.one_more();
            Ok(())
        })
    });
    let net = Net::new(&server);
    let never = async |_, _: Value| std::future::pending::<Result<Value, wse::RpError>>().await;
    let client = soon(net.client().identity("ann").register("back", never).connect()).await.expect("it is let in");
    for number in 0..MESSAGES {
        client.send("m", payload(number, 1000)).expect("it fits into the queue");
    }
    soon(told.recv()).await.expect("all are handled");
    assert_eq!(net.counts().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn a_device_whose_handlers_wait_for_something_else_is_slowed_and_not_closed() {
    const MESSAGES: usize = 300;
    let permits = Arc::new(Semaphore::new(0));
    let (gate, handled) = (permits.clone(), wse_test_peers::log());
    let log = handled.clone();
    let server = server(|builder| {
        builder.limits(small_inbox()).on("m", async move |conn: Conn, what: Value| {
            // One handler waits for the device, the other one does not.
            if what[0] == 0 {
                conn.call::<_, Value>("back", 1).await?;
            }
            gate.acquire().await?.forget();
            log.add(&what[0]);
            Ok(())
        })
    });
    let (device, _ended) = attach_with(&server, 1 << 10, http::Request::new(()));
    let mut device = device;
    device.enter("ann").await;
    let conn = server.user("ann").conns().remove(0);
    let outside = tokio::spawn(async move { conn.call_within::<_, Value>(1000 * S, "back", 2).await });
    let calls = device.json().await;
    let wse_test_peers::Raw { mut reader, mut writer } = device;
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = sent.clone();
    let stamp = calls[2].clone();
    let flood = tokio::spawn(async move {
        for number in 0..MESSAGES {
            let message = json!(["m", [number, "x".repeat(1000)], null]);
            writer.write(&wse_test_peers::text(&message.to_string())).await;
            counter.fetch_add(1, SeqCst);
        }
        writer.write(&wse_test_peers::text(&json!(["~wse:response", 2, stamp]).to_string())).await;
        writer
    });
    settle().await;
    let waits = sent.load(SeqCst) * 1000;
    assert!((BEFORE_ANSWERS - 10_000..BEFORE_ANSWERS + (80 << 10)).contains(&waits), "{waits} bytes were read");
    assert_eq!(server.conn_count(), 1);
    assert!(reader.text().await.starts_with("[\"back\""));
    permits.add_permits(MESSAGES);
    assert_eq!(soon(outside).await.expect("no panic").expect("its answer comes at last"), json!(2));
    let _writer = flood.await.expect("the device stays");
    tokio::time::sleep(30 * S).await; // the call of the first handler is not answered
    assert_eq!((handled.len(), server.conn_count()), (MESSAGES - 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_device_whose_waiting_messages_are_handled_in_several_turns_is_not_closed() {
    let gate = Arc::new(Semaphore::new(0));
    let permits = gate.clone();
    let server = server(|builder| {
        builder.limits(small_inbox()).on("m", async move |conn: Conn, what: String| {
            if what == "wait" {
                gate.acquire().await?.forget();
            }
            conn.send("m", "x".repeat(100_000))?; // this ends a turn
            Ok(())
        })
    });
    let mut device = enter(&server, "ann").await;
    let conn = server.user("ann").conns().remove(0);
    let outside = tokio::spawn(async move { conn.call::<_, Value>("back", 1).await });
    let call = device.json().await;
    let waiting = [4, 4, 1, 1, 1, 1, BEFORE_ANSWERS - 8000, BEFORE_ANSWERS].map(|size| "x".repeat(size));
    for what in ["wait", "wait"].into_iter().chain(waiting.iter().map(String::as_str)) {
        device.say("m", json!(what)).await;
        settle().await;
    }
    permits.add_permits(2);
    for number in 0..2 + waiting.len() {
        assert_eq!(soon(device.json()).await[0], "m", "message {number} is handled");
    }
    device.send(&json!(["~wse:response", 1, call[2]]).to_string()).await;
    assert_eq!(soon(outside).await.expect("no panic").expect("the device stays"), json!(1));
}
