//! The handle to a connection: other tasks encode, queue and close through it. It holds no lock while
//! the application's types encode themselves, and it never touches a stream.

use crate::{
    connection::{
        backlog::Account,
        calls::Calls,
        outbox::{Outbox, Queued, compressed::Compressed, signals::Collected},
        parked::Parked,
        queue::{Out, Queue},
        shared_frame::SharedFrame,
        spare,
        spoken::Spoken,
        turn,
    },
    error::SendError,
    session::sent::{Arrival, SentFrames},
};
use bytes::Bytes;
use serde::Serialize;
use std::{
    cell::Cell,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    task::Waker,
};
use tokio::time::Instant;
use wse_frame::{Opcode, frame_len, put_close, put_frame, write_frame};
use wse_proto::{Closed, Codec, EncodeError, Envelope, Features, Kind, Limits, Payload, SessionGrant, Token};

/// The handle to a connection, shared by the connection's task and all senders. It stays the same when
/// its session continues over other connections.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(super) outbox: Outbox,
    /// The slot and the next connection of the session, while it is parked.
    pub(super) parked: Parked,
    spoken: Arc<Spoken>,
    /// What replaces `spoken`, once the peer's first frame has chosen it.
    chosen: OnceLock<Arc<Spoken>>,
    calls: Calls,
    /// What the peer can, in bits.
    features: AtomicU8,
    /// What the queue holds beyond its limit counts here, for a server.
    pub(super) account: Option<Account>,
}

