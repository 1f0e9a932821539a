//! An envelope: the type, the payload and the stamp of one frame. It must not look into the payload.

use crate::wire::payload::Payload;
use std::borrow::Cow;

/// The content of one frame: `[type, payload, stamp]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The type of a message, the name of a procedure, or one of the protocol's own types.
    pub name: Cow<'a, str>,
    /// The value carried, undecoded.
    pub payload: Payload<'a>,
    /// Ties an answer to its call; a message has none.
    pub stamp: Option<Cow<'a, str>>,
}

impl Envelope<'static> {
    /// An envelope of one of the protocol's own types, without a stamp.
    pub(crate) fn own(kind: Kind, payload: Payload<'static>) -> Self {
        Envelope { name: Cow::Borrowed(kind.as_str()), payload, stamp: None }
    }
}

impl Envelope<'_> {
    /// Whether it has a stamp: a call or an answer, and not a message.
    pub fn is_call(&self) -> bool {
        self.stamp.is_some()
    }

    /// The same envelope, owning its parts.
    pub fn into_owned(self) -> Envelope<'static> {
        Envelope {
            name: Cow::Owned(self.name.into_owned()),
            payload: self.payload.into_owned(),
            stamp: self.stamp.map(|stamp| Cow::Owned(stamp.into_owned())),
        }
    }

    /// The bytes that keeping this envelope takes, without the size of the struct.
    pub fn weight(&self) -> usize {
        self.name.len() + self.payload.as_bytes().len() + self.stamp.as_ref().map_or(0, |stamp| stamp.len())
    }
}

/// The protocol's own types. Every other name is the application's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first frame of a client: who it says it is.
    Hi,
    /// A challenge from the server, or its solution from the client.
    Challenge,
    /// The server has accepted the client.
    Welcome,
    /// A call succeeded.
    Response,
    /// A call failed.
    ResponseErr,
    /// How many envelopes of the other side have been received.
    Ack,
    /// How many envelopes that follow were given up: they count as received.
    Skip,
    /// A call that asks whether the other side is there. The library answers it, not the application.
    Ping,
    /// The caller of the call with that stamp does not wait for the answer any more.
    Cancel,
    /// A call of the server that asks for the client's identity anew. The library answers it, not the application.
    Identity,
    /// Reserved and never sent.
    Call,
}

impl Kind {
    /// The type's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Hi => "~wse:hi",
            Kind::Challenge => "~wse:challenge",
            Kind::Welcome => "~wse:welcome",
            Kind::Response => "~wse:response",
            Kind::ResponseErr => "~wse:response-err",
            Kind::Ack => "~wse:ack",
            Kind::Skip => "~wse:skip",
            Kind::Ping => "~wse:ping",
            Kind::Cancel => "~wse:cancel",
            Kind::Identity => "~wse:identity",
            Kind::Call => "~wse:call",
        }
    }

    /// The protocol's type of that name; `None` for a name of the application's.
    pub fn of(name: &str) -> Option<Kind> {
        if !name.starts_with("~wse:") {
            return None;
        }
        let all = [
            Kind::Hi,
            Kind::Challenge,
            Kind::Welcome,
            Kind::Response,
            Kind::ResponseErr,
            Kind::Ack,
            Kind::Skip,
            Kind::Ping,
            Kind::Cancel,
            Kind::Identity,
            Kind::Call,
        ];
        all.into_iter().find(|kind| kind.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_names_are_the_protocols() {
        assert_eq!(Kind::of("~wse:welcome"), Some(Kind::Welcome));
        assert_eq!((Kind::of("~wse:call"), Kind::of("~wse:ping")), (Some(Kind::Call), Some(Kind::Ping)));
        assert_eq!(Kind::of("~wse:cancel"), Some(Kind::Cancel));
        assert_eq!(Kind::of("~wse:identity"), Some(Kind::Identity));
        for name in ["", "welcome", "ping", "~wse:", "~wse:Welcome", "~wse:welcome ", "__proto__"] {
            assert_eq!(Kind::of(name), None, "{name:?}");
        }
    }

    #[test]
    fn the_weight_counts_every_part() {
        let envelope =
            Envelope { name: "ab".into(), payload: Payload::json("123").unwrap(), stamp: Some("wxyz".into()) };
        assert_eq!(envelope.weight(), 9);
        assert_eq!(envelope.clone().into_owned(), envelope);
    }
}
