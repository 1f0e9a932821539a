//! What a device was accepted with: what it said, and the application's state and term for it. All of it is
//! replaced at once, when the device is accepted anew. Nothing of the application runs under its lock.

use crate::{
    server::term::Term,
    sync::{Mutex, MutexGuard},
};
use std::{
    any::Any,
    sync::{Arc, PoisonError},
};
use wse_proto::{Hello, KeptHello};

/// What the application says of a device that it accepts, beside the id of its user.
#[derive(Clone, Default)]
pub(crate) struct Terms {
    pub(crate) state: Option<Arc<dyn Any + Send + Sync>>,
    /// When the identity ends.
    pub(crate) term: Option<Term>,
}

impl Terms {
    fn boxed(self) -> Option<Box<Terms>> {
        (self.state.is_some() || self.term.is_some()).then(|| Box::new(self))
    }
}

/// The standing of a device, behind its lock.
pub(crate) struct Standing(Mutex<Current>);

/// What was replaced, or was to replace it.
#[must_use = "it is dropped without a lock"]
pub(crate) struct Replaced(#[expect(dead_code, reason = "it is kept to be dropped")] Current);

struct Current {
    hello: KeptHello,
    /// In a box, since most devices have neither state nor term.
    terms: Option<Box<Terms>>,
}

impl Standing {
    pub(crate) fn new(hello: &Hello, terms: Terms) -> Self {
        Self(Mutex::new(Current { hello: hello.into(), terms: terms.boxed() }))
    }

    /// That of a device whose session has come from another node.
    pub(crate) fn of_kept(hello: KeptHello, terms: Terms) -> Self {
        Self(Mutex::new(Current { hello, terms: terms.boxed() }))
    }

    pub(crate) fn hello(&self) -> KeptHello {
        self.lock().hello.clone()
    }

    pub(crate) fn state(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.lock().terms.as_ref()?.state.clone()
    }

    pub(crate) fn term(&self) -> Option<Term> {
        self.lock().terms.as_ref()?.term
    }

    /// Replaces all of it; with `expected` only while that is what the device has said. Returns what the caller
    /// has to drop without a lock, because the state is the application's.
    pub(crate) fn replace(&self, expected: Option<&KeptHello>, hello: &Hello, terms: Terms) -> Replaced {
        let next = Current { hello: hello.into(), terms: terms.boxed() };
        let mut current = self.lock();
        let replaced = expected.is_none_or(|expected| expected.is_same(&current.hello));
        Replaced(if replaced { std::mem::replace(&mut *current, next) } else { next })
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
