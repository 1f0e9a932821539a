//! permessage-deflate (RFC 7692): what two sides agree on, and messages compressed and inflated. May never keep
//! anything of one message for the next.
//!
//! A message is compressed alone, in both directions: both sides agree on `no_context_takeover` (section 7.1.1), always.
//! So a connection owns no state of zlib, and one [`Deflater`] and one [`Inflater`] serve all connections of a thread.
//!
//! ```
//! use wse_frame::{Decoder, FrameError, Item, Limits, Opcode, Role, put_frame};
//! use wse_frame::deflate::{Deflate, Deflater, Inflater, RSV1};
//!
//! // The client offers, the server answers, and both have the same agreement.
//! let agreed = Deflate::answer([Deflate::OFFER]).expect("this side agrees");
//! assert_eq!(Deflate::accept([agreed.response().as_str()]), Ok(Some(agreed)));
//!
//! // The server encodes a frame as always, then compresses it.
//! let (mut plain, mut wire) = (Vec::new(), Vec::new());
//! let Ok(()) = put_frame(&mut plain, Opcode::Text, None, |out| {
//!     out.extend_from_slice("so much, ".repeat(100).as_bytes());
//!     Ok::<_, std::convert::Infallible>(())
//! });
//! assert!(Deflater::default().put_frame(&mut wire, &plain, None, agreed), "it became smaller");
//!
//! // The client lets in the bit that marks it, and inflates.
//! let mut decoder = Decoder::new(Role::Client, Limits::default());
//! decoder.allow_reserved(RSV1);
//! let Some(Item::Message(message)) = decoder.next(&mut &mut wire[..])? else { panic!() };
//! assert_eq!(message.reserved, RSV1);
//! let mut inflated = Vec::new();
//! let limit = decoder.limits().message;
//! Inflater::default().inflate(message.opcode, message.payload.as_slice(), limit, &mut inflated)?;
//! assert_eq!(inflated, "so much, ".repeat(100).as_bytes());
//! # Ok::<(), FrameError>(())
//! ```

mod deflater;
mod extension;
mod inflater;

pub use deflater::Deflater;
pub use inflater::Inflater;

use extension::{Extension, Param};
use thiserror::Error;

/// The reserved bit of a message's first frame that says that the message is compressed (section 6).
pub const RSV1: u8 = 0x40;

/// The largest window, and the only one that every zlib inflates (section 7.1.2).
const LARGEST: u8 = 15;

/// What the two sides of a connection have agreed on.
///
/// What the peer compresses is inflated the same whatever it was allowed; so this is only what this side may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    bits: u8,
    /// The client has asked for a window, of whatever size, so the response has to name it.
    named: bool,
}

/// An answer to an offer that RFC 7692 does not allow, or that this side cannot live with: the client has to fail the
/// connection (section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it agreed on an extension in a way that was not offered")]
pub struct NotOffered;

impl Default for Deflate {
    /// What most agree on: a window of any size.
    fn default() -> Self {
        Deflate { bits: LARGEST, named: false }
    }
}

impl Deflate {
    /// What a client offers, the value of `Sec-WebSocket-Extensions`: both sides begin every message anew, and the server
    /// may ask for a smaller window.
    pub const OFFER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                             client_max_window_bits";

