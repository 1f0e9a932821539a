//! The last values of a room, one for each name: what a device gets right behind its joining.

use crate::{error::SendError, server::users::encoded::Encoded};
use std::sync::Arc;

/// So many names a room may retain.
pub(crate) const NAMES: usize = 16;

/// A message was not retained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetainError {
    /// The room retains 16 messages of other names already, or with this one more than
    /// [`Limits::queue_bytes`](crate::Limits::queue_bytes) together.
    #[error("the room retains too many messages already")]
    TooMany,
    /// It was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
}

#[derive(Default)]
pub(crate) struct Retained(Vec<Value>);

/// A message, and its number among all that any room has retained.
#[derive(Clone)]
pub(crate) struct Value {
    pub(crate) number: u64,
    pub(crate) message: Arc<Encoded>,
}

impl Retained {
    /// Keeps a value in place of the one of that name, which it returns. It is an error when the room
    /// retains too many names, or more than so many bytes: a queue has to hold all of it at once.
    pub(crate) fn keep(&mut self, value: Value, most: usize) -> Result<Option<Value>, ()> {
        let name = value.message.name();
        let others = self.0.iter().filter(|kept| kept.message.name() != name);
        let bytes: usize = others.map(|kept| kept.message.size()).sum();
        if bytes + value.message.size() > most {
            return Err(());
        }
        if let Some(kept) = self.0.iter_mut().find(|kept| kept.message.name() == name) {
            return Ok(Some(std::mem::replace(kept, value)));
        }
        if self.0.len() >= NAMES {
            return Err(());
        }
        self.0.push(value);
        Ok(None)
    }

    pub(crate) fn forget(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|kept| kept.message.name() == name)?;
        Some(self.0.remove(at))
    }

    /// In the order in which their names came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Value> {
        self.0.iter()
    }
}
