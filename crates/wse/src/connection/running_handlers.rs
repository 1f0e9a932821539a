//! Handlers that run in a connection's task, and what else of the application runs there: procedures,
//! hooks, listeners.

use crate::{
    app::erased::{BoxFuture, CallRun, MessageRun},
    connection::waits::Waits,
};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use wse_proto::{Envelope, Payload, RpError};

/// Code of the application that runs in the connection's task.
pub(super) struct Running {
    pub(super) work: Work,
    pub(super) waits: Waits,
}

pub(super) enum Work {
    /// The handlers of a message of that type.
    Message(MessageRun, String),
    Call(CallRun, Option<Box<RunningCall>>),
    Report(BoxFuture<()>),
}

/// What is needed to answer a call whose procedure still runs.
pub(super) struct RunningCall {
    pub(super) rp: String,
    pub(super) stamp: String,
    pub(super) payload: Payload<'static>,
}

/// How code of the application has ended.
pub(super) enum Finished {
    Message(Vec<RpError>, String),
    Call(Result<Payload<'static>, Box<RpError>>, Box<RunningCall>),
    Report,
}

/// A message or call that the application's hook looks at before its handlers do.
pub(super) struct Checking {
    pub(super) envelope: Envelope<'static>,
    pub(super) hook: BoxFuture<Result<(), RpError>>,
    pub(super) waits: Waits,
}

impl Future for Running {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        let Running { work, waits } = &mut *self;
        waits.watch(|| match work {
            Work::Message(run, name) => {
                run.as_mut().poll(cx).map(|errors| Finished::Message(errors, std::mem::take(name)))
            }
            Work::Call(run, call) => run.as_mut().poll(cx).map(|result| match call.take() {
                Some(call) => Finished::Call(result, call),
                None => Finished::Report, // a future that is polled after its end
            }),
            Work::Report(report) => report.as_mut().poll(cx).map(|()| Finished::Report),
        })
    }
}
