//! Tokens: what a client proves with that a session is its own. One may never be printed, nor
//! compared in a time that tells how much of it was right.

use std::{
    collections::VecDeque,
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

/// The tokens of one session: the one it gave out last, and, until an envelope has come from the
/// client that got it, those before.
#[derive(Debug)]
pub struct Tokens {
    current: Token,
    /// Given out before, since the client was last known to have one, and when they were used or
    /// followed by the next.
    before: VecDeque<(Token, Instant)>,
}

/// What comes of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenCheck {
    /// The session; the token is to be used up.
    Good,
    /// Nothing yet: it was used a moment ago. Later it is known whether that welcome has arrived, so
    /// the client is to come again.
    TooSoon,
    /// Nothing: it is none of this session, or no more.
    Unknown,
}

/// More welcomes than this are not lost in a row.
const BEFORE: usize = 8;

/// How long after the use of a token nobody can tell, while the connection of that use stands, whether
/// another one is a race of two, or of a client whose welcome was lost without the server's knowing.
const RACE: Duration = Duration::from_secs(1);

impl Tokens {
    /// Of a session that gives out its first.
    pub fn new(first: Token) -> Self {
        Self { current: first, before: VecDeque::new() }
    }

    /// What a client that comes back with this token is to have. `lost` says that the session has no
    /// connection.
    pub fn check(&self, token: &Token, lost: bool, now: Instant) -> TokenCheck {
        // All are always compared, whatever the first says.
        let mut check = if self.current == *token { TokenCheck::Good } else { TokenCheck::Unknown };
        for (before, used) in &self.before {
            if before == token {
                check = if lost || now >= *used + RACE { TokenCheck::Good } else { TokenCheck::TooSoon };
            }
        }
        check
    }

    /// Uses up a token that is good: `next` is the current one from now on.
    pub fn use_up(&mut self, token: &Token, next: &Token, now: Instant) {
        // The one that was used stays among the last ones.
        let used = self
            .before
            .iter()
            .position(|(before, _)| before == token)
            .and_then(|place| self.before.remove(place))
            .map(|(used, _)| used);
        let given = std::mem::replace(&mut self.current, next.clone());
        self.before.extend(used.into_iter().chain([given]).map(|before| (before, now)));
        while self.before.len() > BEFORE {
            self.before.pop_front();
        }
    }

    /// The client has the current token: those before are good no more.
    pub fn confirm(&mut self) {
        self.before = VecDeque::new();
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
        assert!(!claim(&mut tokens, &other, &b, true, now));
        assert!(claim(&mut tokens, &a, &b, true, now));
        tokens.confirm();
        assert!(!claim(&mut tokens, &a, &c, true, now + RACE), "an old one");
        assert!(claim(&mut tokens, &b, &c, false, now));
    }

    #[test]
    fn the_one_before_is_good_while_nobody_has_used_the_new_connection() {
        let (now, [a, b, c, d]) = (Instant::now(), [1, 2, 3, 4].map(Token::new));
        let mut tokens = Tokens::new(a.clone());
        assert!(claim(&mut tokens, &a, &b, true, now));
        assert_eq!(tokens.check(&a, false, now), TokenCheck::TooSoon, "a race, or its welcome was lost");
        assert!(claim(&mut tokens, &a, &c, true, now), "its welcome was lost");
        assert!(claim(&mut tokens, &a, &d, false, now + RACE), "its welcome was lost without a sound");
        assert!(claim(&mut tokens, &b, &c, true, now), "a welcome that did arrive, though nothing came back");
        assert!(claim(&mut tokens, &d, &c, true, now));
        for number in 10..110 {
            assert!(claim(&mut tokens, &c, &Token::new(number), true, now), "{number}");
        }
        assert!(!claim(&mut tokens, &a, &d, true, now), "long ago");
        tokens.confirm();
        assert!(!claim(&mut tokens, &c, &d, true, now) && claim(&mut tokens, &Token::new(109), &d, true, now));
    }
}
