//! Handlers that run in a connection's task, and what else of the application runs there: procedures,
//! hooks, listeners.

use crate::{
    app::erased::{BoxFuture, CallRun, MessageRun},
    connection::waits::Waits,
};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::time::Instant;
use wse_proto::{Envelope, Payload, RpError, bare};

/// All that runs in one connection's task. It owns nothing while nothing runs, and is not asked then: an
/// idle [`FuturesUnordered`] owns 200 bytes, and a look into it costs 40 instructions.
#[derive(Default)]
pub(super) struct RunningHandlers(Option<Box<FuturesUnordered<Running>>>);

impl RunningHandlers {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |running| running.len())
    }

    pub(super) fn push(&mut self, running: Running) {
        self.0.get_or_insert_default().push(running);
    }

    /// Drops them, wherever they are.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// Whether all of them wait for the connection's own peer.
    pub(super) fn wait_for_peer(&self) -> bool {
        self.0.iter().flat_map(|running| running.iter()).all(|running| running.waits.for_peer())
    }

    /// The stamps of the calls whose procedures run, without the times in them.
    pub(super) fn stamps(&self) -> impl Iterator<Item = &str> {
        let running = self.0.iter().flat_map(|running| running.iter());
        running.filter_map(|running| match &running.work {
            Work::Call(_, Some(call)) => Some(bare(&call.stamp)),
            _ => None,
        })
    }

    /// Tells the procedure of that call that its caller does not wait any more. False when none runs.
    pub(super) fn give_up(&mut self, stamp: &str) -> bool {
        let running = self.0.iter_mut().flat_map(|running| running.iter_mut());
        let mut calls = running.filter(|running| running.answers(stamp));
        calls.next().map(|running| running.waits.give_up()).is_some()
    }

    /// The next that has ended.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Finished>> {
        let Some(running) = &mut self.0 else { return Poll::Ready(None) };
        let finished = running.poll_next_unpin(cx);
        if running.is_empty() {
            self.0 = None;
        }
        finished
    }
}

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
    /// A call whose caller does not wait any more.
    GivenUp(Result<Payload<'static>, Box<RpError>>, Box<RunningCall>),
    Report,
}

/// A message or call that the application's hook looks at before its handlers do.
pub(super) struct Checking {
    pub(super) envelope: Envelope<'static>,
    /// When the caller of a call does not wait any more.
    pub(super) until: Option<Instant>,
    pub(super) hook: BoxFuture<Result<(), RpError>>,
    pub(super) waits: Waits,
}

impl Running {
    /// Whether it is the procedure of the call with that stamp, without the time in it.
    fn answers(&self, stamp: &str) -> bool {
        matches!(&self.work, Work::Call(_, Some(call)) if bare(&call.stamp) == stamp)
    }
}

impl Future for Running {
    type Output = Finished;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished> {
        let Running { work, waits } = &mut *self;
        let finished = waits.watch(|| match work {
            Work::Message(run, name) => {
                run.as_mut().poll(cx).map(|errors| Finished::Message(errors, std::mem::take(name)))
            }
            Work::Call(run, call) => run.as_mut().poll(cx).map(|result| match call.take() {
                Some(call) => Finished::Call(result, call),
                None => Finished::Report, // a future that is polled after its end
            }),
            Work::Report(report) => report.as_mut().poll(cx).map(|()| Finished::Report),
        });
        finished.map(|finished| match finished {
            Finished::Call(result, call) if waits.is_given_up() => Finished::GivenUp(result, call),
            finished => finished,
        })
    }
}
