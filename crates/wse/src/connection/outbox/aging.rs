//! Frames that age in an outbox: where one is put, which one it replaces, and when one is not sent any more.

use crate::{
    connection::{
        outbox::{Outbox, Queued, State, compressed::Compressed},
        queue::{
            Out, Queue,
            aging::{AgingQueue, Taken, TooOld},
        },
    },
    error::SendError,
    session::{
        moving::Relayed,
        sent::{Notice, Receipts},
    },
    sync::MutexGuard,
};
use bytes::Bytes;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};
use tokio::sync::oneshot;
use wse_proto::{FrameAge, Full, Placed};

/// A call that finds less waiting counts as written: it is not taken out of the queue any more.
const NEAR: usize = 4 << 10;

/// Numbers frames that no session numbers, in the order in which they are queued.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// Where a call is, to be [withdrawn](Outbox::withdraw).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallPlace {
    /// `None`: it was not kept anywhere.
    number: Option<u64>,
    /// It counted as written at once.
    written: bool,
}

/// What became of a call that was withdrawn.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Withdrawn {
    /// No stream had it, and none gets it.
    pub(crate) unsent: bool,
    /// Less waits now beyond the limit.
    pub(crate) less_beyond: bool,
}

/// What became of a frame that ages.
#[derive(Default)]
pub(crate) struct Aged {
    pub(crate) queued: Queued,
    /// Tells whether it has arrived, in a session.
    pub(crate) notice: Option<oneshot::Receiver<Notice>>,
    place: CallPlace,
}

impl Outbox {
    /// Queues a frame of the application that ages.
    pub(crate) fn send_aging(
        &self,
        plain: &Bytes,
        compressed: Option<Compressed<'_>>,
        age: &FrameAge,
        now: Instant,
    ) -> Result<Aged, SendError> {
        self.can_hold(plain.len())?;
        let state = self.lock();
        let frame = state.form(Out::Shared(plain), compressed).to_bytes();
        self.admit_aging(state, &frame, plain, age, now)
    }

    /// Queues a call. It ages by its timeout, unless it counts as written at once: then nobody asks for the time.
    pub(crate) fn send_call(
        &self,
        plain: Out<'_>,
        compressed: Option<Compressed<'_>>,
        age: &FrameAge,
        clock: impl FnOnce() -> Instant,
    ) -> Result<(Queued, CallPlace), SendError> {
        self.can_hold(plain.len())?;
        let mut state = self.lock();
        let near = state.aging.is_none() && state.bytes < NEAR;
        let (parked, ages) = state
            .session
            .as_deref()
            .map_or((false, !near), |session| (session.is_parked(), session.can_skip() || age.told));
        if !ages {
            let frame = state.form(plain, compressed);
            return Ok((self.admit_in(state, frame, plain, true)?, CallPlace::default()));
        }
        let plain_bytes = plain.to_bytes();
        if parked && let Some(relay) = state.relay() {
            let frame = Relayed::Frame(plain_bytes, Some(age.clone()));
            return Ok((self.relay(state, &relay, Some(frame)), CallPlace::default()));
        }
        if parked || !near {
            let form = if age.told { plain } else { state.form(plain, compressed) };
            let form = form.to_bytes();
            let Aged { queued, place, .. } = self.admit_aging(state, &form, &plain_bytes, age, clock())?;
            return Ok((queued, place));
        }
        if state.closed.is_some() {
            return Err(SendError::NotReady);
        }
        let form = state.form(plain, compressed);
        let Some(session) = &mut state.session else { return Ok(Default::default()) };
        let (Ok(number) | Err(Full(number))) = session.push_aging(plain_bytes, age.clone()).map(|placed| placed.number);
        self.enqueue(state, form);
        Ok((Queued { number: Some(number), counts: false }, CallPlace { number: Some(number), written: true }))
    }

    /// Puts a frame into the place of the last of its text, or behind all others. A session keeps `plain`.
    pub(super) fn admit_aging(
        &self,
        mut state: MutexGuard<'_, State>,
        frame: &Bytes,
        plain: &Bytes,
        age: &FrameAge,
        now: Instant,
    ) -> Result<Aged, SendError> {
        if state.closed.is_some() {
            return Err(SendError::NotReady);
        }
        let mut over = Receipts::new();
        let replaced = |state: &State| state.aging.as_deref().map_or(0, |aging| state.weight_replaced(aging, age));
        let beyond = |state: &State| {
            let bytes = state.bytes + frame.len() + age.weight() - replaced(state);
            bytes > self.limit + state.slack
        };
        let aging = state.aging.as_deref();
        let may_expire = aging.is_none_or(|aging| aging.may_expire(now));
        if aging.is_some_and(AgingQueue::is_long) || may_expire && (state.lacks_room(plain.len()) || beyond(&state)) {
            over = state.expire(now);
        }
        let beyond = beyond(&state);
        if beyond {
            let more = (frame.len() + age.weight()).saturating_sub(replaced(&state));
            state = self.exceed(state, more)?;
        }
        let placed = self.place(state, frame, plain, age, beyond);
        Notice::TooOld.tell(over);
        placed
    }

