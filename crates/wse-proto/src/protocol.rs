//! The subprotocols that can be spoken: each names a codec and the machines that go with it. It may
//! never choose one: that is for whoever upgrades.

use crate::{
    ClientSession, Codec, CustomCodec, Either, Hello, Limits, Payload, ServerSession, Wanted, WsMessaging, ws_messaging,
};
use std::{sync::Arc, time::Duration, time::Instant};

/// A subprotocol, as it is offered and selected in `Sec-WebSocket-Protocol`.
///
/// ```
/// use wse_proto::{Protocol, WsMessaging};
///
/// let spoken = [Protocol::Wse, Protocol::WseMsgpack, WsMessaging::new().into()];
/// assert_eq!(spoken.each_ref().map(Protocol::name), ["wse-default-json", "wse-msgpack", "ws-messaging"]);
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// `wse-default-json`: that of npm `wse` 4, JSON in text frames.
    #[default]
    Wse,
    /// `wse-msgpack`: the same in MessagePack, in binary frames.
    WseMsgpack,
    /// `ws-messaging`: that of npm `ws-messaging` 2, in JSON or MessagePack. Made of its options.
    WsMessaging(Arc<WsMessaging>),
    /// One of your own. Made by [`Protocol::custom`].
    Custom(Arc<dyn CustomCodec>),
}

/// The server's machine of either system.
pub type AnyServerSession = Either<ServerSession, ws_messaging::ServerSession>;

/// The client's machine of either system.
pub type AnyClientSession = Either<ClientSession, ws_messaging::ClientSession>;

impl From<WsMessaging> for Protocol {
    fn from(options: WsMessaging) -> Self {
        Protocol::WsMessaging(Arc::new(options))
    }
}

impl Protocol {
    /// A wire format of your own around the conversation of `wse`.
    pub fn custom(codec: impl CustomCodec) -> Self {
        Protocol::Custom(Arc::new(codec))
    }

    /// The one of that name, with its default options; `None` for a name that is not ours.
    pub fn named(name: &str) -> Option<Self> {
        [Protocol::Wse, Protocol::WseMsgpack, WsMessaging::new().into()].into_iter().find(|known| known.name() == name)
    }

    /// The subprotocol's name.
    pub fn name(&self) -> &str {
        match self {
            Protocol::Wse => "wse-default-json",
            Protocol::WseMsgpack => "wse-msgpack",
            Protocol::WsMessaging(_) => "ws-messaging",
            Protocol::Custom(codec) => codec.name(),
        }
    }

    /// Every codec that a connection of this protocol may come to speak, each with the kind of
    /// frame that the client chooses it by: text first, binary behind it.
    pub fn codecs(&self) -> Vec<Codec> {
        match self {
            Protocol::WsMessaging(options) => [false, true].map(|binary| Codec::ws_messaging(options, binary)).into(),
            _ => vec![self.client_codec()],
        }
    }

    /// The codec that a client of this protocol speaks.
    pub fn client_codec(&self) -> Codec {
        match self {
            Protocol::WsMessaging(options) => Codec::ws_messaging(options, options.messagepack),
            Protocol::Wse => Codec::Json,
            Protocol::WseMsgpack => Codec::MessagePack,
            Protocol::Custom(codec) => Codec::Custom(codec.clone()),
        }
    }

    /// The server's machine for a connection that starts now.
    pub fn server_session(&self, limits: &Limits, now: Instant) -> AnyServerSession {
        match self {
            Protocol::WsMessaging(options) => Either::Right(ws_messaging::ServerSession::new(options.clone(), now)),
            _ => Either::Left(ServerSession::new(self.client_codec(), limits, now)),
        }
    }

    /// The client's machine for a connection that starts now, and what its hi carries. Of a session
    /// nothing can be asked on `ws-messaging`.
    pub fn client_session(
        &self,
        hello: &Hello,
        session: Option<&Wanted>,
        limits: &Limits,
        now: Instant,
    ) -> (AnyClientSession, Payload<'static>) {
        match self {
            Protocol::WsMessaging(options) => {
                let (session, auth) = ws_messaging::ClientSession::new(options.clone(), hello, now);
                (Either::Right(session), auth)
            }
            _ => {
                let (session, hi) = ClientSession::new(self.client_codec(), hello, session, limits, now);
                (Either::Left(session), hi)
            }
        }
    }

    /// What a client says it is when nobody has told it.
    pub fn default_identity(&self) -> Payload<'static> {
        let format = self.client_codec().format();
        match self {
            Protocol::WsMessaging(_) => Hello::no_meta(format),
            _ => Payload::constant(format, "\"\"", &[0xa0]),
        }
    }

    /// The time that a client's machine gives the server for its welcome by itself.
    pub fn welcome_timeout(&self) -> Duration {
        match self {
            Protocol::WsMessaging(options) => options.auth_timeout,
            _ => Duration::ZERO,
        }
    }
}
