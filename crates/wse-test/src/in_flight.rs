//! The bytes in flight in one direction, and when each is due. It decides and never acts: it has no
//! stream and no timer, and the caller passes the time.

use crate::{frames::Frames, settings::DirectionSettings};
use bytes::{Buf, BytesMut};
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// The most bytes in flight in one direction.
pub(crate) const WINDOW: usize = 64 << 10;

/// Bytes of an answer that are delivered before it is cut: fewer than the shortest answer has.
const OF_ANSWER: u64 = 5;

/// A limited bandwidth delivers in pieces of a second divided by this.
const TICKS: u64 = 100;

/// What the relay must do next in a direction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Deliver this many bytes.
    Deliver(usize),
    /// Deliver the end of the stream.
    DeliverEnd,
    /// Discard everything that is in flight.
    Discard,
    /// Cut the connection.
    Cut,
    /// Ask again at this time.
    WaitUntil(Instant),
    /// Wait for bytes, or for other settings.
    Wait,
}

/// The queue of one direction: bytes that were read from the sender and not yet delivered.
#[derive(Debug)]
pub(crate) struct InFlight {
    bytes: BytesMut,
    /// When the bytes were read, and how many each time.
    reads: VecDeque<(Instant, usize)>,
    /// When the sender's stream ended.
    ended: Option<Instant>,
    /// The end was delivered or discarded.
    over: bool,
    /// Bytes delivered so far.
    delivered: u64,
    frames: Frames,
    /// Where the answer ends that a test wants to be cut.
    cut_at: Option<u64>,
    bandwidth: Option<u64>,
    /// When the bandwidth is free for the next byte.
    free: Instant,
}

impl InFlight {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            bytes: BytesMut::new(),
            reads: VecDeque::new(),
            ended: None,
            over: false,
            delivered: 0,
            frames: Frames::default(),
            cut_at: None,
            bandwidth: None,
            free: now,
        }
    }

    /// How many bytes may be read. 0 after the end of the stream.
    pub(crate) fn room(&self) -> usize {
        if self.ended.is_some() { 0 } else { WINDOW - self.bytes.len() }
    }

    /// Whether nothing can follow.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Adds bytes that were read.
    pub(crate) fn push(&mut self, bytes: &[u8], settings: &DirectionSettings, now: Instant) {
        let answer = self.frames.push(bytes).filter(|_| settings.cut_in_answer);
        self.cut_at = self.cut_at.or(answer.map(|start| start + OF_ANSWER));
        self.bytes.extend_from_slice(bytes);
        match self.reads.back_mut() {
            Some((at, length)) if *at == now => *length += bytes.len(),
            _ => self.reads.push_back((now, bytes.len())),
        }
    }

    /// Notes the end of the sender's stream.
    pub(crate) fn end(&mut self, now: Instant) {
        self.ended.get_or_insert(now);
    }

    /// What these settings ask for now.
    pub(crate) fn next(&mut self, settings: &DirectionSettings, now: Instant) -> Action {
        if self.bandwidth != settings.bandwidth {
            // Bytes that waited before the change did not use the new bandwidth meanwhile.
            (self.bandwidth, self.free) = (settings.bandwidth, now);
        }
        self.cut_at = self.cut_at.filter(|_| settings.cut_in_answer);
        let left = |bound: Option<u64>| bound.map_or(u64::MAX, |bound| bound.saturating_sub(self.delivered));
        let in_answer = left(self.cut_at);
        let (to_cut, to_discard) = (left(settings.cut_after).min(in_answer), left(settings.discard_after));
        if to_cut == 0 {
            return Action::Cut;
        }
        if to_discard == 0 {
            let nothing = self.bytes.is_empty() && (self.ended.is_none() || self.over);
            return if nothing { Action::Wait } else { Action::Discard };
        }
        if settings.bandwidth == Some(0) {
            return Action::Wait;
        }
        let Some(&(read_at, length)) = self.reads.front() else {
            return match self.ended.and_then(|ended| ended.checked_add(settings.latency)) {
                Some(due) if !self.over => at(due, now, Action::DeliverEnd),
                _ => Action::Wait,
            };
        };
        let tick = settings.bandwidth.map_or(u64::MAX, |rate| (rate / TICKS).max(1));
        let most = to_cut.min(to_discard).min(tick);
        let length = length.min(settings.piece.unwrap_or(usize::MAX)).min(usize::try_from(most).unwrap_or(usize::MAX));
        match self.due(read_at, length, settings) {
            Some(due) => at(due, now, Action::Deliver(length)),
            None => Action::Wait,
        }
    }

    /// The next bytes to deliver.
    pub(crate) fn front(&self, length: usize) -> &[u8] {
        &self.bytes[..length]
    }

    /// Removes bytes that were delivered.
    pub(crate) fn delivered(&mut self, length: usize, settings: &DirectionSettings) {
        let Some(&(read_at, _)) = self.reads.front() else { return };
        if let (Some(_), Some(free)) = (settings.bandwidth, self.due(read_at, length, settings)) {
            self.free = free;
        }
        self.delivered += length as u64;
        self.bytes.advance(length);
        if let Some((_, left)) = self.reads.front_mut() {
            *left -= length;
            if *left == 0 {
                self.reads.pop_front();
            }
        }
    }

    /// Notes that the end was delivered.
    pub(crate) fn end_delivered(&mut self) {
        self.over = true;
    }

    /// Discards everything in flight, with the end if it was read. Returns how many bytes it was.
    pub(crate) fn discard(&mut self) -> usize {
        let bytes = self.bytes.len();
        self.bytes.clear();
        self.reads.clear();
        self.over = self.ended.is_some();
        bytes
    }

    /// When so many bytes, read at that time, are delivered. `None`: never, with these settings.
    fn due(&self, read_at: Instant, length: usize, settings: &DirectionSettings) -> Option<Instant> {
        let ready = read_at.checked_add(settings.latency)?;
        match settings.bandwidth {
            None => Some(ready),
            Some(rate) => {
                let nanos = (length as u128 * 1_000_000_000).checked_div(u128::from(rate))?;
                ready.max(self.free).checked_add(Duration::from_nanos(u64::try_from(nanos).ok()?))
            }
        }
    }
}

