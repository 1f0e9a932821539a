//! Handlers at work on one connection, and what waits for a free place among them.
//! They may never send anything themselves.

use crate::{
    app::run::{Outcome, Run},
    connection::owner::Task,
};
use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use wse_proto::{Envelope, Payload, RpError};

/// Something of the application's that runs in the connection's task.
pub(crate) enum Running {
    Handler(Run, Option<Box<Work>>),
    Report(Task<()>),
}

/// What a handler is at work on.
pub(crate) struct Work {
    /// The message's type, or the procedure's name.
    pub(crate) name: String,
    /// What is needed to answer a call.
    pub(crate) call: Option<(String, Payload<'static>)>,
}

/// How a flight ended: nothing for a report.
pub(crate) type Finished = Option<(Outcome, Box<Work>)>;

impl Future for Running {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        match &mut *self {
            Running::Handler(run, work) => run.as_mut().poll(cx).map(|outcome| Some((outcome, work.take()?))),
            Running::Report(report) => report.as_mut().poll(cx).map(|()| None),
        }
    }
}

/// A message or call that the application's hook looks at before its handlers do.
pub(crate) struct Check {
    pub(crate) envelope: Envelope<'static>,
    pub(crate) hook: Task<Result<(), RpError>>,
}

/// Messages and calls in the order they came, each waiting for the verdict or a free place.
#[derive(Default)]
pub(crate) struct Inbox {
    waiting: VecDeque<Envelope<'static>>,
    bytes: usize,
}

/// What an entry costs besides its text, so that empty messages are bounded too.
const ENTRY: usize = size_of::<Envelope<'static>>();

impl Inbox {
    pub(crate) fn push(&mut self, envelope: Envelope<'_>) {
        self.bytes += ENTRY + envelope.weight();
        self.waiting.push_back(envelope.into_owned());
    }

    pub(crate) fn pop(&mut self) -> Option<Envelope<'static>> {
        let envelope = self.waiting.pop_front();
        match &envelope {
            Some(envelope) => self.bytes -= ENTRY + envelope.weight(),
            None => self.waiting = VecDeque::new(), // an idle connection owns no queue
        }
        envelope
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Bytes it keeps.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn clear(&mut self) {
        *self = Inbox::default();
    }
}
