//! Sends messages and calls of the application over one connection: shows them to its hook first, if
//! there is one, then queues them. With a hook each is encoded once, and sent exactly as the hook saw it.

use crate::{
    app::hooks::Hooks,
    connection::{calls::Answer, handle::Handle, outbox::aging::CallPlace, waits::for_peer},
    error::{CallError, SendError},
};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::{ops::Deref, pin::pin, sync::Arc, time::Duration};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use wse_proto::{Closed, Codec, Envelope, Features, Kind, Payload, Reason, Stamp, TimedStamp};

/// Queues a message that the hook lets through. Returns its number where a session counts it.
pub(crate) fn message<W, P>(
    hooks: &Hooks<W>,
    who: &W,
    handle: &Handle,
    name: &str,
    payload: &P,
) -> Result<Option<u64>, SendError>
where
    W: Send + 'static,
    P: Serialize + ?Sized,
{
    match shown(hooks, who, handle, name, payload, None)? {
        None => handle.send(name, payload, None),
        Some(encoded) => handle.send(name, &encoded, None),
    }
}

/// The same, once there is room for it. The hook sees it, and it is encoded, before the wait.
pub(crate) async fn message_when_ready<W, P>(
    hooks: &Hooks<W>,
    who: &W,
    handle: &Handle,
    name: &str,
    payload: P,
) -> Result<Option<u64>, SendError>
where
    W: Send + 'static,
    P: Serialize,
{
    let frame = encoded(hooks, who, handle, name, &payload)?;
    drop(payload);
    for_peer(handle, pin!(handle.queue_when_ready(&frame))).await
}

/// Waits until half of the queue is free.
pub(crate) async fn ready(handle: &Handle) -> Result<(), SendError> {
    for_peer(handle, pin!(handle.ready())).await
}

/// Encodes a message that the hook lets through into its frame.
pub(super) fn encoded<W, P>(
    hooks: &Hooks<W>,
    who: &W,
    handle: &Handle,
    name: &str,
    payload: &P,
) -> Result<Bytes, SendError>
where
    W: Send + 'static,
    P: Serialize + ?Sized,
{
    match shown(hooks, who, handle, name, payload, None)? {
        None => handle.encode(name, payload),
        Some(encoded) => handle.encode(name, &encoded),
    }
}

/// Sends a call that the hook lets through, and waits for its answer.
pub(crate) async fn call<W, P, R>(
    hooks: &Hooks<W>,
    who: &W,
    handle: &Handle,
    name: &str,
    payload: &P,
    timeout: Duration,
) -> Result<R, CallError>
where
    W: Send + 'static,
    P: Serialize + ?Sized,
    R: DeserializeOwned,
{
    // The hook sees a call with an empty stamp: it has none yet.
    match shown(hooks, who, handle, name, payload, Some(""))? {
        None => start_call(handle, name, payload, timeout)?.await,
        Some(encoded) => start_call(handle, name, &encoded, timeout)?.await,
    }
}

/// Sends a call whose argument is encoded already. The future waits for its answer, and gives the call up when
/// dropped.
pub(crate) fn encoded_call<W, R>(
    hooks: &Hooks<W>,
    who: &W,
    handle: &Arc<Handle>,
    name: &str,
    payload: &Payload<'static>,
    timeout: Duration,
) -> Result<impl Future<Output = Result<R, CallError>> + Send + use<W, R>, CallError>
where
    W: Send + 'static,
    R: DeserializeOwned,
{
    shown(hooks, who, handle, name, payload, Some(""))?;
    start_call(handle.clone(), name, payload, timeout)
}

/// Shows the hook what is to be sent, and returns the payload as the hook saw it; `None` without a
/// hook.
fn shown<W, P>(
    hooks: &Hooks<W>,
    who: &W,
    handle: &Handle,
    name: &str,
    payload: &P,
    stamp: Option<&str>,
) -> Result<Option<Payload<'static>>, SendError>
where
    W: Send + 'static,
    P: Serialize + ?Sized,
{
    if !hooks.sees_outgoing() {
        return Ok(None);
    }
    if !handle.is_open() {
        return Err(SendError::NotReady); // the hook does not see what cannot be sent
    }
    handle.codec().can_name(name)?;
    let payload = Payload::encode(handle.codec().format(), payload)?;
    hooks.outgoing(who, &Envelope { name: name.into(), payload: payload.borrowed(), stamp: stamp.map(Into::into) })?;
    Ok(Some(payload))
}

