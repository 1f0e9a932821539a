//! What the two ends of a connection do differently: whom they ask, whom they admit, whom they
//! tell. The pump is the same for both. A side may never read or write the socket.

use crate::{
    app::{handlers::Handlers, hooks::Hooks, run::BoxFuture},
    connection::{handle::Handle, resume::Claim},
};
use std::sync::Arc;
use tokio::sync::oneshot;
use wse_proto::{Closed, Limits, Machine, Payload, Received, RpError, Token};

/// The application's answer to a question of the session, or why the connection ends without one;
/// and what failed meanwhile, to be reported.
pub(crate) type Asked<A> = BoxFuture<(Result<A, Closed>, Option<RpError>)>;

/// What happened to a connection that no peer is told.
pub(crate) enum Report<'a> {
    /// A message that no handler listens to.
    Ignored { name: &'a str, payload: &'a Payload<'a> },
    /// A handler, procedure or question failed.
    Failed { code: &'static str, name: Option<&'a str>, error: RpError },
}

/// What a conversation that opens is.
pub(crate) enum Opened {
    /// A new one.
    New {
        /// What its messages and calls wait for.
        ready: Option<oneshot::Receiver<()>>,
        /// Where it is a session, the count of what comes.
        ledger: Option<Received>,
        /// It is kept only while it lasts, until the peer has shown that it is there.
        on_trial: bool,
    },
    /// One that goes on in the task in which it began.
    Resumed(Claim),
}

pub(crate) trait Owner: Send + Unpin + 'static {
    type Session: Machine<Question: Send, Answer: Send, Opening: Send> + Send + Unpin;
    /// Whom handlers are told about.
    type Who: Clone + Send + 'static;

    /// Whom the next handler is told about; `None` before the peer is admitted.
    fn who(&self) -> Option<Self::Who>;
    fn handlers(&self) -> &Handlers<Self::Who>;
    fn hooks(&self) -> &Hooks<Self::Who>;
    fn limits(&self) -> &Limits;
    /// Whether the texts of errors are sent.
    fn expose_errors(&self) -> bool;

    /// Asks the application.
    fn ask(&mut self, question: <Self::Session as Machine>::Question) -> Asked<<Self::Session as Machine>::Answer>;

    /// Admits the peer, and welcomes it where that is this side's part.
    fn open(&mut self, opening: <Self::Session as Machine>::Opening, handle: &Arc<Handle>) -> Result<Opened, Closed>;

    /// The session has lost its connection; `taken` envelopes have come so far.
    fn parked(&mut self, closed: &Closed, taken: u64);

    /// It has to wait for another one, with so many bytes that wait for their handlers.
    fn waits(&mut self, _bytes: usize) {}

    /// It has another one. Always after `parked`. The client has got that token with it.
    fn resumed(&mut self, token: Option<Token>);

    /// The peer has shown that it is there.
    fn confirmed(&mut self) {}

    /// Tells the application; the future, if any, is its handler at work.
    fn report(&self, report: Report<'_>) -> Option<BoxFuture<()>>;

    /// The connection has ended; called exactly once.
    fn ended(&mut self, closed: &Closed);

    /// The stream is gone after that, though handlers may still run; called again until nothing
    /// waits for its handler (`drained`).
    fn stream_gone(&mut self, _closed: &Closed, _drained: bool) {}
}
