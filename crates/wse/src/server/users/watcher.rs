//! Who is told of changes, as one that may be slow: it notes whose presence may have changed, each once, and
//! looks when it has time.

use crate::sync::{Mutex, MutexGuard};
use std::{
    collections::HashSet,
    mem::take,
    sync::PoisonError,
    task::{Context, Poll, Waker},
};
use wse_proto::Cid;

/// So many users are noted. Beyond, all are looked at.
const MOST: usize = 1024;

/// What a watcher has to look at.
#[derive(Debug, PartialEq)]
pub(crate) enum Noted {
    These(HashSet<Cid>),
    All,
    /// Nothing, for ever: the server has ended.
    Ended,
}

pub(crate) struct Watcher(Mutex<State>);

#[derive(Default)]
struct State {
    cids: HashSet<Cid>,
    all: bool,
    ended: bool,
    waker: Option<Waker>,
}

impl Watcher {
    /// One that has to look at all of them first.
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State { all: true, ..State::default() }))
    }

    /// Notes that the presence of a user may have changed. Returns whom to wake, once no lock is held.
    #[must_use]
    pub(crate) fn note(&self, cid: &Cid) -> Option<Waker> {
        let mut state = self.lock();
        if !state.all && !state.cids.contains(cid) {
            state.cids.insert(cid.clone());
            if state.cids.len() > MOST {
                (state.cids, state.all) = (HashSet::new(), true);
            }
        }
        state.waker.take()
    }

    /// Notes that nothing will change any more.
    #[must_use]
    pub(crate) fn end(&self) -> Option<Waker> {
        let mut state = self.lock();
        state.ended = true;
        state.waker.take()
    }

    /// Takes what was noted.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Noted> {
        let mut state = self.lock();
        if state.ended {
            return Poll::Ready(Noted::Ended);
        }
        if take(&mut state.all) {
            return Poll::Ready(Noted::All);
        }
        if !state.cids.is_empty() {
            return Poll::Ready(Noted::These(take(&mut state.cids)));
        }
        let before = state.waker.replace(cx.waker().clone());
        drop(state);
        drop(before); // after unlocking
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of the application runs under this lock, so a panic never leaves it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_is_noted_once_and_too_many_are_all_of_them() {
        let test = || {
            let (watcher, mut cx) = (Watcher::new(), Context::from_waker(Waker::noop()));
            assert_eq!(watcher.poll(&mut cx), Poll::Ready(Noted::All), "at first");
            assert_eq!(watcher.poll(&mut cx), Poll::Pending);
            let (ann, bob) = (Cid::from("ann"), Cid::from("bob"));
            let woken: Vec<_> = (0..10_000).filter_map(|_| watcher.note(&ann).or(watcher.note(&bob))).collect();
            assert_eq!(woken.len(), 1, "it is woken once");
            assert_eq!(watcher.poll(&mut cx), Poll::Ready(Noted::These([ann, bob].into())));
            assert_eq!(watcher.poll(&mut cx), Poll::Pending);
            (0..100_000).for_each(|number| drop(watcher.note(&Cid::from(number))));
            assert!(watcher.lock().cids.capacity() <= 4 * MOST, "{}", watcher.lock().cids.capacity());
            assert_eq!(watcher.poll(&mut cx), Poll::Ready(Noted::All));
            assert_eq!(watcher.poll(&mut cx), Poll::Pending);
            assert!(watcher.end().is_some());
            assert_eq!(watcher.poll(&mut cx), Poll::Ready(Noted::Ended));
        };
        shuttle::check_random(test, 1);
    }
}
