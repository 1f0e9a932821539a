//! The ids of nodes and devices, unique in a cluster, and their text forms. An id never changes and
//! is never used again.

use std::{fmt, str::FromStr};

/// A server as the cluster knows it: 64 random bits, drawn when the server is built. A server that starts
/// again is another node.
///
/// Its text form has 13 characters, digits and lower-case letters (Crockford's base32).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u64);

/// A device's id: unique among all servers of a cluster, and never used again.
///
/// Its text form has 26 characters, digits and lower-case letters (Crockford's base32). Texts sort
/// as the ids do, and each id has exactly one. `Conn::id` returns the id, `Server::device` makes an
/// address of it.
///
/// ```
/// use wse_cluster::{DeviceId, NodeId};
///
/// let id = DeviceId::new(NodeId::new(1), 7);
/// let text = id.to_string(); // for a database, a log, another service
/// assert_eq!(text.parse(), Ok(id));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceId {
    node: NodeId,
    number: u64,
}

/// A text is not the text form of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the text form of an id")]
pub struct ParseIdError(());

impl NodeId {
    /// The node of that number.
    pub const fn new(number: u64) -> Self {
        NodeId(number)
    }

    /// Its number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl DeviceId {
    /// The device that a node accepted under that number.
    pub fn new(node: NodeId, number: u64) -> Self {
        DeviceId { node, number }
    }

    /// The node that accepted the device first. Its session may have moved to another node since.
    pub fn node(self) -> NodeId {
        self.node
    }

    /// The number of its connection at that node.
    pub fn number(self) -> u64 {
        self.number
    }
}

/// Crockford's alphabet, whose order is that of its characters.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters of a device's id.
const LONGEST: usize = 26;

/// Writes a number of so many bits, at most 128.
fn write(f: &mut fmt::Formatter<'_>, number: u128, bits: usize) -> fmt::Result {
    let mut text = [0; LONGEST];
    let text = &mut text[..bits.div_ceil(5)];
    for (place, character) in text.iter_mut().rev().enumerate() {
        *character = ALPHABET[(number >> (5 * place)) as usize & 31];
    }
    f.pad(std::str::from_utf8(text).map_err(|_| fmt::Error)?)
}

/// Reads a number of so many bits, at most 128.
fn read(text: &str, bits: usize) -> Result<u128, ParseIdError> {
    let mut number: u128 = 0;
    if text.len() != bits.div_ceil(5) {
        return Err(ParseIdError(()));
    }
    for character in text.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == character).ok_or(ParseIdError(()))?;
        if number >> (bits - 5) != 0 {
            return Err(ParseIdError(())); // more than fits
        }
        number = number << 5 | digit as u128;
    }
    Ok(number)
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0.into(), 64)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

impl FromStr for NodeId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        Ok(NodeId(read(text, 64)? as u64))
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, u128::from(self.node.0) << 64 | u128::from(self.number), 128)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({self})")
    }
}

impl FromStr for DeviceId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let number = read(text, 128)?;
        Ok(DeviceId { node: NodeId((number >> 64) as u64), number: number as u64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(node: u64, number: u64) -> DeviceId {
        DeviceId { node: NodeId(node), number }
    }

    #[test]
    fn the_text_forms_are_fixed() {
        assert_eq!(id(0, 0).to_string(), "00000000000000000000000000");
        assert_eq!(id(0, 31).to_string(), "0000000000000000000000000z");
        assert_eq!(id(1, 0).to_string(), "0000000000000g000000000000");
        assert_eq!(id(u64::MAX, u64::MAX).to_string(), "7zzzzzzzzzzzzzzzzzzzzzzzzz");
        assert_eq!(NodeId(u64::MAX).to_string(), "fzzzzzzzzzzzz");
        assert_eq!(format!("{:?} {:>28}", id(0, 5), id(0, 5)), format!("DeviceId({0})   {0}", id(0, 5)));
    }

    #[test]
    fn what_is_not_the_text_of_an_id_is_an_error() {
        let good = id(7, 7).to_string();
        for bad in [
            "",
            &good[1..],
            &format!("{good}0"),
            &good.to_uppercase().replace('7', "A"),
            &good.replace('7', "u"),
            &good.replace('7', "\u{e4}"),
            &format!(" {}", &good[1..]),
            "80000000000000000000000000",
            "zzzzzzzzzzzzzzzzzzzzzzzzzz",
        ] {
            assert_eq!(bad.parse::<DeviceId>(), Err(ParseIdError(())), "{bad:?}");
        }
        assert_eq!("g000000000000".parse::<NodeId>(), Err(ParseIdError(())), "more than 64 bits");
    }

    proptest! {
        #[test]
        fn each_id_has_one_text_which_sorts_as_it_does(node: u64, number: u64, other: (u64, u64)) {
            let (one, other) = (id(node, number), id(other.0, other.1));
            let text = one.to_string();
            prop_assert_eq!(text.len(), 26);
            prop_assert_eq!(text.parse(), Ok(one));
            prop_assert_eq!(one.node.to_string().parse(), Ok(one.node));
            prop_assert_eq!(text.cmp(&other.to_string()), one.cmp(&other));
        }

        #[test]
        fn a_text_that_is_read_is_the_text_of_what_was_read(text in "[0-9a-z]{26}") {
            if let Ok(id) = text.parse::<DeviceId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
