//! The timer of a connection's task. It is set anew only for an earlier time, or after it has fired: a
//! deadline that moves away costs nothing.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    task::unconstrained,
    time::{Instant, Sleep},
};

pub(super) struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// The address of what is woken when it fires: the timer holds that, so nothing else has the same. 0 when
    /// nobody is woken.
    wakes: usize,
}

impl Timer {
    /// Fires at that time at the latest, once it was polled.
    pub(super) fn new(first: Instant) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(first)), wakes: 0 }
    }

    /// Waits for a time that has not come yet. It may be polled with another one each time.
    ///
    /// While it would fire before that time, and wake the same task, this looks at nothing else: polling
    /// the timer itself costs 160 instructions.
    pub(super) fn poll_until(&mut self, due: Instant, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let set = self.sleep.deadline();
        let fits = set <= due && set > now;
        let waker = cx.waker().data().addr();
        if fits && self.wakes == waker {
            return Poll::Pending;
        }
        if !fits {
            self.sleep.as_mut().reset(due);
        }
        // Without tokio's budget: a timer that is pending for lack of it would not fire.
        let polled = Pin::new(&mut unconstrained(self.sleep.as_mut())).poll(cx);
        self.wakes = if polled.is_pending() { waker } else { 0 };
        polled
    }
}
