//! Threads of the server's own: how connections are spread over them, what runs where, and when they end.

use serde_json::json;
use std::{
    cell::RefCell,
    net::SocketAddr,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use wse::{Backoff, Client, Conn, Event, Limits, ServeError, Server, ServerBuilder};
use wse_test_peers::{ask_upgrade, events, request, server, soon};

thread_local! {
    /// Dropped at the end of the thread.
    static HELD: RefCell<Option<Arc<()>>> = const { RefCell::new(None) };
}

fn thread() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// A server that serves on that many threads, and where it listens.
struct OnCores {
    server: Server,
    addr: SocketAddr,
    listening: JoinHandle<Result<(), ServeError>>,
    /// Held by every thread that has answered `where`.
    threads: Arc<()>,
}

async fn on_cores(cores: usize, configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> OnCores {
    let threads = Arc::new(());
    let held = threads.clone();
    let server = server(|builder| {
        configure(builder.cores(cores).limits(Limits { conns_per_user: 10, ..Limits::default() }))
            .register("where", async move |_, (): ()| {
                HELD.set(Some(held.clone()));
                Ok(thread())
            })
            .register("spawn", async |_, (): ()| Ok(tokio::spawn(async { thread() }).await?))
            .on("panic", async |_, (): ()| panic!("asked to"))
            .on("cut", async |conn: Conn, (): ()| {
                conn.cut();
                Ok(())
            })
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    let serving = server.clone();
    OnCores { server, addr, listening: tokio::spawn(async move { serving.serve(listener).await }), threads }
}

impl OnCores {
    async fn client(&self, name: &str) -> Client {
        soon(Client::builder(&format!("ws://{}/", self.addr)).identity(&name).connect()).await.expect("it is let in")
    }

    async fn clients(&self, count: usize) -> Vec<Client> {
        let mut clients = Vec::new();
        for number in 0..count {
            clients.push(self.client(&number.to_string()).await);
        }
        clients
    }

    /// Resolves when the threads that have answered `where` are gone.
    async fn ended(&self) {
        soon(async {
            while Arc::strong_count(&self.threads) > 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    async fn shut_down(self) {
        soon(self.server.shutdown(Duration::from_secs(60))).await;
        soon(self.listening).await.expect("no panic").expect("it served");
    }
}

async fn ask(client: &Client, rp: &str) -> String {
    soon(client.call(rp, ())).await.expect("an answer")
}

#[tokio::test]
async fn connections_are_spread_evenly_and_everything_of_one_stays_on_its_thread() {
    for cores in [1, 2, 3] {
        let on = on_cores(cores, |builder| builder).await;
        let mut counts = vec![0; cores];
        for client in on.clients(10).await {
            let thread = ask(&client, "where").await;
            assert_eq!(ask(&client, "spawn").await, thread);
            let number: usize = thread.strip_prefix("wse-core-").expect("a thread of the server").parse().unwrap();
            counts[number] += 1;
        }
        let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
        assert!(most - least <= 1, "{counts:?}");
        on.shut_down().await;
    }
}

#[tokio::test]
async fn without_cores_connections_are_served_where_the_server_listens() {
    let on = on_cores(0, |builder| builder).await;
    assert!(!ask(&on.client("ann").await, "where").await.starts_with("wse-core-"));
    on.shut_down().await;
}

#[tokio::test]
async fn users_and_broadcasts_reach_devices_on_every_thread() {
    let on = on_cores(2, |builder| builder).await;
    let (mut clients, mut heard) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let (when, events) = events();
        let builder = Client::builder(&format!("ws://{}/", on.addr)).identity(&"ann").when(when);
        clients.push(soon(builder.register("double", async |_, n: u64| Ok(2 * n)).connect()).await.unwrap());
        heard.push(events);
    }
    assert_ne!(ask(&clients[0], "where").await, ask(&clients[1], "where").await);
    assert_eq!(on.server.user("ann").send("one", ()).unwrap().here, 2);
    assert_eq!(on.server.broadcast("two", ()).unwrap().here, 2);
    for events in &mut heard {
        assert_eq!(soon(events.next_like("ignored one")).await, "ignored one null");
        assert_eq!(soon(events.next_like("ignored two")).await, "ignored two null");
    }
    for conn in on.server.user("ann").conns() {
        assert_eq!(soon(conn.call::<_, u64>("double", 21)).await.unwrap(), 42);
    }
    on.shut_down().await;
}

#[tokio::test]
async fn a_shutdown_ends_every_thread() {
    let on = on_cores(2, |builder| builder).await;
    for client in on.clients(4).await {
        ask(&client, "where").await;
    }
    assert_eq!(Arc::strong_count(&on.threads), 4, "the test, the handler and two threads");
    soon(on.server.shutdown(Duration::from_secs(60))).await;
    on.ended().await;
    soon(on.listening).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_is_there_is_served_on_when_the_future_of_listening_is_dropped_and_the_threads_end_with_the_last() {
    let on = on_cores(2, |builder| builder).await;
    let clients = on.clients(4).await;
    let mut threads = Vec::new();
    for client in &clients {
        threads.push(ask(client, "where").await);
    }
    on.listening.abort();
    soon(async { while TcpStream::connect(on.addr).await.is_ok() {} }).await;
    for (client, thread) in clients.iter().zip(&threads) {
        assert_eq!(&ask(client, "where").await, thread);
    }
    assert_eq!(Arc::strong_count(&on.threads), 4);
    for client in &clients {
        client.close("").await;
    }
    on.ended().await;
}

#[tokio::test]
async fn who_is_still_on_its_way_in_is_let_in_when_the_future_of_listening_is_dropped() {
    let on = on_cores(2, |builder| builder).await;
    let (first, second) = (TcpStream::connect(on.addr).await.unwrap(), TcpStream::connect(on.addr).await.unwrap());
    let client = on.client("passing").await; // so those before it were accepted
    on.listening.abort();
    client.close("").await;
    soon(async { while TcpStream::connect(on.addr).await.is_ok() {} }).await;
    for waiting in [first, second] {
        assert_eq!(soon(ask_upgrade(waiting, request("/", &[]))).await.status, 101);
    }
    on.ended().await;
}

#[tokio::test]
async fn a_panic_in_a_handler_harms_nobody() {
    let on = on_cores(1, |builder| builder).await;
    let clients = on.clients(2).await;
    clients[0].send("panic", ()).unwrap();
    for client in &clients {
        assert_eq!(ask(client, "where").await, "wse-core-0");
    }
    on.shut_down().await;
}

#[tokio::test]
async fn a_handler_that_blocks_stops_its_thread_alone() {
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(Mutex::new(released));
    let (start, mut started) = tokio::sync::mpsc::unbounded_channel();
    let on = on_cores(2, |builder| {
        builder.on("block", async move |_, (): ()| {
            start.send(thread())?;
            let _ = released.lock().expect("no panic").recv(); // fails when the sender is dropped
            Ok(())
        })
    })
    .await;
    let clients = on.clients(4).await;
    let mut threads = Vec::new();
    for client in &clients {
        threads.push(ask(client, "where").await);
    }
    clients[0].send("block", ()).unwrap();
    assert_eq!(soon(started.recv()).await.unwrap(), threads[0]);
    for (client, thread) in clients.iter().zip(&threads).filter(|(_, thread)| **thread != threads[0]) {
        assert_eq!(&ask(client, "where").await, thread);
    }
    // Of two that come now, one waits for the thread that is blocked.
    let waits = TcpStream::connect(on.addr).await.unwrap();
    assert_ne!(ask(&on.client("late").await, "where").await, threads[0]);
    drop(release);
    assert_eq!(soon(ask_upgrade(waits, request("/", &[]))).await.status, 101);
    assert_eq!(ask(&clients[0], "where").await, threads[0]);
    on.shut_down().await;
}

#[tokio::test]
async fn a_session_that_comes_back_over_another_thread_goes_on_in_its_own() {
    let (resumed, mut resumes) = tokio::sync::mpsc::unbounded_channel();
    let on = on_cores(2, |builder| {
        builder.when(async move |event| {
            if let Event::Resumed(conn) = event {
                resumed.send(conn).expect("the test waits");
            }
        })
    })
    .await;
    let backoff = Backoff { min: Duration::from_millis(1), max: Duration::from_millis(10), ..Backoff::default() };
    let client = Client::builder(&format!("ws://{}/", on.addr)).identity(&"ann").reconnect(backoff);
    let client = soon(client.connect()).await.unwrap();
    let thread = ask(&client, "where").await;
    for _ in 0..3 {
        client.send("cut", ()).unwrap();
        soon(resumes.recv()).await.unwrap();
        assert_eq!(ask(&client, "where").await, thread);
    }
    on.listening.abort();
    assert_eq!(ask(&client, "where").await, thread);
    soon(on.server.shutdown(Duration::from_secs(60))).await;
    on.ended().await;
}

#[tokio::test]
async fn an_address_in_use_and_a_server_that_was_shut_down_are_errors_as_ever() {
    let on = on_cores(2, |builder| builder).await;
    ask(&on.client("ann").await, "where").await;
    let error = on.server.listen(on.addr).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on {}: ", on.addr)), "{error}");
    let server = on.server.clone();
    on.shut_down().await;
    assert!(matches!(server.listen("127.0.0.1:0").await, Err(ServeError::ShutDown)));
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_handed_over_too() {
    let place = std::env::temp_dir().join(format!("wse-{}-cores", std::process::id()));
    let server = server(|builder| builder.cores(2).register("where", async |_, (): ()| Ok(thread())));
    let listener = tokio::net::UnixListener::bind(&place).unwrap();
    let serving = server.clone();
    let listening = tokio::spawn(async move { serving.serve_unix(listener).await });
    for (name, thread) in [("ann", "wse-core-0"), ("bob", "wse-core-1"), ("cid", "wse-core-0")] {
        let stream = tokio::net::UnixStream::connect(&place).await.unwrap();
        let mut peer = ask_upgrade(stream, request("/", &[])).await.upgraded();
        peer.enter(name).await;
        assert_eq!(peer.call("where", json!(null)).await, json!(["~wse:response", thread]));
    }
    soon(server.shutdown(Duration::from_secs(60))).await;
    soon(listening).await.unwrap().unwrap();
    std::fs::remove_file(&place).unwrap();
}
