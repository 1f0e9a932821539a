//! The messaging layer for authenticated users on many devices over WebSocket.
//!
//! A [`Server`] asks `identify`, an async function of the application, about every device. Its [`Verdict`]
//! accepts the device, refuses it, challenges it, or tells it to come later. All devices accepted under one
//! [`Cid`] are one [`User`]; each is a [`Conn`]. Each side sends messages to the other and calls its
//! procedures. A [`Client`] is one device.
//!
//! It speaks the wires of npm `wse` 4.12 and 5.1 (subprotocol `wse-default-json`, in MessagePack
//! `wse-msgpack`) and npm `ws-messaging` 2.0: see [`Protocol`]. The [`guide`] shows how to use it.
//! In the repository, `docs/migrate` has tables for applications that move from those packages,
//! `docs/protocol` describes the wires, and `docs/design` explains the design.
//!
//! # A server and a client
//!
//! ```
//! use wse::{Client, Event, Msg, Rp, Server};
//!
//! // Written once, read by both sides.
//! const SAY: Msg<String> = Msg::new("say");
//! const ADD: Rp<(i64, i64), i64> = Rp::new("add");
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = Server::builder()
//!     .identify(async |stranger, name: String| {
//!         Ok(if name.is_empty() { stranger.refuse() } else { stranger.accept(name) })
//!     })
//!     .on(SAY, async |conn, text| {
//!         println!("{} says {text}", conn.cid());
//!         Ok(())
//!     })
//!     .register(ADD, async |_, (a, b)| Ok(a.saturating_add(b)))
//!     .when(async |event| if let Event::Joined(user) = event { println!("{user} is here") })
//!     .build();
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let url = format!("ws://{}", listener.local_addr()?);
//! let serving = tokio::spawn({
//!     let server = server.clone();
//!     async move { server.serve(listener).await }
//! });
//!
//! let client = Client::builder(&url).identity("ann").connect().await?;
//! client.send(SAY, "hello".to_owned())?;
//! assert_eq!(client.call(ADD, (2, 3)).await?, 5);
//!
//! client.close("done").await;
//! server.shutdown(std::time::Duration::from_secs(1)).await;
//! serving.await??;
//! # Ok(())
//! # }
//! ```
//!
//! # Handlers
//!
//! Every handler has one shape, `async |who, what| -> Result<answer, RpError>`: `who` is the
//! [`Conn`] on a server and the [`Client`] on a client, `what` is decoded by serde. [`with`] binds
//! shared state in front; a [`Handlers`] value holds those of one module of an application. Handlers of
//! one connection run within its task: they start in the order in which messages came and interleave
//! where they await, so a handler that blocks its thread blocks the others of its connection too, and
//! takes a worker from everybody: use `tokio::task::spawn_blocking`. A handler that has begun runs to
//! its end, even if the peer has left, unless it is [`cancellable`].
//!
//! An [`RpError`] that a handler makes on purpose crosses the wire. Of any other error that `?`
//! returns, the peer gets a code without the text, and the application gets the whole error in
//! [`Event::Error`].
//!
//! A handler that takes a [`codec::Payload`] gets the payload undecoded, in the format in which it
//! came, and may pass it on. The hook [`on_receive`](ServerBuilder::on_receive) sees every message
//! and call before the handlers do. The hook [`on_send`](ServerBuilder::on_send) sees every message
//! and call before it is sent.
//!
//! # Guarantees and their edges
//!
//! - Before a device is accepted, the only code of the application that runs for it is the upgrade
//!   hook, a codec of its own and `identify`.
//! - Messages from one sender to one connection arrive in order and at most once. In a session they
//!   arrive exactly once, also over lost connections, as long as the session is resumed within
//!   [`Limits::resume_window`]. A client that [reconnects](ClientBuilder::reconnect) asks for a
//!   session by default. [`Receipt::delivered`] tells when a message has arrived.
//! - A call ends exactly once: result, error, timed out, disconnected, or dropped by its caller.
//! - `send` never waits; [`send_when_ready`](Conn::send_when_ready) waits for room. A device that does not read is
//!   closed as slow once more than [`Limits::queue_bytes`] have waited for it for
//!   [`Limits::slow_timeout`]; other devices are not affected.
//! - What passes by itself is never final. A client that was welcomed and reconnects comes back after
//!   everything but a verdict, a broken protocol and a close of its own; an `identify` that fails is no
//!   verdict.
//! - [`Limits`] bounds what a peer can make this side hold.
//! - [`Event`]s of connections and users come in pairs and in order.
//!
//! # Features
//!
//! `tls` (default): `wss` for clients, `Server::listen_tls` and its siblings, by rustls with ring.
//! Without it no type changes, and a `wss` address is an error.
//!
//! A [`Server`] or [`Client`] needs a tokio runtime with its I/O and time drivers enabled.

mod app;
mod client;
mod connection;
mod error;
mod handshake;
mod places;
mod server;
mod session;
mod sync;
mod watch;

pub use app::cancellable::cancellable;
pub use app::guard::guard;
pub use app::handler_id::HandlerId;
pub use app::handlers::Handlers;
pub use app::names::{Message, Msg, Procedure, Rp};
pub use app::with::{with, with_event};
pub use client::{Client, ClientBuilder, ClientEvent, Status};
pub use connection::receipt::Receipt;
pub use error::{CallError, ConnectError, RegisterError, SendError, ServeError};
pub use server::{
    Audience, Conn, Delivered, Device, Encoded, Event, Identified, Room, Server, ServerBuilder, Stranger, User, Verdict,
};
pub use wse_cluster::DeviceId;
pub use wse_proto::{Backoff, Cid, Closed, Code, Limits, Protocol, Reason, RpError, WsMessaging};

