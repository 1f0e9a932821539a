//! Handlers at work on one connection, and what waits for a free place among them.
//! They may never send anything themselves.

use crate::app::run::{BoxFuture, CallRun, MessageRun};
use std::{
    collections::VecDeque,
    future::Future,
    mem::take,
    pin::Pin,
    task::{Context, Poll},
};
use wse_proto::{Envelope, Payload, RpError};

/// Something of the application's that runs in the connection's task.
pub(crate) enum Running {
    /// The handlers of the message of that name.
    Message(MessageRun, String),
    Call(CallRun, Option<Box<Call>>),
    Report(BoxFuture<()>),
}

/// What is needed to answer a call.
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) stamp: String,
    pub(crate) payload: Payload<'static>,
}

/// What a finished run has left to be done.
pub(crate) enum Finished {
    /// Errors of the message of that name to report.
    Message(Vec<RpError>, String),
    /// A call to answer.
    Call(Result<Payload<'static>, RpError>, Box<Call>),
    Nothing,
}

impl Future for Running {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        match &mut *self {
            Running::Message(run, name) => run.as_mut().poll(cx).map(|errors| Finished::Message(errors, take(name))),
            Running::Call(run, call) => run.as_mut().poll(cx).map(|result| match call.take() {
                Some(call) => Finished::Call(result, call),
                None => Finished::Nothing,
            }),
            Running::Report(report) => report.as_mut().poll(cx).map(|()| Finished::Nothing),
        }
    }
}

/// A message or call that the application's hook looks at before its handlers do.
pub(crate) struct Check {
    pub(crate) envelope: Envelope<'static>,
    pub(crate) hook: BoxFuture<Result<(), RpError>>,
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