thread_local! {
    /// Where frames are encoded before they enter a queue, so that no lock is held meanwhile.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A scratch buffer that grew beyond this is freed.
const SCRATCH_KEPT: usize = 64 << 10;

/// The payload of a call without arguments, where a ping is a call.
const NO_ARGUMENTS: [(); 0] = [];

impl Handle {
    /// `masked` is for the client's role.
    pub(crate) fn new(spoken: Arc<Spoken>, limits: &Limits, masked: bool) -> Self {
        Self {
            outbox: Outbox::new(limits, masked),
            parked: Parked::default(),
            calls: Calls::new(limits.calls_per_conn, spoken.codec.numbers_calls()),
            spoken,
            chosen: OnceLock::new(),
            features: AtomicU8::new(0),
            account: None,
        }
    }

    /// Sends no message of the application that is larger than the peer takes.
    pub(crate) fn bound_messages(&self, bytes: u64) {
        let largest = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.outbox.bound_frames(frame_len(largest, self.masked()));
    }

    /// Whether its frames are masked: on the client's side.
    pub(super) fn masked(&self) -> bool {
        self.outbox.masked
    }

    pub(crate) fn spoken(&self) -> &Arc<Spoken> {
        self.chosen.get().unwrap_or(&self.spoken)
    }

    pub(crate) fn codec(&self) -> &Codec {
        &self.spoken().codec
    }

    /// Makes the connection speak this from now on. To be called once at most, before anything is sent.
    pub(crate) fn speak(&self, spoken: &Arc<Spoken>) {
        if !Arc::ptr_eq(&self.spoken, spoken) {
            let _ = self.chosen.set(spoken.clone()); // a second choice would be a mistake: the first holds
        }
    }

    /// What the peer can. A session may continue with a peer of another version.
    pub(crate) fn features(&self) -> Features {
        Features::from_bits(self.features.load(Ordering::Relaxed))
    }

    /// Notes what the peer has said that it can.
    pub(crate) fn set_features(&self, features: Features) {
        self.features.store(features.bits(), Ordering::Relaxed);
    }

    pub(crate) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// Whether the application waits for an answer or an acknowledgement of the peer: also for room that only
    /// an acknowledgement frees.
    pub(super) fn awaits_peer(&self) -> bool {
        self.calls.in_flight() || self.outbox.awaits_peer()
    }

    /// Whether messages are accepted: the end was not chosen yet.
    pub(crate) fn is_open(&self) -> bool {
        self.outbox.is_open()
    }

    /// How the connection ends, once that was chosen.
    pub(crate) fn closed(&self) -> Option<Closed> {
        self.outbox.closed()
    }

    /// Ends the connection, in the form that its wire has for this end. What is queued is still sent.
    /// Returns the end that holds: this one, or one that was chosen before.
    pub(crate) fn close(&self, closed: Closed) -> Closed {
        self.close_as(self.end(closed))
    }

    /// The same for an end that came from the peer, or has its wire's form already.
    pub(crate) fn close_as(&self, closed: Closed) -> Closed {
        let closed = self.outbox.close(closed);
        self.parked.free_slot();
        closed
    }

    /// An end that this side chooses, in the form that its wire has for it.
    pub(crate) fn end(&self, closed: Closed) -> Closed {
        self.codec().end(closed, self.masked())
    }

    /// Lets running handlers finish, then closes.
    pub(crate) fn drain(&self, closed: Closed) {
        self.outbox.drain(closed);
    }

    /// Ends the connection at once, and its session. Nothing that is queued is sent.
    pub(crate) fn abort(&self) {
        self.outbox.abort();
        self.parked.free_slot();
    }

    /// Loses the connection, as a broken network does.
    pub(crate) fn cut(&self) {
        self.outbox.cut();
    }

    /// Whether its session waits for another connection.
    pub(crate) fn is_parked(&self) -> bool {
        self.parked.has_slot()
    }

    /// Begins a session that keeps at most `limit` bytes. `token` is the first that a server grants.
    pub(crate) fn begin_session(&self, token: Option<Token>, limit: usize) {
        self.outbox.begin_session(token, limit, self.peer_can_skip());
    }

    /// Reads or changes the session, if there is one. No other lock may be taken within.
    pub(crate) fn session<T>(&self, ask: impl FnOnce(&mut SentFrames) -> T) -> Option<T> {
        self.outbox.session(ask)
    }

    /// Encodes a message, or a call with its stamp, straight into its frame and queues it. Returns its
    /// number where a session can tell when it has arrived.
    pub(crate) fn send<P>(&self, name: &str, payload: &P, stamp: Option<&str>) -> Result<Option<u64>, SendError>
    where
        P: Serialize + ?Sized,
    {
        let encode = |out: &mut Vec<u8>| self.codec().write(out, name, payload, stamp);
        self.frame(self.opcode(), encode, |frame| self.queue(frame))
    }

    /// Queues an envelope of the application whose payload is encoded already.
    pub(crate) fn send_encoded(
        &self,
        name: &str,
        payload: &Payload<'_>,
        stamp: Option<&str>,
    ) -> Result<Option<u64>, SendError> {
        let encode = |out: &mut Vec<u8>| self.codec().write_encoded(out, name, payload, stamp);
        self.frame(self.opcode(), encode, |frame| self.queue(frame))
    }

    /// Queues a frame that many connections share. For the server's role only.
    pub(crate) fn send_shared(&self, frame: &SharedFrame) -> Result<Option<u64>, SendError> {
        if self.outbox.compresses(frame.plain().len()) {
            return self.queued(self.send_shared_compressed(frame));
        }
        self.queue(Out::Shared(frame.plain()))
    }

    /// Queues a frame of the application. A parked session that takes too much ends, or makes others
    /// end.
    #[inline]
    pub(super) fn queue(&self, frame: Out<'_>) -> Result<Option<u64>, SendError> {
        let compresses = self.outbox.compresses(frame.len());
        self.queued(if compresses { self.send_compressed(frame) } else { self.outbox.send(frame) })
    }

    #[inline]
    pub(super) fn queued(&self, sent: Result<Queued, SendError>) -> Result<Option<u64>, SendError> {
        match sent {
            Ok(queued) => {
                if queued.counts {
                    self.count_kept();
                    self.count_excess();
                }
                Ok(queued.number)
            }
            Err(error) => {
                if matches!(error, SendError::Slow) {
                    self.parked.free_slot();
                }
                Err(error)
            }
        }
    }

    /// Waits until half of the queue is free.
    pub(super) async fn ready(&self) -> Result<(), SendError> {
        self.outbox.ready().await
    }

    /// Waits until a whole frame has room, and queues it.
    pub(super) async fn queue_when_ready(&self, frame: &Bytes) -> Result<Option<u64>, SendError> {
        let compressed = self.compressed(frame);
        Ok(self.outbox.send_when_ready(frame, compressed.as_ref().map(Compressed::from)).await?.number)
    }

    /// Encodes a message into its frame.
    pub(super) fn encode<P: Serialize + ?Sized>(&self, name: &str, payload: &P) -> Result<Bytes, SendError> {
        let encode = |out: &mut Vec<u8>| self.codec().write(out, name, payload, None);
        self.frame(self.opcode(), encode, |frame| Ok(frame.to_bytes()))
    }

    /// For the task: takes what is queued, and notes that so many bytes were written to the stream.
    #[inline]
    pub(super) fn collect(&self, writing: &mut Queue, written: usize, waker: &Waker, now: Instant) -> Collected {
        let collected = self.outbox.collect(writing, written, waker, now.into_std(), |places| self.skip_frame(places));
        if collected.less_beyond {
            self.count_excess();
        }
        collected
    }

    /// For the task: notes that so many bytes that it had collected wait no longer.
    pub(super) fn gone(&self, bytes: usize) {
        if self.outbox.gone(bytes) {
            self.count_excess();
        }
    }

    /// Whether a message of that number has arrived, or what to wait for.
    pub(super) fn arrival(&self, number: u64) -> Arrival {
        self.outbox.arrival(number)
    }

    /// Queues an envelope of the protocol.
    pub(crate) fn say(&self, envelope: &Envelope<'_>) -> Result<(), SendError> {
        self.frame(self.opcode(), self.write_envelope(envelope), |frame| self.outbox.push(frame.as_slice()))
    }

    pub(super) fn write_envelope(
        &self,
        envelope: &Envelope<'_>,
    ) -> impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError> {
        let Envelope { name, payload, stamp } = envelope;
        move |out| self.codec().write_encoded(out, name, payload, stamp.as_deref())
    }

    /// Queues the hi.
    pub(crate) fn hi(&self, payload: Payload<'_>) -> Result<(), SendError> {
        self.say(&Envelope { name: Kind::Hi.as_str().into(), payload, stamp: None })
    }

    /// Queues the welcome, with what it grants.
    pub(crate) fn welcome(&self, payload: &Payload<'_>, granted: Option<&SessionGrant>) -> Result<(), SendError> {
        self.frame(self.opcode(), self.write_welcome(payload, granted), |frame| {
            self.outbox.push_welcome(frame.as_slice())
        })
    }

    pub(super) fn write_welcome(
        &self,
        payload: &Payload<'_>,
        granted: Option<&SessionGrant>,
    ) -> impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError> {
        move |out| {
            // Only a client that says what it can is told what this side can.
            let features = if self.features().is_empty() { Features::NONE } else { Features::OF_SERVER };
            self.codec().write_welcome(out, payload, granted, features)
        }
    }

    /// For the task, once the end was chosen: queues `last` and the close frame.
    pub(super) fn goodbye(&self, last: Option<&Envelope<'_>>, closed: &Closed) {
        let mask = || self.masked().then(rand::random);
        let mut frames = Vec::new();
        if let Some(envelope) = last {
            // What a codec of the application cannot write is not sent.
            let _ = put_frame(&mut frames, self.opcode(), mask(), self.write_envelope(envelope));
        }
        put_close(&mut frames, mask(), closed.code, closed.reason.as_str());
        self.outbox.goodbye(&frames);
    }

    /// Queues a ping: a frame, or the call that replaces it on this wire.
    pub(super) fn ping(&self) -> Result<(), SendError> {
        let Some(rp) = self.codec().ping() else { return self.ping_with(&[]) };
        let stamp = self.calls.ping();
        self.send(rp, &NO_ARGUMENTS, Some(stamp.as_str())).map(drop)
    }

    /// Queues a ping frame whose pong is recognised by its payload.
    pub(super) fn ping_with(&self, mark: &[u8]) -> Result<(), SendError> {
        self.frame(Opcode::Ping, write_raw(mark), |frame| self.outbox.push(frame.as_slice()))
    }

    /// Queues the answer to a ping.
    pub(super) fn pong(&self, payload: &[u8]) -> Result<(), SendError> {
        let mut frame = Vec::new();
        put_frame(&mut frame, Opcode::Pong, self.masked().then(rand::random), write_raw(payload))?;
        self.outbox.push_pong(&frame)
    }

    /// Encodes a frame and queues it. A large one is handed over in the memory it was written into, which the
    /// queue and the session share; a small one is copied.
    pub(super) fn frame<T>(
        &self,
        opcode: Opcode,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
        queue: impl FnOnce(Out<'_>) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        let mut scratch = SCRATCH.take();
        if scratch.capacity() == 0 {
            scratch = spare::largest();
        }
        let mask = self.masked().then(rand::random);
        let result = write_frame(&mut scratch, opcode, mask, write).map_err(SendError::from).and_then(|begin| {
            let len = scratch.len() - begin;
            turn::produced(len);
            if len <= spare::LARGE {
                return queue(Out::Own(&scratch[begin..]));
            }
            queue(Out::Shared(&spare::hand_over(&mut scratch, begin)))
        });
        if scratch.capacity() <= SCRATCH_KEPT {
            SCRATCH.set(scratch);
        } else {
            spare::keep(scratch);
        }
        result
    }

    pub(super) fn opcode(&self) -> Opcode {
        if self.codec().binary() { Opcode::Binary } else { Opcode::Text }
    }
}

/// Writes bytes as they are.
pub(super) fn write_raw(bytes: &[u8]) -> impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError> {
    move |out| {
        out.extend_from_slice(bytes);
        Ok(())
    }
}
