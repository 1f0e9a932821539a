//! What the connections of one network share: their faults, their numbers, their counts. It may
//! never touch a byte.

use super::rules::{Rules, Towards};
use futures_util::task::AtomicWaker;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};
use tokio::sync::watch;

/// What a network has carried so far.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = wse::Server::builder().identify(async |stranger, name: String| Ok(stranger.accept(name))).build();
/// let net = wse::test::Net::new(&server);
/// let client = net.client().identity("ann").connect().await?;
///
/// let before = net.counts();
/// client.send("say", "hello")?;
/// let after = net.until(|counts| counts.to_server > before.to_server).await;
/// assert_eq!(after.to_server - before.to_server, 6 + r#"["say","hello",null]"#.len() as u64);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections so far, refused ones included. The next one has this number plus one.
    pub connections: u64,
    /// Of these, the refused ones.
    pub refused: u64,
    /// Connections of which at least one end is still there.
    pub live: u64,
    /// Bytes delivered to the server, over all connections.
    pub to_server: u64,
    /// Bytes delivered to clients.
    pub to_client: u64,
    /// Bytes that were under way, in either direction, and were not delivered: because of a blackhole
    /// or a cut, or because whoever they were for had left. What a cut finds in the sender's own
    /// buffers was not under way yet.
    pub vanished: u64,
}

#[derive(Debug, Default)]
pub(super) struct Links {
    state: Mutex<State>,
    counts: watch::Sender<Counts>,
}

#[derive(Debug, Default)]
struct State {
    /// Of the connections to come, unless something else was said for one of them.
    every: Rules,
    to_come: BTreeMap<u64, Rules>,
    live: BTreeMap<u64, Arc<Link>>,
}

/// One connection, as seen by those who change its faults.
#[derive(Debug, Default)]
pub(super) struct Link {
    orders: Mutex<Orders>,
    carry: AtomicWaker,
}

/// What a connection is told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Orders {
    pub(super) rules: Rules,
    /// It shall be cut now.
    pub(super) cut: bool,
}

impl Links {
    /// A connection begins; `None` when it is refused.
    pub(super) fn begin(self: &Arc<Self>) -> Option<Live> {
        let mut state = self.lock();
        let mut number = 0;
        self.counts.send_modify(|counts| {
            counts.connections += 1;
            number = counts.connections;
        });
        let rules = state.to_come.remove(&number).unwrap_or(state.every);
        if rules.refuse {
            self.counts.send_modify(|counts| counts.refused += 1);
            return None;
        }
        let link = Arc::new(Link { orders: Mutex::new(Orders { rules, cut: false }), carry: AtomicWaker::new() });
        state.live.insert(number, link.clone());
        self.counts.send_modify(|counts| counts.live += 1);
        Some(Live { links: self.clone(), number, link })
    }

    /// Changes the rules of one connection, or of all: those there are and those to come.
    pub(super) fn change(&self, number: Option<u64>, change: impl Fn(&mut Rules)) {
        let mut state = self.lock();
        match number {
            None => {
                change(&mut state.every);
                state.to_come.values_mut().for_each(&change);
                state.live.values().for_each(|link| link.tell(|orders| change(&mut orders.rules)));
            }
            Some(number) => match state.live.get(&number) {
                Some(link) => link.tell(|orders| change(&mut orders.rules)),
                None if number > self.counts().connections => {
                    let every = state.every;
                    change(state.to_come.entry(number).or_insert(every));
                }
                None => {}
            },
        }
    }

    /// Cuts one connection or all, of those there are.
    pub(super) fn cut(&self, number: Option<u64>) {
        let state = self.lock();
        let meant = state.live.iter().filter(|(live, _)| number.is_none_or(|number| number == **live));
        meant.for_each(|(_, link)| link.tell(|orders| orders.cut = true));
    }

    pub(super) fn counts(&self) -> Counts {
        *self.counts.borrow()
    }

    pub(super) async fn until(&self, mut holds: impl FnMut(&Counts) -> bool) -> Counts {
        let mut receiver = self.counts.subscribe();
        loop {
            // The application's code runs on a copy, without a lock.
            let counts = *receiver.borrow_and_update();
            if holds(&counts) || receiver.changed().await.is_err() {
                return counts;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    fn tell(&self, tell: impl FnOnce(&mut Orders)) {
        tell(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner));
        self.carry.wake();
    }
}

/// The place of a connection among the live ones, until it is dropped.
#[derive(Debug)]
pub(super) struct Live {
    links: Arc<Links>,
    number: u64,
    link: Arc<Link>,
}

impl Live {
    /// What the connection is told; the waker hears of the next change.
    pub(super) fn orders(&self, waker: &Waker) -> Orders {
        self.link.carry.register(waker);
        let mut orders = self.link.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let told = *orders;
        orders.cut = false;
        told
    }

    /// So many bytes will not be delivered.
    pub(super) fn vanished(&self, bytes: usize) {
        if bytes > 0 {
            self.links.counts.send_modify(|counts| counts.vanished += bytes as u64);
        }
    }

    /// So many bytes were delivered.
    pub(super) fn delivered(&self, towards: Towards, bytes: usize) {
        self.links.counts.send_modify(|counts| match towards {
            Towards::Server => counts.to_server += bytes as u64,
            Towards::Client => counts.to_client += bytes as u64,
        });
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.links.lock().live.remove(&self.number);
        self.links.counts.send_modify(|counts| counts.live -= 1);
    }
}
