//! The stamp of a call with the time that is left for it: `STAMP~0000abcd`, in milliseconds as they were
//! when the call was written. The time is no part of what tells calls apart.

use crate::calls::stamp::Stamp;
use std::time::Duration;

/// Characters of a stamp, of what stands between, and of the time in hexadecimal digits.
const STAMP: usize = 16;
const MARK: u8 = b'~';
const DIGITS: usize = 8;
const TIMED: usize = STAMP + 1 + DIGITS;

/// A stamp that says how long its caller waits.
#[derive(Clone, Copy)]
pub struct TimedStamp([u8; TIMED]);

impl TimedStamp {
    /// The stamp of a call that has so much time left; `None` for more than 49 days, which are no limit.
    pub fn new(stamp: &Stamp, left: Duration) -> Option<Self> {
        let mut text = [MARK; TIMED];
        text[..STAMP].copy_from_slice(stamp.as_str().as_bytes().first_chunk::<STAMP>()?);
        text[STAMP + 1..].copy_from_slice(&digits(millis(left)?));
        Some(TimedStamp(text))
    }

    /// The stamp as it travels.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default() // it is ASCII
    }
}

/// A stamp without the time in it.
#[inline]
pub fn bare(stamp: &str) -> &str {
    if stamp.len() == TIMED && time_left(stamp).is_some() { &stamp[..STAMP] } else { stamp }
}

/// The time that a stamp says is left; `None` where it says none. Only the stamp of a peer that was told
/// that this side reads times may be taken for one that has a time.
pub fn time_left(stamp: &str) -> Option<Duration> {
    let (mark, digits) = stamp.as_bytes().strip_prefix(stamp.as_bytes().first_chunk::<STAMP>()?)?.split_first()?;
    let digits: &[u8; DIGITS] = digits.try_into().ok()?;
    if *mark != MARK {
        return None;
    }
    let millis = digits.iter().try_fold(0, |millis: u64, digit| Some(millis << 4 | u64::from(value(*digit)?)))?;
    Some(Duration::from_millis(millis))
}

/// The digits of a timed stamp that say how much time is left, for a call that is written later, or again.
pub fn time_digits(left: Duration) -> [u8; DIGITS] {
    digits(millis(left).unwrap_or(u32::MAX))
}

/// Milliseconds, rounded up: what is left is not nothing.
fn millis(left: Duration) -> Option<u32> {
    u32::try_from(left.as_nanos().div_ceil(1_000_000)).ok()
}

fn digits(millis: u32) -> [u8; DIGITS] {
    std::array::from_fn(|place| b"0123456789abcdef"[(millis >> (28 - 4 * place) & 15) as usize])
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::codec::Codec;

    const LEFT: Duration = Duration::from_millis(0xabcd);

    #[test]
    fn the_time_stands_behind_the_stamp_in_eight_digits_and_is_read_again() {
        let stamp = Stamp::new(7);
        let timed = TimedStamp::new(&stamp, LEFT).unwrap();
        assert_eq!(timed.as_str(), format!("{}~0000abcd", stamp.as_str()));
        assert_eq!((bare(timed.as_str()), time_left(timed.as_str())), (stamp.as_str(), Some(LEFT)));
        let text = |left| TimedStamp::new(&stamp, left).map(|timed| timed.as_str()[17..].to_owned());
        assert_eq!(text(Duration::ZERO).unwrap(), "00000000");
        assert_eq!(text(Duration::from_nanos(1)).unwrap(), "00000001", "what is left is not nothing");
        assert_eq!(text(Duration::from_millis(u32::MAX.into())).unwrap(), "ffffffff");
        assert_eq!(text(Duration::from_millis(1 << 32)), None, "no limit");
        assert_eq!(text(Duration::MAX), None);
    }

    #[test]
    fn what_looks_otherwise_has_no_time() {
        let stamp = "ABCDEFGHIJKLMNOP";
        for other in ["", "~", stamp, "1~0000abcd", "ABCDEFGHIJKLMNOP~0000abc", "ABCDEFGHIJKLMNOP~0000abcde"] {
            assert_eq!((bare(other), time_left(other)), (other, None), "{other}");
        }
        for suffix in ["-0000abcd", "~0000ABCD", "~+000abcd", "~0000abcg", "~0000ab\u{e9}"] {
            let other = format!("{stamp}{suffix}");
            assert_eq!((bare(&other), time_left(&other)), (&*other, None), "{other}");
        }
        assert_eq!(bare("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}~0000abcd").len(), 16, "as it came");
    }

    #[test]
    fn the_digits_of_a_call_that_is_written_later_end_its_envelope() {
        let (stamp, early) = (Stamp::new(7), Duration::from_secs(20));
        for (codec, behind) in [(Codec::Json, 2), (Codec::MessagePack, 0)] {
            let envelope = |left| {
                let (mut out, timed) = (Vec::new(), TimedStamp::new(&stamp, left).unwrap());
                codec.write(&mut out, "rp", "payload", Some(timed.as_str())).unwrap();
                out
            };
            let mut later = envelope(early);
            let end = later.len() - behind;
            later[end - DIGITS..end].copy_from_slice(&time_digits(LEFT));
            assert_eq!(later, envelope(LEFT));
        }
        assert_eq!(&time_digits(Duration::MAX), b"ffffffff");
    }
}
