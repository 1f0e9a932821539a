//! A session that is on its way to another server, or there: what its task is told, and what is carried after it.

use crate::{
    session::moved::Talk,
    sync::{Mutex, MutexGuard},
};
use bytes::Bytes;
use std::{
    fmt,
    sync::{Arc, PoisonError},
};
use tokio::sync::oneshot;
use wse_cluster::NodeId;
use wse_proto::{Closed, FrameAge};

/// A session that is not, or soon not any more, at this server.
pub(crate) struct Moving {
    pub(crate) stage: Stage,
    /// How many frames were sent when it was given.
    pub(crate) given: u64,
    /// What its task has to do, in this order.
    pub(crate) orders: Vec<Order>,
}

/// Where the session is.
pub(crate) enum Stage {
    /// At this server. Nothing is left but orders for its task.
    Here,
    /// It was given. It is parked here, and nobody resumes it: the other server may not have taken it.
    OnItsWay,
    /// At another server. What is sent here is carried there.
    Elsewhere(Arc<dyn Relay>),
    /// Here, but what was sent at the server that had it has not all come. What is sent here waits behind that.
    Arriving(Arc<Held>),
}

/// What the task of a session is told.
pub(crate) enum Order {
    /// To let go of its connection and say what there is of the session.
    Give {
        reply: oneshot::Sender<Given>,
        /// How the connection ends whose client keeps the session. `None`: a client has come with the token, so it has
        /// had its welcome, and its connection is lost.
        closed: Option<Closed>,
    },
    /// The session stays.
    Return,
    /// The session is at the other server. Handlers that run may finish.
    Leave,
    /// The client does not wait any more for the answer to that call, whose procedure runs here.
    Cancel(String),
}

/// A session as its task gives it.
pub(crate) struct Given {
    pub(crate) talk: Talk,
    /// The stamps of calls of the client whose procedures run.
    pub(crate) at_work: Vec<String>,
}

/// What has to be done at the server that has the session now.
#[derive(Debug)]
pub(crate) enum Relayed {
    /// To send a frame to the client, as any other.
    Frame(Bytes, Option<FrameAge>),
    /// A procedure that runs here has answered that call.
    Answered(String),
    /// To end the session.
    Close(Closed),
    /// To send what these nodes have sent there since: all that came from them before was carried.
    Passed(Vec<NodeId>),
}

/// Carries to another server what is done here with a session that is there now.
pub(crate) trait Relay: Send + Sync {
    /// Puts it behind all that was put there before. A lock may be held: it calls nobody.
    fn put(&self, what: Relayed);

    /// Carries everything that was put there. No lock may be held.
    fn carry(&self);
}

/// What is sent to a session that arrives, until it has.
pub(crate) struct Held {
    limit: usize,
    frames: Mutex<HeldFrames>,
}

#[derive(Default)]
struct HeldFrames {
    frames: Vec<Relayed>,
    bytes: usize,
    /// It was more than the limit, and is dropped.
    overflowed: bool,
}

/// What a frame takes besides its bytes.
const BESIDE: usize = 64;

impl Held {
    /// Holds at most so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, frames: Mutex::default() }
    }

    /// Takes all of it. `None` where it was too much.
    pub(crate) fn take(&self) -> Option<Vec<Relayed>> {
        let held = std::mem::take(&mut *self.lock());
        (!held.overflowed).then_some(held.frames)
    }

    fn lock(&self) -> MutexGuard<'_, HeldFrames> {
        self.frames.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Relay for Held {
    fn put(&self, what: Relayed) {
        let Relayed::Frame(frame, _) = &what else { return };
        let mut held = self.lock();
        held.bytes += frame.len() + BESIDE;
        if held.bytes > self.limit {
            (held.overflowed, held.frames) = (true, Vec::new());
        } else {
            held.frames.push(what);
        }
    }

    fn carry(&self) {} // it waits
}

impl fmt::Debug for Moving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moving").field("given", &self.given).finish_non_exhaustive()
    }
}