    /// A server's answer to a request with these lines of `Sec-WebSocket-Extensions`: the first offer that RFC 7692 allows;
    /// `None`, without the extension.
    ///
    /// Every valid offer is agreed to: whatever the client asks of the window, of 8 to 15 bits. An offer is declined that has
    /// a parameter twice, one that is unknown, or a value that is out of range (section 7.1). A line that is no list of
    /// extensions declines what it offers.
    pub fn answer<'h>(lines: impl IntoIterator<Item = &'h str>) -> Option<Deflate> {
        lines.into_iter().filter_map(extension::list).flatten().find_map(|offer| Self::of_offer(&offer))
    }

    /// The value of `Sec-WebSocket-Extensions` of a server that has agreed to this. It names the window where the client
    /// has asked for one, also for the largest: an offer is accepted so (section 7.1.2.1), and Python `websockets` fails
    /// without.
    pub fn response(self) -> String {
        let mut response = String::from("permessage-deflate; server_no_context_takeover; client_no_context_takeover");
        if self.named {
            response += &format!("; server_max_window_bits={}", self.bits);
        }
        response
    }

    /// What a server has agreed to that was sent [`OFFER`](Self::OFFER), from these lines of `Sec-WebSocket-Extensions`;
    /// `None`, if it did not take it.
    ///
    /// # Errors
    /// When it agreed to anything else: another extension, the same one twice, or one that keeps its context.
    pub fn accept<'h>(lines: impl IntoIterator<Item = &'h str>) -> Result<Option<Deflate>, NotOffered> {
        let mut agreed = None;
        for line in lines {
            for extension in extension::list(line).ok_or(NotOffered)? {
                let before = agreed.replace(Self::of_response(&extension).ok_or(NotOffered)?);
                if before.is_some() {
                    return Err(NotOffered);
                }
            }
        }
        Ok(agreed)
    }

    fn of_offer(offer: &Extension<'_>) -> Option<Deflate> {
        let asked = Params::read(offer)?;
        let bits = match asked.server_bits {
            None => LARGEST,
            Some(bits) => bits?, // it is never named without a size (section 7.1.2.1)
        };
        Some(Deflate { bits, named: asked.server_bits.is_some() })
    }

    fn of_response(response: &Extension<'_>) -> Option<Deflate> {
        let agreed = Params::read(response)?;
        let bits = match agreed.client_bits {
            None => LARGEST,
            Some(bits) => bits?, // a response says how many (section 7.1.2.2)
        };
        if agreed.server_bits == Some(None) || !agreed.server_anew {
            return None;
        }
        Some(Deflate { bits, named: false })
    }

    /// Whether what was compressed for one is what the other would be sent.
    pub fn compresses_as(self, other: Deflate) -> bool {
        self.bits == other.bits
    }
}

/// The parameters of section 7.1, each at most once. Of a window: whether it is named, and whether with a size.
#[derive(Default)]
struct Params {
    server_anew: bool,
    client_anew: bool,
    server_bits: Option<Option<u8>>,
    client_bits: Option<Option<u8>>,
}

impl Params {
    fn read(extension: &Extension<'_>) -> Option<Params> {
        if !extension.name.eq_ignore_ascii_case("permessage-deflate") {
            return None;
        }
        let mut params = Params::default();
        for Param { name, value } in &extension.params {
            let once = match name.to_ascii_lowercase().as_str() {
                "server_no_context_takeover" => flag(&mut params.server_anew, value.as_deref()),
                "client_no_context_takeover" => flag(&mut params.client_anew, value.as_deref()),
                "server_max_window_bits" => window(&mut params.server_bits, value.as_deref()),
                "client_max_window_bits" => window(&mut params.client_bits, value.as_deref()),
                _ => false,
            };
            if !once {
                return None;
            }
        }
        Some(params)
    }
}

/// Sets what has no value. False if it is set already.
fn flag(flag: &mut bool, value: Option<&str>) -> bool {
    value.is_none() && !std::mem::replace(flag, true)
}

