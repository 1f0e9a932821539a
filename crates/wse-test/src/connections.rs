//! The connections of one network: their settings, numbers and counts. It touches no byte.

use crate::{
    cut_orders::CutOrders,
    settings::{Direction, Settings},
};
use futures_util::task::AtomicWaker;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};
use tokio::sync::watch;

/// What a network has carried so far, or one connection of it
/// ([`Net::device`](crate::Net::device)).
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let server = wse::Server::builder().identify(async |stranger, name: String| Ok(stranger.accept(name))).build();
/// let net = wse_test::Net::new(&server);
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
    /// Connections so far, refused ones included. The next one has this number plus one. Of one
    /// connection: 1 once it was dialed.
    pub connections: u64,
    /// Of these, the refused ones.
    pub refused: u64,
    /// Connections of which at least one end is still there.
    pub live: u64,
    /// Bytes delivered to the server, over all connections.
    pub to_server: u64,
    /// Bytes delivered to clients, over all connections.
    pub to_client: u64,
    /// Bytes that were in flight, in either direction, and were not delivered: because of a
    /// blackhole or a cut, or because the receiver had left. Bytes that a cut finds in the sender's
    /// own buffers were not in flight yet.
    pub vanished: u64,
    /// Connections that a fault has cut, half-open ones included.
    pub cuts: u64,
}

/// All connections of a network, to be shared by the network, its relays and its [`Faults`](crate::Faults).
#[derive(Debug, Default)]
pub(crate) struct Connections {
    state: Mutex<State>,
    counts: watch::Sender<AllCounts>,
    orders: Mutex<CutOrders>,
}

/// The counts of all connections together, and of each by its number.
#[derive(Debug, Default)]
struct AllCounts {
    total: Counts,
    each: Vec<Counts>,
}

impl AllCounts {
    /// The counts of one connection, or of all. One that was not dialed yet has carried nothing.
    fn of(&self, number: Option<u64>) -> Counts {
        let Some(number) = number else { return self.total };
        place(number).and_then(|place| self.each.get(place)).copied().unwrap_or_default()
    }
}

/// Where the counts of a connection stand.
fn place(number: u64) -> Option<usize> {
    usize::try_from(number.checked_sub(1)?).ok()
}

#[derive(Debug, Default)]
struct State {
    /// For connections to come, unless one of them has settings of its own.
    default: Settings,
    to_come: BTreeMap<u64, Settings>,
    live: BTreeMap<u64, Arc<Control>>,
}

/// Changes the settings of one live connection, and wakes its relay.
#[derive(Debug, Default)]
struct Control {
    orders: Mutex<Orders>,
    relay: AtomicWaker,
}

/// What a test wants of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Orders {
    pub(crate) settings: Settings,
    /// The relay must cut the connection now.
    pub(crate) cut: bool,
}

impl Connections {
    /// Counts a new connection. `None` when it is refused.
    pub(crate) fn open(self: &Arc<Self>) -> Option<Connection> {
        let mut state = self.lock();
        let number = self.counts(None).connections + 1;
        self.counts.send_modify(|counts| counts.each.push(Counts::default()));
        self.count(number, |counts| counts.connections += 1);
        let settings = state.to_come.remove(&number).unwrap_or(state.default);
        if settings.refuse {
            self.count(number, |counts| counts.refused += 1);
            return None;
        }
        let orders = Mutex::new(Orders { settings, cut: false });
        let control = Arc::new(Control { orders, relay: AtomicWaker::new() });
        state.live.insert(number, control.clone());
        self.count(number, |counts| counts.live += 1);
        Some(Connection { connections: self.clone(), number, control })
    }

