//! How floods are measured: what they make this process hold, and how long a good client waits
//! beside them. Nothing in here may decide what a flood is answered.

mod frames;
mod memory;
mod sockets;

pub use frames::{any_frame, code_of, noting, peer};
pub use memory::Growth;
pub use sockets::{leave, socket, upgrade_before_long, upgrade_from};

use crate::{
    frames::{ClientEnd, Writer},
    raw::RawClient,
    servers::{enter, server},
    time::WAIT,
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    runtime,
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};
use wse::{Limits, Protocol, Server, ServerBuilder, WsMessaging};

/// Bytes of a MiB.
pub const MIB: usize = 1 << 20;

/// What is never too slow, as the machine itself may take as long for it: half of the round trips
/// within the one, 99 % within the other.
const FLOOR: Trips = Trips { half: Duration::from_millis(5), most: Duration::from_millis(50) };

/// What else runs on this machine may spoil a round or two. A flood that starves others spoils all.
const ROUNDS: usize = 6;

/// How long round trips take that begin at any moment. A slow one counts for all that would have
/// begun meanwhile: in one of a second stand a thousand calls of a millisecond.
#[derive(Clone, Copy, Debug)]
struct Trips {
    half: Duration,
    /// 99 % of them.
    most: Duration,
}

impl Trips {
    fn of(mut trips: Vec<Duration>) -> Self {
        trips.sort();
        let whole: Duration = trips.iter().sum();
        let within = |part: f64| {
            let mut left = whole.mul_f64(part);
            *trips.iter().find(|trip| left.checked_sub(**trip).map(|rest| left = rest).is_none()).unwrap_or(&whole)
        };
        Trips { half: within(0.5), most: within(0.99) }
    }
}

/// Round trips to judge by take so long together.
const AT_LEAST: Duration = Duration::from_millis(50);

/// A writer that gets nothing off for so long is held up by the server.
const STALL: Duration = Duration::from_millis(200);

/// Runs a test while no other of its file runs: what it measures must be its own.
pub fn alone(test: impl Future<Output = ()>) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async { timeout(WAIT, test).await.expect("the flood has an end") });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

/// Limits for many devices of one user, whose ends are waited for.
pub fn many_devices() -> Limits {
    Limits { conns_per_user: 10_000, close_timeout: Duration::from_millis(300), ..Limits::default() }
}

/// A server that answers good clients, and whatever else is set.
pub fn serving(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Server {
    server(|builder| configure(builder.register("echo", async |_, what: Value| Ok(what))))
}

/// All that a server can speak; what a request does not choose is that of `wse`.
pub fn every_wire() -> [Protocol; 3] {
    [Protocol::Wse, Protocol::WseMsgpack, WsMessaging::new().into()]
}

/// Runs a flood beside a good client: the process never holds more than `most` bytes beyond what it
/// held before, and the client's round trips take at most twice as long as before.
pub async fn harmless(server: &Server, most: usize, attack: impl AsyncFn()) {
    let mut peer = enter(server, "the good one").await;
    // Where panics print where they come from, the first one reads the symbols of the whole program.
    drop(std::backtrace::Backtrace::capture().to_string());
    let growth = Growth::begin();
    let enough = Arc::new(AtomicBool::new(true));
    let mut calm;
    (peer, calm) = good_client(peer, enough.clone()).await;
    let mut during = Vec::new();
    for _ in 0..ROUNDS {
        enough.store(false, SeqCst);
        let good_client_calls = tokio::spawn(good_client(peer, enough.clone()));
        attack().await;
        enough.store(true, SeqCst);
        let trips;
        (peer, trips) = good_client_calls.await.expect("the good client is served");
        println!("{} KiB; {trips:?}, {calm:?} before", growth.most() >> 10);
        during.push(trips);
        assert!(growth.most() <= most, "{} KiB more than before, {} expected", growth.most() >> 10, most >> 10);
        if trips.half <= FLOOR.half.max(calm.half * 2) && trips.most <= FLOOR.most.max(calm.most * 2) {
            return;
        }
        // The machine may be busy with other things: beside honest work nobody is any faster then.
        let work: Vec<_> = (0..4).map(|_| tokio::spawn(honest_work())).collect();
        (peer, calm) = good_client(peer, enough.clone()).await;
        work.iter().for_each(JoinHandle::abort);
    }
    panic!("{during:?} with the flood, {calm:?} without");
}

/// Takes all the time that it is given, in small pieces.
async fn honest_work() {
    loop {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(200) {
            std::hint::spin_loop();
        }
        tokio::task::yield_now().await;
    }
}

/// A client on a thread of its own, calling until it is enough.
async fn good_client(mut peer: RawClient, enough: Arc<AtomicBool>) -> (RawClient, Trips) {
    let calling = spawn_blocking(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let mut trips = Vec::new();
            let begin = Instant::now();
            while begin.elapsed() < AT_LEAST || !enough.load(SeqCst) {
                let start = Instant::now();
                assert_eq!(peer.call("echo", json!("hello")).await, json!(["~wse:response", "hello"]));
                trips.push(start.elapsed());
            }
            (peer, Trips::of(trips))
        })
    });
    calling.await.expect("the good client is served")
}

/// Writes the same bytes again and again, to a server that takes all of them or hangs up.
pub async fn flood<IO>(writer: &mut Writer<ClientEnd, IO>, bytes: &[u8], times: usize)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    for _ in 0..times {
        writer.write(bytes).await;
    }
}

/// Writes the same bytes again and again, until nobody takes them any more; gives how often they
/// were taken.
pub async fn pour<IO>(writer: &mut Writer<ClientEnd, IO>, bytes: &[u8], times: usize) -> usize
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    for taken in 0..times {
        if timeout(STALL, writer.write(bytes)).await.is_err() {
            return taken;
        }
    }
    times
}

/// Waits until something holds, which it must before long.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}
