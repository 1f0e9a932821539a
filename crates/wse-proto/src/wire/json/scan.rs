//! Finds where a value of JSON ends, and checks it by the grammar of RFC 8259 on the way, in one pass. The
//! scan must not decode what it finds, must not recurse and must not take memory.
//!
//! It knows no errors: where it finds none, `serde_json` reads the text again and words the error.

use crate::wire::json::runs::{digits, plain};

/// A text that is read from its start.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    /// What was not read yet.
    rest: &'a [u8],
}

/// A value that was found, without the white space around it.
pub(crate) struct Found<'a> {
    pub(crate) text: &'a str,
    /// How many arrays and objects are inside one another: 0 for a string.
    pub(crate) depth: u8,
}

/// A string that was found, without its quotes.
pub(crate) struct Quoted<'a> {
    pub(crate) text: &'a str,
    pub(crate) escaped: bool,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, rest: text.as_bytes() }
    }

    /// Takes the next byte that is not white space; 0, which no value begins with, at the end.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> u8 {
        let (byte, rest) = next(self.rest);
        self.rest = rest;
        byte
    }

    /// Takes a string whose opening quote was taken.
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Option<Quoted<'a>> {
        let start = self.position();
        let (rest, escaped) = string(self.rest)?;
        self.rest = rest;
        Some(Quoted { text: self.text.get(start..self.position() - 1)?, escaped })
    }

    /// Takes a value whose first byte was taken, and which nests at most `depth` deep (128 at most).
    #[inline]
    pub(crate) fn value(&mut self, first: u8, depth: u8) -> Option<Found<'a>> {
        let start = self.position().saturating_sub(1); // nothing was taken of an empty text
        let (rest, depth) = match first {
            b'[' | b'{' => nested(first, self.rest, depth)?,
            _ => (scalar(first, self.rest)?, 0),
        };
        self.rest = rest;
        Some(Found { text: self.since(start)?, depth })
    }

    /// Whether only white space is left.
    #[inline(always)]
    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.iter().all(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t'))
    }

    /// How many bytes were taken.
    #[inline(always)]
    pub(crate) fn position(&self) -> usize {
        self.text.len() - self.rest.len()
    }

    /// What was taken from there on.
    pub(crate) fn since(&self, start: usize) -> Option<&'a str> {
        self.text.get(start..self.position())
    }
}

/// The one value that a text is.
pub(crate) fn scan(text: &str, depth: u8) -> Option<Found<'_>> {
    let mut scanner = Scanner::new(text);
    let first = scanner.next();
    scanner.value(first, depth).filter(|_| scanner.is_at_end())
}

/// Whether a text stands between quotes as it is.
#[inline]
pub(crate) fn is_plain(text: &str) -> bool {
    plain(text.as_bytes()).is_empty()
}

/// The next byte that is not white space, and what follows it; 0 at the end, and for a control character.
#[inline(always)]
fn next(rest: &[u8]) -> (u8, &[u8]) {
    match rest {
        [byte, behind @ ..] if *byte > b' ' => (*byte, behind),
        _ => next_behind_space(rest),
    }
}

#[inline(never)]
fn next_behind_space(mut rest: &[u8]) -> (u8, &[u8]) {
    while let [byte, behind @ ..] = rest {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => rest = behind,
            0..b' ' => break,
            _ => return (*byte, behind),
        }
    }
    (0, rest)
}

/// What follows an array or object that nests at most `most` deep, and how deep it nests. 16 KiB of small objects
/// take 192,000 instructions (`serde_json` and a count of the brackets took 1,090,000), one string 11,000.
fn nested(first: u8, rest: &[u8], most: u8) -> Option<(&[u8], u8)> {
    let (mut byte, mut rest) = (first, rest);
    let (mut open, mut deepest) = (0u8, 0u8);
    // A bit for each that is open, set for an object; the lowest is the innermost.
    let mut objects = 0u128;
    let mut closing = 0;
    loop {
        // An element begins, within an object with its key.
        if closing == b'}' {
            (byte, rest) = key(byte, rest)?;
        }
        if byte == b'"' {
            (rest, _) = string(rest)?;
            (byte, rest) = next(rest);
        } else if byte == b'[' || byte == b'{' {
            open += 1;
            if open > most {
                return None;
            }
            deepest = deepest.max(open);
            closing = byte + 2;
            objects = objects << 1 | u128::from(closing == b'}');
            (byte, rest) = next(rest);
            if byte != closing {
                continue;
            }
        } else {
            rest = scalar(byte, rest)?;
            (byte, rest) = next(rest);
        }
        // It has ended, and perhaps others with it.
        while byte != b',' {
            if byte != closing {
                return None;
            }
            open -= 1;
            if open == 0 {
                return Some((rest, deepest));
            }
            objects >>= 1;
            closing = if objects & 1 == 1 { b'}' } else { b']' };
            (byte, rest) = next(rest);
        }
        (byte, rest) = next(rest);
    }
}

/// Takes a key and its colon, and the first byte of its value.
#[inline(always)]
fn key(first: u8, rest: &[u8]) -> Option<(u8, &[u8])> {
    if first != b'"' {
        return None;
    }
    match string(rest)?.0 {
        [b':', rest @ ..] => Some(next(rest)),
        rest => match next_behind_space(rest) {
            (b':', rest) => Some(next(rest)),
            _ => None,
        },
    }
}

#[inline(always)]
fn scalar(first: u8, rest: &[u8]) -> Option<&[u8]> {
    match first {
        b'"' => string(rest).map(|(rest, _)| rest),
        b'0' => fraction(rest),
        b'1'..=b'9' => fraction(digits(rest)),
        b'-' => match rest {
            [b'0', rest @ ..] => fraction(rest),
            [b'1'..=b'9', rest @ ..] => fraction(digits(rest)),
            _ => None,
        },
        b't' => rest.strip_prefix(b"rue"),
        b'f' => rest.strip_prefix(b"alse"),
        b'n' => rest.strip_prefix(b"ull"),
        _ => None,
    }
}

/// What follows the fraction and the exponent of a number, if it has them.
#[inline(always)]
fn fraction(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [b'.', rest @ ..] => {
            let behind = some_digits(rest)?;
            match behind {
                [b'e' | b'E', rest @ ..] => exponent(rest),
                _ => Some(behind),
            }
        }
        [b'e' | b'E', rest @ ..] => exponent(rest),
        _ => Some(rest),
    }
}

#[inline(never)]
fn exponent(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [b'+' | b'-', rest @ ..] => some_digits(rest),
        _ => some_digits(rest),
    }
}

#[inline(always)]
fn some_digits(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [b'0'..=b'9', rest @ ..] => Some(digits(rest)),
        _ => None,
    }
}

/// What follows a string whose opening quote was taken, and whether it has escapes.
#[inline(always)]
fn string(mut rest: &[u8]) -> Option<(&[u8], bool)> {
    let mut escaped = false;
    loop {
        rest = plain(rest);
        if let [b'"', behind @ ..] = rest {
            return Some((behind, escaped));
        }
        rest = escape(rest)?;
        escaped = true;
    }
}

/// What follows an escape. Half a surrogate is one, as the grammar has it.
#[inline(never)]
fn escape(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', rest @ ..] => Some(rest),
        [b'\\', b'u', a, b, c, d, rest @ ..] => {
            [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()).then_some(rest)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
