//! What is under way in one direction, and when it is due. It decides and never acts: no stream,
//! no timer, and the time is passed in.

use super::rules::Way;
use bytes::{Buf, BytesMut};
use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// The most bytes that are under way in one direction.
pub(super) const WINDOW: usize = 64 << 10;

/// With a bandwidth, bytes are delivered in pieces of this part of a second.
const TICKS: u64 = 100;

/// What is to be done with a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Deliver so many bytes.
    Bytes(usize),
    /// Deliver the end of the stream.
    End,
    /// Let everything go that is under way.
    Vanish,
    /// Cut the connection.
    Cut,
    /// Come back at that time.
    At(Instant),
    /// Nothing, until something comes or the rules change.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Line {
    bytes: BytesMut,
    /// When they came, and how many at a time.
    came: VecDeque<(Instant, usize)>,
    /// When the stream ended that they come from.
    ended: Option<Instant>,
    /// Nothing follows: the end was delivered, or has vanished.
    over: bool,
    /// Bytes delivered.
    passed: u64,
    bandwidth: Option<u64>,
    /// From when on the bandwidth is free for the next byte.
    free: Instant,
}

impl Line {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            bytes: BytesMut::new(),
            came: VecDeque::new(),
            ended: None,
            over: false,
            passed: 0,
            bandwidth: None,
            free: now,
        }
    }

    /// How many bytes may be taken in; none after the end.
    pub(super) fn room(&self) -> usize {
        if self.ended.is_some() { 0 } else { WINDOW - self.bytes.len() }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn take_in(&mut self, bytes: &[u8], now: Instant) {
        self.bytes.extend_from_slice(bytes);
        match self.came.back_mut() {
            Some((at, length)) if *at == now => *length += bytes.len(),
            _ => self.came.push_back((now, bytes.len())),
        }
    }

    /// Nothing more comes in.
    pub(super) fn end(&mut self, now: Instant) {
        self.ended.get_or_insert(now);
    }

    /// What is to be done under these rules.
    pub(super) fn next(&mut self, way: &Way, now: Instant) -> Next {
        if self.bandwidth != way.bandwidth {
            // What a change finds waiting did not use the new bandwidth while it waited.
            (self.bandwidth, self.free) = (way.bandwidth, now);
        }
        let left = |bound: Option<u64>| bound.map_or(u64::MAX, |bound| bound.saturating_sub(self.passed));
        let (to_cut, to_vanish) = (left(way.cut_after), left(way.vanish_after));
        if to_cut == 0 {
            return Next::Cut;
        }
        if to_vanish == 0 {
            let nothing = self.bytes.is_empty() && (self.ended.is_none() || self.over);
            return if nothing { Next::Nothing } else { Next::Vanish };
        }
        if way.bandwidth == Some(0) {
            return Next::Nothing;
        }
        let Some(&(came, length)) = self.came.front() else {
            return match self.ended.and_then(|ended| ended.checked_add(way.latency)) {
                Some(due) if !self.over => at(due, now, Next::End),
                _ => Next::Nothing,
            };
        };
        let tick = way.bandwidth.map_or(u64::MAX, |rate| (rate / TICKS).max(1));
        let most = to_cut.min(to_vanish).min(tick);
        let length = length.min(way.piece.unwrap_or(usize::MAX)).min(usize::try_from(most).unwrap_or(usize::MAX));
        match self.due(came, length, way) {
            Some(due) => at(due, now, Next::Bytes(length)),
            None => Next::Nothing,
        }
    }

    /// The bytes to deliver next.
    pub(super) fn front(&self, length: usize) -> &[u8] {
        &self.bytes[..length]
    }

    /// So many of them were delivered.
    pub(super) fn delivered(&mut self, length: usize, way: &Way) {
        let Some(&(came, _)) = self.came.front() else { return };
        if let (Some(_), Some(free)) = (way.bandwidth, self.due(came, length, way)) {
            self.free = free;
        }
        self.passed += length as u64;
        self.bytes.advance(length);
        if let Some((_, left)) = self.came.front_mut() {
            *left -= length;
            if *left == 0 {
                self.came.pop_front();
            }
        }
    }

    /// The end was delivered.
    pub(super) fn end_delivered(&mut self) {
        self.over = true;
    }

    /// Lets go what is under way, and the end if it has come. Gives how many bytes it was.
    pub(super) fn vanish(&mut self) -> usize {
        let bytes = self.bytes.len();
        self.bytes.clear();
        self.came.clear();
        self.over = self.ended.is_some();
        bytes
    }

    /// When so many bytes that came then are through; `None`: never, as things stand.
    fn due(&self, came: Instant, length: usize, way: &Way) -> Option<Instant> {
        let ready = came.checked_add(way.latency)?;
        match way.bandwidth {
            None => Some(ready),
            Some(rate) => {
                let nanos = (length as u128 * 1_000_000_000).checked_div(u128::from(rate))?;
                ready.max(self.free).checked_add(Duration::from_nanos(u64::try_from(nanos).ok()?))
            }
        }
    }
}

