//! The cookies of one host, in the part of RFC 6265 that balancers use. They are never logged, and no
//! other host gets them.

use crate::client::cookie_date;
use http::Uri;
use std::time::{Duration, SystemTime};

/// So many cookies are kept, and so many bytes of all of them. The oldest give way.
const COOKIES: usize = 32;
const BYTES: usize = 8 << 10;

/// The cookies of the host that was asked last.
#[derive(Default)]
pub(crate) struct Jar {
    host: String,
    cookies: Vec<Cookie>,
}

/// A cookie without its domain: it belongs to the host that has set it.
struct Cookie {
    name: String,
    value: String,
    path: String,
    secure: bool,
    expires: Option<SystemTime>,
}

impl Jar {
    /// Keeps what an answer sets, and removes what it lets expire.
    pub(crate) fn take<'a>(&mut self, uri: &Uri, lines: impl Iterator<Item = &'a str>, now: SystemTime) {
        self.turn_to(uri);
        for cookie in lines.filter_map(|line| Cookie::read(line, uri, now)) {
            self.cookies.retain(|other| (&other.name, &other.path) != (&cookie.name, &cookie.path));
            if cookie.bytes() <= BYTES {
                self.cookies.push(cookie);
            }
            self.forget_expired(now);
            while self.cookies.len() > COOKIES || self.cookies.iter().map(Cookie::bytes).sum::<usize>() > BYTES {
                self.cookies.remove(0);
            }
        }
    }

    /// The value of the header `Cookie` for a request, behind what the application has set itself.
    pub(crate) fn header(&mut self, uri: &Uri, own: &[&str], now: SystemTime) -> Option<String> {
        self.turn_to(uri);
        self.forget_expired(now);
        let mut fitting: Vec<&Cookie> = self.cookies.iter().filter(|cookie| cookie.fits(uri)).collect();
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len())); // RFC 6265 section 5.4
        let pairs = fitting.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value));
        let all: Vec<String> = own.iter().map(|own| (*own).to_owned()).chain(pairs).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn turn_to(&mut self, uri: &Uri) {
        let host = uri.host().unwrap_or_default();
        if !self.host.eq_ignore_ascii_case(host) {
            *self = Jar { host: host.to_owned(), cookies: Vec::new() };
        }
    }

    fn forget_expired(&mut self, now: SystemTime) {
        self.cookies.retain(|cookie| cookie.expires.is_none_or(|expires| expires > now));
    }
}

impl Cookie {
    /// Reads a `Set-Cookie` (RFC 6265 sections 5.2 and 5.3). A cookie for another host is none.
    fn read(line: &str, uri: &Uri, now: SystemTime) -> Option<Self> {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        let host = uri.host().unwrap_or_default();
        let mut cookie = Cookie { name, value, path: default_path(uri.path()), secure: false, expires: None };
        let mut max_age = None;
        for part in parts {
            let (attribute, value) = part.split_once('=').map_or((part, ""), |(a, v)| (a.trim(), v.trim()));
            match attribute.to_ascii_lowercase().as_str() {
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "secure" => cookie.secure = true,
                "expires" => cookie.expires = cookie_date::read(value).or(cookie.expires),
                "max-age" => max_age = seconds(value).or(max_age),
                "domain" if !is_within(host, value.trim_start_matches('.')) => return None,
                _ => {}
            }
        }
        if let Some(max_age) = max_age {
            cookie.expires = now.checked_add(max_age); // beyond what a clock can tell it never expires
        }
        (!cookie.name.is_empty()).then_some(cookie)
    }

    fn bytes(&self) -> usize {
        self.name.len() + self.value.len() + self.path.len()
    }

    /// Whether the cookie goes with a request (RFC 6265 section 5.1.4).
    fn fits(&self, uri: &Uri) -> bool {
        let below = uri.path().strip_prefix(self.path.as_str());
        let path = below.is_some_and(|rest| rest.is_empty() || self.path.ends_with('/') || rest.starts_with('/'));
        path && (!self.secure || uri.scheme_str() == Some("wss"))
    }
}

/// The time of a `Max-Age`; below zero it is zero.
fn seconds(value: &str) -> Option<Duration> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = if digits.len() < value.len() { 0 } else { digits.parse().unwrap_or(u64::MAX) };
    Some(Duration::from_secs(seconds))
}

fn default_path(path: &str) -> String {
    match path.rfind('/') {
        Some(end) if end > 0 => path[..end].to_owned(),
        _ => "/".to_owned(),
    }
}

