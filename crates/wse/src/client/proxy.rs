//! Which proxy the environment names for an address, and which addresses it exempts. It must never
//! show a proxy's password, and it connects to nothing.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderValue, uri::Authority};
use ipnet::IpNet;
use std::net::IpAddr;

/// A proxy that opens tunnels.
pub(crate) struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of `Proxy-Authorization`.
    pub(crate) authorization: Option<HeaderValue>,
}

/// The proxy for an address. The error names the variable whose value is no proxy.
pub(crate) fn of_env(
    secure: bool,
    host: &str,
    port: u16,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, String> {
    let set = |name: &&str| env(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    let (own, upper) = if secure { ("https_proxy", "HTTPS_PROXY") } else { ("http_proxy", "HTTP_PROXY") };
    // In a CGI program HTTP_PROXY is the header `Proxy` of a stranger.
    let foreign = |name: &str| name == "HTTP_PROXY" && env("REQUEST_METHOD").is_some();
    let names = [own, upper, "all_proxy", "ALL_PROXY"].into_iter().filter(|name| !foreign(name));
    let Some((name, value)) = names.filter_map(|name| Some((name, set(&name)?))).next() else { return Ok(None) };
    let exempt = ["no_proxy", "NO_PROXY"].iter().find_map(set);
    if exempt.is_some_and(|list| exempts(&list, host, port)) {
        return Ok(None);
    }
    let proxy = parse(&value).ok_or_else(|| format!("{name} is not the address of a proxy, as http://host:port is"))?;
    Ok(Some(proxy))
}

/// Reads `http://user:password@host:port`. The scheme, the user and the port may be missing.
fn parse(value: &str) -> Option<Proxy> {
    let rest = match value.split_once("://") {
        Some((scheme, rest)) => scheme.eq_ignore_ascii_case("http").then_some(rest)?,
        None => value,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, address) = authority.rsplit_once('@').map_or((None, authority), |(user, rest)| (Some(user), rest));
    let address: Authority = address.parse().ok()?;
    let host = address.host().trim_matches(['[', ']']).to_owned();
    let authorization = match user {
        Some(user) => Some(basic(user)?),
        None => None,
    };
    (!host.is_empty()).then(|| Proxy { host, port: address.port_u16().unwrap_or(80), authorization })
}

/// `Basic` credentials (RFC 7617) of `user:password`, each percent-encoded.
fn basic(user: &str) -> Option<HeaderValue> {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let mut plain = percent_decoded(user)?;
    plain.push(b':');
    plain.extend(percent_decoded(password)?);
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(plain))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    Some(bytes)
}

/// Whether a list exempts an address from the proxy: `*`, a network, an address, or a name, which
/// stands for what is below it too. Each may have a port, except a network.
fn exempts(list: &str, host: &str, port: u16) -> bool {
    let ip: Option<IpAddr> = host.parse().ok();
    list.split([',', ' ']).filter(|entry| !entry.is_empty()).any(|entry| {
        if let (Ok(net), Some(ip)) = (entry.parse::<IpNet>(), ip) {
            return net.contains(&ip);
        }
        let entry_ip = |text: &str| text.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let (name, of_port) = match entry.rsplit_once(':') {
            Some((name, digits)) if entry_ip(entry).is_none() => (name, digits.parse::<u16>().ok()),
            _ => (entry, None),
        };
        of_port.is_none_or(|only| only == port)
            && match (entry_ip(name), ip) {
                (Some(exempt), Some(ip)) => exempt == ip,
                _ => name == "*" || is_below(host, name.trim_start_matches('*').trim_start_matches('.')),
            }
    })
}

/// Whether a host is that domain or below it. Upper and lower case are the same.
fn is_below(host: &str, domain: &str) -> bool {
    let (host, domain) = (host.to_ascii_lowercase(), domain.to_ascii_lowercase());
    let above = host.strip_suffix(&domain);
    !domain.is_empty() && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is decided for `host:port`, as text.
    fn decided(secure: bool, host: &str, env: &[(&str, &str)]) -> String {
        let port = if secure { 443 } else { 80 };
        let set = |name: &str| env.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        match of_env(secure, host, port, set) {
            Ok(Some(proxy)) => format!("{}:{}", proxy.host, proxy.port),
            Ok(None) => "direct".to_owned(),
            Err(error) => error,
        }
    }

    #[test]
    fn the_scheme_decides_which_variable_counts_and_small_letters_come_first() {
        let all: &[(&str, &str)] = &[
            ("HTTPS_PROXY", "http://S:1"),
            ("https_proxy", "http://s:1"),
            ("HTTP_PROXY", "http://p:2"),
            ("ALL_PROXY", "http://a:3"),
        ];
        assert_eq!(decided(true, "h.example", all), "s:1");
        assert_eq!(decided(false, "h.example", all), "p:2");
        assert_eq!(decided(true, "h.example", &all[2..]), "a:3");
        assert_eq!(decided(true, "h.example", &[("HTTPS_PROXY", " ")]), "direct");
        assert_eq!(decided(true, "h.example", &[]), "direct");
        let cgi = [("HTTP_PROXY", "http://p:2"), ("REQUEST_METHOD", "GET")];
        assert_eq!(decided(false, "h.example", &cgi), "direct");
    }

    #[test]
    fn a_proxy_is_read_with_what_may_be_missing() {
        for (value, read) in [
            ("http://p.example:3128", "p.example:3128"),
            ("HTTP://p.example:3128/", "p.example:3128"),
            ("p.example", "p.example:80"),
            ("http://ann:s%40c@p.example:1", "p.example:1"),
            ("[::1]:8080", "::1:8080"),
        ] {
            assert_eq!(decided(true, "h.example", &[("HTTPS_PROXY", value)]), read, "{value}");
        }
        for value in ["socks5://ann:secret@p", "https://p", "http://", "http://a b", "http://x%:y@p", "http://%zz@p"] {
            let error = decided(true, "h.example", &[("HTTPS_PROXY", value)]);
            assert!(error.starts_with("HTTPS_PROXY is not the address of a proxy"), "{value}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn credentials_are_decoded_and_sensitive() {
        let authorization = |value| parse(value).and_then(|proxy| proxy.authorization);
        let value = authorization("http://a%3Ann:s%40cret@p").expect("credentials");
        assert_eq!(value, "Basic YTpubjpzQGNyZXQ="); // a:nn:s@cret
        assert!(value.is_sensitive());
        assert_eq!(authorization("http://ann@p").expect("credentials"), "Basic YW5uOg==");
        assert_eq!(authorization("http://p"), None);
    }

    #[test]
    fn a_list_exempts_names_with_what_is_below_addresses_networks_and_ports() {
        for (list, host, exempt) in [
            ("*", "h.example", true),
            ("h.example", "H.Example", true),
            ("example", "h.example", true),
            (".example", "h.example", true),
            ("*.example", "h.example", true),
            ("ample", "h.example", false),
            ("x.h.example", "h.example", false),
            ("other, h.example", "h.example", true),
            ("h.example:443", "h.example", true),
            ("h.example:8443", "h.example", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3:80", "10.1.2.3", false),
            ("::1", "::1", true),
            ("[::1]:443", "::1", true),
            ("2001:db8::/32", "2001:db8::7", true),
            ("localhost", "127.0.0.1", false),
            (",, .", "h.example", false),
        ] {
            let env = [("HTTPS_PROXY", "http://p:1"), ("NO_PROXY", list)];
            assert_eq!(decided(true, host, &env) == "direct", exempt, "{list} {host}");
        }
    }
}
