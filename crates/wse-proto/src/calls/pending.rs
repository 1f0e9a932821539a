//! The calls in flight of one connection, each with its stamp and its waiter. An answer that is late or
//! unknown is dropped. Random bits are an argument.

use crate::calls::{stamp::Stamp, timed::bare};
use std::collections::HashMap;

/// The limit of calls in flight is reached.
#[derive(Debug, PartialEq, Eq)]
pub struct Busy;

/// What an answer belongs to.
#[derive(Debug, PartialEq, Eq)]
pub enum Settled<W> {
    /// A call, with its waiter.
    Call(W),
    /// A [ping](Pending::ping).
    Ping,
    /// No call in flight: the answer is late, or the peer has made it up.
    Unknown,
}

/// The calls in flight of one connection, each with its waiter.
#[derive(Debug)]
pub struct Pending<W> {
    waiting: HashMap<Stamp, W>,
    limit: usize,
    /// How many calls and pings there were; `None` where they are not numbered.
    count: Option<u64>,
    ping: Option<Stamp>,
}

impl<W> Pending<W> {
    /// No calls yet, and at most `limit` at a time. They are `numbered` from 1, or stamped with random
    /// bits.
    pub fn new(limit: usize, numbered: bool) -> Self {
        Self { waiting: HashMap::new(), limit, count: numbered.then_some(0), ping: None }
    }

    /// Adds a call. Returns its stamp: the next number, or the stamp of these random bits.
    ///
    /// # Errors
    /// [`Busy`] when the limit is reached, or the stamp is in use.
    pub fn open(&mut self, random: u128, waiter: W) -> Result<Stamp, Busy> {
        if self.waiting.len() >= self.limit {
            return Err(Busy);
        }
        let stamp = self.next(random);
        if self.waiting.contains_key(&stamp) {
            return Err(Busy);
        }
        self.waiting.insert(stamp, waiter);
        Ok(stamp)
    }

    /// Adds a ping that is a call, and returns its stamp. Only the answer to the last one counts. It
    /// does not count for the limit.
    pub fn ping(&mut self, random: u128) -> Stamp {
        let stamp = self.next(random);
        self.ping = Some(stamp);
        stamp
    }

    fn next(&mut self, random: u128) -> Stamp {
        match &mut self.count {
            Some(count) => {
                *count += 1;
                Stamp::number(*count)
            }
            None => Stamp::new(random),
        }
    }

    /// Removes the call or ping that this answer belongs to. The time that stood in the stamp does not matter.
    pub fn settle(&mut self, stamp: &str) -> Settled<W> {
        let Some(stamp) = Stamp::of(bare(stamp)) else { return Settled::Unknown };
        if self.ping == Some(stamp) {
            self.ping = None;
            return Settled::Ping;
        }
        self.cancel(&stamp).map_or(Settled::Unknown, Settled::Call)
    }

    /// Removes a call. Its answer will be unknown.
    pub fn cancel(&mut self, stamp: &Stamp) -> Option<W> {
        let waiter = self.waiting.remove(stamp);
        if self.waiting.is_empty() {
            self.waiting.shrink_to_fit(); // an idle connection keeps no table
        }
        waiter
    }

    /// Whether no call is in flight. Pings do not count.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Removes all calls and returns their waiters.
    pub fn drain(&mut self) -> impl Iterator<Item = W> + use<W> {
        std::mem::take(&mut self.waiting).into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_finds_its_call_once() {
        let mut pending = Pending::new(2, false);
        let one = pending.open(1, "one").unwrap();
        let two = pending.open(2, "two").unwrap();
        assert_eq!(pending.settle(two.as_str()), Settled::Call("two"));
        for unknown in [two.as_str(), "made up", "", "seventeen letters"] {
            assert_eq!(pending.settle(unknown), Settled::Unknown, "{unknown}");
        }
        assert_eq!(pending.settle(&format!("{}~0000abcd", one.as_str())), Settled::Call("one"));
    }

    #[test]
    fn numbered_calls_and_pings_count_from_one() {
        let mut pending = Pending::new(1, true);
        let call = pending.open(0, "call").unwrap();
        assert_eq!((call.as_str(), pending.ping(0).as_str()), ("1", "2"));
        assert_eq!(pending.open(0, "too many"), Err(Busy));
        let ping = pending.ping(0);
        assert_eq!(ping.as_str(), "3", "what is refused takes no number, what is pinged no place");
        for stale in ["2", "02", "3.0", "4"] {
            assert_eq!(pending.settle(stale), Settled::Unknown, "{stale}");
        }
        assert_eq!((pending.settle("3"), pending.settle("3")), (Settled::Ping, Settled::Unknown));
        assert_eq!(pending.settle("1"), Settled::Call("call"));
    }

    #[test]
    fn the_limit_holds_until_a_call_ends() {
        let mut pending = Pending::new(1, false);
        pending.open(1, ()).unwrap();
        assert_eq!(pending.open(2, ()), Err(Busy));
        assert_eq!(pending.open(1, ()), Err(Busy));
        assert_eq!(pending.cancel(&Stamp::new(1)), Some(()));
        pending.open(2, ()).unwrap();
        assert_eq!(pending.drain().count(), 1);
        assert_eq!(pending.settle(Stamp::new(2).as_str()), Settled::Unknown);
    }
}