fn is_within(host: &str, domain: &str) -> bool {
    let (host, domain) = (host.to_ascii_lowercase(), domain.to_ascii_lowercase());
    let above = host.strip_suffix(&domain);
    domain.is_empty() || above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn at(seconds: u64) -> SystemTime {
        NOW + Duration::from_secs(seconds)
    }

    fn uri(text: &str) -> Uri {
        text.parse().expect("an address")
    }

    /// What is sent to the second address after the first has set these cookies.
    fn sent(set: &[&str], from: &str, to: &str, now: SystemTime) -> String {
        let mut jar = Jar::default();
        jar.take(&uri(from), set.iter().copied(), NOW);
        jar.header(&uri(to), &[], now).unwrap_or_default()
    }

    #[test]
    fn a_cookie_goes_back_to_its_host_and_path_only() {
        let (here, below) = ("ws://h.example/a/ws", "ws://h.example:81/a/ws/x");
        for (set, to, back) in [
            ("s=1; Path=/; HttpOnly; SameSite=None", "ws://H.example/", "s=1"),
            (" s = 1=2 ", here, "s=1=2"),
            ("s=1", below, "s=1"),
            ("s=1", "ws://h.example/", ""),
            ("s=1; path=/a/w", here, ""),
            ("s=1; path=/a", here, "s=1"),
            ("s=1; path=nonsense", here, "s=1"),
            ("s=1; path=/", "ws://x.h.example/", ""),
            ("s=1; path=/; domain=.Example", "ws://h.example/", "s=1"),
            ("s=1; domain=other", here, ""),
            ("s=1; domain=xample", here, ""),
            ("s=1; secure", here, ""),
            ("s=1; secure", "wss://h.example/a/ws", "s=1"),
            ("=1", here, ""),
            ("s", here, ""),
            ("", here, ""),
        ] {
            assert_eq!(sent(&[set], here, to, NOW), back, "{set} {to}");
        }
    }

    #[test]
    fn a_cookie_is_replaced_expires_and_is_deleted() {
        let here = "ws://h.example/";
        let past = "expires=Thu, 01-Jan-1970 00:00:00 GMT";
        for (set, now, back) in [
            (vec!["s=1", "t=2", "s=3"], NOW, "t=2; s=3"),
            (vec!["s=1", "s=x; max-age=0"], NOW, ""),
            (vec!["s=1", "s=x; max-age=-5"], NOW, ""),
            (vec!["s=1", &format!("s=; {past}")], NOW, ""),
            (vec![&format!("s=1; {past}; max-age=9")], NOW, "s=1"),
            (vec!["s=1; max-age=9"], at(8), "s=1"),
            (vec!["s=1; max-age=9"], at(9), ""),
            (vec!["s=1; max-age=99999999999999999999999999"], at(9), "s=1"),
            (vec!["s=1; max-age=soon"], at(9), "s=1"),
            (vec!["s=1; expires=Thu, 01 Jan 1970 00:00:09 GMT"], at(8), "s=1"),
            (vec!["s=1; expires=Thu, 01 Jan 1970 00:00:09 GMT"], at(9), ""),
            (vec!["s=1; expires=never"], at(9), "s=1"),
        ] {
            assert_eq!(sent(&set, here, here, now), back, "{set:?}");
        }
    }

    #[test]
    fn the_application_s_own_cookies_come_first_and_longer_paths_before_shorter() {
        let (here, mut jar) = (uri("ws://h.example/a/b"), Jar::default());
        assert_eq!(jar.header(&here, &["own=1", "too=2"], NOW).as_deref(), Some("own=1; too=2"));
        jar.take(&here, ["s=1; path=/", "t=2; path=/a"].into_iter(), NOW);
        assert_eq!(jar.header(&here, &["own=1"], NOW).as_deref(), Some("own=1; t=2; s=1"));
    }

    #[test]
    fn another_host_gets_no_cookie_and_the_first_has_lost_its_own_then() {
        let (here, mut jar) = (uri("ws://h.example/"), Jar::default());
        jar.take(&here, ["s=1"].into_iter(), NOW);
        assert_eq!(jar.header(&uri("ws://other.example/"), &[], NOW), None);
        assert_eq!(jar.header(&here, &[], NOW), None);
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_server_sets_is_kept_within_the_bounds(
            lines: Vec<String>, name in "[a-z]{1,3}", end in "(; *(path|domain|max-age|expires|secure)(=[^;]{0,40})?){0,4}",
        ) {
            let (here, mut jar) = (uri("ws://h.example/a"), Jar::default());
            let own = format!("{name}=1{end}");
            jar.take(&here, lines.iter().map(String::as_str).chain([own.as_str()]), NOW);
            let sent = jar.header(&here, &[], NOW).unwrap_or_default();
            assert!(jar.cookies.len() <= COOKIES && sent.len() <= BYTES + 3 * COOKIES);
        }
    }

    #[test]
    fn many_and_large_cookies_are_bounded_and_the_newest_stay() {
        let many: Vec<String> = (0..100).map(|n| format!("s{n}=1")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let here = "ws://h.example/";
        let back = sent(&many, here, here, NOW);
        assert_eq!((back.matches('=').count(), back.ends_with("s99=1")), (COOKIES, true), "{back}");
        let (large, huge) = (format!("l={}", "x".repeat(5000)), format!("h={}", "x".repeat(9000)));
        let back = sent(&["a=1", &large, "b=2", &large.replace("l=", "m="), &huge], here, here, NOW);
        assert!(back.len() <= BYTES && back.starts_with("b=2; m=x"), "{}", back.len());
    }
}