/// How the connection of a call ended that gets no answer any more.
fn ended(handle: &Handle) -> Closed {
    handle.closed().unwrap_or_else(|| Closed::broken(Reason::default()))
}

/// Sends a call at once. The future waits for its answer, and gives the call up when dropped.
fn start_call<H, P, R>(
    handle: H,
    rp: &str,
    payload: &P,
    timeout: Duration,
) -> Result<impl Future<Output = Result<R, CallError>> + use<H, P, R>, CallError>
where
    H: Deref<Target = Handle>,
    P: Serialize + ?Sized,
    R: DeserializeOwned,
{
    if !handle.is_open() {
        return Err(CallError::NotReady);
    }
    let (mut call, answer) = Call::open(handle)?;
    let until = Instant::now().checked_add(timeout);
    call.send(rp, payload, timeout, until)?;
    Ok(async move {
        let answer = for_peer(&call.handle, answer);
        let answer = match until {
            Some(until) => timeout_at(until, answer).await.map_err(|_| CallError::TimedOut)?,
            None => answer.await,
        };
        match answer.map_err(|_| CallError::Disconnected { closed: ended(&call.handle) })? {
            Ok(result) => Ok(result.decode()?),
            Err(error) => Err(CallError::failed(call.handle.codec().read_error(&error))),
        }
    })
}

/// Asks the peer for its identity, and waits for the answer. The future gives the call up when dropped.
pub(crate) async fn identity(handle: &Handle) -> Result<Answer, CallError> {
    let (mut call, answer) = Call::open(handle)?;
    let null = Payload::null(handle.codec().format());
    handle.send_encoded(Kind::Identity.as_str(), &null, Some(call.stamp.as_str()))?;
    call.place = Some(CallPlace::default());
    answer.await.map_err(|_| CallError::Disconnected { closed: ended(handle) })
}

/// A call in flight. Dropping it before its answer has come gives it up: by a timeout, or with the future of
/// its caller.
struct Call<H: Deref<Target = Handle>> {
    handle: H,
    stamp: Stamp,
    /// Where it is, once it was sent.
    place: Option<CallPlace>,
}

impl<H: Deref<Target = Handle>> Call<H> {
    fn open(handle: H) -> Result<(Self, oneshot::Receiver<Answer>), CallError> {
        let (stamp, answer) = handle.calls().open()?;
        Ok((Call { handle, stamp, place: None }, answer))
    }

    /// Sends it, to a peer that reads times with the time that is left for it.
    fn send<P: Serialize + ?Sized>(
        &mut self,
        rp: &str,
        payload: &P,
        timeout: Duration,
        until: Option<Instant>,
    ) -> Result<(), SendError> {
        let timed = if self.handle.tells_time() { TimedStamp::new(&self.stamp, timeout) } else { None };
        let stamp = timed.as_ref().map_or(self.stamp.as_str(), TimedStamp::as_str);
        self.place = Some(self.handle.send_call(rp, payload, stamp, until)?);
        Ok(())
    }
}

impl<H: Deref<Target = Handle>> Drop for Call<H> {
    fn drop(&mut self) {
        if self.handle.calls().forget(&self.stamp)
            && let Some(place) = self.place
            && !self.handle.withdraw(place) // else the peer has never heard of it
            && self.handle.can_cancel()
        {
            let null = Payload::null(self.handle.codec().format());
            // Fails only when the connection ends, and with it the call.
            let _ = self.handle.send_encoded(Kind::Cancel.as_str(), &null, Some(self.stamp.as_str()));
        }
    }
}

impl Handle {
    /// Whether the peer wants to know how much time is left for a call. A codec of the application's own may
    /// have no place for it.
    fn tells_time(&self) -> bool {
        self.features().has(Features::TIME) && matches!(self.codec(), Codec::Json | Codec::MessagePack)
    }

    /// Whether the peer wants to know that a caller does not wait any more.
    fn can_cancel(&self) -> bool {
        self.features().has(Features::CANCEL)
    }
}