    fn place(
        &self,
        mut state: MutexGuard<'_, State>,
        frame: &Bytes,
        plain: &Bytes,
        age: &FrameAge,
        beyond: bool,
    ) -> Result<Aged, SendError> {
        let too_old = state.too_old();
        let State { session, aging, bytes, .. } = &mut *state;
        let mut aged = Aged { queued: Queued { number: None, counts: beyond }, ..Aged::default() };
        let number = match session {
            None => {
                let last = age.latest.as_deref().and_then(|text| aging.as_deref()?.latest(text));
                last.unwrap_or_else(|| NUMBERS.fetch_add(1, Ordering::Relaxed))
            }
            Some(session) => {
                let parked = session.is_parked();
                if parked && let Some(relay) = session.relay() {
                    let frame = Relayed::Frame(plain.clone(), Some(age.clone()));
                    return Ok(Aged { queued: self.relay(state, &relay, Some(frame)), ..Aged::default() });
                }
                let number = match session.push_aging(plain.clone(), age.clone()) {
                    Ok(Placed { number, .. }) => number,
                    Err(Full(_)) if parked => return Err(self.too_slow(state)),
                    // The connection stays. Until this frame is acknowledged, its loss ends the session.
                    Err(Full(number)) => number,
                };
                aged.queued = Queued { number: Some(number), counts: beyond || parked };
                aged.notice = Some(session.notice(number));
                if parked {
                    return Ok(Aged { place: CallPlace { number: Some(number), written: false }, ..aged });
                }
                number
            }
        };
        let aging = aging.get_or_insert_default();
        *bytes -= aging.weight();
        if !aging.replace(number, frame, age) {
            aging.push(number, frame.clone(), age.clone(), too_old);
        }
        *bytes += aging.weight();
        self.wake(state);
        Ok(Aged { place: CallPlace { number: Some(number), written: false }, ..aged })
    }

    /// Sends a call no more whose caller has stopped waiting, if it still waits in the queue or in the session.
    pub(crate) fn withdraw(&self, place: CallPlace) -> Withdrawn {
        let mut withdrawn = Withdrawn::default();
        let Some(number) = place.number else { return withdrawn };
        let mut state = self.lock();
        let too_old = state.too_old();
        if too_old == TooOld::Send {
            return withdrawn;
        }
        if let Some(session) = &mut state.session {
            let unwritten = !place.written && session.is_parked() && !session.is_written(number);
            withdrawn.unsent = session.give_up(number) && unwritten;
        }
        let State { aging: Some(aging), bytes, .. } = &mut *state else { return withdrawn };
        *bytes -= aging.weight();
        withdrawn.unsent |= aging.give_up(number, too_old);
        *bytes += aging.weight();
        if aging.is_empty() {
            state.aging = None;
        }
        withdrawn.less_beyond = self.forget(&mut state, 0);
        self.freed_by(state);
        withdrawn
    }

    /// Gives up what is too old, so that whoever waits for its receipt learns of it. True when less waits now
    /// beyond the limit.
    pub(crate) fn expire(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let over = state.expire(now);
        let less_beyond = self.forget(&mut state, 0);
        self.freed_by(state);
        Notice::TooOld.tell(over);
        less_beyond
    }

    /// Bytes that wait or are being written, with what ages take.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.lock().bytes
    }

    /// For the task: moves frames that age, and those behind them, to what it writes next. Returns the receipts of
    /// those that were too old.
    #[cold]
    pub(super) fn take_aging(
        &self,
        state: &mut State,
        writing: &mut Queue,
        now: Instant,
        skip: impl Fn(u64) -> Vec<u8>,
    ) -> Receipts {
        let too_old = state.too_old();
        let State { aging: Some(aging), session, bytes, .. } = state else { return Receipts::new() };
        let before = aging.weight() + writing.len();
        let Taken { written, over } = aging.take(writing, now, too_old, skip);
        *bytes = *bytes + aging.weight() + writing.len() - before;
        if aging.is_empty() {
            state.aging = None;
        }
        let Some(session) = session else { return Receipts::new() };
        written.into_iter().for_each(|number| session.wrote(number));
        session.give_up_all(&over)
    }
}

impl State {
    /// What becomes of a frame that is too old.
    pub(super) fn too_old(&self) -> TooOld {
        match &self.session {
            None => TooOld::Remove,
            Some(session) if session.can_skip() => TooOld::GiveUp,
            Some(_) => TooOld::Send,
        }
    }

    /// What the frame weighs whose place one of that age takes.
    fn weight_replaced(&self, aging: &AgingQueue, age: &FrameAge) -> usize {
        let Some(text) = age.latest.as_deref() else { return 0 };
        let number = match &self.session {
            None => aging.latest(text),
            Some(session) => session.waiting(text),
        };
        number.map_or(0, |number| aging.weight_of(number))
    }

    /// Whether the session has no room for a frame of that length.
    fn lacks_room(&self, length: usize) -> bool {
        self.session.as_deref().is_some_and(|session| !session.has_room(length))
    }

    /// Gives up or removes what is too old and was not written. Returns the receipts.
    fn expire(&mut self, now: Instant) -> Receipts {
        let too_old = self.too_old();
        let mut over = Vec::new();
        if let Some(aging) = &mut self.aging {
            self.bytes -= aging.weight();
            over = aging.expire(now, too_old);
            self.bytes += aging.weight();
            if aging.is_empty() {
                self.aging = None;
            }
        }
        let Some(session) = &mut self.session else { return Receipts::new() };
        let mut receipts = session.expire(now);
        receipts.append(&mut session.give_up_all(&over));
        receipts
    }
}
