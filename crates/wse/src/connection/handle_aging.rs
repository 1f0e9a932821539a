//! What ages, through the handle to a connection: messages, calls with their time, and what tells the peer of
//! places that were given up.

use crate::{
    connection::{
        handle::Handle,
        outbox::{
            aging::{Aged, CallPlace},
            compressed::Compressed,
        },
        shared_frame::SharedFrame,
    },
    error::SendError,
};
use bytes::Bytes;
use serde::Serialize;
use tokio::time::Instant;
use wse_frame::put_frame;
use wse_proto::{Features, FrameAge, Kind, Payload, time_left};

impl Handle {
    /// Queues a frame of the application that ages.
    pub(super) fn send_aging(&self, plain: &Bytes, age: &FrameAge) -> Result<Aged, SendError> {
        let compressed = self.compressed(plain);
        self.send_aging_as(plain, compressed.as_ref().map(Compressed::from), age)
    }

    /// The same of a frame that many connections share.
    pub(super) fn send_aging_shared(&self, frame: &SharedFrame, age: &FrameAge) -> Result<Aged, SendError> {
        let agreed = self.outbox.agreed().filter(|_| self.outbox.compresses(frame.plain().len()));
        let compressed = agreed.and_then(|agreed| Some((frame.compressed(agreed)?, agreed)));
        self.send_aging_as(frame.plain(), compressed.as_ref().map(Compressed::from), age)
    }

    fn send_aging_as(
        &self,
        plain: &Bytes,
        compressed: Option<Compressed<'_>>,
        age: &FrameAge,
    ) -> Result<Aged, SendError> {
        let sent = self.outbox.send_aging(plain, compressed, age, Instant::now().into_std());
        self.counted(sent)
    }

    /// Waits until the frame has room, and queues it.
    pub(super) async fn send_aging_when_ready(&self, plain: &Bytes, age: &FrameAge) -> Result<Aged, SendError> {
        let compressed = self.compressed(plain);
        let compressed = compressed.as_ref().map(Compressed::from);
        let sent = self.outbox.send_aging_when_ready(plain, compressed, age, || Instant::now().into_std()).await;
        self.counted(sent)
    }

    /// Counts what was queued, as of every frame of the application.
    fn counted(&self, sent: Result<Aged, SendError>) -> Result<Aged, SendError> {
        match sent {
            Ok(aged) => self.queued(Ok(aged.queued)).map(|_| aged),
            Err(error) => self.queued(Err(error)).map(|_| Aged::default()),
        }
    }

    /// Encodes a call and queues it. From `until` on, if that comes, nobody waits for its answer any more. `stamp`
    /// may tell how much time is left: that is told anew when the call is written later, or again.
    pub(crate) fn send_call<P>(
        &self,
        rp: &str,
        payload: &P,
        stamp: &str,
        until: Option<Instant>,
    ) -> Result<CallPlace, SendError>
    where
        P: Serialize + ?Sized,
    {
        let told = time_left(stamp).is_some();
        let age = FrameAge { latest: None, until: until.map(Instant::into_std), told };
        let encode = |out: &mut Vec<u8>| self.codec().write(out, rp, payload, Some(stamp));
        self.frame(self.opcode(), encode, |frame| {
            let compressed = if told { None } else { self.compressed(frame.as_slice()) };
            let compressed = compressed.as_ref().map(Compressed::from);
            let sent = self.outbox.send_call(frame, compressed, &age, || Instant::now().into_std());
            let place = sent.as_ref().map_or_else(|_| CallPlace::default(), |(_, place)| *place);
            self.queued(sent.map(|(queued, _)| queued))?;
            Ok(place)
        })
    }

    /// Notes that nobody waits for the answer to a call any more: if it was not sent yet, it is not. Returns true
    /// where no stream had it: the peer knows nothing of it.
    pub(crate) fn withdraw(&self, place: CallPlace) -> bool {
        let withdrawn = self.outbox.withdraw(place);
        if withdrawn.less_beyond {
            self.count_excess();
        }
        withdrawn.unsent
    }

    /// Gives up what is too old, as far as it was not written.
    pub(crate) fn expire(&self, now: Instant) {
        if self.outbox.expire(now.into_std()) {
            self.count_excess();
        }
    }

    /// Continues the session over another connection, whose peer has taken in the first `seen` frames. What it
    /// has not seen goes between `first` and `last`.
    pub(super) fn send_again(&self, first: &[u8], seen: u64, last: &[u8]) {
        let can_skip = self.peer_can_skip();
        self.session(|session| session.set_can_skip(can_skip));
        self.outbox.resume(first, seen, last, Instant::now().into_std(), |places| self.skip_frame(places));
    }

    /// Whether the peer can be told of places that were given up: it knows of that, and the codec can say it.
    pub(crate) fn peer_can_skip(&self) -> bool {
        self.features().has(Features::SKIP) && !self.skip_frame(1).is_empty()
    }

    /// The frame that tells that so many places follow that were given up. Empty where the codec cannot write it.
    pub(super) fn skip_frame(&self, places: u64) -> Vec<u8> {
        let mut frame = Vec::new();
        let mask = self.masked().then(rand::random);
        let codec = self.codec();
        let Ok(payload) = Payload::encode(codec.format(), &places) else { return frame };
        let _ = put_frame(&mut frame, self.opcode(), mask, |out| {
            codec.write_encoded(out, Kind::Skip.as_str(), &payload, None)
        }); // what fails leaves nothing
        frame
    }
}
