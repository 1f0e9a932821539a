//! What one side of a connection understands beyond the protocol that every peer speaks. Unknown words are
//! ignored, so each side may learn more than the other.

use crate::wire::payload::{Format, Payload};
use serde::Deserialize;
use std::fmt;

/// A set of features. A client says its own in the field `can` of its hi, a server in the third element of
/// its welcome. What a peer does not have is never sent to it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Features(u8);

#[derive(Default, Deserialize)]
struct Fields {
    #[serde(default)]
    can: Vec<Word>,
}

/// One element of the list: a word, or something that only a later version knows.
#[derive(Deserialize)]
#[serde(untagged)]
enum Word {
    Text(String),
    Other(serde::de::IgnoredAny),
}

impl Features {
    /// None of them: a peer of another version.
    pub const NONE: Features = Features(0);
    /// It counts envelopes that are given up (`~wse:skip`).
    pub const SKIP: Features = Features(1);
    /// It is told that a caller does not wait any more (`~wse:cancel`).
    pub const CANCEL: Features = Features(2);
    /// It reads how much time a call has left.
    pub const TIME: Features = Features(4);
    /// As a client, it gives its identity anew when it is asked (`~wse:identity`).
    pub const RENEW: Features = Features(8);
    /// As a client, it keeps its session over a close frame that says that the session is at another server
    /// ([`Closed::moved`](crate::Closed::moved)).
    pub const MOVE: Features = Features(16);
    /// Those of a client of this version.
    pub const ALL: Features = Features(31);
    /// Those of a server of this version.
    pub const OF_SERVER: Features = Features(15);

    const WORDS: [(Features, &str); 5] = [
        (Self::SKIP, "skip"),
        (Self::CANCEL, "cancel"),
        (Self::TIME, "time"),
        (Self::RENEW, "renew"),
        (Self::MOVE, "move"),
    ];

    /// Whether all of those are among these.
    pub const fn has(self, those: Features) -> bool {
        self.0 & those.0 == those.0
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The set as a number of its own, for who keeps it in one.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set of that number; bits without a meaning are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Features(bits & Self::ALL.0)
    }

    /// Reads the field `can` of an object. What is no list of words has none.
    pub fn read(object: &Payload<'_>) -> Self {
        let fields: Fields = object.decode().unwrap_or_default();
        fields.can.iter().fold(Self::NONE, |all, word| match word {
            Word::Text(word) => Features(all.0 | Self::of(word).0),
            Word::Other(_) => all,
        })
    }

    /// Reads the third element of a welcome.
    pub fn read_welcome(json: &str) -> Self {
        Payload::json(json).map_or(Self::NONE, |object| Self::read(&object))
    }

    fn of(word: &str) -> Self {
        Self::WORDS.iter().find(|(_, known)| *known == word).map_or(Self::NONE, |(feature, _)| *feature)
    }

    /// Its words, in a fixed order.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::WORDS.into_iter().filter(move |(feature, _)| self.has(*feature)).map(|(_, word)| word)
    }

    /// The list of its words as JSON without white space.
    pub(crate) fn json(self) -> String {
        serde_json::to_string(&self.words().collect::<Vec<_>>()).unwrap_or_default() // words encode
    }

    /// The list of its words as a value; `None` when there are none.
    pub(crate) fn write(self, format: Format) -> Option<Payload<'static>> {
        let words: Vec<_> = self.words().collect();
        (!words.is_empty()).then(|| Payload::encode(format, &words).unwrap_or_else(|_| Payload::null(format)))
    }
}

impl fmt::Debug for Features {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.words()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Features {
        Features::read(&Payload::json(json).unwrap())
    }

    #[test]
    fn a_set_is_read_as_it_is_written_and_unknown_words_are_ignored() {
        for bits in 0..16 {
            let features = Features::from_bits(bits);
            let words: Vec<_> = features.words().collect();
            assert_eq!(read(&format!(r#"{{"can":{words:?}}}"#)), features);
        }
        assert_eq!(read(r#"{"can":["fly","cancel",7,{"a":1},null,"cancel"]}"#), Features::CANCEL);
        assert_eq!(Features::from_bits(255), Features::ALL);
    }

    #[test]
    fn what_is_no_list_has_none() {
        for json in ["{}", r#"{"can":null}"#, r#"{"can":"skip"}"#, r#"{"can":{"skip":true}}"#, "[]", "7", "null"] {
            assert_eq!(read(json), Features::NONE, "{json}");
        }
        assert_eq!(Features::read_welcome("no json"), Features::NONE);
    }
}
