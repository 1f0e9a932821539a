//! What a connection's task has seen of the handlers, and how it finds those of a message or call. No lock
//! is held while it starts them.

use crate::app::{
    erased::{CallRun, MessageRun, in_order},
    handlers::Handlers,
    table::{MessageHandler, Table},
};
use std::sync::{Arc, atomic::Ordering};
use wse_proto::Envelope;

/// What a connection's task has seen of the handlers in this turn. While they do not change, it finds the
/// handler of a message without writing to what connections share (150 of 4,300 instructions of an echo).
pub(crate) struct Known<W>(Option<Arc<Table<W>>>);

impl<W> Default for Known<W> {
    fn default() -> Self {
        Self(None)
    }
}

impl<W> Known<W> {
    /// The table of the handlers as it is now.
    #[inline]
    fn table(&mut self, handlers: &Handlers<W>) -> &Table<W> {
        let version = handlers.version.load(Ordering::Acquire);
        self.0.take_if(|table| table.version != version);
        self.0.get_or_insert_with(|| handlers.read())
    }

    /// Lets go of the table, so that handlers which were removed are dropped.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }
}

impl<W: Send + 'static> Handlers<W> {
    /// Starts the procedure that a call names, or the fallback; `None` when there is neither.
    pub(crate) fn invoke(&self, known: &mut Known<W>, who: W, envelope: &Envelope<'_>) -> Option<CallRun> {
        let table = known.table(self);
        if let Some(start) = table.procedure(&envelope.name) {
            return Some(start(who, &envelope.payload));
        }
        Some((table.fallback()?.call)(who, envelope.clone().into_owned()))
    }
}

impl<W: Clone + Send + 'static> Handlers<W> {
    /// Starts the handlers of a message, to run one after the other, or the fallback; `None` when
    /// there is neither.
    pub(crate) fn deliver(&self, known: &mut Known<W>, who: W, envelope: &Envelope<'_>) -> Option<MessageRun> {
        let table = known.table(self);
        match table.handlers_of(&envelope.name) {
            Some([MessageHandler { once: None, start, .. }]) => return Some(start(who, &envelope.payload)),
            Some(several) => {
                let runs = self.start(several, &who, envelope);
                if !runs.is_empty() {
                    return Some(in_order(runs));
                }
            }
            None => {}
        }
        // Handlers that have all run once leave the message to the fallback.
        Some((table.fallback()?.message)(who, envelope.clone().into_owned()))
    }

    /// Starts those of several handlers that may run. Each `once` is removed, as it does not run again.
    fn start(&self, several: &[MessageHandler<W>], who: &W, envelope: &Envelope<'_>) -> Vec<MessageRun> {
        let mut runs = Vec::with_capacity(several.len());
        for MessageHandler { number, once, start } in several {
            if let Some(once) = once {
                if !once.swap(false, Ordering::Relaxed) {
                    continue;
                }
                self.retain(&envelope.name, |other| other.number != *number);
            }
            runs.push(start(who.clone(), &envelope.payload));
        }
        runs
    }
}
