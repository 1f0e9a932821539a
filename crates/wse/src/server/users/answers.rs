//! One call to many devices, and their answers as they come. Nothing of it outlives its deadline.

use crate::{
    connection::send,
    error::CallError,
    server::users::{
        conn::Conn,
        elsewhere::{Asked, Elsewhere, Progress},
        encoded::Encoded,
    },
};
use futures_util::{
    FutureExt,
    future::ready,
    stream::{FuturesUnordered, Stream, StreamExt},
};
use serde::de::DeserializeOwned;
use std::{
    fmt,
    future::poll_fn,
    mem::take,
    pin::Pin,
    task::{Context, Poll, ready as ready_or_return},
    time::Duration,
};
use wse_cluster::DeviceId;
use wse_proto::{Code, EncodeError};

/// The answers of many devices to one call, as they come: a stream of each device with its result.
/// [`User::ask`](crate::User::ask), [`Room::ask`](crate::Room::ask) and [`Audience::ask`](crate::Audience::ask)
/// return it.
///
/// Nothing is asked before it is polled first. It ends when every device has answered, failed or left, at
/// its deadline at the latest: the answers that are missing then are
/// [`TimedOut`](CallError::TimedOut). Dropping it cancels the calls that are not answered.
///
/// In a cluster devices of all servers are asked, and cancelled. Those of a server that is lost meanwhile end as
/// [`NodeLost`](CallError::NodeLost), and while no other server is reached, its devices as
/// [`Unreachable`](CallError::Unreachable). Who is in a room at another server only that one knows: it is asked for it
/// first. If it does not say so, it stands for its members, with an id of the number 0.
///
/// ```
/// # use std::time::Duration;
/// # async fn example(server: wse::Server) -> Result<(), Box<dyn std::error::Error>> {
/// const NEAR: wse::Rp<(f64, f64), u32> = wse::Rp::new("near");
///
/// let mut answers = server.everyone().ask(NEAR, (48.2, 16.4)).within(Duration::from_secs(3));
/// while let Some((device, meters)) = answers.next().await {
///     match meters {
///         Ok(meters) => println!("{device} is {meters} m away"),
///         Err(error) => println!("{device}: {error}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is asked before it is polled"]
pub struct Answers<R> {
    /// Until it is polled first.
    asking: Option<Asking>,
    running: FuturesUnordered<Asked<R>>,
}

/// What is to be asked, and whom.
struct Asking {
    conns: Vec<Conn>,
    elsewhere: Option<Elsewhere>,
    /// The call, or why it does not encode.
    call: Result<Encoded, Box<str>>,
    within: Duration,
}

/// No device, or not one, has answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// No device was there to be asked.
    #[error("no device was there")]
    Nobody,
    /// Every device that was asked has failed, each with its error.
    #[error("none of {} devices has answered", .0.len())]
    Unanswered(Vec<(DeviceId, CallError)>),
}

impl AskError {
    /// The code of this error: that of the last device, where some were asked.
    pub fn code(&self) -> &str {
        match self {
            AskError::Nobody => Code::NOT_READY,
            AskError::Unanswered(errors) => errors.last().map_or(Code::RP_TIMEOUT, |(_, error)| error.code()),
        }
    }
}

impl<R> Answers<R> {
    pub(crate) fn new(
        conns: Vec<Conn>,
        elsewhere: Option<Elsewhere>,
        call: Result<Encoded, Box<str>>,
        within: Duration,
    ) -> Self {
        Self { asking: Some(Asking { conns, elsewhere, call, within }), running: FuturesUnordered::new() }
    }

    /// Waits so long for answers, instead of [`Limits::rpc_timeout`](crate::Limits::rpc_timeout). It changes
    /// nothing once it was polled.
    pub fn within(mut self, time: Duration) -> Self {
        if let Some(asking) = &mut self.asking {
            asking.within = time;
        }
        self
    }
}

impl<R: DeserializeOwned + Send + 'static> Answers<R> {
    /// The next answer; `None` after the last.
    pub async fn next(&mut self) -> Option<(DeviceId, Result<R, CallError>)> {
        poll_fn(|cx| self.poll_next_unpin(cx)).await
    }

    /// All answers, in the order in which they came.
    pub async fn all(self) -> Vec<(DeviceId, Result<R, CallError>)> {
        self.collect().await
    }

    /// The first device that succeeds, and its answer. The others are cancelled.
    ///
    /// # Errors
    /// When none succeeds.
    pub async fn first(mut self) -> Result<(DeviceId, R), AskError> {
        let mut failed = Vec::new();
        while let Some((device, answer)) = self.next().await {
            match answer {
                Ok(result) => return Ok((device, result)),
                Err(error) => failed.push((device, error)),
            }
        }
        Err(if failed.is_empty() { AskError::Nobody } else { AskError::Unanswered(failed) })
    }

    /// The first so many devices that succeed, and their answers; fewer where the others fail or the
    /// deadline comes. The others are cancelled.
    pub async fn quorum(mut self, devices: usize) -> Vec<(DeviceId, R)> {
        let mut succeeded = Vec::new();
        while succeeded.len() < devices
            && let Some((device, answer)) = self.next().await
        {
            succeeded.extend(answer.ok().map(|result| (device, result)));
        }
        succeeded
    }
}

impl<R: DeserializeOwned + Send + 'static> Stream for Answers<R> {
    type Item = (DeviceId, Result<R, CallError>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(mut asking) = self.asking.take() {
            self.running = take(&mut asking.conns).into_iter().map(|conn| asking.start(conn)).collect();
            if let Some(elsewhere) = asking.elsewhere {
                self.running.extend(elsewhere.ask(asking.call, asking.within));
            }
        }
        loop {
            match ready_or_return!(self.running.poll_next_unpin(cx)) {
                Some(Progress::Answered(device, answer)) => return Poll::Ready(Some((device, answer))),
                Some(Progress::More(more)) => self.running.extend(more),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl Asking {
    /// Sends the call to one device. All are asked before the first answer is awaited.
    fn start<R: DeserializeOwned + Send + 'static>(&self, conn: Conn) -> Asked<R> {
        let device = conn.id();
        match self.send(&conn) {
            Ok(answer) => answer.map(move |answer| Progress::Answered(device, answer)).boxed(),
            Err(error) => ready(Progress::Answered(device, Err(error))).boxed(),
        }
    }

    fn send<R: DeserializeOwned + Send + 'static>(
        &self,
        conn: &Conn,
    ) -> Result<impl Future<Output = Result<R, CallError>> + Send + use<R>, CallError> {
        let (handle, hooks) = (&conn.0.handle, &conn.0.server.env.hooks);
        let call = self.call.as_ref().map_err(|error| EncodeError::new(&**error));
        let payload = call.and_then(|call| Ok((call.name(), call.payload(handle.codec().format())?)));
        let (name, payload) = payload.map_err(|error| CallError::Send(error.into()))?;
        send::encoded_call(hooks, conn, handle, name, payload, self.within)
    }
}

impl<R> fmt::Debug for Answers<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers").field("missing", &self.running.len()).finish_non_exhaustive()
    }
}
