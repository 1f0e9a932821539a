//! What a client tells the application, and the queue on which its events wait for their handlers.
//! It must never run two handlers of events at the same time.

use crate::{
    app::listeners::{Happened, Listeners},
    client::status::Status,
    watch::Watched,
};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use wse_proto::{Closed, Payload, RpError};

/// What happens to a [`Client`](crate::Client). The handlers given to
/// [`when`](crate::ClientBuilder::when) get the events one at a time and in order.
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
    /// The status of the client has changed.
    Status(Status),
    /// The server has welcomed the client: at first, and after every reconnect and jump. Messages and
    /// calls of the server are handled after the handlers of this event.
    Ready {
        /// The payload of the welcome.
        welcome: Payload<'static>,
        /// Whether the previous session was resumed. Nothing was lost then.
        resumed: bool,
        /// Messages, calls and answers sent in the previous session whose arrival was not confirmed,
        /// if that session could not be resumed. Some may have arrived.
        lost: u64,
    },
    /// A connection has ended. The value tells how: 1006 when it ended without a close frame.
    Closed(Closed),
    /// A message came that has no handler.
    Ignored {
        /// Its type.
        name: Arc<str>,
        /// Its payload.
        payload: Payload<'static>,
    },
    /// A handler or procedure failed, or a reconnect failed for good. `connect` and `jump` return
    /// their errors instead.
    Error {
        /// The code for this kind of failure.
        code: &'static str,
        /// The type of the message or the name of the procedure; `None` for a reconnect.
        name: Option<Arc<str>>,
        /// The error.
        error: Arc<RpError>,
    },
}

/// An event in the queue, and who is told when its handlers have finished.
pub(crate) type QueuedEvent = (Happened<ClientEvent>, Option<oneshot::Sender<()>>);

/// Runs the application's handlers for one event after the other, until nothing can queue one any more.
pub(crate) async fn handle_events(
    listeners: Arc<Listeners<ClientEvent>>,
    mut events: mpsc::UnboundedReceiver<QueuedEvent>,
) {
    while let Some((event, handled)) = events.recv().await {
        if let Some(handlers) = listeners.tell(event) {
            Watched(handlers).await;
        }
        let _ = handled.map(|handled| handled.send(())); // the connection may have ended meanwhile
    }
}
