//! The one task of a connection that comes as a socket or a request: first what lets it in, then the
//! connection itself.

use crate::{connection::task::Connection, server::owner::ServerOwner, watch::Watched};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A connection as a task runs it.
pub(crate) type ServerConnection = Watched<Connection<ServerOwner>>;

/// Lets a connection in, then is that connection.
///
/// A task is as large as the largest state of its future for as long as it lives. So what lets the
/// connection in has a box, which is freed as soon as the connection begins. A second task for the
/// connection would cost 2,600 of 65,000 instructions of an upgrade with its auth.
#[expect(clippy::large_enum_variant, reason = "the large one is what stays")]
pub(crate) enum Admitting<F> {
    Admission(Pin<Box<F>>),
    Connection(ServerConnection),
}

impl<F> Admitting<F> {
    pub(crate) fn new(admission: F) -> Self {
        Admitting::Admission(Box::pin(admission))
    }
}

impl<F: Future<Output = Option<ServerConnection>>> Future for Admitting<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Admitting::Admission(admission) = &mut *self {
            match ready!(admission.as_mut().poll(cx)) {
                Some(connection) => *self = Admitting::Connection(connection),
                None => return Poll::Ready(()),
            }
        }
        match &mut *self {
            Admitting::Connection(connection) => Pin::new(connection).poll(cx).map(drop),
            Admitting::Admission(_) => Poll::Pending, // not reached: it was replaced above
        }
    }
}
