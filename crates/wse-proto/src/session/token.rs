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
/// A server makes a token from the id of its node, the number of the device there, and 128 random bits,
/// which no other party can guess. Another node of a cluster can thus tell where the session is, and its own
/// finds it at once.
///
/// ```
/// use wse_proto::Token;
///
/// let token = Token::new(7, 1001, 0x5eed);
/// assert_eq!((token.as_str().len(), token.device()), (44, Some((7, 1001))));
/// assert_eq!(Token::read("of-another-server").and_then(|token| token.device()), None);
/// ```
#[derive(Clone)]
pub struct Token(Box<str>);

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The characters that 64 bits take, 6 bits each, the lowest first.
const NUMBER: usize = 11;
/// The characters that 128 bits take.
const RANDOM: usize = 22;

/// A number in so many characters, each of 6 bits, the lowest first.
fn letters(bits: u128, count: usize) -> impl Iterator<Item = char> {
    (0..count).map(move |place| char::from(ALPHABET[((bits >> (6 * place)) & 63) as usize]))
}

/// The number in these characters; `None` where the last holds more than the 4 bits that are left for it.
fn number(letters: &[u8]) -> Option<u128> {
    let (last, rest) = letters.split_last()?;
    let bits = |letter: u8| ALPHABET.iter().position(|other| *other == letter).map(|bits| bits as u128);
    let last = bits(*last).filter(|bits| *bits < 16)?;
    rest.iter().rev().try_fold(last, |number, letter| Some(number << 6 | bits(*letter)?))
}

impl Token {
    /// The longest token that is accepted.
    const LONGEST: usize = 64;

    /// The token of these 128 random bits, of the session of that device of this node: 11 characters for the
    /// node, 11 for the device, then 22 for the random bits.
    pub fn new(node: u64, device: u64, random: u128) -> Self {
        let (node, device) = (letters(node.into(), NUMBER), letters(device.into(), NUMBER));
        Token(node.chain(device).chain(letters(random, RANDOM)).collect())
    }

    /// The node and the device that [`Token::new`] was given; `None` for a token of any other shape.
    pub fn device(&self) -> Option<(u64, u64)> {
        let (node, device, _) = self.parts()?;
        Some((node, device))
    }

    fn secret(&self) -> Option<Secret> {
        self.parts().map(|(_, _, secret)| secret)
    }

    fn parts(&self) -> Option<(u64, u64, Secret)> {
        let (node, rest) = self.0.as_bytes().split_at_checked(NUMBER)?;
        let (device, random) = rest.split_at_checked(NUMBER).filter(|(_, random)| random.len() == RANDOM)?;
        Some((number(node)? as u64, number(device)? as u64, Secret(number(random)?.to_le_bytes())))
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

/// The random bits of a token: all that a server keeps of it.
#[derive(Clone)]
struct Secret([u8; 16]);

/// Compares in a time that does not tell how much was right.
fn is_same(one: Option<&Secret>, other: Option<&Secret>) -> bool {
    one.zip(other).is_some_and(|(one, other)| one.0.ct_eq(&other.0).into())
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The tokens of the session of one device: the current one, and those before it until the client has shown
/// that it has the current one. Whoever asks has found the session by the node and device of the token.
#[derive(Debug)]
pub struct Tokens {
    /// `None` for a token that no [`Token::new`] has made: no client has it.
    current: Option<Secret>,
    /// Those that were current since the client was last known to have one, and when each was used or
    /// replaced. Most often there are none.
    before: Box<[(Secret, Instant)]>,
}

/// The secrets of the tokens of one session, for the server to which it moves.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenParts {
    /// That of the current one.
    pub current: Option<[u8; 16]>,
    /// Those of the ones before that are still good, and how long ago each was used or replaced.
    pub before: Vec<([u8; 16], Duration)>,
}

impl TokenParts {
    /// How many tokens before the current one there are at most.
    pub const BEFORE: usize = BEFORE;
}

impl fmt::Debug for TokenParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenParts(…)")
    }
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
    /// The tokens of a session that begins with this one, which [`Token::new`] has made.
    pub fn new(first: &Token) -> Self {
        Self { current: first.secret(), before: Box::default() }
    }

    /// The tokens as they travel with their session to another server, which makes the next one for the same
    /// device.
    pub fn parts(&self, now: Instant) -> TokenParts {
        let before = self.before.iter().map(|(secret, used)| (secret.0, now.saturating_duration_since(*used)));
        TokenParts { current: self.current.as_ref().map(|secret| secret.0), before: before.collect() }
    }

    /// The tokens of a session that has come from another server. Of those before the current one the last
    /// eight are kept.
    pub fn of_parts(parts: TokenParts, now: Instant) -> Self {
        let TokenParts { current, mut before } = parts;
        before.drain(..before.len().saturating_sub(BEFORE));
        let used = |(secret, ago): ([u8; 16], Duration)| (Secret(secret), now.checked_sub(ago).unwrap_or(now));
        Self { current: current.map(Secret), before: before.into_iter().map(used).collect() }
    }

    /// Checks the token of a client that comes back. `lost` says that the session has no connection.
    pub fn check(&self, token: &Token, lost: bool, now: Instant) -> TokenCheck {
        let secret = token.secret();
        // All of them are always compared, so that the time does not tell which one it is.
        let mut check =
            if is_same(self.current.as_ref(), secret.as_ref()) { TokenCheck::Good } else { TokenCheck::Unknown };
        for (before, used) in &*self.before {
            if is_same(Some(before), secret.as_ref()) {
                check = if lost || now >= *used + RACE { TokenCheck::Good } else { TokenCheck::TooSoon };
            }
        }
        check
    }

