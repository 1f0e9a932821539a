//! What a connection is to those who talk through it: its outbox, its codec, its calls in flight.
//! It may never decide when the connection ends, and holds no lock while the application's types
//! encode themselves.

use crate::{
    error::{CallError, SendError},
    outbox::Outbox,
};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    cell::Cell,
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;
use wse_frame::{Opcode, put_frame};
use wse_proto::{Codec, EncodeError, Kind, Limits, Payload, Pending, RpError, Stamp};

/// An answer as it came, undecoded.
type Answer = Result<Payload<'static>, Payload<'static>>;

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) outbox: Outbox,
    pub(crate) codec: Codec,
    calls: Mutex<Pending<oneshot::Sender<Answer>>>,
    masked: bool,
}

thread_local! {
    /// Where frames are encoded before they enter a queue, so that no lock is held meanwhile.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A scratch buffer that grew beyond this is given back to the allocator.
const SCRATCH_KEPT: usize = 64 << 10;

impl Peer {
    /// `masked` for the client's role.
    pub(crate) fn new(codec: Codec, limits: &Limits, masked: bool) -> Self {
        Self {
            outbox: Outbox::new(limits.queue_bytes, masked),
            codec,
            calls: Mutex::new(Pending::new(limits.calls_per_conn)),
            masked,
        }
    }

    /// Encodes a message, or a call with its stamp, straight into its frame and queues it.
    pub(crate) fn send<P>(&self, name: &str, payload: &P, stamp: Option<&str>) -> Result<(), SendError>
    where
        P: Serialize + ?Sized,
    {
        self.frame(self.opcode(), |out| self.codec.write(out, name, payload, stamp))
    }

    /// Queues an envelope whose payload is encoded already.
    pub(crate) fn send_encoded(&self, name: &str, payload: &Payload<'_>, stamp: Option<&str>) -> Result<(), SendError> {
        self.frame(self.opcode(), |out| self.codec.write_encoded(out, name, payload, stamp))
    }

    /// Queues an envelope of the protocol's own.
    pub(crate) fn send_own(&self, kind: Kind, payload: &Payload<'_>) -> Result<(), SendError> {
        self.send_encoded(kind.as_str(), payload, None)
    }

    /// Queues a ping.
    pub(crate) fn ping(&self) -> Result<(), SendError> {
        self.frame(Opcode::Ping, |_| Ok(()))
    }

    /// Queues the answer to a ping.
    pub(crate) fn pong(&self, payload: &[u8]) -> Result<(), SendError> {
        let mut frame = Vec::new();
        put_frame(&mut frame, Opcode::Pong, self.masked.then(rand::random), |out| {
            out.extend_from_slice(payload);
            Ok::<_, EncodeError>(())
        })?;
        self.outbox.push_pong(&frame)
    }

    /// Queues a frame that many connections share; the server's role only.
    pub(crate) fn send_shared(&self, frame: &Bytes) -> Result<(), SendError> {
        self.outbox.push_shared(frame)
    }

    fn frame(
        &self,
        opcode: Opcode,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<(), SendError> {
        let mut scratch = SCRATCH.take();
        scratch.clear();
        let mask = self.masked.then(rand::random);
        let result = put_frame(&mut scratch, opcode, mask, write).map_err(SendError::from);
        let result = result.and_then(|()| self.outbox.push(&scratch));
        if scratch.capacity() <= SCRATCH_KEPT {
            SCRATCH.set(scratch);
        }
        result
    }

    pub(crate) fn opcode(&self) -> Opcode {
        if self.codec.binary() { Opcode::Binary } else { Opcode::Text }
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
        let stamp = Stamp::new(rand::random());
        let (waiter, answer) = oneshot::channel();
        if !self.outbox.is_open() {
            return Err(CallError::NotReady);
        }
        self.calls().open(stamp, waiter).map_err(|_| CallError::Busy)?;
        let call = Call { peer: self, stamp };
        self.send(rp, payload, Some(stamp.as_str()))?;
        Ok(async move {
            let answer = tokio::time::timeout(timeout, answer).await;
            drop(call);
            match answer.map_err(|_| CallError::TimedOut)?.map_err(|_| CallError::Disconnected)? {
                Ok(result) => Ok(result.decode()?),
                Err(error) => Err(CallError::failed(RpError::read(&error))),
            }
        })
    }

    /// Gives an answer to the call it is for; an unknown one is dropped.
    pub(crate) fn settle(&self, stamp: &str, answer: Result<Payload<'_>, Payload<'_>>) {
        let waiter = self.calls().settle(stamp);
        if let Some(waiter) = waiter {
            let answer = match answer {
                Ok(result) => Ok(result.into_owned()),
                Err(error) => Err(error.into_owned()),
            };
            // The caller may have gone a moment ago.
            let _ = waiter.send(answer);
        }
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

/// A call in flight; dropping it forgets the call.
struct Call<'a> {
    peer: &'a Peer,
    stamp: Stamp,
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.peer.calls().cancel(&self.stamp);
    }
}
