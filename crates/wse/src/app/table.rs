//! Which handler has which name: a plain value without a lock. It never runs or drops a handler, but
//! returns it, so that its owner can do that after unlocking.

use crate::app::erased::{Fallback, StartCall, StartMessage};
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::{Arc, atomic::AtomicBool},
};

pub(super) struct Table<W> {
    /// Grows with every change.
    pub(super) version: u64,
    messages: Names<MessageHandlers<W>>,
    procedures: Names<StartCall<W>>,
    fallback: Option<Arc<Fallback<W>>>,
}

/// By name. The application chooses the names, so no peer can make them collide.
type Names<T> = HashMap<Arc<str>, T, BuildHasherDefault<Fnv>>;

/// The hash of Fowler, Noll and Vo (FNV-1a): the cheapest for names of a few bytes.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// The handlers of one message, in the order they were added.
type MessageHandlers<W> = Arc<[MessageHandler<W>]>;

pub(super) struct MessageHandler<W> {
    pub(super) number: u64,
    /// For `once`: whether it may still run.
    pub(super) once: Option<Arc<AtomicBool>>,
    pub(super) start: StartMessage<W>,
}

impl<W> Clone for MessageHandler<W> {
    fn clone(&self) -> Self {
        Self { number: self.number, once: self.once.clone(), start: self.start.clone() }
    }
}

impl<W> Default for Table<W> {
    fn default() -> Self {
        Self { version: 0, messages: Names::default(), procedures: Names::default(), fallback: None }
    }
}

impl<W> Clone for Table<W> {
    fn clone(&self) -> Self {
        let (messages, procedures) = (self.messages.clone(), self.procedures.clone());
        Self { version: self.version, messages, procedures, fallback: self.fallback.clone() }
    }
}

impl<W> Table<W> {
    pub(super) fn handlers_of(&self, message: &str) -> Option<&[MessageHandler<W>]> {
        self.messages.get(message).map(|handlers| &**handlers)
    }

    pub(super) fn procedure(&self, name: &str) -> Option<&StartCall<W>> {
        self.procedures.get(name)
    }

    pub(super) fn fallback(&self) -> Option<&Arc<Fallback<W>>> {
        self.fallback.as_ref()
    }

    /// Adds handlers behind those of the same message.
    pub(super) fn add(&mut self, message: Arc<str>, handlers: &[MessageHandler<W>]) {
        let handlers_of_name = self.messages.entry(message).or_insert_with(|| [].into());
        *handlers_of_name = handlers_of_name.iter().chain(handlers).cloned().collect();
    }

    /// Removes the handlers of a message that are not to be kept. Returns them.
    pub(super) fn retain(
        &mut self,
        message: &str,
        keep: impl Fn(&MessageHandler<W>) -> bool,
    ) -> Vec<MessageHandler<W>> {
        let Some(handlers_of_name) = self.messages.get_mut(message) else { return Vec::new() };
        let (kept, removed): (Vec<_>, _) = handlers_of_name.iter().cloned().partition(keep);
        if kept.is_empty() {
            self.messages.remove(message);
        } else {
            *handlers_of_name = kept.into();
        }
        removed
    }

    /// Adds a procedure, or returns it when there is one of that name.
    pub(super) fn register(&mut self, name: &str, procedure: StartCall<W>) -> Result<(), StartCall<W>> {
        if self.procedures.contains_key(name) {
            return Err(procedure);
        }
        self.procedures.insert(name.into(), procedure);
        Ok(())
    }

    /// Removes a procedure. Returns it.
    pub(super) fn unregister(&mut self, name: &str) -> Option<StartCall<W>> {
        self.procedures.remove(name)
    }

    /// Sets the fallback. Returns the one before.
    pub(super) fn set_fallback(&mut self, fallback: Arc<Fallback<W>>) -> Option<Arc<Fallback<W>>> {
        self.fallback.replace(fallback)
    }

    /// The name of a procedure that both have.
    pub(super) fn procedure_of_both(&self, other: &Self) -> Option<Box<str>> {
        other.procedures.keys().find(|name| self.procedures.contains_key(*name)).map(|name| (**name).into())
    }

    /// Adds all of `other`, which has no procedure of a name that is here. Returns the fallback that
    /// was replaced.
    pub(super) fn merge(&mut self, other: Self) -> Option<Arc<Fallback<W>>> {
        self.procedures.extend(other.procedures);
        for (message, handlers) in other.messages {
            self.add(message, &handlers);
        }
        other.fallback.and_then(|fallback| self.set_fallback(fallback))
    }

    /// The names of the messages and of the procedures that have a handler.
    pub(super) fn names(&self) -> (impl Iterator<Item = &str>, impl Iterator<Item = &str>) {
        (self.messages.keys().map(|name| &**name), self.procedures.keys().map(|name| &**name))
    }
}
