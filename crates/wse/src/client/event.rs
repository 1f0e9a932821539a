//! What a client tells the application of.

use crate::client::status::Status;
use std::sync::Arc;
use wse_proto::{Closed, Payload, RpError};

/// What happens to a [`Client`](crate::Client), told to the handlers given to
/// [`when`](crate::ClientBuilder::when), one at a time and in order.
///
/// ```
/// use wse::{Client, ClientEvent};
///
/// let client = Client::builder("ws://127.0.0.1:4200")
///     .when(async |event| match event {
///         ClientEvent::Status(status) => println!("{status}"),
///         ClientEvent::Closed(closed) => println!("closed: {closed}"),
///         _ => {}
///     })
///     .build();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// Where the client stands has changed.
    Status(Status),
    /// Welcomed: every time, after a reconnect and a jump too. Messages and calls of the server
    /// are handled after this.
    Ready {
        /// What the welcome carried.
        welcome: Payload<'static>,
        /// Whether the session before goes on: nothing was lost then.
        resumed: bool,
        /// Messages, calls and answers sent in the session before, if it could not be resumed, of
        /// which nobody said that they arrived. Some may have.
        lost: u64,
    },
    /// A connection has ended, and how: 1006 when there was no goodbye.
    Closed(Closed),
    /// A message came that no handler listens to.
    Ignored {
        /// Its type.
        name: Arc<str>,
        /// What it carried.
        payload: Payload<'static>,
    },
    /// A handler or procedure failed, or a reconnect that is final. What `connect` and `jump` fail
    /// with is their result.
    Error {
        /// The code for this kind of failure.
        code: &'static str,
        /// The type of the message or the name of the procedure; `None` for a reconnect.
        name: Option<Arc<str>>,
        /// What it failed with.
        error: Arc<RpError>,
    },
}