    /// Uses up a good token: from now on `next`, which [`Token::new`] has made, is the current one.
    pub fn use_up(&mut self, token: &Token, next: &Token, now: Instant) {
        // The used token stays good until the client is known to have the next.
        let secret = token.secret();
        let mut before = std::mem::take(&mut self.before).into_vec();
        let used = before.iter().position(|(before, _)| is_same(Some(before), secret.as_ref()));
        let used = used.map(|place| before.remove(place).0);
        let given = std::mem::replace(&mut self.current, next.secret());
        before.extend(used.into_iter().chain(given).map(|before| (before, now)));
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
    fn a_token_is_forty_four_letters_of_all_its_bits() {
        assert_eq!(Token::new(0, 0, 0).as_str(), "A".repeat(44));
        let of_random = (0..128).map(|bit| Token::new(0, 0, 1 << bit));
        let of_device = (0..64).flat_map(|bit| [Token::new(0, 1 << bit, 0), Token::new(1 << bit, 0, 0)]);
        let all: std::collections::HashSet<_> =
            of_random.chain(of_device).map(|token| token.as_str().to_owned()).collect();
        assert_eq!(all.len(), 128 + 64 + 64);
        let last = Token::new(u64::MAX, u64::MAX, u128::MAX);
        assert_eq!(Token::read(last.as_str()), Some(last));
        let token = Token::new(5, 5, 5);
        assert_eq!(format!("{token:?} {:?}", token.secret()), "Token(…) Some(Secret(…))");
        for none in ["", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(Token::read(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_token_names_its_node_and_device_and_one_of_any_other_shape_names_none() {
        let numbers = [0, 1, 63, 64, 1 << 60, u64::MAX - 1, u64::MAX];
        for (node, device) in numbers.iter().flat_map(|node| numbers.map(|device| (*node, device))) {
            for random in [0, 7, u128::MAX] {
                assert_eq!(Token::new(node, device, random).device(), Some((node, device)));
            }
        }
        let a = |count| "A".repeat(count);
        let mut others: Vec<String> = [1, 10, 11, 22, 33, 43, 45, 64].map(a).into();
        for last in [10, 21, 43] {
            others.push(format!("{}Q{}", a(last), a(43 - last))); // a part above its bits
        }
        for other in others {
            let other = Token::read(&other).expect("it is a token");
            assert_eq!(other.device(), None, "{}", other.as_str());
            let tokens = Tokens::new(&other);
            assert_eq!(tokens.check(&other, true, Instant::now()), TokenCheck::Unknown, "{}", other.as_str());
        }
    }

    #[test]
    fn a_token_is_used_once() {
        let (now, [a, b, c, other]) = (Instant::now(), [1, 2, 3, 4].map(|random| Token::new(0, 0, random)));
        let mut tokens = Tokens::new(&a);
        assert!(!claim(&mut tokens, &other, &b, true, now));
        assert!(claim(&mut tokens, &a, &b, true, now));
        tokens.confirm();
        assert!(!claim(&mut tokens, &a, &c, true, now + RACE), "an old one");
        assert!(claim(&mut tokens, &b, &c, false, now));
    }

    #[test]
    fn tokens_that_have_travelled_are_as_good_as_before_and_say_nothing_of_themselves() {
        let (now, [a, b, c]) = (Instant::now(), [1, 2, 3].map(|random| Token::new(0, 0, random)));
        let mut tokens = Tokens::new(&a);
        assert!(claim(&mut tokens, &a, &b, true, now));
        let later = now + RACE / 2;
        let parts = tokens.parts(later);
        assert_eq!(format!("{parts:?}"), "TokenParts(…)");
        let mut moved = Tokens::of_parts(parts.clone(), later);
        assert_eq!(moved.check(&a, false, later), TokenCheck::TooSoon);
        assert_eq!(moved.check(&a, false, now + RACE), TokenCheck::Good, "its time has gone on");
        assert_eq!(moved.check(&c, true, later), TokenCheck::Unknown);
        assert!(claim(&mut moved, &b, &c, false, later));
        let many = TokenParts { before: vec![parts.before[0]; 20], ..parts };
        assert_eq!(Tokens::of_parts(many, later).before.len(), BEFORE);
    }

    #[test]
    fn the_one_before_is_good_while_nobody_has_used_the_new_connection() {
        let (now, [a, b, c, d]) = (Instant::now(), [1, 2, 3, 4].map(|random| Token::new(0, 0, random)));
        let mut tokens = Tokens::new(&a);
        assert!(claim(&mut tokens, &a, &b, true, now));
        assert_eq!(tokens.check(&a, false, now), TokenCheck::TooSoon, "a race, or its welcome was lost");
        assert!(claim(&mut tokens, &a, &c, true, now), "its welcome was lost");
        assert!(claim(&mut tokens, &a, &d, false, now + RACE), "its welcome was lost without a sound");
        assert!(claim(&mut tokens, &b, &c, true, now), "a welcome that did arrive, though nothing came back");
        assert!(claim(&mut tokens, &d, &c, true, now));
        for number in 10..110 {
            assert!(claim(&mut tokens, &c, &Token::new(0, 0, number), true, now), "{number}");
        }
        assert!(!claim(&mut tokens, &a, &d, true, now), "long ago");
        tokens.confirm();
        assert!(!claim(&mut tokens, &c, &d, true, now) && claim(&mut tokens, &Token::new(0, 0, 109), &d, true, now));
    }
}
