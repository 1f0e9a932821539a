//! Skips runs of bytes within a text of JSON: what is plain in a string, and digits. It looks at a word or at
//! a block at a time, in safe code that the compiler makes vector instructions of.

/// The bytes that are looked at with one load.
const WORD: usize = 8;

/// A one in each byte of a word.
const ONES: u64 = u64::MAX / 255;

/// The rest from the first byte on that is not plain within a string: a quote, a backslash, a control
/// character.
#[inline(always)]
pub(super) fn plain(rest: &[u8]) -> &[u8] {
    // Most keys and many strings end within 8 bytes.
    match rest.split_first_chunk::<WORD>() {
        Some((word, behind)) => match first_special(*word) {
            Some(at) => &rest[at..],
            None => plain_in_words(behind),
        },
        None => plain_in_bytes(rest),
    }
}

/// Where a word has its first byte that is not plain.
///
/// A byte is a quote or a control character where `byte ^ 2` is 32 or less, and a backslash where
/// `byte ^ b'\\'` is 0. A subtraction that borrows from a neighbour only reaches bytes above one that was
/// found.
#[inline(always)]
fn first_special(word: [u8; WORD]) -> Option<usize> {
    let word = u64::from_le_bytes(word);
    let quote_or_control = (word ^ (ONES * 2)).wrapping_sub(ONES * 33);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let special = (quote_or_control | backslash) & !word & (ONES * 0x80);
    (special != 0).then(|| special.trailing_zeros() as usize / 8)
}

#[inline(never)]
fn plain_in_words(mut rest: &[u8]) -> &[u8] {
    let mut words = 0;
    while let Some((word, behind)) = rest.split_first_chunk::<WORD>() {
        if let Some(at) = first_special(*word) {
            return &rest[at..];
        }
        rest = behind;
        words += 1;
        if words == 4 {
            rest = plain_in_blocks(rest);
        }
    }
    plain_in_bytes(rest)
}

/// Skips whole blocks that are plain. The compiler makes vector instructions of it: 0.5 instructions a byte.
#[inline(never)]
fn plain_in_blocks(mut rest: &[u8]) -> &[u8] {
    while let Some((block, behind)) = rest.split_first_chunk::<64>() {
        let special = |byte: &u8| u8::from(byte ^ 2 <= 32) | u8::from(*byte == b'\\');
        if block.iter().fold(0, |any, byte| any | special(byte)) != 0 {
            break;
        }
        rest = behind;
    }
    rest
}

#[inline(always)]
fn plain_in_bytes(mut rest: &[u8]) -> &[u8] {
    while let [byte, behind @ ..] = rest
        && !matches!(byte, b'"' | b'\\' | 0..0x20)
    {
        rest = behind;
    }
    rest
}

/// The rest from the first byte on that is not a digit.
#[inline(always)]
pub(super) fn digits(rest: &[u8]) -> &[u8] {
    match rest {
        [b'0'..=b'9', ..] => many_digits(rest),
        _ => rest,
    }
}

#[inline(always)]
fn many_digits(mut rest: &[u8]) -> &[u8] {
    while let Some((word, behind)) = rest.split_first_chunk::<WORD>() {
        match first_that_is_no_digit(*word) {
            Some(at) => return &rest[at..],
            None => rest = behind,
        }
    }
    while let [b'0'..=b'9', behind @ ..] = rest {
        rest = behind;
    }
    rest
}

/// Where a word has its first byte that is not a digit.
#[inline(always)]
fn first_that_is_no_digit(word: [u8; WORD]) -> Option<usize> {
    let word = u64::from_le_bytes(word);
    // A digit is 0 to 9 with its upper half flipped, and anything else is more.
    let flipped = word ^ (ONES * b'0' as u64);
    let other = (((flipped & (ONES * 0x7f)) + ONES * (0x80 - 10)) | flipped) & (ONES * 0x80);
    (other != 0).then(|| other.trailing_zeros() as usize / 8)
}
