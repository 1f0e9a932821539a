//! The last values of a room, one for each name: what a device gets right behind its joining.

use crate::{error::SendError, server::users::encoded::Encoded};
use std::sync::Arc;
use wse_cluster::NodeId;

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

/// Which of two messages that a room retains under one name is the newer one, wherever they were sent. All servers
/// of a cluster keep the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    /// Greater than every other that its server had seen.
    pub(crate) at: u64,
    pub(crate) node: NodeId,
}

#[derive(Default)]
pub(crate) struct Retained {
    values: Vec<Value>,
    /// What was forgotten last, so that an older message that comes late is not retained again.
    forgotten: Vec<(Box<str>, Stamp)>,
}

/// A message, and its number among all that any room of this server has retained.
#[derive(Clone)]
pub(crate) struct Value {
    pub(crate) number: u64,
    pub(crate) stamp: Stamp,
    pub(crate) message: Arc<Encoded>,
}

/// Why a message is not kept.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotKept {
    TooMany,
    /// A newer one of that name is kept, or was forgotten.
    Older,
}

impl Retained {
    /// Keeps a value in place of the one of that name, which it returns. It is an error when the room
    /// retains too many names, or more than so many bytes: a queue has to hold all of it at once.
    pub(crate) fn keep(&mut self, value: Value, most: usize) -> Result<Option<Value>, NotKept> {
        let name = value.message.name();
        if self.newest(name).is_some_and(|newest| newest >= value.stamp) {
            return Err(NotKept::Older);
        }
        let others = self.values.iter().filter(|kept| kept.message.name() != name);
        let bytes: usize = others.map(|kept| kept.message.size()).sum();
        if bytes + value.message.size() > most {
            return Err(NotKept::TooMany);
        }
        if let Some(kept) = self.values.iter_mut().find(|kept| kept.message.name() == name) {
            return Ok(Some(std::mem::replace(kept, value)));
        }
        if self.values.len() >= NAMES {
            return Err(NotKept::TooMany);
        }
        self.forgotten.retain(|(forgotten, _)| **forgotten != *name);
        self.values.push(value);
        Ok(None)
    }

    /// Forgets what is kept under a name, unless that is newer. Returns what was.
    pub(crate) fn forget(&mut self, name: &str, stamp: Stamp) -> Option<Value> {
        if self.newest(name).is_some_and(|newest| newest >= stamp) {
            return None;
        }
        self.forgotten.retain(|(forgotten, _)| **forgotten != *name);
        if self.forgotten.len() >= NAMES {
            self.forgotten.remove(0);
        }
        self.forgotten.push((name.into(), stamp));
        let at = self.values.iter().position(|kept| kept.message.name() == name)?;
        Some(self.values.remove(at))
    }

    /// The newest stamp of a name, if it is known.
    fn newest(&self, name: &str) -> Option<Stamp> {
        let kept = self.values.iter().find(|kept| kept.message.name() == name).map(|kept| kept.stamp);
        kept.or_else(|| self.forgotten.iter().find(|(forgotten, _)| **forgotten == *name).map(|(_, stamp)| *stamp))
    }

    /// What was forgotten last.
    pub(crate) fn forgotten(&self) -> &[(Box<str>, Stamp)] {
        &self.forgotten
    }

    /// In the order in which their names came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Value> {
        self.values.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(at: u64, node: u64) -> Stamp {
        Stamp { at, node: NodeId::new(node) }
    }

    #[test]
    fn of_two_stamps_the_later_is_newer_and_of_the_same_moment_that_of_one_node() {
        assert!(stamp(1, 9) < stamp(2, 1) && stamp(2, 1) < stamp(2, 2));
    }

    #[test]
    fn what_was_forgotten_is_known_for_the_last_names_only_and_nothing_older_is_forgotten_instead() {
        let mut retained = Retained::default();
        for number in 0..20 {
            assert!(retained.forget(&number.to_string(), stamp(number, 1)).is_none());
        }
        assert_eq!(retained.forgotten().len(), NAMES);
        assert_eq!((retained.newest("3"), retained.newest("4")), (None, Some(stamp(4, 1))));
        assert!(retained.forget("19", stamp(5, 1)).is_none());
        assert_eq!(retained.newest("19"), Some(stamp(19, 1)), "an older order changes nothing");
        assert!(retained.forget("19", stamp(30, 1)).is_none());
        assert_eq!((retained.forgotten().len(), retained.newest("19")), (NAMES, Some(stamp(30, 1))), "each name once");
    }
}
