//! Tokens: by a token a client proves that a session is its own. A token must not be printed, and the time
//! of a comparison must not tell how much of it was right.

use std::{
    fmt,
    time::{Duration, Instant},
};
use subtle::ConstantTimeEq;

/// Proves that a session is the client's: 1 to 64 characters of `A-Z a-z 0-9 - _`. Clients do not
/// interpret it.
///
/// A server makes a token from the id of its node and from 128 random bits, which no other party can
/// guess. Another node of a cluster can thus tell where the session is.
///
/// ```
/// use wse_proto::Token;
///
/// let token = Token::new(7, 0x5eed);
/// assert_eq!((token.as_str().len(), token.node()), (33, Some(7)));
/// assert_eq!(Token::read("of-another-server").and_then(|token| token.node()), None);
/// ```
#[derive(Clone)]
pub struct Token(Box<str>);

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The characters that 64 bits take, 6 bits each, the lowest first.
const NODE: usize = 11;
/// The characters that 128 bits take.
const RANDOM: usize = 22;

/// A number in so many characters, each of 6 bits, the lowest first.
fn letters(bits: u128, count: usize) -> impl Iterator<Item = char> {
    (0..count).map(move |place| char::from(ALPHABET[((bits >> (6 * place)) & 63) as usize]))
}

/// The 6 bits of a character.
fn bits_of(letter: u8) -> Option<u64> {
    ALPHABET.iter().position(|other| *other == letter).map(|bits| bits as u64)
}

impl Token {
    /// The longest token that is accepted.
    const LONGEST: usize = 64;

    /// The token of these 128 random bits, of a session of this node: 11 characters for the node, then
    /// 22 for the random bits.
    pub fn new(node: u64, random: u128) -> Self {
        Token(letters(node.into(), NODE).chain(letters(random, RANDOM)).collect())
    }

    /// The node that [`Token::new`] was given; `None` for a token of any other shape.
    pub fn node(&self) -> Option<u64> {
        let (node, random) = self.0.as_bytes().split_at_checked(NODE)?;
        // The last character of each part has 4 bits to hold, and not 6.
        let fits = |part: &[u8]| part.last().and_then(|last| bits_of(*last)).is_some_and(|bits| bits < 16);
        if random.len() != RANDOM || !fits(node) || !fits(random) {
            return None;
        }
        node.iter().rev().try_fold(0, |number, letter| Some(number << 6 | bits_of(*letter)?))
    }

    /// The token of that text; `None` when it is too long, empty, or has another character.
    pub fn read(text: &str) -> Option<Self> {
        let fits = (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(|byte| ALPHABET.contains(&byte));
        fits.then(|| Token(text.into()))
    }

    /// The token as it travels.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Compares in a time that depends on the lengths only.
impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The tokens of one session: the current one, and those before it until the client has shown that it
/// has the current one.
#[derive(Debug)]
pub struct Tokens {
    current: Token,
    /// Those that were current since the client was last known to have one, and when each was used or
    /// replaced. Most often there are none.
    before: Box<[(Token, Instant)]>,
}

/// The result of checking a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenCheck {
    /// The client has its session. The caller has to use the token up.
    Good,
    /// The token was used a moment ago, and it is not known yet whether that welcome has arrived. The
    /// client has to come again.
    TooSoon,
    /// It is not a token of this session, or no longer.
    Unknown,
}

/// How many tokens before the current one are kept: so many welcomes may be lost in a row.
const BEFORE: usize = 8;

/// Within this time after the use of a token, while the connection of that use is open, a second use may
/// be a race of two clients, or the one client whose welcome was lost without the server's knowledge.
const RACE: Duration = Duration::from_secs(1);

impl Tokens {
    /// The tokens of a session that begins with this one.
    pub fn new(first: Token) -> Self {
        Self { current: first, before: Box::default() }
    }

    /// Checks the token of a client that comes back. `lost` says that the session has no connection.
    pub fn check(&self, token: &Token, lost: bool, now: Instant) -> TokenCheck {
        // All of them are always compared, so that the time does not tell which one it is.
        let mut check = if self.current == *token { TokenCheck::Good } else { TokenCheck::Unknown };
        for (before, used) in &*self.before {
            if before == token {
                check = if lost || now >= *used + RACE { TokenCheck::Good } else { TokenCheck::TooSoon };
            }
        }
        check
    }