/// Sets a window. False if it is set already, or is none of 8 to 15 bits in decimal without a leading zero.
fn window(window: &mut Option<Option<u8>>, value: Option<&str>) -> bool {
    let bits = match value {
        None => None,
        Some("8") => Some(8),
        Some("9") => Some(9),
        Some(value) => match value.parse() {
            Ok(bits @ 10..=LARGEST) if value.len() == 2 => Some(bits),
            _ => return false,
        },
    };
    window.replace(bits).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(agreed: Option<Deflate>) -> Option<u8> {
        agreed.map(|agreed| agreed.bits)
    }

    #[test]
    fn what_a_client_offers_is_agreed_to_and_both_have_the_same() {
        let agreed = Deflate::answer([Deflate::OFFER]).unwrap();
        assert_eq!(agreed.response(), "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
        assert_eq!(Deflate::accept([agreed.response().as_str()]), Ok(Some(agreed)));
    }

    #[test]
    fn offers_of_the_field_are_agreed_to_always_without_context() {
        for (offer, window) in [
            ("permessage-deflate", 15),
            ("permessage-deflate; client_max_window_bits", 15), // browsers and npm ws
            ("permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", 12), // Python websockets
            ("permessage-deflate;server_max_window_bits=8", 8),
            ("Permessage-Deflate ; Server_No_Context_Takeover", 15),
            ("permessage-deflate; server_max_window_bits=\"10\"", 10),
            ("permessage-deflate; server_max_window_bits=\"1\\0\"", 10),
            ("x-other; a=1, permessage-deflate", 15),
            ("x-other; a=\"1, 2; 3\", permessage-deflate;", 0), // a list that ends in a semicolon is none
            ("permessage-deflate; unknown, permessage-deflate; server_max_window_bits=9", 9),
            (", ,permessage-deflate,", 15),
        ] {
            assert_eq!(bits(Deflate::answer([offer])).unwrap_or(0), window, "{offer}");
        }
    }

    #[test]
    fn a_response_names_the_window_that_was_asked_for_and_no_other() {
        for bits in 8..=15 {
            let named = format!("; server_max_window_bits={bits}");
            let agreed = Deflate::answer([format!("permessage-deflate{named}").as_str()]).unwrap();
            assert!(agreed.response().ends_with(&named), "{}", agreed.response());
            assert_eq!(agreed.compresses_as(Deflate::default()), bits == 15);
        }
        let unnamed = Deflate::answer(["permessage-deflate; client_max_window_bits=9"]).unwrap();
        assert!(!unnamed.response().contains("window"), "{}", unnamed.response());
    }

    #[test]
    fn an_offer_that_the_rfc_does_not_allow_is_declined_and_the_next_one_is_looked_at() {
        for declined in [
            "",
            "permessage-bzip2",
            "x-webkit-deflate-frame",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=08",
            "permessage-deflate; server_max_window_bits=+9",
            "permessage-deflate; server_max_window_bits=",
            "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
            "permessage-deflate; client_max_window_bits=99",
            "permessage-deflate; level=1",
            "permessage-deflate; server_max_window_bits=\"10",
            "permessage-deflate server_max_window_bits",
        ] {
            assert_eq!(Deflate::answer([declined]), None, "{declined}");
            assert_eq!(bits(Deflate::answer([declined, "permessage-deflate"])), Some(15), "{declined}");
        }
        assert_eq!(Deflate::answer([]), None);
    }

    #[test]
    fn a_client_takes_what_answers_its_offer_and_fails_on_anything_else() {
        let anew = "permessage-deflate; server_no_context_takeover";
        for (response, window) in [
            (String::new(), None),
            (anew.to_owned(), Some(15)),
            (format!("{anew}; client_no_context_takeover"), Some(15)),
            (format!("{anew}; client_max_window_bits=9"), Some(9)),
            (format!("{anew}; server_max_window_bits=10"), Some(15)),
        ] {
            assert_eq!(Deflate::accept([response.as_str()]).map(bits), Ok(window), "{response}");
        }
        assert_eq!(Deflate::accept([]), Ok(None));
        for response in [
            "permessage-deflate".to_owned(), // it may refer to earlier messages
            format!("{anew}, {anew}"),
            format!("{anew}; client_max_window_bits"),
            format!("{anew}; server_max_window_bits"),
            format!("{anew}; server_max_window_bits=16"),
            format!("{anew}; unknown"),
            format!("{anew}; server_no_context_takeover"),
            format!("{anew}, x-other"),
            "x-other".to_owned(),
            format!("{anew};"),
        ] {
            assert_eq!(Deflate::accept([response.as_str()]), Err(NotOffered), "{response}");
        }
        assert_eq!(Deflate::accept([anew, anew]), Err(NotOffered));
    }
}
