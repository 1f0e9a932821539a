//! One connection on its way: bytes are taken from one end and given to the other, when they are
//! due. It may never decide when that is, and never hold more than two lines.

use super::{
    line::{Line, Next},
    links::Live,
    rules::{Cut, Towards, Way},
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

/// Bytes read at once.
const READ: usize = 8 << 10;

/// An end of a connection.
pub(super) trait End: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Ends abruptly.
    fn reset(self);
}

impl End for DuplexStream {
    fn reset(self) {} // a pipe knows one end only
}

impl End for TcpStream {
    fn reset(self) {
        // Fails only on a socket that is gone already.
        let _ = self.set_zero_linger();
    }
}

/// Runs until both ends have left or were cut off; dropping it ends both.
pub(super) struct Carry<C, S> {
    client: Option<C>,
    server: Option<S>,
    to_server: Line,
    to_client: Line,
    live: Live,
    timer: Pin<Box<Sleep>>,
}

/// How far one way has come.
enum Turn {
    /// Something must happen elsewhere first, or this time must come.
    Wait(Option<Instant>),
    /// The connection is to be cut.
    Cut,
}

impl<C: End, S: End> Carry<C, S> {
    pub(super) fn new(client: C, server: S, live: Live) -> Self {
        let now = Instant::now();
        Self {
            client: Some(client),
            server: Some(server),
            to_server: Line::new(now),
            to_client: Line::new(now),
            live,
            timer: Box::pin(tokio::time::sleep_until(now)),
        }
    }

    /// Cuts off whom the cut shows itself to.
    fn cut(&mut self, cut: Cut, cx: &mut Context<'_>) {
        if cut == Cut::Fin {
            // Neither waits for the peer; it fails only on a socket that is gone already.
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

impl<C: End, S: End> Future for Carry<C, S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let now = Instant::now();
            let orders = this.live.orders(cx.waker());
            let rules = orders.rules;
            if orders.cut {
                this.cut(rules.cut_as, cx);
            }
            let Self { client, server, to_server, to_client, live, .. } = this;
            let to = Towards::Server;
            let up = turn((client, server), to_server, (to, &rules.to_server), live, now, cx);
            let Turn::Wait(up) = up else {
                this.cut(rules.cut_as, cx);
                continue;
            };
            let to = Towards::Client;
            let down = turn((server, client), to_client, (to, &rules.to_client), live, now, cx);
            let Turn::Wait(down) = down else {
                this.cut(rules.cut_as, cx);
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

/// Moves what can be moved in one direction.
fn turn<A: End, B: End>(
    (from, to): (&mut Option<A>, &mut Option<B>),
    line: &mut Line,
    (towards, way): (Towards, &Way),
    live: &Live,
    now: Instant,
    cx: &mut Context<'_>,
) -> Turn {
    loop {
        let took = take_in(from, line, now, cx);
        let (Some(_), Some(to)) = (&from, &mut *to) else {
            // Who was cut off is sent nothing more, and the other end is not told.
            let vanished = line.vanish();
            live.vanished(vanished);
            if took || vanished > 0 {
                continue; // there is room for more, or for the end
            }
            return Turn::Wait(None);
        };
        let due = match line.next(way, now) {
            Next::Cut => return Turn::Cut,
            Next::Vanish => {
                live.vanished(line.vanish());
                continue;
            }
            Next::Bytes(length) => match Pin::new(to).poll_write(cx, line.front(length)) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    line.delivered(written, way);
                    live.delivered(towards, written);
                    if way.piece.is_some() {
                        // Who reads has a turn before the next piece is there: this wakes later.
                        let _ = pin!(tokio::task::yield_now()).poll(cx);
                        return Turn::Wait(None);
                    }
                    continue;
                }
                // Who has left reads nothing more; that it has left comes the other way.
                Poll::Ready(_) => {
                    live.vanished(line.vanish());
                    continue;
                }
                Poll::Pending => None,
            },
            Next::End => {
                if Pin::new(to).poll_shutdown(cx).is_ready() {
                    line.end_delivered();
                    continue;
                }
                None
            }
            Next::At(due) => Some(due),
            Next::Nothing => None,
        };
        if !took {
            return Turn::Wait(due);
        }
    }
}

/// Takes in what has come, once. Whether there was something: bytes or the end.
fn take_in<A: End>(from: &mut Option<A>, line: &mut Line, now: Instant, cx: &mut Context<'_>) -> bool {
    let room = line.room().min(READ);
    if room == 0 {
        return false;
    }
    let Some(from) = from else {
        line.end(now);
        return true;
    };
    let mut scratch = [0; READ];
    let mut buffer = ReadBuf::new(&mut scratch[..room]);
    match Pin::new(from).poll_read(cx, &mut buffer) {
        Poll::Ready(Ok(())) if !buffer.filled().is_empty() => line.take_in(buffer.filled(), now),
        Poll::Ready(_) => line.end(now),
        Poll::Pending => return false,
    }
    true
}