    /// Changes the settings of one connection, or of all, live and to come.
    pub(crate) fn change(&self, number: Option<u64>, change: impl Fn(&mut Settings)) {
        let mut state = self.lock();
        match number {
            None => {
                change(&mut state.default);
                state.to_come.values_mut().for_each(&change);
                state.live.values().for_each(|control| control.order(|orders| change(&mut orders.settings)));
            }
            Some(number) => match state.live.get(&number) {
                Some(control) => control.order(|orders| change(&mut orders.settings)),
                None if number > self.counts(None).connections => {
                    let default = state.default;
                    change(state.to_come.entry(number).or_insert(default));
                }
                None => {}
            },
        }
    }

    /// Cuts one live connection, or all of them. Returns whether there was one.
    pub(crate) fn cut(&self, number: Option<u64>) -> bool {
        let state = self.lock();
        let chosen = state.live.iter().filter(|(live, _)| number.is_none_or(|number| number == **live));
        let cut = chosen.map(|(_, control)| control.order(|orders| orders.cut = true));
        cut.count() > 0
    }

    /// The cuts that have to happen yet.
    pub(crate) fn orders(&self) -> MutexGuard<'_, CutOrders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails the test whose network ends without a cut that it has ordered.
    pub(crate) fn check_orders(&self) {
        let undone = self.orders().undone();
        if let Some(undone) = undone.filter(|_| !std::thread::panicking()) {
            panic!("{undone}");
        }
    }

    /// The counts of one connection, or of all.
    pub(crate) fn counts(&self, number: Option<u64>) -> Counts {
        self.counts.borrow().of(number)
    }

    /// Waits until a condition holds for the counts, and returns those for which it did.
    pub(crate) async fn until(&self, number: Option<u64>, mut holds: impl FnMut(&Counts) -> bool) -> Counts {
        let mut receiver = self.counts.subscribe();
        loop {
            // The application's code runs on a copy, without a lock.
            let counts = receiver.borrow_and_update().of(number);
            if holds(&counts) || receiver.changed().await.is_err() {
                return counts;
            }
        }
    }

    /// Changes the counts of a connection, and with them those of all.
    fn count(&self, number: u64, change: impl Fn(&mut Counts)) {
        self.counts.send_modify(|counts| {
            change(&mut counts.total);
            place(number).and_then(|place| counts.each.get_mut(place)).map(&change);
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Control {
    fn order(&self, order: impl FnOnce(&mut Orders)) {
        order(&mut self.orders.lock().unwrap_or_else(PoisonError::into_inner));
        self.relay.wake();
    }
}

/// One live connection, held by its relay. Dropping it takes the connection off the live ones.
#[derive(Debug)]
pub(crate) struct Connection {
    connections: Arc<Connections>,
    number: u64,
    control: Arc<Control>,
}

impl Connection {
    /// The orders at this moment. The next change wakes the waker.
    pub(crate) fn orders(&self, waker: &Waker) -> Orders {
        self.control.relay.register(waker);
        let mut orders = self.control.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let current = *orders;
        orders.cut = false;
        current
    }

    /// Counts bytes that will not be delivered.
    pub(crate) fn discarded(&self, bytes: usize) {
        if bytes > 0 {
            self.count(|counts| counts.vanished += bytes as u64);
        }
    }

    /// Counts bytes that were delivered.
    pub(crate) fn delivered(&self, direction: Direction, bytes: usize) {
        self.count(|counts| match direction {
            Direction::ToServer => counts.to_server += bytes as u64,
            Direction::ToClient => counts.to_client += bytes as u64,
        });
    }

    /// Notes that the connection was cut, and that a cut in the next call of all is over.
    pub(crate) fn was_cut(&self) {
        if self.connections.counts(Some(self.number)).cuts > 0 {
            return; // it was half-open
        }
        self.count(|counts| counts.cuts += 1);
        self.connections.orders().done(self.number);
        if self.connections.lock().default.awaits_answer() {
            self.connections.change(None, Settings::await_no_answer);
        }
    }

    fn count(&self, change: impl Fn(&mut Counts)) {
        self.connections.count(self.number, change);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.lock().live.remove(&self.number);
        self.count(|counts| counts.live -= 1);
    }
}