fn at(due: Instant, now: Instant, action: Action) -> Action {
    if due <= now { action } else { Action::WaitUntil(due) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn queue(bytes: usize) -> (InFlight, Instant) {
        let now = Instant::now();
        let mut queue = InFlight::new(now);
        queue.push(&vec![7; bytes], &DirectionSettings::default(), now);
        (queue, now)
    }

    #[test]
    fn without_a_fault_everything_is_due_at_once_and_the_end_comes_last() {
        let (mut queue, now) = queue(10);
        queue.end(now);
        let settings = DirectionSettings::default();
        assert_eq!((queue.room(), queue.next(&settings, now)), (0, Action::Deliver(10)));
        queue.delivered(4, &settings);
        assert_eq!(queue.next(&settings, now), Action::Deliver(6));
        queue.delivered(6, &settings);
        assert_eq!(queue.next(&settings, now), Action::DeliverEnd);
        queue.end_delivered();
        assert!(queue.is_over());
        assert_eq!(queue.next(&settings, now), Action::Wait);
    }

    #[test]
    fn latency_delays_bytes_and_the_end_by_when_each_came() {
        let (mut queue, now) = queue(10);
        let settings = DirectionSettings { latency: SECOND, ..DirectionSettings::default() };
        queue.end(now + SECOND / 2);
        assert_eq!(queue.next(&settings, now), Action::WaitUntil(now + SECOND));
        assert_eq!(queue.next(&settings, now + SECOND), Action::Deliver(10));
        queue.delivered(10, &settings);
        assert_eq!(queue.next(&settings, now + SECOND), Action::WaitUntil(now + SECOND * 3 / 2));
        assert_eq!(
            queue.next(&DirectionSettings::default(), now + SECOND),
            Action::DeliverEnd,
            "a delay that is taken off is over at once"
        );
    }

    #[test]
    fn a_latency_beyond_the_end_of_time_is_for_ever() {
        let (mut queue, now) = queue(10);
        assert_eq!(
            queue.next(&DirectionSettings { latency: Duration::MAX, ..DirectionSettings::default() }, now),
            Action::Wait
        );
        queue.discard();
        queue.end(now);
        assert_eq!(
            queue.next(&DirectionSettings { latency: Duration::MAX, ..DirectionSettings::default() }, now),
            Action::Wait
        );
    }

    #[test]
    fn bandwidth_lets_a_hundredth_of_a_second_through_at_a_time_and_exactly_so_many_in_all() {
        let (mut queue, now) = queue(1000);
        let settings = DirectionSettings { bandwidth: Some(1000), ..DirectionSettings::default() };
        let mut time = now;
        while queue.room() < WINDOW {
            match queue.next(&settings, time) {
                Action::WaitUntil(due) => time = due,
                Action::Deliver(length) => {
                    assert_eq!(length, 10);
                    queue.delivered(length, &settings);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(time, now + SECOND);
    }

    #[test]
    fn a_bandwidth_of_nothing_holds_until_it_is_changed_and_what_waited_is_not_given_the_time() {
        let (mut queue, now) = queue(100);
        assert_eq!(
            queue.next(&DirectionSettings { bandwidth: Some(0), ..DirectionSettings::default() }, now),
            Action::Wait
        );
        let later = now + 60 * SECOND;
        let settings = DirectionSettings { bandwidth: Some(10), ..DirectionSettings::default() };
        assert_eq!(queue.next(&settings, later), Action::WaitUntil(later + SECOND / 10));
        assert_eq!(queue.next(&DirectionSettings::default(), later), Action::Deliver(100));
    }

    #[test]
    fn a_cut_and_a_blackhole_begin_behind_exactly_their_byte() {
        let (mut queue, now) = queue(10);
        let cut = DirectionSettings { cut_after: Some(6), piece: Some(4), ..DirectionSettings::default() };
        assert_eq!(queue.next(&cut, now), Action::Deliver(4));
        queue.delivered(4, &cut);
        assert_eq!(queue.next(&cut, now), Action::Deliver(2));
        assert_eq!(
            queue.next(&DirectionSettings { discard_after: Some(5), ..DirectionSettings::default() }, now),
            Action::Deliver(1)
        );
        queue.delivered(2, &cut);
        assert_eq!(queue.next(&cut, now), Action::Cut);
        let discard = DirectionSettings { discard_after: Some(6), ..DirectionSettings::default() };
        assert_eq!(queue.next(&discard, now), Action::Discard);
        assert_eq!(queue.discard(), 4);
        assert_eq!((queue.next(&discard, now), queue.room()), (Action::Wait, WINDOW));
        queue.end(now);
        assert_eq!(queue.next(&discard, now), Action::Discard);
        queue.discard();
        assert!(queue.is_over());
        assert_eq!(queue.next(&discard, now), Action::Wait);
    }
}