pub use http;
#[cfg(feature = "tls")]
pub use tokio_rustls::rustls;

/// The types that mount a server in a router or behind proxies, and others that are rarely named.
pub mod service {
    pub use crate::server::{RemoteAddr, ServerService, TlsHandshake};
    pub use ipnet;
    pub use wse_cluster::ParseIdError;
}

/// Many servers as one: [`ServerBuilder::cluster`] and [`Server::cluster`].
pub mod cluster {
    #[cfg(feature = "tls")]
    pub use crate::server::ClusterKey;
    pub use crate::server::{
        Arrival, Arrivals, Bus, Cluster, ClusterEvent, ClusterOptions, Order, Port, Reach, Reply, Retry, Seat,
    };
    pub use wse_cluster::{Down, NodeId, To};
}

/// The types of a call to many devices.
pub mod ask {
    pub use crate::server::{Answers, AskError};
}

/// The errors of [rooms](Room).
pub mod room {
    pub use crate::server::{JoinError, RetainError};
}

/// Who is there and who may be back: [`Server::presence`], [`Room::watch`] and
/// [`Conn::presence_for`].
pub mod presence {
    pub use crate::server::{Change, Changes, Presence, Status};
}

/// What a message that ages is made of ([`Msg::latest`], [`Msg::ttl`]).
pub mod aging {
    pub use crate::app::names::{Age, Aged};
}

/// The types that hooks see, that handlers take to pass payloads on undecoded, and that a codec of
/// your own is made of.
pub mod codec {
    pub use wse_proto::{CustomCodec, DecodeError, EncodeError, Envelope, Format, Kind, Payload, ProtocolError};
}

/// Defines the links of the guide's pages for rustdoc. The first definition of a label counts, so
/// these replace those at the end of a page, which lead to files.
macro_rules! guide_links {
    () => {
        concat!(
            "[clients]: crate::guide::clients\n",
            "[front-end]: crate::guide::front_end\n",
            "[users]: crate::guide::users_and_devices\n",
            "[calls]: crate::guide::calls_and_errors\n",
            "[asking]: crate::guide::asking_and_cancelling\n",
            "[aging]: crate::guide::messages_that_age\n",
            "[sessions]: crate::guide::sessions_and_receipts\n",
            "[admission]: crate::guide::letting_people_in\n",
            "[identities]: crate::guide::identities\n",
            "[rooms]: crate::guide::rooms_and_presence\n",
            "[operating]: crate::guide::operating\n",
            "[clusters]: crate::guide::clusters\n",
            "[hooks]: crate::guide::wires_and_codecs#hooks\n",
            "[compression]: crate::guide::wires_and_codecs#compression\n",
            "[limits]: crate::Limits\n",
            "[errors]: crate::Code\n",
            "[ends]: crate::Closed\n",
            "[events]: crate::Event\n",
            "[guarantees]: crate#guarantees-and-their-edges\n",
            "[from-wse]: crate::Protocol\n",
            "[from-ws-messaging]: crate::WsMessaging\n",
            "\n",
        )
    };
}

/// The guide: how to use this library, one page for each subject.
///
/// Begin with [the first server](guide::first_server); the other pages stand alone.
pub mod guide {
    #[doc = guide_links!()]
    #[doc = include_str!("../../../docs/guide/first-server.md")]
    pub mod first_server {}

    #[doc = guide_links!()]
    #[doc = include_str!("../../../docs/guide/clients.md")]
    pub mod clients {}

    #[doc = guide_links!()]
    #[doc = include_str!("../../../docs/guide/front-end.md")]
    pub mod front_end {}

    #[doc = guide_links!()]
    #[doc = include_str!("../../../docs/guide/users-and-devices.md")]
    pub mod users_and_devices {}

    #[doc = guide_links!()]
    #[doc = include_str!("../../../docs/guide/rooms-and-presence.md")]
    pub mod rooms_and_presence {}

    #[doc = guide_links!()]
    #[doc = include_str!("../../../docs/guide/calls-and-errors.md")]
    pub mod calls_and_errors {}

    #[doc = guide_links!()]
    #[doc = include_str!("../../../docs/guide/messages-that-age.md")]
    pub mod messages_that_age {}

    #[doc = guide_links!()]
    #[doc = include_str!("../../../docs/guide/asking-and-cancelling.md")]
    pub mod asking_and_cancelling {}

    #[doc = guide_links!()]
    #[doc = include_str!("../../../docs/guide/sessions-and-receipts.md")]
    pub mod sessions_and_receipts {}

    #[doc = guide_links!()]
    #[doc = include_str!("../../../docs/guide/letting-people-in.md")]
    pub mod letting_people_in {}

    #[doc = guide_links!()]
    #[doc = include_str!("../../../docs/guide/identities.md")]
    pub mod identities {}

    #[doc = guide_links!()]
    #[doc = include_str!("../../../docs/guide/wires-and-codecs.md")]
    pub mod wires_and_codecs {}

    #[doc = guide_links!()]
    #[doc = include_str!("../../../docs/guide/testing.md")]
    pub mod testing {}

    #[doc = guide_links!()]
    #[doc = include_str!("../../../docs/guide/operating.md")]
    pub mod operating {}

    #[doc = guide_links!()]
    #[doc = include_str!("../../../docs/guide/clusters.md")]
    pub mod clusters {}
}

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/protocol/core.md")]
mod protocol_core {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/protocol/messagepack.md")]
mod protocol_messagepack {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/protocol/sessions.md")]
mod protocol_sessions {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/migrate/from-ws-messaging.md")]
mod migrate_from_ws_messaging {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/reference/limits.md")]
mod reference_limits {}
