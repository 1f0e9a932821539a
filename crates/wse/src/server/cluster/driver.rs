//! The driver: the task that runs the bus, reads what it brings, keeps the node's time, and does what the node
//! says, in order.

use crate::{
    app::erased::{BoxFuture, caught},
    server::{
        Inner, Server,
        cluster::{
            act::{act, act_again},
            bus::{Bus, Port},
            calls::{self, Calls},
            member::{GOODBYE, Member},
            options::ClusterOptions,
            seat::Seat,
        },
    },
    sync::Mutex,
    watch::Watched,
};
use futures_util::future::OptionFuture;
use std::{
    pin::pin,
    sync::{Arc, PoisonError, Weak},
};
use tokio::{
    runtime, select,
    task::yield_now,
    time::{sleep_until, timeout},
};
use wse_cluster::Output;
use wse_proto::Cid;

/// So many datagrams are read, and so many things are done, before the bus and answers have their turn.
const TURN: usize = 64;

/// A bus, before its node runs.
pub(crate) type StartBus = Box<dyn FnOnce(Seat, Port) -> BoxFuture<()> + Send>;

/// A bus with its type erased.
pub(crate) fn erase(bus: impl Bus) -> StartBus {
    Box::new(|seat, port| Box::pin(bus.run(seat, port)))
}

/// What the driver starts with, until it does.
pub(crate) struct Unstarted(Mutex<Option<(StartBus, ClusterOptions)>>);

impl Unstarted {
    pub(crate) fn new(bus: Option<StartBus>, options: ClusterOptions) -> Self {
        Self(Mutex::new(bus.map(|bus| (bus, options))))
    }

    fn take(&self) -> Option<(StartBus, ClusterOptions)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Server {
    /// Starts the driver in the current runtime, if there is a cluster, there is a runtime, and it does not run
    /// yet. Without one it starts when the server first serves.
    pub(crate) fn start_cluster(&self) {
        let (Some(member), Ok(runtime)) = (&self.0.cluster, runtime::Handle::try_current()) else { return };
        let Some((bus, options)) = self.0.unstarted.take() else { return };
        let seat = Seat { cluster: options.name.into(), node: member.id(), outside: options.outside };
        let outside = seat.outside.then(|| Arc::downgrade(&self.0));
        let bus = bus(seat, Port::new(member.clone(), outside));
        let driver = Driver { server: Arc::downgrade(&self.0), member: member.clone() };
        runtime.spawn(Watched(Box::pin(driver.run(bus))));
    }
}

impl Inner {
    /// How many devices of a user at other nodes count against the limit.
    pub(crate) fn devices_elsewhere(&self, cid: &Cid) -> usize {
        let Some(member) = &self.cluster else { return 0 };
        let devices = member.look(|node, _| node.devices_of(cid));
        devices.iter().filter(|(at, device)| *at != member.id() && !device.trial).count()
    }

    /// Ends the node. Where it never ran nobody is told.
    pub(crate) fn end_cluster(&self) {
        let Some(member) = &self.cluster else { return };
        if self.unstarted.take().is_some() {
            member.leave();
        } else {
            member.end();
        }
    }
}

/// Dropped before its end, as with its runtime, it leaves the cluster without a goodbye.
struct Driver {
    server: Weak<Inner>,
    member: Arc<Member>,
}

impl Driver {
    async fn run(self, bus: BoxFuture<()>) {
        let member = self.member.clone();
        let bus = async {
            caught(bus, |panic| tracing::error!(%panic, "bus of the cluster panicked")).await;
            if !member.is_ended() {
                tracing::error!("bus of the cluster ended");
                member.with(|node, time| node.link(time, false));
            }
        };
        let mut bus = pin!(bus);
        let mut running = OptionFuture::from(Some(bus.as_mut()));
        let mut driving = pin!(self.drive());
        loop {
            select! {
                biased;
                Some(()) = &mut running => running = OptionFuture::default(),
                () = &mut driving => break,
            }
        }
        // What is queued for the bus goes out, the goodbye behind it.
        let _ = timeout(GOODBYE, running).await;
    }

    /// Serves the node until the server has ended.
    async fn drive(&self) {
        let member = &*self.member;
        let mut calls = Calls::default();
        loop {
            let Some(server) = self.server.upgrade().filter(|_| !member.is_ended()) else { return };
            let more = self.turn(&server, &mut calls).await;
            drop(server); // this task keeps no server
            let next = member.arm();
            select! {
                biased;
                Some((caller, answer)) = calls.next() => calls::answer(member, caller, answer),
                () = yield_now(), if more => {}
                () = member.work(), if !more => {}
                Some(()) = OptionFuture::from(next.map(sleep_until)), if !more => {}
            }
        }
    }

    /// Does some of what there is to do. Returns whether there is more.
    async fn turn(&self, server: &Arc<Inner>, calls: &mut Calls) -> bool {
        let member = &*self.member;
        member.tick();
        for room in member.changed_rooms() {
            server.rooms.tell_count(&room);
        }
        let mut done = 0;
        while done < TURN {
            match member.output() {
                Some(output) => self.act(server, calls, output).await,
                None if member.receive() => {}
                None => break,
            }
            done += 1;
        }
        act_again(server, member);
        let dropped = member.dropped();
        if dropped > 0 {
            tracing::debug!(dropped, "cluster datagrams dropped");
        }
        if done > 0 {
            member.look_at_acknowledgements();
        }
        done == TURN
    }

    /// Does one thing. The application's `on_send` runs within it, and may panic.
    async fn act(&self, server: &Arc<Inner>, calls: &mut Calls, output: Output) {
        let acted = async { act(server, &self.member, calls, output) };
        caught(acted, |panic| tracing::error!(%panic, "message of another node panicked")).await;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.member.leave();
    }
}
