//! Handlers that block their thread, on a runtime of several workers and over real sockets: whom they
//! keep waiting, and whom they do not.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::{JoinSet, block_in_place, spawn_blocking},
};
use wse::{Client, Conn, Server};
use wse_test_peers::{server, soon};

const OTHERS: usize = 10;

/// A server whose handler of `block` waits until the sender is dropped, and where it listens.
struct Blocked {
    addr: SocketAddr,
    started: UnboundedReceiver<()>,
    release: Option<mpsc::Sender<()>>,
    serving: JoinHandle<()>,
    server: Server,
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime")
}

fn blocked(how: &'static str) -> Blocked {
    let (release, released) = mpsc::channel::<()>();
    let (start, started) = unbounded_channel();
    let (listens, listening) = mpsc::channel();
    let released = Arc::new(Mutex::new(released));
    let server = server(|builder| {
        builder.register("echo", async |_, n: usize| Ok(n)).on("block", async move |conn: Conn, (): ()| {
            if how == "a message to all before" {
                conn.server().broadcast("news", 1)?;
            }
            start.send(())?;
            let wait = move || _ = released.lock().expect("no panic").recv(); // fails when the sender is dropped
            match how {
                "block_in_place" => block_in_place(wait),
                "spawn_blocking" => spawn_blocking(wait).await?,
                _ => wait(),
            }
            Ok(())
        })
    });
    let serves = server.clone();
    let serving = std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            listens.send(listener.local_addr().expect("it listens")).expect("the test waits");
            serves.serve(listener).await.expect("it serves");
        });
    });
    Blocked { addr: listening.recv().expect("it listens"), started, release: Some(release), serving, server }
}

async fn connect(addr: SocketAddr, name: String) -> Client {
    let client = Client::builder(&format!("ws://{addr}/")).identity(&name).connect();
    soon(client).await.expect("the server lets it in")
}

/// The calls of `others` clients while one handler blocks: as many as `expected` are answered.
async fn answered(blocked: &mut Blocked, expected: usize) -> (Client, JoinSet<usize>) {
    let blocking = connect(blocked.addr, "blocking".to_owned()).await;
    let mut others = Vec::new();
    for number in 0..OTHERS {
        others.push(connect(blocked.addr, number.to_string()).await);
    }
    blocking.send("block", ()).expect("it is connected");
    soon(blocked.started.recv()).await.expect("the handler starts");
    let mut calls = JoinSet::new();
    for (number, client) in others.into_iter().enumerate() {
        calls.spawn(async move {
            let minute = Duration::from_secs(60);
            client.call_within::<_, usize>(minute, "echo", number).await.expect("it is answered in time")
        });
    }
    for _ in 0..expected {
        calls.join_next().await.expect("a call").expect("no panic");
    }
    (blocking, calls)
}

#[test]
fn a_handler_that_blocks_its_thread_keeps_no_other_connection_waiting() {
    for how in ["its thread", "block_in_place", "spawn_blocking"] {
        let mut blocked = blocked(how);
        runtime().block_on(async {
            let (_blocking, calls) = answered(&mut blocked, OTHERS).await;
            assert!(calls.is_empty(), "{how}");
            blocked.release = None;
            soon(blocked.server.shutdown(Duration::from_secs(60))).await;
        });
        blocked.serving.join().expect("no panic");
    }
}

#[test]
fn but_one_that_it_has_woken_last_may_wait_for_it() {
    let mut blocked = blocked("a message to all before");
    runtime().block_on(async {
        let (_blocking, mut calls) = answered(&mut blocked, OTHERS - 1).await;
        blocked.release = None;
        if let Some(last) = calls.join_next().await {
            last.expect("it is answered when the handler has returned");
        }
        soon(blocked.server.shutdown(Duration::from_secs(60))).await;
    });
    blocked.serving.join().expect("no panic");
}
