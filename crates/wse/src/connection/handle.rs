//! What a connection is to those who talk through it: its outbox, its codec, its calls in flight.
//! It may never decide when the connection ends, and holds no lock while the application's types
//! encode themselves.

use crate::{
    connection::outbox::{Out, Outbox},
    error::{CallError, SendError},
};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    cell::Cell,
    future::Future,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;
use wse_frame::{Opcode, put_close, put_frame};
use wse_proto::{Closed, Codec, EncodeError, Envelope, Kind, Limits, Payload, Pending, SessionGrant, Settled, Stamp};

/// An answer as it came, undecoded.
type Answer = Result<Payload<'static>, Payload<'static>>;

#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) outbox: Outbox,
    codec: Codec,
    /// What is spoken instead, where the peer's first frame has chosen.
    chosen: OnceLock<Codec>,
    calls: Mutex<Pending<oneshot::Sender<Answer>>>,
    masked: bool,
}

thread_local! {
    /// Where frames are encoded before they enter a queue, so that no lock is held meanwhile.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The payload of a call without arguments, where a ping is one.
const NO_ARGUMENTS: [(); 0] = [];

/// A scratch buffer that grew beyond this is given back to the allocator.
const SCRATCH_KEPT: usize = 64 << 10;

impl Handle {
    /// `masked` for the client's role.
    pub(crate) fn new(codec: Codec, limits: &Limits, masked: bool) -> Self {
        Self {
            outbox: Outbox::new(limits.queue_bytes, masked),
            calls: Mutex::new(Pending::new(limits.calls_per_conn, codec.numbers_calls())),
            codec,
            chosen: OnceLock::new(),
            masked,
        }
    }

    pub(crate) fn codec(&self) -> &Codec {
        self.chosen.get().unwrap_or(&self.codec)
    }

    /// Speaks another codec from now on; once, and before anything is sent.
    pub(crate) fn speak(&self, codec: Codec) {
        // A second one would be a mistake; the first holds.
        let _ = self.chosen.set(codec);
    }

    /// Ends the connection, as its wire says it. Gives the end that holds: this one, or the one
    /// chosen before.
    pub(crate) fn close(&self, closed: Closed) -> Closed {
        self.outbox.close(self.end(closed))
    }

    /// An end that this side chooses, as the wire says it.
    pub(crate) fn end(&self, closed: Closed) -> Closed {
        self.codec().end(closed, self.masked)
    }

    /// Encodes a message, or a call with its stamp, straight into its frame and queues it. Gives its
    /// number where a session can tell of it.
    pub(crate) fn send<P>(&self, name: &str, payload: &P, stamp: Option<&str>) -> Result<Option<u64>, SendError>
    where
        P: Serialize + ?Sized,
    {
        let encode = |out: &mut Vec<u8>| self.codec().write(out, name, payload, stamp);
        self.frame(self.opcode(), encode, |frame| self.outbox.send(Out::Own(frame)))
    }

    /// Queues an envelope of the application's whose payload is encoded already.
    pub(crate) fn send_encoded(
        &self,
        name: &str,
        payload: &Payload<'_>,
        stamp: Option<&str>,
    ) -> Result<Option<u64>, SendError> {
        let encode = |out: &mut Vec<u8>| self.codec().write_encoded(out, name, payload, stamp);
        self.frame(self.opcode(), encode, |frame| self.outbox.send(Out::Own(frame)))
    }

    /// Queues an envelope of the protocol's.
    pub(crate) fn say(&self, Envelope { name, payload, stamp }: &Envelope<'_>) -> Result<(), SendError> {
        let encode = |out: &mut Vec<u8>| self.codec().write_encoded(out, name, payload, stamp.as_deref());
        self.frame(self.opcode(), encode, |frame| self.outbox.push(frame))
    }

    /// Queues the hi.
    pub(crate) fn hi(&self, payload: Payload<'_>) -> Result<(), SendError> {
        self.say(&Envelope { name: Kind::Hi.as_str().into(), payload, stamp: None })
    }

    /// Queues the welcome, with what it grants.
    pub(crate) fn welcome(&self, payload: &Payload<'_>, granted: Option<&SessionGrant>) -> Result<(), SendError> {
        self.frame(self.opcode(), self.welcoming(payload, granted), |frame| self.outbox.push(frame))
    }

    fn welcoming(
        &self,
        payload: &Payload<'_>,
        granted: Option<&SessionGrant>,
    ) -> impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError> {
        move |out| match granted {
            Some(granted) => self.codec().write_welcome(out, payload, granted),
            None => self.codec().write_encoded(out, Kind::Welcome.as_str(), payload, None),
        }
    }

    /// The session goes on over another connection: queues its welcome, where that is this side's
    /// part, what the peer has not seen, and a ping, whose answer tells that the welcome has arrived.
    pub(crate) fn resume(
        &self,
        welcome: Option<&(Payload<'_>, SessionGrant)>,
        seen: u64,
        mark: &[u8],
    ) -> Result<(), SendError> {
        let (mut first, mut last) = (Vec::new(), Vec::new());
        if let Some((payload, granted)) = welcome {
            put_frame(&mut first, self.opcode(), None, self.welcoming(payload, Some(granted)))?;
            put_frame(&mut last, Opcode::Ping, None, raw(mark))?;
        }
        self.outbox.resume(&first, seen, &last);
        Ok(())
    }

    /// Queues what is said before the close frame, and that. For the pump, once the end was chosen.
    pub(crate) fn goodbye(&self, last: Option<&Envelope<'_>>, closed: &Closed) {
        let mask = || self.masked.then(rand::random);
        let mut frames = Vec::new();
        if let Some(Envelope { name, payload, stamp }) = last {
            let encode = |out: &mut Vec<u8>| self.codec().write_encoded(out, name, payload, stamp.as_deref());
            // What a codec of the application's does not write is not said.
            let _ = put_frame(&mut frames, self.opcode(), mask(), encode);
        }
        put_close(&mut frames, mask(), closed.code, closed.reason.as_str());
        self.outbox.goodbye(&frames);
    }

    /// Queues a ping: the frame, or the call that stands for it.
    pub(crate) fn ping(&self) -> Result<(), SendError> {
        let Some(rp) = self.codec().ping() else {
            return self.ping_with(&[]);
        };
        let stamp = self.calls().ping(rand::random());
        self.send(rp, &NO_ARGUMENTS, Some(stamp.as_str())).map(drop)
    }

    /// Queues a ping that its answer will be known by.
    pub(crate) fn ping_with(&self, mark: &[u8]) -> Result<(), SendError> {
        self.frame(Opcode::Ping, raw(mark), |frame| self.outbox.push(frame))
    }

    /// Queues the answer to a ping.
    pub(crate) fn pong(&self, payload: &[u8]) -> Result<(), SendError> {
        let mut frame = Vec::new();
        put_frame(&mut frame, Opcode::Pong, self.masked.then(rand::random), raw(payload))?;
        self.outbox.push_pong(&frame)
    }

    /// Queues a frame that many connections share; the server's role only.
    pub(crate) fn send_shared(&self, frame: &Bytes) -> Result<Option<u64>, SendError> {
        self.outbox.send(Out::Shared(frame))
    }

    fn frame<T>(
        &self,
        opcode: Opcode,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
        queue: impl FnOnce(&[u8]) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        let mut scratch = SCRATCH.take();
        scratch.clear();
        let mask = self.masked.then(rand::random);
        let result = put_frame(&mut scratch, opcode, mask, write).map_err(SendError::from);
        let result = result.and_then(|()| queue(&scratch));
        if scratch.capacity() <= SCRATCH_KEPT {
            SCRATCH.set(scratch);
        }
        result
    }

    pub(crate) fn opcode(&self) -> Opcode {
        if self.codec().binary() { Opcode::Binary } else { Opcode::Text }
    }

    /// Sends a call at once; the future waits for its answer, and forgets the call when dropped.
    pub(crate) fn call<P, R>(
        &self,
        rp: &str,
        payload: &P,
        timeout: Duration,
    ) -> Result<impl Future<Output = Result<R, CallError>> + use<'_, P, R>, CallError>
    where
        P: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let (waiter, answer) = oneshot::channel();
        if !self.outbox.is_open() {
            return Err(CallError::NotReady);
        }
        let stamp = self.calls().open(rand::random(), waiter).map_err(|_| CallError::Busy)?;
        let call = Call { handle: self, stamp };
        self.send(rp, payload, Some(stamp.as_str()))?;
        Ok(async move {
            let answer = tokio::time::timeout(timeout, answer).await;
            drop(call);
            match answer.map_err(|_| CallError::TimedOut)?.map_err(|_| CallError::Disconnected)? {
                Ok(result) => Ok(result.decode()?),
                Err(error) => Err(CallError::failed(self.codec().read_error(&error))),
            }
        })
    }

    /// Gives an answer to the call it is for; an unknown one is dropped. True for that to a ping.
    pub(crate) fn settle(&self, stamp: &str, answer: Result<Payload<'_>, Payload<'_>>) -> bool {
        let settled = self.calls().settle(stamp);
        if let Settled::Call(waiter) = settled {
            let answer = match answer {
                Ok(result) => Ok(result.into_owned()),
                Err(error) => Err(error.into_owned()),
            };
            // The caller may have gone a moment ago.
            let _ = waiter.send(answer);
            return false;
        }
        matches!(settled, Settled::Ping)
    }

    /// Every caller learns that there will be no answer.
    pub(crate) fn disconnect(&self) {
        let waiters = self.calls().drain();
        drop(waiters);
    }

    fn calls(&self) -> MutexGuard<'_, Pending<oneshot::Sender<Answer>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes bytes as they are.
fn raw(bytes: &[u8]) -> impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError> {
    move |out| {
        out.extend_from_slice(bytes);
        Ok(())
    }
}

/// A call in flight; dropping it forgets the call.
struct Call<'a> {
    handle: &'a Handle,
    stamp: Stamp,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.handle.calls().cancel(&self.stamp);
    }
}
