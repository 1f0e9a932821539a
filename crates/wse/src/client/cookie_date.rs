//! Reads the date of a cookie, in all the forms that servers write (RFC 6265 section 5.1.1). It reads no
//! clock.

use std::time::{Duration, SystemTime};

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// The time that a date says; `None` for anything else. A date before 1970 is the beginning of 1970.
pub(crate) fn read(text: &str) -> Option<SystemTime> {
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let delimits = |char: char| char.is_ascii() && !char.is_ascii_alphanumeric() && char != ':';
    for token in text.split(delimits).filter(|token| !token.is_empty()) {
        if let (None, Some(read)) = (time, clock(token)) {
            time = Some(read);
        } else if let (None, Some(read)) = (day, number(token, 1..=2)) {
            day = Some(read);
        } else if let (None, Some(read)) = (month, month_of(token)) {
            month = Some(read);
        } else if let (None, Some(read)) = (year, number(token, 2..=4)) {
            year = Some(read);
        }
    }
    let (time, day, month, year) = (time?, day?, month?, year?);
    let year = match year {
        0..=69 => year + 2000,
        70..=99 => year + 1900,
        _ => year,
    };
    let valid = (1..=31).contains(&day) && year >= 1601;
    let seconds = valid.then(|| days(year, month, day) * 86_400 + time)?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// The seconds of `hh:mm:ss`.
fn clock(token: &str) -> Option<i64> {
    let mut parts = token.split(':').map(|part| number(part, 1..=2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let valid = parts.next().is_none() && hour < 24 && minute < 60 && second < 60;
    valid.then_some(hour * 3600 + minute * 60 + second)
}

fn number(token: &str, digits: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let fits = digits.contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| token.parse().ok())?
}

/// The number of a month, from 0 on.
fn month_of(token: &str) -> Option<i64> {
    let first = token.get(..3)?.to_ascii_lowercase();
    MONTHS.iter().position(|month| *month == first).and_then(|month| i64::try_from(month).ok())
}

/// The days from 1970-01-01 on, in the Gregorian calendar: a year begins in March, so that the leap day
/// is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    let leap_days = year / 4 - year / 100 + year / 400;
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_date_is_read() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 01-Jan-1970 00:00:01 GMT", 1),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777),
            ("Tue, 29 Feb 2028 23:59:59 GMT", 1_835_481_599),
            ("Wed, 01 Mar 2028 00:00:00 GMT", 1_835_481_600),
            ("Thu, 31-Dec-37 23:55:55 GMT", 2_145_916_555),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
            ("Mon, 01 Jan 1601 00:00:00 GMT", 0),
        ] {
            assert_eq!(read(text), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "0",
            "never",
            "Thu, 01 Jan 1970",
            "Thu, 01 Jan 1970 24:00:00 GMT",
            "Thu, 01 Jan 1970 00:00 GMT",
            "Thu, 00 Jan 1970 00:00:00 GMT",
            "Thu, 32 Jan 1970 00:00:00 GMT",
            "Thu, 01 Jan 1600 00:00:00 GMT",
            "Thu, 01 \u{661}an 1970 00:00:00 GMT",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
