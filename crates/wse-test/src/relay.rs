//! The relay of one connection: it reads bytes from each end and writes them to the other when they
//! are due. It never decides when that is, and holds at most one window in each direction.

use crate::{
    connections::Connection,
    in_flight::{Action, InFlight},
    settings::{Cut, Direction, DirectionSettings},
};
use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};

/// The most bytes of one read.
const READ: usize = 8 << 10;

/// The stream to one end of a connection.
pub(crate) trait End: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Ends the stream abruptly.
    fn reset(self);
}

impl End for DuplexStream {
    fn reset(self) {} // a pipe has only one way to end
}

impl End for TcpStream {
    fn reset(self) {
        // Fails only on a socket that is closed already.
        let _ = self.set_zero_linger();
    }
}

/// Runs until both ends have left or were cut. Dropping it ends both.
pub(crate) struct Relay<C, S> {
    client: Option<C>,
    server: Option<S>,
    to_server: InFlight,
    to_client: InFlight,
    connection: Connection,
    timer: Pin<Box<Sleep>>,
}

/// Why a direction stopped moving.
enum Stopped {
    /// It waits for a stream, for new settings, or for this time.
    Pending(Option<Instant>),
    /// The connection must be cut.
    Cut,
}

impl<C: End, S: End> Relay<C, S> {
    pub(crate) fn new(client: C, server: S, connection: Connection) -> Self {
        let now = Instant::now();
        Self {
            client: Some(client),
            server: Some(server),
            to_server: InFlight::new(now),
            to_client: InFlight::new(now),
            connection,
            timer: Box::pin(tokio::time::sleep_until(now)),
        }
    }

    /// Ends the streams that this kind of cut ends.
    fn cut(&mut self, cut: Cut, cx: &mut Context<'_>) {
        self.connection.was_cut();
        if cut == Cut::Fin {
            // Neither waits for the other end. A shutdown fails only on a socket that is closed already.
            let _ = self.client.take().map(|mut client| pin!(&mut client).poll_shutdown(cx).is_ready());
            let _ = self.server.take().map(|mut server| pin!(&mut server).poll_shutdown(cx).is_ready());
        }
        if cut != Cut::ServerOnly {
            let _ = self.client.take().map(End::reset);
        }
        if cut != Cut::ClientOnly {
            let _ = self.server.take().map(End::reset);
        }
    }
}

impl<C: End, S: End> Future for Relay<C, S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let now = Instant::now();
            let orders = this.connection.orders(cx.waker());
            let settings = orders.settings;
            if orders.cut {
                this.cut(settings.cut_as, cx);
            }
            let Self { client, server, to_server, to_client, connection, .. } = this;
            let way = (Direction::ToServer, &settings.to_server);
            let Stopped::Pending(up) = advance((client, server), to_server, way, connection, now, cx) else {
                this.cut(settings.cut_as, cx);
                continue;
            };
            let way = (Direction::ToClient, &settings.to_client);
            let Stopped::Pending(down) = advance((server, client), to_client, way, connection, now, cx) else {
                this.cut(settings.cut_as, cx);
                continue;
            };
            if to_server.is_over() && to_client.is_over() {
                return Poll::Ready(());
            }
            let Some(due) = up.into_iter().chain(down).min() else { return Poll::Pending };
            this.timer.as_mut().reset(due);
            if this.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// Moves as many bytes of one direction as can be moved now.
fn advance<A: End, B: End>(
    (from, to): (&mut Option<A>, &mut Option<B>),
    in_flight: &mut InFlight,
    (direction, settings): (Direction, &DirectionSettings),
    connection: &Connection,
    now: Instant,
    cx: &mut Context<'_>,
) -> Stopped {
    loop {
        let received = receive(from, in_flight, settings, now, cx);
        let (Some(_), Some(to)) = (&from, &mut *to) else {
            // An end that was cut gets no more bytes, and the other end is not told.
            let discarded = in_flight.discard();
            connection.discarded(discarded);
            if received || discarded > 0 {
                continue; // there is room for more bytes, or for the end
            }
            return Stopped::Pending(None);
        };
        let due = match in_flight.next(settings, now) {
            Action::Cut => return Stopped::Cut,
            Action::Discard => {
                connection.discarded(in_flight.discard());
                continue;
            }
            Action::Deliver(length) => match Pin::new(to).poll_write(cx, in_flight.front(length)) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    in_flight.delivered(written, settings);
                    connection.delivered(direction, written);
                    if settings.piece.is_some() {
                        // The reader runs before the next piece is written: this wakes the relay later.
                        let _ = pin!(tokio::task::yield_now()).poll(cx);
                        return Stopped::Pending(None);
                    }
                    continue;
                }
                // The receiver has left. The other direction reads its end.
                Poll::Ready(_) => {
                    connection.discarded(in_flight.discard());
                    continue;
                }
                Poll::Pending => None,
            },
            Action::DeliverEnd => {
                if Pin::new(to).poll_shutdown(cx).is_ready() {
                    in_flight.end_delivered();
                    continue;
                }
                None
            }
            Action::WaitUntil(due) => Some(due),
            Action::Wait => None,
        };
        if !received {
            return Stopped::Pending(due);
        }
    }
}

/// Reads once. Returns whether something was read: bytes or the end.
fn receive<A: End>(
    from: &mut Option<A>,
    in_flight: &mut InFlight,
    settings: &DirectionSettings,
    now: Instant,
    cx: &mut Context<'_>,
) -> bool {
    let room = in_flight.room().min(READ);
    if room == 0 {
        return false;
    }
    let Some(from) = from else {
        in_flight.end(now);
        return true;
    };
    let mut scratch = [0; READ];
    let mut buffer = ReadBuf::new(&mut scratch[..room]);
    match Pin::new(from).poll_read(cx, &mut buffer) {
        Poll::Ready(Ok(())) if !buffer.filled().is_empty() => in_flight.push(buffer.filled(), settings, now),
        Poll::Ready(_) => in_flight.end(now),
        Poll::Pending => return false,
    }
    true
}
