//! Stops a test whose tasks run round and round while paused time stands still, which without it hangs
//! for ever. It looks from a thread of its own, and never moves the clock.

use crate::connections::Connections;
use futures_util::task::AtomicWaker;
use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError, Weak},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};
use tokio::{runtime::Handle, time::Instant};

/// The real time between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// So many looks in a row must have seen the runtime work, the clock stand still, and no byte pass.
const LOOKS: u32 = 16;

/// The same where bytes do pass, as in a flood.
const LOOKS_WITH_BYTES: u32 = 300;

/// What the test fails with.
const MESSAGE: &str = "a busy loop: the tasks of this test have run for seconds of real time, and the paused clock \
    has not moved, since it moves only when every task waits. Look for a loop around `yield_now`, `try_recv`, \
    `is_ready` or `counts()`: let it wait for what it looks for (`until`, `watch_status`, a channel), or sleep a \
    millisecond in each turn. Look also for a future that wakes itself, and for a client without a `Backoff` that \
    comes back at once";

/// All that the thread has to wake. Those of networks that are gone are removed.
static WATCHED: Mutex<Vec<Weak<AtomicWaker>>> = Mutex::new(Vec::new());

fn watched() -> MutexGuard<'static, Vec<Weak<AtomicWaker>>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at the runtime now and then for as long as it is polled. It must be spawned on a runtime that
/// it may end.
pub(crate) async fn watch(connections: Weak<Connections>) {
    let waker = Arc::new(AtomicWaker::new());
    watched().push(Arc::downgrade(&waker));
    start_thread();
    let mut seen = Seen::default();
    poll_fn(|cx| {
        waker.register(cx.waker());
        let Some(connections) = connections.upgrade() else { return Poll::Ready(()) };
        if seen.look(Look::now(&connections)) {
            fail();
        }
        Poll::Pending
    })
    .await;
}

fn start_thread() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        // Without a thread nothing is looked at, and everything else works.
        let _ = std::thread::Builder::new().name("wse-test".into()).spawn(|| {
            loop {
                std::thread::sleep(PAUSE);
                watched().retain(|waker| waker.upgrade().inspect(|waker| waker.wake()).is_some());
            }
        });
    });
}

/// What a look sees. What does not change while the runtime works is a standstill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    now: Instant,
    /// How often the runtime had nothing to do.
    parked: u64,
    /// Bytes that have passed.
    bytes: u64,
}

impl Look {
    fn now(connections: &Connections) -> Self {
        let counts = connections.counts(None);
        let parked = Handle::current().metrics().worker_park_count(0);
        Self { now: Instant::now(), parked, bytes: counts.to_server + counts.to_client }
    }
}

#[derive(Debug, Default)]
struct Seen {
    last: Option<Look>,
    /// Looks in a row that saw no byte pass.
    idle: u32,
    /// Looks in a row.
    looks: u32,
}

impl Seen {
    /// Takes in a look. Returns whether it is a standstill.
    fn look(&mut self, look: Look) -> bool {
        let stands = |last: &Look| (last.now, last.parked) == (look.now, look.parked);
        match self.last.filter(stands) {
            None => (self.looks, self.idle) = (0, 0),
            Some(last) => {
                self.looks += 1;
                self.idle = if last.bytes == look.bytes { self.idle + 1 } else { 0 };
            }
        }
        self.last = Some(look);
        self.idle >= LOOKS || self.looks >= LOOKS_WITH_BYTES
    }
}

/// Ends the runtime's `block_on` with a panic. A panic of a task would end that task only, so a waker
/// panics, which the runtime calls between two turns.
fn fail() {
    struct Fails;
    impl Wake for Fails {
        fn wake(self: Arc<Self>) {
            panic!("{MESSAGE}");
        }
    }
    let waker = Waker::from(Arc::new(Fails));
    let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&waker));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(now: Instant, parked: u64, bytes: u64) -> Look {
        Look { now, parked, bytes }
    }

    /// How many equal looks it takes.
    fn until(mut next: impl FnMut(u64) -> Look) -> Option<u64> {
        let mut seen = Seen::default();
        (0..1000).find(|&turn| seen.look(next(turn)))
    }

    #[test]
    fn only_work_without_time_is_a_standstill_and_bytes_put_it_off() {
        let now = Instant::now();
        assert_eq!(until(|_| look(now, 0, 0)), Some(LOOKS.into()));
        assert_eq!(until(|turn| look(now, 0, turn)), Some(LOOKS_WITH_BYTES.into()));
        assert_eq!(until(|turn| look(now + Duration::from_millis(turn), 0, 0)), None, "time passes");
        assert_eq!(until(|turn| look(now, turn, 0)), None, "the runtime waits");
    }
}
