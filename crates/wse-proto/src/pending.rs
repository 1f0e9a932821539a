//! Calls in flight: stamps and who waits for them. It may never draw randomness, and never answer
//! an answer: what is late or unknown is dropped.

use std::{collections::HashMap, fmt};

/// What ties an answer to its call: 16 characters of `A-Z a-z 0-9 - _` that nobody can guess when
/// the bits they are made of are random (96 of 128 are used).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp([u8; 16]);

impl Stamp {
    /// The stamp of these random bits.
    pub fn new(random: u128) -> Self {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut bits = random;
        Stamp(std::array::from_fn(|_| {
            let letter = ALPHABET[(bits & 63) as usize];
            bits >>= 6;
            letter
        }))
    }

    /// The stamp as it travels.
    pub fn as_str(&self) -> &str {
        // Made of ASCII above, so never the default.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stamp(…)")
    }
}

/// As many calls are in flight as the limit allows.
#[derive(Debug, PartialEq, Eq)]
pub struct Busy;

/// The calls in flight of one connection, each with its waiter.
#[derive(Debug)]
pub struct Pending<W> {
    waiting: HashMap<Stamp, W>,
    limit: usize,
}

impl<W> Pending<W> {
    /// At most `limit` calls at a time.
    pub fn new(limit: usize) -> Self {
        Self { waiting: HashMap::new(), limit }
    }

    /// Takes in a call.
    ///
    /// # Errors
    /// [`Busy`] when the limit is reached, or for a stamp in use.
    pub fn open(&mut self, stamp: Stamp, waiter: W) -> Result<(), Busy> {
        if self.waiting.len() >= self.limit || self.waiting.contains_key(&stamp) {
            return Err(Busy);
        }
        self.waiting.insert(stamp, waiter);
        Ok(())
    }

    /// The waiter an answer is for; `None` for a stamp that is unknown, late or made up.
    pub fn settle(&mut self, stamp: &str) -> Option<W> {
        let stamp = Stamp(stamp.as_bytes().try_into().ok()?);
        self.cancel(&stamp)
    }

    /// Forgets a call; its answer will be unknown.
    pub fn cancel(&mut self, stamp: &Stamp) -> Option<W> {
        let waiter = self.waiting.remove(stamp);
        if self.waiting.is_empty() {
            self.waiting.shrink_to_fit(); // an idle connection owns no table
        }
        waiter
    }

    /// Forgets all calls and gives back their waiters.
    pub fn drain(&mut self) -> impl Iterator<Item = W> + use<W> {
        std::mem::take(&mut self.waiting).into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_sixteen_letters_of_ninety_six_bits() {
        assert_eq!(Stamp::new(0).as_str(), "AAAAAAAAAAAAAAAA");
        assert_eq!(Stamp::new(u128::MAX).as_str(), "________________");
        let all: std::collections::HashSet<_> = (0..96).map(|bit| Stamp::new(1 << bit)).collect();
        assert_eq!(all.len(), 96);
        assert_eq!(format!("{:?}", Stamp::new(5)), "Stamp(…)");
    }

    #[test]
    fn an_answer_finds_its_call_once() {
        let mut pending = Pending::new(2);
        let (one, two) = (Stamp::new(1), Stamp::new(2));
        pending.open(one, "one").unwrap();
        pending.open(two, "two").unwrap();
        assert_eq!(pending.settle(two.as_str()), Some("two"));
        assert_eq!(pending.settle(two.as_str()), None);
        assert_eq!(pending.settle("made up"), None);
        assert_eq!(pending.settle(""), None);
        assert_eq!(pending.settle(one.as_str()), Some("one"));
    }

    #[test]
    fn the_limit_holds_until_a_call_ends() {
        let mut pending = Pending::new(1);
        pending.open(Stamp::new(1), ()).unwrap();
        assert_eq!(pending.open(Stamp::new(2), ()), Err(Busy));
        assert_eq!(pending.open(Stamp::new(1), ()), Err(Busy));
        assert_eq!(pending.cancel(&Stamp::new(1)), Some(()));
        pending.open(Stamp::new(2), ()).unwrap();
        assert_eq!(pending.drain().count(), 1);
        assert_eq!(pending.settle(Stamp::new(2).as_str()), None);
    }
}