fn at(due: Instant, now: Instant, next: Next) -> Next {
    if due <= now { next } else { Next::At(due) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn line(bytes: usize) -> (Line, Instant) {
        let now = Instant::now();
        let mut line = Line::new(now);
        line.take_in(&vec![7; bytes], now);
        (line, now)
    }

    #[test]
    fn without_a_fault_everything_is_due_at_once_and_the_end_comes_last() {
        let (mut line, now) = line(10);
        line.end(now);
        let way = Way::default();
        assert_eq!((line.room(), line.next(&way, now)), (0, Next::Bytes(10)));
        line.delivered(4, &way);
        assert_eq!(line.next(&way, now), Next::Bytes(6));
        line.delivered(6, &way);
        assert_eq!(line.next(&way, now), Next::End);
        line.end_delivered();
        assert!(line.is_over());
        assert_eq!(line.next(&way, now), Next::Nothing);
    }

    #[test]
    fn latency_delays_bytes_and_the_end_by_when_each_came() {
        let (mut line, now) = line(10);
        let way = Way { latency: SECOND, ..Way::default() };
        line.end(now + SECOND / 2);
        assert_eq!(line.next(&way, now), Next::At(now + SECOND));
        assert_eq!(line.next(&way, now + SECOND), Next::Bytes(10));
        line.delivered(10, &way);
        assert_eq!(line.next(&way, now + SECOND), Next::At(now + SECOND * 3 / 2));
        assert_eq!(line.next(&Way::default(), now + SECOND), Next::End, "a delay that is taken off is over at once");
    }

    #[test]
    fn a_latency_beyond_the_end_of_time_is_for_ever() {
        let (mut line, now) = line(10);
        assert_eq!(line.next(&Way { latency: Duration::MAX, ..Way::default() }, now), Next::Nothing);
        line.vanish();
        line.end(now);
        assert_eq!(line.next(&Way { latency: Duration::MAX, ..Way::default() }, now), Next::Nothing);
    }

    #[test]
    fn bandwidth_lets_a_hundredth_of_a_second_through_at_a_time_and_exactly_so_many_in_all() {
        let (mut line, now) = line(1000);
        let way = Way { bandwidth: Some(1000), ..Way::default() };
        let mut time = now;
        while line.room() < WINDOW {
            match line.next(&way, time) {
                Next::At(due) => time = due,
                Next::Bytes(length) => {
                    assert_eq!(length, 10);
                    line.delivered(length, &way);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(time, now + SECOND);
    }

    #[test]
    fn a_bandwidth_of_nothing_holds_until_it_is_changed_and_what_waited_is_not_given_the_time() {
        let (mut line, now) = line(100);
        assert_eq!(line.next(&Way { bandwidth: Some(0), ..Way::default() }, now), Next::Nothing);
        let later = now + 60 * SECOND;
        let way = Way { bandwidth: Some(10), ..Way::default() };
        assert_eq!(line.next(&way, later), Next::At(later + SECOND / 10));
        assert_eq!(line.next(&Way::default(), later), Next::Bytes(100));
    }

    #[test]
    fn a_cut_and_a_blackhole_begin_behind_exactly_their_byte() {
        let (mut line, now) = line(10);
        let cut = Way { cut_after: Some(6), piece: Some(4), ..Way::default() };
        assert_eq!(line.next(&cut, now), Next::Bytes(4));
        line.delivered(4, &cut);
        assert_eq!(line.next(&cut, now), Next::Bytes(2));
        assert_eq!(line.next(&Way { vanish_after: Some(5), ..Way::default() }, now), Next::Bytes(1));
        line.delivered(2, &cut);
        assert_eq!(line.next(&cut, now), Next::Cut);
        let vanish = Way { vanish_after: Some(6), ..Way::default() };
        assert_eq!(line.next(&vanish, now), Next::Vanish);
        assert_eq!(line.vanish(), 4);
        assert_eq!((line.next(&vanish, now), line.room()), (Next::Nothing, WINDOW));
        line.end(now);
        assert_eq!(line.next(&vanish, now), Next::Vanish);
        line.vanish();
        assert!(line.is_over());
        assert_eq!(line.next(&vanish, now), Next::Nothing);
    }
}
