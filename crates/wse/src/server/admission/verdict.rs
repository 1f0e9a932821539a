//! A device before its verdict, and the verdict, both as values. A stranger reaches no handler, no
//! user and no other connection.

use crate::{connection::spoken::Spoken, error::SendError, server::admission::tls_handshake::TlsHandshake};
use http::request::Parts;
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt, net::IpAddr, sync::Arc, time::Duration};
use wse_proto::{Cid, Codec, DecodeError, Format, Payload, Question, Reason, RpError};

/// Room for what surrounds a payload in its frame.
const ENVELOPE: usize = 64;

/// A device that was not accepted yet: what identify decides about.
///
/// identify takes the stranger and, decoded, the identity it claims. It returns a verdict made by
/// [`accept`](Stranger::accept), [`refuse`](Stranger::refuse), [`later`](Stranger::later) or
/// [`challenge`](Stranger::challenge). Each of them consumes the stranger, so that there is one
/// verdict. After a challenge identify is asked again, with [`answer`](Stranger::answer).
///
/// ```
/// use wse::Server;
///
/// let server = Server::builder().identify(async |stranger, name: String| {
///     Ok(match stranger.answer::<u32, u32>()? {
///         None => stranger.challenge(&41),
///         Some((quest, answer)) if answer == quest + 1 => stranger.accept(name),
///         Some(_) => stranger.refuse(),
///     })
/// });
/// ```
pub struct Stranger {
    pub(crate) question: Question,
    pub(crate) request: Arc<Parts>,
    pub(crate) remote_addr: Option<IpAddr>,
    pub(crate) format: Format,
    pub(crate) spoken: Arc<Spoken>,
}

impl Stranger {
    /// What the device says of itself, decoded; an empty object when it said nothing.
    ///
    /// # Errors
    /// When it is not of that type; with `?` the device is refused.
    pub fn meta<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        self.question.hello.meta.decode()
    }

    /// The quest that this device was given, and its answer; `None` before a challenge.
    ///
    /// # Errors
    /// When one of them is not of that type; with `?` the device is refused.
    pub fn answer<Q: DeserializeOwned, A: DeserializeOwned>(&self) -> Result<Option<(Q, A)>, DecodeError> {
        let Some(solution) = &self.question.solution else { return Ok(None) };
        Ok(Some((solution.quest.decode()?, solution.answer.decode()?)))
    }

    /// The HTTP request of the upgrade: method, URI, headers, and the extensions that a middleware has
    /// set. Empty for a stream that was attached without one.
    pub fn request(&self) -> &Parts {
        &self.request
    }

    /// What the TLS handshake has agreed on, with the certificate of the client; `None` without TLS.
    /// [`Server::listen_tls`](crate::Server::listen_tls) sets it, or whatever ends TLS in front of a
    /// [service](crate::Server::service), as an extension of the request.
    pub fn tls(&self) -> Option<&TlsHandshake> {
        self.request.extensions.get()
    }

    /// The subprotocol that the device speaks.
    pub fn protocol(&self) -> &str {
        self.spoken.protocol.name()
    }

    /// The address of the device, behind trusted proxies the one they name; `None` for a stream that
    /// has none.
    pub fn remote_addr(&self) -> Option<IpAddr> {
        self.remote_addr
    }

    /// Accepts the device as one of this user. The empty cid cannot be accepted: that is an error of
    /// identify.
    pub fn accept(self, cid: impl Into<Cid>) -> Verdict {
        let cid = cid.into();
        if cid.is_empty() {
            return Verdict(Err(std::io::Error::other("the empty cid cannot be accepted").into()), self.format);
        }
        Verdict(Ok(wse_proto::Decision::Accept(cid, Payload::null(self.format))), self.format)
    }

    /// Refuses the device for good: it is closed with 1000 `wse.not-authorized`, or, on the subprotocol
    /// `ws-messaging`, with 4003 and that text. [`Verdict::reason`] gives another text. Only a refusal
    /// keeps a client away: after an error of identify it comes back.
    pub fn refuse(self) -> Verdict {
        Verdict(Ok(wse_proto::Decision::Refuse(Reason::default())), self.format)
    }

    /// Tells the device that it cannot be decided about now, and when to come back: it is closed with 1013
    /// `wse.later after=MS`. Clients take more than 5 minutes for 5 minutes. An error of identify does the
    /// same, and the server chooses the time; this is for a time that is known, or different for each
    /// device.
    pub fn later(self, after: Duration) -> Verdict {
        Verdict(Ok(wse_proto::Decision::Later(after)), self.format)
    }

    /// Challenges the device to solve a quest first. A device is given
    /// [`Limits::challenges`](crate::Limits::challenges) quests; instead of one more it is refused. A
    /// device that speaks `ws-messaging` cannot be challenged: it is refused, and the mistake is
    /// reported.
    pub fn challenge<T: Serialize + ?Sized>(self, quest: &T) -> Verdict {
        let quest = Payload::encode(self.format, quest).map_err(RpError::from);
        Verdict(quest.map(wse_proto::Decision::Challenge), self.format)
    }
}

impl fmt::Debug for Stranger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Its identity, its meta and its request may hold secrets.
        f.debug_struct("Stranger").field("remote_addr", &self.remote_addr).finish_non_exhaustive()
    }
}

/// Why a challenge was not sent.
#[derive(Debug, thiserror::Error)]
#[error("a device that speaks ws-messaging cannot be challenged")]
pub(crate) struct Unchallengeable;

/// What identify returns; made by the methods of [`Stranger`].
///
/// ```
/// use wse::{RpError, Stranger, Verdict};
///
/// async fn identify(stranger: Stranger, token: String) -> Result<Verdict, RpError> {
///     if token.is_empty() {
///         return Ok(stranger.refuse());
///     }
///     Ok(stranger.accept(7).welcome(&["news", "for", "you"]))
/// }
/// ```
#[must_use = "identify has to return it"]
#[derive(Debug)]
pub struct Verdict(Result<wse_proto::Decision, RpError>, Format);

impl Verdict {
    /// Sets the text of a refusal: the device is closed with 1000, on `ws-messaging` with 4003, and exactly
    /// this text, of which a close frame holds 123 bytes. Without effect on another verdict.
    pub fn reason(mut self, text: impl Into<Reason>) -> Self {
        if let Ok(wse_proto::Decision::Refuse(reason)) = &mut self.0 {
            *reason = text.into();
        }
        self
    }

    /// Adds a payload for the welcome. Without effect on another verdict.
    pub fn welcome<T: Serialize + ?Sized>(mut self, payload: &T) -> Self {
        if let Ok(wse_proto::Decision::Accept(_, welcome)) = &mut self.0 {
            match Payload::encode(self.1, payload) {
                Ok(payload) => *welcome = payload,
                Err(error) => self.0 = Err(error.into()),
            }
        }
        self
    }

    /// The verdict, unless its payload does not fit into a queue of that size, or the wire has no form
    /// for it.
    pub(crate) fn sendable(self, codec: &Codec, queue_bytes: usize) -> Result<wse_proto::Decision, RpError> {
        let verdict = self.0?;
        let size = match &verdict {
            wse_proto::Decision::Challenge(_) if !codec.challenges() => return Err(Unchallengeable.into()),
            wse_proto::Decision::Accept(_, payload) | wse_proto::Decision::Challenge(payload) => {
                payload.as_bytes().len()
            }
            wse_proto::Decision::Refuse(_) | wse_proto::Decision::Later(_) => 0,
        };
        if size + ENVELOPE > queue_bytes { Err(SendError::TooBig(size).into()) } else { Ok(verdict) }
    }
}
