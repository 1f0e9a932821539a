//! Waiting for room in an outbox. Whoever waits looks again after every wake-up, and leaves nothing behind
//! when dropped.

use crate::{
    connection::{
        outbox::{Outbox, Queued, State, aging::Aged, compressed::Compressed},
        queue::Out,
    },
    error::SendError,
    sync::MutexGuard,
};
use bytes::Bytes;
use std::time::Instant;
use wse_proto::FrameAge;

impl Outbox {
    /// Waits until half of the limit is free, so that what is sent next makes no peer late.
    pub(crate) async fn ready(&self) -> Result<(), SendError> {
        self.when(|| {
            let state = self.lock();
            if state.closed.is_some() {
                return Err(SendError::NotReady);
            }
            if self.has_room(&state, self.half()) {
                return Ok(Some(()));
            }
            self.note_waiting(state);
            Ok(None)
        })
        .await
    }

    /// Waits until a frame of the application fits below the limit, and queues it.
    pub(crate) async fn send_when_ready(
        &self,
        plain: &Bytes,
        compressed: Option<Compressed<'_>>,
    ) -> Result<Queued, SendError> {
        self.can_hold(plain.len())?;
        let plain = Out::Shared(plain);
        self.when(|| {
            let state = self.lock();
            let frame = state.form(plain, compressed);
            if state.closed.is_none() && !self.has_room(&state, frame.len()) {
                self.note_waiting(state);
                return Ok(None);
            }
            self.admit_in(state, frame, plain, true).map(Some)
        })
        .await
    }

    /// Resolves when the end was chosen.
    pub(crate) async fn ended(&self) {
        let _ = self.when(|| Ok((!self.is_open()).then_some(()))).await; // it is no error
    }

    /// The same of a frame that ages. It is an error when it is too old before there is room.
    pub(crate) async fn send_aging_when_ready(
        &self,
        plain: &Bytes,
        compressed: Option<Compressed<'_>>,
        age: &FrameAge,
        clock: impl Fn() -> Instant,
    ) -> Result<Aged, SendError> {
        self.can_hold(plain.len())?;
        self.when(|| {
            let (state, now) = (self.lock(), clock());
            let frame = state.form(Out::Shared(plain), compressed);
            if state.closed.is_none() && age.is_over(now) {
                return Err(SendError::Expired);
            }
            if state.closed.is_none() && !self.has_room(&state, frame.len() + age.weight()) {
                self.note_waiting(state);
                return Ok(None);
            }
            self.admit_aging(state, &frame.to_bytes(), plain, age, now).map(Some)
        })
        .await
    }

    /// Tries until there is a result, whenever something has become free.
    async fn when<T>(&self, attempt: impl Fn() -> Result<Option<T>, SendError>) -> Result<T, SendError> {
        loop {
            let freed = self.freed.notified(); // it counts from here, so that no wake-up is missed in between
            if let Some(result) = attempt()? {
                return Ok(result);
            }
            freed.await;
        }
    }

    /// Notes that someone waits for room. An acknowledgement may free it, so the task reads behind a full
    /// inbox from now on.
    fn note_waiting(&self, mut state: MutexGuard<'_, State>) {
        let awaited = std::mem::replace(&mut state.awaited, true);
        if !awaited && state.session.is_some() {
            self.wake(state);
        }
    }

    /// Whether someone waits for what the peer acknowledges: a receipt, or room in a session.
    pub(crate) fn awaits_peer(&self) -> bool {
        let state = self.lock();
        state.session.as_deref().is_some_and(|session| state.awaited || session.has_receipts())
    }

    /// Whether so many more bytes stay below the limit, and can be sent again if the connection is lost.
    fn has_room(&self, state: &State, length: usize) -> bool {
        let keeps = state.session.as_deref().is_none_or(|session| match session.is_parked() {
            true => session.relay().is_some(), // what is carried elsewhere waits there
            false => session.has_room(length),
        });
        keeps && state.bytes + length <= self.limit + state.slack
    }

    /// Wakes those who wait for room, once half of the limit is free.
    #[inline]
    pub(super) fn freed_by(&self, state: MutexGuard<'_, State>) {
        if state.awaited {
            self.wake_waiting(state);
        }
    }

    #[cold]
    fn wake_waiting(&self, mut state: MutexGuard<'_, State>) {
        if state.bytes <= self.half() + state.slack {
            state.awaited = false;
            drop(state);
            self.freed.notify_waiters();
        }
    }

    fn half(&self) -> usize {
        self.limit / 2
    }
}
