//! Reads the addresses that proxies write into `X-Forwarded-For` and `Forwarded` (RFC 7239). It never
//! decides which of them is believed.

use http::{HeaderMap, HeaderValue};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const X_FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED: &str = "forwarded";

/// The addresses of one header, those of the first proxy first. An entry that names no address is `None`.
pub(crate) struct Named {
    /// The name of the header that was read.
    pub(crate) header: &'static str,
    pub(crate) entries: Vec<Option<IpAddr>>,
}

/// What the proxies say. Where both headers are there, `X-Forwarded-For` counts: most proxies write only
/// that one and pass a `Forwarded` of the client on.
pub(crate) fn named(headers: &HeaderMap) -> Named {
    if headers.contains_key(X_FORWARDED_FOR) {
        let entries = headers.get_all(X_FORWARDED_FOR).iter().flat_map(|value| text(value).split(','));
        return Named { header: X_FORWARDED_FOR, entries: entries.map(|entry| address(entry.trim())).collect() };
    }
    let entries = headers.get_all(FORWARDED).iter().flat_map(|value| elements(text(value)));
    Named { header: FORWARDED, entries: entries.collect() }
}

/// A value that is not text names no address.
fn text(value: &HeaderValue) -> &str {
    value.to_str().unwrap_or_default()
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let host: Ipv6Addr = host.parse().ok()?;
        return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(host.into());
    }
    match text.split_once(':') {
        Some((host, port)) if is_port(port) => host.parse::<Ipv4Addr>().ok().map(IpAddr::from).or(text.parse().ok()),
        _ => text.parse().ok(),
    }
}

/// A number, or the name that hides one (RFC 7239 section 6.2).
fn is_port(text: &str) -> bool {
    let hidden = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
    };
    text.parse::<u16>().is_ok() || text.strip_prefix('_').is_some_and(hidden)
}

/// The addresses in the elements of one value of `Forwarded`. A value that breaks the grammar is one entry
/// without an address: a client could have written an open quote in front of what the proxy wrote.
fn elements(value: &str) -> Vec<Option<IpAddr>> {
    let mut rest = value;
    let mut entries = Vec::new();
    loop {
        let mut address = None;
        loop {
            rest = rest.trim_start_matches([' ', '\t']);
            if !rest.starts_with([';', ',']) && !rest.is_empty() {
                let Some((name, value, after)) = pair(rest) else { return vec![None] };
                if name.eq_ignore_ascii_case("for") {
                    address = self::address(&value);
                }
                rest = after.trim_start_matches([' ', '\t']);
            }
            match rest.strip_prefix(';') {
                Some(after) => rest = after,
                None => break,
            }
        }
        entries.push(address);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.is_empty() => return entries,
            None => return vec![None],
        }
    }
}

/// The pair at the beginning, `name=value` or `name="value"`, and what follows it.
fn pair(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = text.split_once('=')?;
    if name.is_empty() || name.contains([' ', '\t', '"', ',', ';']) {
        return None;
    }
    let Some(quoted) = rest.strip_prefix('"') else {
        let end = rest.find([' ', '\t', ';', ',', '"']).unwrap_or(rest.len());
        return Some((name, rest[..end].to_owned(), &rest[end..]));
    };
    let mut value = String::new();
    let mut signs = quoted.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => return Some((name, value, &quoted[at + 1..])),
            '\\' => value.push(signs.next()?.1),
            sign => value.push(sign),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &'static str, value: &str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.append(header, value.parse().unwrap());
        let Named { header: read, entries } = named(&headers);
        assert_eq!(read, header);
        entries.into_iter().map(|entry| entry.map_or("-".to_owned(), |entry| entry.to_string())).collect()
    }

    #[test]
    fn an_address_may_have_a_port_and_brackets() {
        for (text, address) in [
            ("1.2.3.4", "1.2.3.4"),
            ("1.2.3.4:567", "1.2.3.4"),
            ("::1", "::1"),
            ("[::1]", "::1"),
            ("[::1]:567", "::1"),
            ("2001:db8::1:567", "2001:db8::1:567"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"),
            ("1.2.3.4:_hidden-port", "1.2.3.4"),
        ] {
            assert_eq!(read(X_FORWARDED_FOR, text), [address], "{text}");
        }
        for text in ["", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:99999", "[::1", "[::1]x", "[1.2.3.4]", "::1]", "a.example"] {
            assert_eq!(read(X_FORWARDED_FOR, text), ["-"], "{text:?}");
        }
        assert_eq!(read(X_FORWARDED_FOR, "1.2.3.4:5, [::1]:6 ,7.7.7.7"), ["1.2.3.4", "::1", "7.7.7.7"]);
    }

    #[test]
    fn the_examples_of_rfc_7239_are_read() {
        for (value, entries) in [
            (r#"for="_gazonk""#, &["-"][..]),
            (r#"For="[2001:db8:cafe::17]:4711""#, &["2001:db8:cafe::17"]),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", &["192.0.2.60"]),
            ("for=192.0.2.43, for=198.51.100.17", &["192.0.2.43", "198.51.100.17"]),
            ("for=_hidden, for=_SEVKISEK", &["-", "-"]),
            (r#"for=192.0.2.43,for="[2001:db8:cafe::17]",for=unknown"#, &["192.0.2.43", "2001:db8:cafe::17", "-"]),
            (r#"proto=https ; FOR="192.0.2.1:80" ;by=_x"#, &["192.0.2.1"]),
            (r#"for="192.0.2.\1""#, &["192.0.2.1"]),
            ("proto=https", &["-"]),
            ("for=192.0.2.1,", &["192.0.2.1", "-"]),
        ] {
            assert_eq!(read(FORWARDED, value), entries, "{value}");
        }
    }

    #[test]
    fn a_quote_that_a_client_left_open_hides_the_value_and_invents_no_address() {
        for value in [
            r#"for=6.6.6.6;x=", for=1.2.3.4"#,
            r#"for=6.6.6.6;x=", for="[::1]""#,
            r#"for=6.6.6.6;x=", for=1.2.3.4;by="10.0.0.1""#,
            r#"for=6.6.6.6;x="\, for="[::1]""#,
            r#"for 6.6.6.6"#,
            r#"=6.6.6.6"#,
        ] {
            assert_eq!(read(FORWARDED, value), ["-"], "{value}");
        }
    }

    #[test]
    fn where_both_headers_are_there_x_forwarded_for_counts() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED, "for=6.6.6.6".parse().unwrap());
        headers.append(X_FORWARDED_FOR, "1.2.3.4".parse().unwrap());
        assert_eq!((named(&headers).header, named(&headers).entries), (X_FORWARDED_FOR, vec!["1.2.3.4".parse().ok()]));
    }

    proptest::proptest! {
        #[test]
        fn no_value_panics_and_what_a_proxy_writes_last_is_the_last_entry(
            client in r#"[ -~]{0,40}"#, octets: [u8; 4], port: u16,
        ) {
            let last = IpAddr::from(octets);
            let written = elements(&format!("{client}, for=\"{last}:{port}\";proto=https"));
            // Or nothing of it is believed.
            assert!(written.last() == Some(&Some(last)) || written == [None], "{written:?}");
            address(&client);
        }
    }
}
