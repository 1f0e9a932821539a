//! The messaging layer for authenticated users on many devices over WebSocket.

mod client;
mod error;
mod flight;
mod handlers;
mod names;
mod outbox;
mod peer;
mod pump;
mod queue;
mod server;
mod side;
mod when;

pub use client::{Client, ClientBuilder, ClientEvent, Status};
pub use error::{CallError, ConnectError, RegisterError, SendError, ServeError};
pub use handlers::{HandlerId, with};
pub use names::{Message, Msg, Procedure, Rp};
pub use server::{
    Audience, Conn, Encoded, Event, RemoteAddr, Server, ServerBuilder, ServerService, Stranger, User, Verdict,
};
pub use wse_proto::{Backoff, Cid, Closed, Code, DecodeError, Limits, Reason, RpError};

/// What a codec of your own is made of.
pub mod codec {
    pub use wse_proto::{CustomCodec, EncodeError, Envelope, Format, Kind, Payload, ProtocolError};
}