    /// Uses up a good token: from now on `next` is the current one.
    pub fn use_up(&mut self, token: &Token, next: &Token, now: Instant) {
        // The used token stays good until the client is known to have the next.
        let mut before = std::mem::take(&mut self.before).into_vec();
        let used = before.iter().position(|(before, _)| before == token).map(|place| before.remove(place).0);
        let given = std::mem::replace(&mut self.current, next.clone());
        before.extend(used.into_iter().chain([given]).map(|before| (before, now)));
        before.drain(..before.len().saturating_sub(BEFORE));
        self.before = before.into();
    }

    /// Notes that the client has the current token: those before it are no longer good.
    pub fn confirm(&mut self) {
        self.before = Box::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses a token up if it is good.
    fn claim(tokens: &mut Tokens, token: &Token, next: &Token, lost: bool, now: Instant) -> bool {
        let good = tokens.check(token, lost, now) == TokenCheck::Good;
        if good {
            tokens.use_up(token, next, now);
        }
        good
    }

    #[test]
    fn a_token_is_thirty_three_letters_of_all_its_bits() {
        assert_eq!(Token::new(0, 0).as_str(), "A".repeat(33));
        let of_random = (0..128).map(|bit| Token::new(0, 1 << bit));
        let of_node = (0..64).map(|bit| Token::new(1 << bit, 0));
        let all: std::collections::HashSet<_> =
            of_random.chain(of_node).map(|token| token.as_str().to_owned()).collect();
        assert_eq!(all.len(), 128 + 64);
        let last = Token::new(u64::MAX, u128::MAX);
        assert_eq!(Token::read(last.as_str()), Some(last));
        assert_eq!(format!("{:?}", Token::new(5, 5)), "Token(…)");
        for none in ["", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(Token::read(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_token_names_its_node_and_one_of_any_other_shape_names_none() {
        for node in [0, 1, 63, 64, 1 << 60, u64::MAX - 1, u64::MAX] {
            for random in [0, 7, u128::MAX] {
                assert_eq!(Token::new(node, random).node(), Some(node));
            }
        }
        let a = |count| "A".repeat(count);
        let others = [
            "A".to_owned(),
            a(10),
            a(11),
            a(22),
            a(32),
            a(34),
            a(64),
            format!("{}Q{}", a(10), a(22)), // a node above 64 bits
            format!("{}Q", a(32)),          // a random part above 128 bits
        ];
        for other in others {
            assert_eq!(Token::read(&other).expect("it is a token").node(), None, "{other}");
        }
    }

    #[test]
    fn a_token_is_used_once() {
        let (now, [a, b, c, other]) = (Instant::now(), [1, 2, 3, 4].map(|random| Token::new(0, random)));
        let mut tokens = Tokens::new(a.clone());
        assert!(!claim(&mut tokens, &other, &b, true, now));
        assert!(claim(&mut tokens, &a, &b, true, now));
        tokens.confirm();
        assert!(!claim(&mut tokens, &a, &c, true, now + RACE), "an old one");
        assert!(claim(&mut tokens, &b, &c, false, now));
    }

    #[test]
    fn the_one_before_is_good_while_nobody_has_used_the_new_connection() {
        let (now, [a, b, c, d]) = (Instant::now(), [1, 2, 3, 4].map(|random| Token::new(0, random)));
        let mut tokens = Tokens::new(a.clone());
        assert!(claim(&mut tokens, &a, &b, true, now));
        assert_eq!(tokens.check(&a, false, now), TokenCheck::TooSoon, "a race, or its welcome was lost");
        assert!(claim(&mut tokens, &a, &c, true, now), "its welcome was lost");
        assert!(claim(&mut tokens, &a, &d, false, now + RACE), "its welcome was lost without a sound");
        assert!(claim(&mut tokens, &b, &c, true, now), "a welcome that did arrive, though nothing came back");
        assert!(claim(&mut tokens, &d, &c, true, now));
        for number in 10..110 {
            assert!(claim(&mut tokens, &c, &Token::new(0, number), true, now), "{number}");
        }
        assert!(!claim(&mut tokens, &a, &d, true, now), "long ago");
        tokens.confirm();
        assert!(!claim(&mut tokens, &c, &d, true, now) && claim(&mut tokens, &Token::new(0, 109), &d, true, now));
    }
}
