//! A thread that notices code of the application which blocks its thread, and wakes another worker of
//! that runtime. One worker of a runtime waits for I/O and time on behalf of all; when it blocks, tokio
//! lets no other one take its place before something wakes it. It must never touch a connection.

use std::{
    cell::OnceCell,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    thread::{self, Thread},
    time::Duration,
};
use tokio::runtime::{Handle, RuntimeFlavor};

/// How long a poll may take before another worker is woken; at most twice as long.
const PATIENCE: Duration = Duration::from_millis(10);

/// After so many looks at which nothing had happened, the thread sleeps until something does.
const LOOKS: u32 = 100;

/// A worker thread, and what it polls.
struct Worker {
    runtime: Handle,
    /// Counts the beginnings and ends of polls: odd during one.
    turns: AtomicU64,
}

/// What the thread knows of a worker.
struct Seen {
    worker: Weak<Worker>,
    turns: u64,
    /// The turn for which another worker was woken.
    woken: u64,
}

struct Watch {
    thread: Thread,
    /// Workers that the thread does not know yet.
    new: Mutex<Vec<Weak<Worker>>>,
}

/// The one thread of the process; `None` until a worker needs it, and where no thread could be started.
static WATCH: Mutex<Option<Arc<Watch>>> = Mutex::new(None);

/// Whether the thread looks now and then, or sleeps.
static AWAKE: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// This thread; `None` where it is no worker beside others. Found out once, and not at every poll.
    static WORKER: OnceCell<Option<Arc<Worker>>> = const { OnceCell::new() };
}

/// A future that runs code of the application.
pub(crate) struct Watched<F>(pub(crate) F);

impl<F: Future + Unpin> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let worker = WORKER.with(|worker| worker.get_or_init(enter).clone());
        let _turn = worker.map(Turn::begin);
        Pin::new(&mut self.0).poll(cx)
    }
}

/// A poll that is under way, until this is dropped.
struct Turn(Arc<Worker>);

impl Turn {
    fn begin(worker: Arc<Worker>) -> Self {
        worker.turns.fetch_add(1, Ordering::SeqCst);
        if !AWAKE.load(Ordering::SeqCst) {
            wake();
        }
        Turn(worker)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.turns.fetch_add(1, Ordering::SeqCst);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cold]
fn wake() {
    AWAKE.store(true, Ordering::SeqCst);
    if let Some(watch) = &*lock(&WATCH) {
        watch.thread.unpark();
    }
}

/// Makes this thread known, if it is a worker beside others.
fn enter() -> Option<Arc<Worker>> {
    let runtime = Handle::try_current().ok()?;
    if runtime.runtime_flavor() != RuntimeFlavor::MultiThread || runtime.metrics().num_workers() < 2 {
        return None;
    }
    let worker = Arc::new(Worker { runtime, turns: AtomicU64::new(0) });
    let mut watch = lock(&WATCH);
    if watch.is_none() {
        let started = thread::Builder::new().name("wse-watch".to_owned()).spawn(run).ok()?;
        *watch = Some(Arc::new(Watch { thread: started.thread().clone(), new: Mutex::default() }));
    }
    let watch = watch.clone()?;
    lock(&watch.new).push(Arc::downgrade(&worker));
    Some(worker)
}

/// Looks at all workers for ever, and sleeps while nothing happens.
fn run() {
    let (mut seen, mut quiet) = (Vec::new(), 0);
    loop {
        let happened = look(&mut seen);
        quiet = if happened { 0 } else { quiet + 1 };
        if quiet < LOOKS {
            thread::sleep(PATIENCE);
        } else if AWAKE.swap(false, Ordering::SeqCst) {
            // One more look, for a turn that began before this.
        } else {
            thread::park();
            quiet = 0;
        }
    }
}

/// Wakes a worker of each runtime that has one in the same turn as at the last look. Returns whether a
/// turn has begun or ended since then.
fn look(seen: &mut Vec<Seen>) -> bool {
    let new = lock(&WATCH).as_ref().map(|watch| std::mem::take(&mut *lock(&watch.new))).unwrap_or_default();
    let mut happened = !new.is_empty();
    seen.extend(new.into_iter().map(|worker| Seen { worker, turns: 0, woken: 0 }));
    seen.retain_mut(|Seen { worker, turns, woken }| {
        let Some(worker) = worker.upgrade() else { return false };
        let now = worker.turns.load(Ordering::SeqCst);
        if now != *turns {
            (*turns, happened) = (now, true);
        } else if now % 2 == 1 && now != *woken {
            *woken = now;
            worker.runtime.spawn(async {}); // any worker that sleeps takes it, and then waits for I/O
        }
        true
    });
    happened
}
