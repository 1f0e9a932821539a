//! The datagrams that have come and that the driver has not read yet: bounded, so that a flood costs no
//! memory. A datagram that finds no room comes again.

use bytes::Bytes;
use std::{collections::VecDeque, task::Waker};

/// Datagrams that may wait.
const DATAGRAMS: usize = 1024;

/// Bytes that may wait.
const BYTES: usize = 16 << 20;

/// Bytes of the largest datagram: 64 KiB, and a seal.
const LARGEST: usize = (64 << 10) + 64;

#[derive(Default)]
pub(crate) struct Inbox {
    datagrams: VecDeque<Bytes>,
    bytes: usize,
    /// Datagrams that found no room since this was asked for last.
    dropped: u64,
    /// Of the driver, while it waits.
    pub(crate) waker: Option<Waker>,
}

impl Inbox {
    /// Takes a datagram in, or drops it. Returns whom to wake.
    pub(crate) fn push(&mut self, datagram: Bytes) -> Option<Waker> {
        let has_room = self.datagrams.len() < DATAGRAMS && datagram.len() <= BYTES - self.bytes;
        if !has_room || datagram.len() > LARGEST {
            self.dropped += 1;
            return None;
        }
        self.bytes += datagram.len();
        self.datagrams.push_back(datagram);
        self.waker.take()
    }

    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let datagram = self.datagrams.pop_front()?;
        self.bytes -= datagram.len();
        Some(datagram)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// How many found no room since the last call.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many datagrams of that size find room.
    fn room_for(size: usize) -> (Inbox, usize) {
        let mut inbox = Inbox::default();
        let offered: u64 = 5000;
        (0..offered).for_each(|_| assert!(inbox.push(Bytes::from(vec![0; size])).is_none(), "nobody waits"));
        let taken = offered - inbox.take_dropped();
        (inbox, taken as usize)
    }

    #[test]
    fn it_holds_so_many_datagrams_and_bytes_and_no_more() {
        assert_eq!(room_for(10).1, 1024);
        assert_eq!(room_for(0).1, 1024);
        assert_eq!(room_for(64 << 10).1, 256);
        assert_eq!(room_for(60_000).1, (16 << 20) / 60_000);
        assert_eq!(room_for((64 << 10) + 65).1, 0, "larger than any datagram");
    }

    #[test]
    fn what_is_read_makes_room_and_the_order_stays() {
        let (mut inbox, taken) = room_for(64 << 10);
        assert!(inbox.pop().is_some());
        inbox.push(Bytes::from(vec![1; 64 << 10]));
        assert_eq!(inbox.take_dropped(), 0);
        let mut last = None;
        for _ in 0..taken {
            last = inbox.pop();
        }
        assert_eq!(last.map(|datagram| datagram[0]), Some(1), "it came last");
        assert!(inbox.is_empty() && inbox.pop().is_none() && inbox.bytes == 0);
    }
}
