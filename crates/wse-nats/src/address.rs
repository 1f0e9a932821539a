//! Reads the addresses of NATS servers. User and password are taken out of them, so that no log shows them.

use crate::error::SetupError;
use async_nats::ServerAddr;

/// The addresses of a list, and who is to log in.
pub(crate) struct Addresses {
    pub(crate) servers: Vec<ServerAddr>,
    pub(crate) login: Option<Login>,
}

/// Who logs in.
#[derive(PartialEq, Eq)]
pub(crate) enum Login {
    Password(String, String),
    Token(String),
}

/// Reads addresses with commas between them. All of them that name a user must name the same one.
pub(crate) fn read(list: &str) -> Result<Addresses, SetupError> {
    let wrong = |why: &str| SetupError::Address(why.to_owned());
    let mut addresses = Addresses { servers: Vec::new(), login: None };
    for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let address: ServerAddr =
            text.parse().map_err(|error: std::io::Error| SetupError::Address(error.to_string()))?;
        if address.is_websocket() {
            return Err(wrong("NATS over WebSocket is not supported"));
        }
        if address.host().is_empty() {
            return Err(wrong("no host"));
        }
        let login = login_of(&address)?;
        if login.is_some() {
            if addresses.login.is_some() && addresses.login != login {
                return Err(wrong("two of them name different users"));
            }
            addresses.login = login;
        }
        addresses.servers.push(bare(address)?);
    }
    if addresses.servers.is_empty() {
        return Err(wrong("the list is empty"));
    }
    Ok(addresses)
}

/// The user of an address. A user without a password is a token, as everywhere with NATS.
fn login_of(address: &ServerAddr) -> Result<Option<Login>, SetupError> {
    let Some(user) = address.username() else { return Ok(None) };
    let decode = |text: &str| decode(text).ok_or_else(|| SetupError::Address("unreadable user or password".to_owned()));
    Ok(Some(match address.password() {
        Some(password) => Login::Password(decode(user)?, decode(password)?),
        None => Login::Token(decode(user)?),
    }))
}

/// The address without its user.
fn bare(address: ServerAddr) -> Result<ServerAddr, SetupError> {
    let mut url = address.into_inner();
    // fails only for an address without a host
    let removed = url.set_username("").and_then(|()| url.set_password(None));
    removed.map_err(|()| SetupError::Address("no host".to_owned()))?;
    ServerAddr::from_url(url).map_err(|error| SetupError::Address(error.to_string()))
}

/// Decodes `%41`. `None` when that is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match hex {
            Some(value) if *byte == b'%' => {
                decoded.push(value);
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(list: &str) -> Vec<String> {
        read(list).unwrap().servers.iter().map(|server| server.as_url_str().to_owned()).collect()
    }

    #[test]
    fn a_list_gives_its_servers() {
        assert_eq!(urls("nats://a:1, b ,tls://c:3,"), ["nats://a:1", "nats://b", "tls://c:3"]);
        assert_eq!(read("nats://[::1]:4222").unwrap().servers[0].host(), "::1");
    }

    #[test]
    fn users_are_taken_out_of_addresses() {
        let addresses = read("nats://ann:p%40ss%2Cword@a:1,nats://b:2").unwrap();
        assert!(addresses.login == Some(Login::Password("ann".to_owned(), "p@ss,word".to_owned())));
        assert_eq!(urls("nats://ann:secret@a:1,nats://t0ken@b:2".split(',').next().unwrap()), ["nats://a:1"]);
        assert!(read("t0ken@a").unwrap().login == Some(Login::Token("t0ken".to_owned())));
        assert_eq!(urls("t0ken@a"), ["nats://a"]);
    }

    #[test]
    fn what_is_no_address_is_an_error_without_the_secret() {
        for bad in [
            "",
            " , ",
            "nats://",
            "http://a",
            "ws://a",
            "nats://ann:secret@a:99999",
            "nats://ann:secret@",
            "nats://ann:secret@a,nats://bob:secret@b",
            "nats://ann:%ff%secret@a",
        ] {
            let error = read(bad).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with("invalid address of a NATS server: "), "{error}");
            assert!(!error.contains("secret") && !error.contains("ann"), "{error}");
        }
    }

    #[test]
    fn percent_signs_that_encode_nothing_stand_for_themselves() {
        for (text, wanted) in [("a%41", "aA"), ("%4", "%4"), ("%", "%"), ("%zz", "%zz"), ("é%C3%A9", "éé")] {
            assert_eq!(decode(text).as_deref(), Some(wanted), "{text}");
        }
    }
}
