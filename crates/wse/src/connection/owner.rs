//! What client and server do differently with a connection: they answer questions of the machine, admit
//! the peer, and report to the application. The rest of a connection is the same for both. An owner never
//! reads or writes the stream.

use crate::{
    app::{
        erased::{BoxFuture, CallRun},
        handlers::Handlers,
        hooks::Hooks,
    },
    connection::{handle::Handle, parked::Resumption},
};
use std::{fmt, sync::Arc, task::Context};
use tokio::{sync::oneshot, time::Instant};
use wse_proto::{Closed, Limits, Machine, Payload, Received, RpError, Token};

/// What an application has set up for all its connections.
pub(crate) struct Env<W> {
    pub(crate) handlers: Handlers<W>,
    pub(crate) hooks: Hooks<W>,
    pub(crate) limits: Limits,
    /// Messages of at least so many bytes are compressed where the peer agrees; `None`: nothing is agreed on.
    pub(crate) compress_from: Option<usize>,
    /// Whether peers see the texts of errors that were not made on purpose.
    pub(crate) expose_errors: bool,
}

impl<W> Default for Env<W>
where
    Handlers<W>: Default,
    Hooks<W>: Default,
{
    fn default() -> Self {
        Self {
            handlers: Handlers::default(),
            hooks: Hooks::default(),
            limits: Limits::default(),
            compress_from: None,
            expose_errors: false,
        }
    }
}

impl<W> Env<W> {
    /// Bytes of the smallest frame that is compressed where the stream has agreed on it.
    pub(crate) fn compress_from(&self) -> usize {
        self.compress_from.unwrap_or(usize::MAX)
    }
}

/// The application's answer to a question of the machine, or why the connection ends without one; and
/// what failed meanwhile, to be reported.
pub(crate) type Asked<A> = BoxFuture<(Result<A, Closed>, Option<RpError>)>;

/// What happened on a connection, for the application. The peer is not told.
pub(crate) enum Report<'a> {
    /// No handler takes this message.
    Ignored { name: &'a str, payload: &'a Payload<'a> },
    /// A handler, procedure or question failed.
    Failed { code: &'static str, name: Option<&'a str>, error: RpError },
    /// The peer broke the protocol, and its connection ends with that.
    Rejected(&'a dyn fmt::Display),
    /// What came is not of the protocol, and the connection stays.
    Garbage(&'a dyn fmt::Display),
    /// The application has not answered in time whether the peer is admitted.
    Late,
}

/// Whether a conversation that opens is new or resumed.
pub(crate) enum Opened {
    /// A new one.
    New {
        /// Messages and calls wait for this before they reach their handlers.
        ready: Option<oneshot::Receiver<()>>,
        /// The count of what is received, if it is a session.
        received: Option<Received>,
        /// Until the peer has shown that it is there, its session ends when the stream is lost.
        provisional: bool,
    },
    /// A session that continues in the task in which it began.
    Resumed(Arc<Handle>, Resumption),
}

/// What happens to a connection, for its owner.
pub(crate) enum Life<'a> {
    /// The session has lost its connection, after it had taken in so many envelopes.
    Parked { closed: &'a Closed, taken: u64 },
    /// The parked session has to wait for another connection, and so many bytes wait for handlers.
    Waiting { inbox_bytes: usize },
    /// The session has another connection. A client got that token with it.
    Resumed(Option<Token>),
    /// The peer of a provisional connection has shown that it is there.
    Confirmed,
    /// An answer to a call that is not waited for here.
    Unsettled { stamp: &'a str, answer: Result<Payload<'a>, Payload<'a>> },
    /// The peer does not wait any more for the answer to a call that is not here.
    Uncancelled(&'a str),
    /// The session is at another server from now on, while handlers may still run here.
    Left,
    /// The connection has ended. The owner is told exactly once.
    Ended(&'a Closed),
    /// The stream is gone after the end, though handlers may still run. The owner is told again until no
    /// message waits for its handler (`drained`).
    StreamGone { closed: &'a Closed, drained: bool },
}

/// One end of a connection: a server's or a client's.
pub(crate) trait Owner: Send + Unpin + 'static {
    type Machine: Machine<Question: Send, Answer: Send, Opening: Send> + Send + Unpin;
    /// The first argument of handlers: for whom they run.
    type Who: Clone + Send + 'static;

    fn env(&self) -> &Env<Self::Who>;

    /// For whom the next handler runs. `None` before the peer is admitted.
    fn who(&self) -> Option<Self::Who>;

    /// Asks the application.
    fn ask(&mut self, question: <Self::Machine as Machine>::Question) -> Asked<<Self::Machine as Machine>::Answer>;

    /// Admits the peer, and queues its welcome where this side writes one.
    fn open(&mut self, opening: <Self::Machine as Machine>::Opening, handle: &Arc<Handle>) -> Result<Opened, Closed>;

    /// Makes the identity of this side anew, for a peer that asks. `None` where it has none to give.
    fn renew(&mut self) -> Option<CallRun> {
        None
    }

    /// Does what the owner has to do by now, and polls what runs for it. Returns when it has to be polled next.
    /// It is asked until the connection has ended, also while the session is parked.
    fn poll_due(&mut self, _: Instant, _: &mut Context<'_>) -> Option<Instant> {
        None
    }

    /// Asks whether the session leaves for another server, instead of ending like this once its handlers have finished.
    fn leaves(&mut self, _: &Closed) -> bool {
        false
    }

    /// How the connection ends when this side could not do its own part before the peer was admitted.
    fn unable(&self) -> Closed;

    fn on(&mut self, life: Life<'_>);

    /// Tells the application. The future, if any, runs its listeners.
    fn report(&self, report: Report<'_>) -> Option<BoxFuture<()>>;
}
