//! A device before its verdict, and the verdict, both as values. A stranger reaches no handler, and no
//! connection but the one that it may have lost.

use crate::{
    connection::spoken::Spoken,
    error::SendError,
    server::{
        admission::tls_handshake::TlsHandshake,
        term::Term,
        users::{conn::Conn, standing::Terms},
    },
};
use http::request::Parts;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    any::Any,
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::Instant;
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
    pub(crate) resumes: Option<Conn>,
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

    /// The device that it is, when it comes back to a session that is still there, and when it is asked for
    /// another identity ahead of the [end](Verdict::until) of the one it has; `None` for a new one. Asking uses
    /// nothing up. Another user's device is nothing to tell it of: its token may be stolen.
    ///
    /// Accepted with the same cid, the device goes on, and the new identity, meta and
    /// [state](Verdict::state) replace those that it has. With another cid it begins anew, and the session
    /// waits for its own client.
    ///
    /// ```
    /// use wse::Server;
    ///
    /// struct Claims { device: u32 }
    ///
    /// let server = Server::builder().identify(async |stranger, (name, device): (String, u32)| {
    ///     let before = stranger.resumes().and_then(|conn| conn.state::<Claims>());
    ///     if before.is_some_and(|claims| claims.device != device) {
    ///         return Ok(stranger.refuse());
    ///     }
    ///     Ok(stranger.accept(name).state(Claims { device }))
    /// });
    /// ```
    pub fn resumes(&self) -> Option<Conn> {
        self.resumes.clone()
    }

    fn decide(self, decision: Result<wse_proto::Decision, RpError>) -> Verdict {
        Verdict { decision, format: self.format, terms: Terms::default() }
    }

    /// Accepts the device as one of this user. The empty cid cannot be accepted: that is an error of
    /// identify.
    pub fn accept(self, cid: impl Into<Cid>) -> Verdict {
        let cid = cid.into();
        if cid.is_empty() {
            return self.decide(Err(std::io::Error::other("the empty cid cannot be accepted").into()));
        }
        let welcome = Payload::null(self.format);
        self.decide(Ok(wse_proto::Decision::Accept(cid, welcome)))
    }

    /// Refuses the device for good: it is closed with 1000 `wse.not-authorized`, or, on the subprotocol
    /// `ws-messaging`, with 4003 and that text. [`Verdict::reason`] gives another text. Only a refusal
    /// keeps a client away: after an error of identify it comes back.
    pub fn refuse(self) -> Verdict {
        self.decide(Ok(wse_proto::Decision::Refuse(Reason::default())))
    }

    /// Tells the device that it cannot be decided about now, and when to come back: it is closed with 1013
    /// `wse.later after=MS`. Clients take more than 5 minutes for 5 minutes. An error of identify does the
    /// same, and the server chooses the time; this is for a time that is known, or different for each
    /// device.
    pub fn later(self, after: Duration) -> Verdict {
        self.decide(Ok(wse_proto::Decision::Later(after)))
    }

    /// Challenges the device to solve a quest first. A device is given
    /// [`Limits::challenges`](crate::Limits::challenges) quests; instead of one more it is refused. A
    /// device that speaks `ws-messaging` cannot be challenged: it is refused, and the mistake is
    /// reported.
    pub fn challenge<T: Serialize + ?Sized>(self, quest: &T) -> Verdict {
        let quest = Payload::encode(self.format, quest).map_err(RpError::from);
        self.decide(quest.map(wse_proto::Decision::Challenge))
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
pub struct Verdict {
    decision: Result<wse_proto::Decision, RpError>,
    format: Format,
    terms: Terms,
}

impl Verdict {
    /// Sets the text of a refusal: the device is closed with 1000, on `ws-messaging` with 4003, and exactly
    /// this text, of which a close frame holds 123 bytes. Without effect on another verdict.
    pub fn reason(mut self, text: impl Into<Reason>) -> Self {
        if let Ok(wse_proto::Decision::Refuse(reason)) = &mut self.decision {
            *reason = text.into();
        }
        self
    }

    /// Adds a payload for the welcome. Without effect on another verdict.
    pub fn welcome<T: Serialize + ?Sized>(mut self, payload: &T) -> Self {
        if let Ok(wse_proto::Decision::Accept(_, welcome)) = &mut self.decision {
            match Payload::encode(self.format, payload) {
                Ok(payload) => *welcome = payload,
                Err(error) => self.decision = Err(error.into()),
            }
        }
        self
    }

    /// Keeps a value with the device, for [`Conn::state`]. Without effect on another verdict.
    pub fn state<T: Any + Send + Sync>(mut self, state: T) -> Self {
        self.terms.state = Some(Arc::new(state));
        self
    }

    /// Sets when the identity ends, as of a token. Without effect on another verdict.
    ///
    /// Ahead of that time the device is asked for another identity over its open connection, and `identify`
    /// decides about it: accepted with the same cid, the device goes on as if nothing had happened. A client
    /// that cannot be asked, of npm `wse` or an earlier version, is [recalled](crate::Server::recall)
    /// instead: it connects anew. A device that has no other identity by then is closed with 1000
    /// `wse.identity-expired`, and one whose session waits for a connection loses the session.
    ///
    /// It is asked a tenth of the identity's life ahead, at least 5 seconds and at most a minute, and again
    /// while its answer, or `identify`, fails. One that is refused, challenged or accepted with another cid is
    /// not asked again.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use wse::Server;
    ///
    /// let server = Server::builder().identify(async |stranger, (name, expires): (String, u64)| {
    ///     Ok(stranger.accept(name).until(SystemTime::UNIX_EPOCH + Duration::from_secs(expires)))
    /// });
    /// ```
    pub fn until(mut self, end: SystemTime) -> Self {
        let life = end.duration_since(SystemTime::now()).unwrap_or_default();
        self.terms.term = Term::new(Instant::now(), life);
        self
    }

    /// The decision and its terms, unless its payload does not fit into a queue of that size, or the wire has
    /// no form for it.
    pub(crate) fn sendable(self, codec: &Codec, queue_bytes: usize) -> Result<(wse_proto::Decision, Terms), RpError> {
        let decision = self.decision?;
        let size = match &decision {
            wse_proto::Decision::Challenge(_) if !codec.challenges() => return Err(Unchallengeable.into()),
            wse_proto::Decision::Accept(_, payload) | wse_proto::Decision::Challenge(payload) => {
                payload.as_bytes().len()
            }
            wse_proto::Decision::Refuse(_) | wse_proto::Decision::Later(_) => 0,
        };
        if size + ENVELOPE > queue_bytes { Err(SendError::TooBig(size).into()) } else { Ok((decision, self.terms)) }
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The state may hold secrets.
        f.debug_struct("Verdict").field("decision", &self.decision).finish_non_exhaustive()
    }
}

/// Whether there is no verdict because of what the stranger is: what it said of itself is not of the type
/// asked for, or it cannot be challenged. The next time is no different.
pub(super) fn is_of_stranger(error: &RpError) -> bool {
    error.source().is_some_and(|source| source.is::<DecodeError>() || source.is::<Unchallengeable>())
}
