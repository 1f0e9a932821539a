//! The origins that may connect, compared as RFC 6454 compares them. A request with two origins is never
//! allowed.

use http::{HeaderMap, StatusCode, header};

/// The list; empty allows every origin.
#[derive(Debug, Default)]
pub(crate) struct Origins(Vec<String>);

impl Origins {
    pub(crate) fn allow(&mut self, origin: &str) {
        self.0.push(normal(origin));
    }

    /// Whether a request with these headers may connect, or the status of its refusal. Without a list
    /// every origin is allowed, as in npm wse. With one, a request without an origin is refused too.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), StatusCode> {
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let origin = origins.next();
        if origins.next().is_some() {
            return Err(StatusCode::BAD_REQUEST);
        }
        let listed = || self.0.contains(&normal(origin?.to_str().ok()?)).then_some(());
        if self.0.is_empty() || listed().is_some() { Ok(()) } else { Err(StatusCode::FORBIDDEN) }
    }
}

/// An origin in the form in which it is compared: scheme and host in lower case, no default port.
fn normal(origin: &str) -> String {
    let mut origin = origin.to_ascii_lowercase();
    for (scheme, port) in [("http://", ":80"), ("https://", ":443")] {
        if origin.starts_with(scheme) && origin.ends_with(port) {
            origin.truncate(origin.len() - port.len());
        }
    }
    origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(allowed: &[&str], sent: &[&str]) -> u16 {
        let mut origins = Origins::default();
        allowed.iter().for_each(|origin| origins.allow(origin));
        let mut headers = HeaderMap::new();
        for origin in sent {
            headers.append(header::ORIGIN, origin.parse().unwrap());
        }
        origins.check(&headers).map_or_else(|status| status.as_u16(), |()| 101)
    }

    #[test]
    fn case_and_a_default_port_make_no_difference_in_the_list_or_the_request() {
        for same in ["https://a.example", "https://A.Example", "HTTPS://a.example:443", "https://a.example:443"] {
            assert_eq!(check(&["https://a.example"], &[same]), 101, "{same}");
            assert_eq!(check(&[same], &["https://a.example"]), 101, "{same}");
        }
        assert_eq!(check(&["http://a.example:80", "http://[::1]"], &["http://a.example"]), 101);
        assert_eq!(check(&["http://a.example", "http://[::1]"], &["http://[::1]:80"]), 101);
        assert_eq!(check(&["https://a.example:8443"], &["https://A.example:8443"]), 101);
    }

    #[test]
    fn an_origin_matches_whole_or_not_at_all() {
        for other in [
            "http://a.example",
            "https://a.example.evil",
            "https://a.example:444",
            "https://a.example:80",
            "https://a.example:4430",
            "https://a.example/",
            "https://a.example, https://evil.example",
            "null",
            "",
        ] {
            assert_eq!(check(&["https://a.example"], &[other]), 403, "{other}");
        }
        assert_eq!(check(&["https://a.example"], &[]), 403);
        assert_eq!(check(&[], &[]), 101);
        assert_eq!(check(&[], &["https://anywhere.example"]), 101);
    }

    #[test]
    fn two_origins_are_a_bad_request_with_a_list_and_without() {
        for allowed in [&["https://a.example"][..], &[]] {
            assert_eq!(check(allowed, &["https://a.example", "https://a.example"]), 400);
            assert_eq!(check(allowed, &["https://a.example", "https://evil.example"]), 400);
        }
    }
}
