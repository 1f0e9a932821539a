//! Tokens: what a client proves with that a session is its own. One may never be printed, nor
//! compared in a time that tells how much of it was right.

use std::{
    fmt,
    time::{Duration, Instant},
};
use subtle::ConstantTimeEq;

/// What a client comes back with: 1 to 64 characters of `A-Z a-z 0-9 - _`, of which nobody else
/// can know anything when the bits they are made of are random.
#[derive(Clone)]
pub struct Token(Box<str>);

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Token {
    /// The longest token that is taken.
    const LONGEST: usize = 64;

    /// The token of these 128 random bits: 22 characters.
    pub fn new(random: u128) -> Self {
        let letter = |place: u32| char::from(ALPHABET[((random >> (6 * place)) & 63) as usize]);
        Token((0..22).map(letter).collect())
    }

    /// The token of that text; `None` when it can be none.
    pub fn read(text: &str) -> Option<Self> {
        let fits = (1..=Self::LONGEST).contains(&text.len()) && text.bytes().all(|byte| ALPHABET.contains(&byte));
        fits.then(|| Token(text.into()))
    }

    /// The token as it travels.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// In a time that depends on the lengths only.
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

/// The tokens of one session: the one it gave out last, and, until something has come from the
/// client that got it, the one before.
#[derive(Debug)]
pub struct Tokens {
    current: Token,
    /// Used to get the current one, and when.
    before: Option<(Token, Instant)>,
}

/// A second use of a token within this time, while the connection of the first stands, is a race
/// and not a client whose welcome was lost.
const RACE: Duration = Duration::from_secs(1);

impl Tokens {
    /// Of a session that gives out its first.
    pub fn new(first: Token) -> Self {
        Self { current: first, before: None }
    }

    /// Uses a token up: true when it was one of this session, and `next` is the current one from
    /// now on. `lost` says that the session has no connection.
    pub fn claim(&mut self, token: &Token, next: &Token, lost: bool, now: Instant) -> bool {
        // Both are always compared, whatever the first says.
        let current = self.current == *token;
        let before = self.before.as_ref().is_some_and(|(before, used)| {
            let late = lost || now >= *used + RACE;
            (before == token) & late
        });
        if !(current | before) {
            return false;
        }
        self.before = Some((token.clone(), now));
        self.current = next.clone();
        true
    }

    /// The client has the current token: the one before is good no more.
    pub fn confirm(&mut self) {
        self.before = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_twenty_two_letters_of_all_its_bits() {
        assert_eq!(Token::new(0).as_str(), "A".repeat(22));
        let all: std::collections::HashSet<_> = (0..128).map(|bit| Token::new(1 << bit).as_str().to_owned()).collect();
        assert_eq!(all.len(), 128);
        assert_eq!(Token::read(Token::new(u128::MAX).as_str()), Some(Token::new(u128::MAX)));
        assert_eq!(format!("{:?}", Token::new(5)), "Token(…)");
        for none in ["", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(Token::read(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_token_is_used_once() {
        let (now, [a, b, c, other]) = (Instant::now(), [1, 2, 3, 4].map(Token::new));
        let mut tokens = Tokens::new(a.clone());
        assert!(!tokens.claim(&other, &b, true, now));
        assert!(tokens.claim(&a, &b, true, now));
        tokens.confirm();
        assert!(!tokens.claim(&a, &c, true, now + RACE), "an old one");
        assert!(tokens.claim(&b, &c, false, now));
    }

    #[test]
    fn the_one_before_is_good_while_nobody_has_used_the_new_connection() {
        let (now, [a, b, c, d]) = (Instant::now(), [1, 2, 3, 4].map(Token::new));
        let mut tokens = Tokens::new(a.clone());
        assert!(tokens.claim(&a, &b, true, now));
        assert!(!tokens.claim(&a, &c, false, now), "a race");
        assert!(tokens.claim(&a, &c, true, now), "its welcome was lost");
        assert!(tokens.claim(&a, &d, false, now + RACE), "its welcome was lost without a sound");
        assert!(!tokens.claim(&b, &a, true, now), "the one that never arrived");
        assert!(tokens.claim(&d, &a, true, now));
    }
}
