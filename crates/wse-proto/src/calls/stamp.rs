//! The stamp that ties an answer to its call. Random bits are an argument.

use std::fmt;

/// Ties an answer to its call: 16 characters of `A-Z a-z 0-9 - _`, made of 96 random bits so that no
/// other party can guess them; or a number in decimal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp([u8; 16]);

impl Stamp {
    /// The stamp of that number; numbers wrap at 2^53, up to which a double holds every integer.
    pub(super) fn number(number: u64) -> Self {
        let mut digits = [0; 16];
        let text = (number % (1 << 53)).to_string();
        digits[..text.len()].copy_from_slice(text.as_bytes());
        Stamp(digits)
    }

    /// The stamp of that text; `None` when it is too long for one.
    pub(super) fn of(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Stamp(bytes))
    }

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
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        // A made stamp is ASCII. One that was read is only looked up.
        std::str::from_utf8(&self.0[..length]).unwrap_or_default()
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stamp(…)")
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
    fn a_number_is_a_stamp_of_its_digits() {
        assert_eq!(Stamp::number(7).as_str(), "7");
        assert_eq!(Stamp::number((1 << 53) - 1).as_str(), "9007199254740991");
    }
}
