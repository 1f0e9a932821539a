//! A server's place in its cluster: the node under a lock, what wakes the driver and the bus, and what waits
//! for them. The lock is never held across an await, while code of the application runs, or while the
//! registry is asked.

use crate::{
    server::cluster::{
        clock::Clock, counts::Counts, inbox::Inbox, order::Order, refusals::Refusals, seal::Seal, waiting::Waiting,
    },
    sync::{Mutex, MutexGuard},
};
use bytes::Bytes;
use std::{
    future::poll_fn,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use wse_cluster::{Node, NodeId, Output, Time, Transmit};

/// How long a bus may take to carry the goodbye.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);

pub(crate) struct Member {
    id: NodeId,
    clock: Clock,
    /// Of a cluster with a key.
    seal: Option<Seal>,
    refusals: Refusals,
    state: Mutex<State>,
    /// Under a lock of its own, so that a bus never waits for the node. No two of the locks are held at once.
    inbox: Mutex<Inbox>,
    /// Who waits for the calls to other nodes. Its lock may be held while the node is told.
    pub(crate) waiting: Waiting,
    /// Notified when other nodes may have acknowledged something.
    acknowledged: Notify,
    /// Whether nobody drives the node any more.
    over: watch::Sender<bool>,
}

struct State {
    node: Node,
    /// The rooms whose counts are to be told.
    counts: Counts,
    /// What the driver's timer was set for, in the node's time.
    armed: u64,
    /// Of the driver, while it waits.
    driver: Option<Waker>,
    /// Of the bus, while it waits.
    bus: Option<Waker>,
    /// The bus is to connect again.
    reconnect: bool,
    /// The node has said goodbye.
    ended: bool,
    /// Nobody acts on what the node says.
    over: bool,
}

/// What the driver waits for.
struct Wakers {
    driver: Option<Waker>,
    bus: Option<Waker>,
}

impl Member {
    pub(crate) fn new(id: NodeId, seal: Option<Seal>, node: impl FnOnce(Time) -> Node) -> Self {
        let clock = Clock::new();
        let state = State {
            node: node(clock.now()),
            counts: Counts::default(),
            armed: 0,
            driver: None,
            bus: None,
            reconnect: false,
            ended: false,
            over: false,
        };
        Self {
            id,
            clock,
            seal,
            refusals: Refusals::default(),
            state: Mutex::new(state),
            inbox: Mutex::default(),
            waiting: Waiting::default(),
            acknowledged: Notify::new(),
            over: watch::Sender::new(false),
        }
    }

    pub(crate) fn id(&self) -> NodeId {
        self.id
    }

    /// Tells the node something, or asks it for something that it does. What it says is to be done is done by the
    /// driver, and carried by the bus, soon after. `tell` may not take any other lock.
    pub(crate) fn with<T>(&self, tell: impl FnOnce(&mut Node, Time) -> T) -> T {
        self.change(|state, time| tell(&mut state.node, time))
    }

    /// Asks the node what it knows. `ask` may not take any other lock.
    pub(crate) fn look<T>(&self, ask: impl FnOnce(&Node, Time) -> T) -> T {
        let state = self.lock();
        ask(&state.node, self.clock.now())
    }

    /// Changes the state, and wakes those who have something to do afterwards, once the lock is free.
    fn change<T>(&self, change: impl FnOnce(&mut State, Time) -> T) -> T {
        let mut state = self.lock();
        let time = self.clock.now();
        let changed = change(&mut state, time);
        let wakers = state.wakers(time);
        drop(state);
        wakers.wake();
        changed
    }

    // For the bus.

    pub(crate) async fn next_order(&self) -> Option<Order> {
        poll_fn(|cx| self.poll_order(cx)).await
    }

    fn poll_order(&self, cx: &mut Context<'_>) -> Poll<Option<Order>> {
        let (order, ended) = self.take_order(|bus| *bus = Some(cx.waker().clone()));
        match order {
            Some(order) => Poll::Ready(Some(order)),
            None if ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    pub(crate) fn more_orders(&self) -> Option<Order> {
        self.take_order(|_| ()).0
    }

    /// Takes the next order, and returns whether the server has ended. Without an order the bus may wait.
    fn take_order(&self, wait: impl FnOnce(&mut Option<Waker>)) -> (Option<Order>, bool) {
        let mut state = self.lock();
        let order = state.order(self.clock.now());
        if order.is_none() {
            wait(&mut state.bus);
        }
        // A datagram that is on its way may have to be sent again.
        let (ended, driver) = (state.ended, state.driver_to_wake());
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        (order.map(|order| self.sealed(order)), ended)
    }

    /// An order whose datagram only this cluster can read, if it has a key.
    fn sealed(&self, order: Order) -> Order {
        match (order, &self.seal) {
            (Order::Publish(to, datagram), Some(seal)) => Order::Publish(to, seal.seal(&datagram, self.second())),
            (order, _) => order,
        }
    }

    /// The second of the wall clock.
    fn second(&self) -> u64 {
        self.clock.now().wall / 1000
    }

    pub(crate) fn arrived(&self, datagram: Bytes) {
        let waker = self.inbox().push(datagram);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    // For the driver.

    /// The node reads the next datagram that has come. False when there is none.
    pub(crate) fn receive(&self) -> bool {
        let Some(datagram) = self.inbox().pop() else { return false };
        let opened = match &self.seal {
            Some(seal) => seal.open(&datagram, self.second()),
            None => Ok(datagram),
        };
        match opened {
            Ok(datagram) => {
                if let Err(error) = self.with(|node, time| node.receive(time, &datagram)) {
                    tracing::debug!(%error, "cluster datagram ignored");
                }
            }
            Err(error) => self.refusals.add(&error),
        }
        true
    }

    /// How many datagrams found no room since the last call.
    pub(crate) fn dropped(&self) -> u64 {
        self.inbox().take_dropped()
    }

    /// Does what is due.
    pub(crate) fn tick(&self) {
        self.change(|state, time| {
            if state.node.due() <= time.ms {
                state.node.tick(time);
            }
        });
    }

    /// What is to be done next.
    pub(crate) fn output(&self) -> Option<Output> {
        self.lock().node.poll()
    }

    /// The rooms whose counts are to be told now.
    pub(crate) fn changed_rooms(&self) -> Vec<Arc<str>> {
        let mut state = self.lock();
        state.counts.take(self.clock.now().ms)
    }

    /// Has the bus connect again.
    pub(crate) fn reconnect(&self) {
        self.change(|state, _| state.reconnect = true);
    }

    /// When something is due next: the driver promises to be back then. At least a millisecond from now.
    pub(crate) fn arm(&self) -> Option<Instant> {
        let mut state = self.lock();
        state.armed = state.due();
        self.clock.at(state.armed.max(self.clock.now().ms.saturating_add(1)))
    }

    /// Resolves when there is something to do before that time. To be called by the driver only.
    pub(crate) async fn work(&self) {
        poll_fn(|cx| self.poll_work(cx)).await;
    }

    fn poll_work(&self, cx: &mut Context<'_>) -> Poll<()> {
        {
            let mut inbox = self.inbox();
            if !inbox.is_empty() {
                return Poll::Ready(());
            }
            inbox.waker = Some(cx.waker().clone());
        }
        let mut state = self.lock();
        if state.is_driver_needed() || state.ended {
            return Poll::Ready(());
        }
        state.driver = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Wakes those who wait for acknowledgements.
    pub(crate) fn look_at_acknowledgements(&self) {
        self.acknowledged.notify_waiters();
    }

    // The end.

    /// Says goodbye to the other nodes. The bus gets nothing more after what waits for it, and the driver ends.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.ended, true) {
            let time = self.clock.now();
            state.node.bye(time);
        }
        let wakers = Wakers { driver: state.driver.take(), bus: state.bus.take() };
        drop(state);
        wakers.wake();
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.lock().ended
    }

    /// Notes that nobody drives the node any more, and nothing reaches others.
    pub(crate) fn leave(&self) {
        self.end();
        self.change(|state, time| {
            state.over = true;
            state.node.link(time, false);
        });
        while self.inbox().pop().is_some() {}
        self.waiting.end_all();
        self.over.send_replace(true);
        self.acknowledged.notify_waiters();
    }

    /// Resolves when nobody drives the node any more.
    pub(crate) async fn left(&self) {
        let _ = self.over.subscribe().wait_for(|over| *over).await; // fails only without a sender
    }

    /// Resolves when every node that lives has acknowledged everything that was said so far, or the server has
    /// ended.
    pub(crate) async fn settled(&self) {
        let said = self.look(|node, _| node.said());
        let is_settled = |state: &State| state.over || state.node.is_settled(&said);
        loop {
            let acknowledged = self.acknowledged.notified();
            if is_settled(&self.lock()) {
                return;
            }
            acknowledged.await;
        }
    }

    /// Notes how many members a room has here, as it has changed. The first and the last member are told to the
    /// other nodes at once, anything between them once a second at most. Under the room's lock.
    pub(crate) fn room(&self, name: &Arc<str>, members: usize, at_once: bool) {
        self.change(|state, time| {
            if at_once {
                state.node.room(time, name, u32::try_from(members).unwrap_or(u32::MAX));
            } else {
                state.counts.add(name, time.ms);
            }
        });
    }

    /// Since when this node hears nothing of the others.
    pub(crate) fn deaf_since(&self) -> Option<Instant> {
        self.clock.at(self.look(|node, _| node.deaf_since())?)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What the bus is to do next.
    fn order(&mut self, time: Time) -> Option<Order> {
        if std::mem::take(&mut self.reconnect) {
            return Some(Order::Reconnect);
        }
        let Transmit { to, datagram } = self.node.transmit(time)?;
        Some(Order::Publish(to, datagram))
    }

    /// When something is due, in the node's time.
    fn due(&self) -> u64 {
        self.counts.due().map_or(self.node.due(), |due| due.min(self.node.due()))
    }

    fn is_driver_needed(&self) -> bool {
        self.node.has_output() || self.due() < self.armed
    }

    fn driver_to_wake(&mut self) -> Option<Waker> {
        if self.is_driver_needed() { self.driver.take() } else { None }
    }

    /// Takes the wakers of those who have something to do. A waker is taken once: who was woken looks at
    /// everything before it waits again.
    fn wakers(&mut self, time: Time) -> Wakers {
        if self.over {
            while self.node.poll().is_some() {} // nobody acts on it
        }
        let driver = self.driver_to_wake();
        let bus = match &self.bus {
            Some(_) if self.reconnect || self.node.has_transmit(time) => self.bus.take(),
            _ => None,
        };
        Wakers { driver, bus }
    }
}

impl Wakers {
    fn wake(self) {
        for waker in [self.driver, self.bus].into_iter().flatten() {
            waker.wake();
        }
    }
}
