//! The protocols that a connection can speak: the name of each, its codecs, its options.

pub(crate) mod codec;
pub(crate) mod dialect;
pub(crate) mod ws_messaging;

use crate::{
    protocol::{codec::Codec, ws_messaging::WsMessaging},
    wire::{custom::CustomCodec, payload::Payload},
};
use std::{sync::Arc, time::Duration};

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
    /// `wse-default-json`: that of npm `wse` 4.12 and 5.1, JSON in text frames.
    #[default]
    Wse,
    /// `wse-msgpack`: the same in MessagePack, in binary frames.
    WseMsgpack,
    /// `ws-messaging`: that of npm `ws-messaging` 2, in JSON or MessagePack. Made from its options.
    WsMessaging(Arc<WsMessaging>),
    /// A wire format of your own. Made by [`Protocol::custom`].
    Custom(Arc<dyn CustomCodec>),
}

impl From<WsMessaging> for Protocol {
    fn from(options: WsMessaging) -> Self {
        Protocol::WsMessaging(Arc::new(options))
    }
}

impl Protocol {
    /// The conversation of `wse` in a wire format of your own.
    pub fn custom(codec: impl CustomCodec) -> Self {
        Protocol::Custom(Arc::new(codec))
    }

    /// The protocol of that name, with its default options; `None` for an unknown name.
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

    /// Every codec that a connection of this protocol may speak. Where there are two, the client chooses
    /// by the kind of its first frame: the first codec for text, the second for binary.
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

    /// The identity that a client sends if the application sets none.
    pub fn default_identity(&self) -> Payload<'static> {
        let format = self.client_codec().format();
        match self {
            Protocol::WsMessaging(_) => Payload::empty_object(format),
            _ => Payload::constant(format, "\"\"", &[0xa0], 0),
        }
    }

    /// The time that a client's machine waits for the welcome by itself; zero where it does not.
    pub fn welcome_timeout(&self) -> Duration {
        match self {
            Protocol::WsMessaging(options) => options.auth_timeout,
            _ => Duration::ZERO,
        }
    }
}
