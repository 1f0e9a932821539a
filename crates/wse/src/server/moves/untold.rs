//! What servers could not be told of sessions: it waits for the link to them, within bounds.

use crate::sync::{Mutex, MutexGuard};
use bytes::Bytes;
use std::{
    collections::{HashMap, VecDeque},
    sync::PoisonError,
};
use wse_cluster::NodeId;

/// So many messages may wait for one node, and so many bytes of them.
const MESSAGES: usize = 1024;
const BYTES: usize = 1 << 20;

/// Whether a node was told something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// The link has it.
    Yes,
    /// The link does not take it now.
    NotNow,
    /// The node is gone.
    Gone,
}

/// What waits for nodes whose links take nothing. The lock is held while the link is asked, so that the order stays.
#[derive(Default)]
pub(super) struct Untold(Mutex<HashMap<NodeId, Waiting>>);

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Bytes>,
    bytes: usize,
    /// Frames that the link has not taken.
    frames: u64,
}

impl Waiting {
    fn is_over(&self) -> bool {
        self.messages.is_empty() && self.frames == 0
    }
}

impl Untold {
    /// Tells a node something behind all that waits for it. False when it is lost: too much waits.
    pub(super) fn tell(&self, to: NodeId, body: Bytes, reach: impl FnOnce(NodeId, Bytes) -> Reached) -> bool {
        let mut nodes = self.lock();
        let has_waiting = nodes.get(&to).is_some_and(|waiting| !waiting.messages.is_empty());
        if !has_waiting && reach(to, body.clone()) != Reached::NotNow {
            return true; // with a node that is gone, what it had of sessions is gone
        }
        let waiting = nodes.entry(to).or_default();
        let fits = waiting.messages.len() < MESSAGES && waiting.bytes + body.len() <= BYTES;
        if fits {
            waiting.bytes += body.len();
            waiting.messages.push_back(body);
        }
        fits
    }

    /// Notes that a frame was given up.
    pub(super) fn lost(&self, to: NodeId) {
        self.lock().entry(to).or_default().frames += 1;
    }

    /// Tells the nodes what waits for them, as far as their links take it. Returns how many frames were given up since
    /// the last time.
    pub(super) fn again(&self, reach: impl Fn(NodeId, Bytes) -> Reached) -> Vec<(NodeId, u64)> {
        let mut nodes = self.lock();
        let mut lost = Vec::new();
        nodes.retain(|to, waiting| {
            if waiting.frames > 0 {
                lost.push((*to, std::mem::take(&mut waiting.frames)));
            }
            while let Some(body) = waiting.messages.front() {
                match reach(*to, body.clone()) {
                    Reached::Yes => waiting.bytes -= body.len(),
                    Reached::NotNow => break,
                    Reached::Gone => return false,
                }
                waiting.messages.pop_front();
            }
            !waiting.is_over()
        });
        lost
    }

    /// A node is gone.
    pub(super) fn forget(&self, gone: NodeId) {
        if let Some(waiting) = self.lock().get_mut(&gone) {
            (waiting.messages, waiting.bytes) = (VecDeque::new(), 0);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeId, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    const ONE: NodeId = NodeId::new(1);
    const TWO: NodeId = NodeId::new(2);

    fn body(number: usize) -> Bytes {
        number.to_be_bytes().to_vec().into()
    }

    fn full(_: NodeId, _: Bytes) -> Reached {
        Reached::NotNow
    }

    #[test]
    fn what_a_link_does_not_take_is_told_later_in_order_and_delays_no_other_node() {
        let test = || {
            let (untold, told) = (Untold::default(), RefCell::new(Vec::new()));
            let takes = |to, body| {
                told.borrow_mut().push((to, body));
                Reached::Yes
            };
            assert!(untold.tell(ONE, body(1), full));
            assert!(untold.tell(ONE, body(2), takes) && told.borrow().is_empty(), "behind the first");
            assert!(untold.tell(TWO, body(3), takes));
            assert_eq!(*told.borrow(), [(TWO, body(3))]);
            assert_eq!(untold.again(full), []);
            assert_eq!(untold.again(takes), []);
            assert_eq!(told.borrow()[1..], [(ONE, body(1)), (ONE, body(2))]);
            assert!(untold.tell(ONE, body(4), takes) && untold.lock().is_empty());
            assert_eq!(told.borrow().len(), 4);
        };
        shuttle::check_random(test, 1);
    }

    #[test]
    fn so_much_waits_for_a_node_and_nothing_for_one_that_is_gone() {
        let test = || {
            let untold = Untold::default();
            assert_eq!((0..2 * MESSAGES).filter(|n| untold.tell(ONE, body(*n), full)).count(), MESSAGES);
            let large = Bytes::from(vec![0; BYTES / 2]);
            assert_eq!((0..3).filter(|_| untold.tell(TWO, large.clone(), full)).count(), 2);
            untold.forget(ONE);
            assert_eq!(untold.again(|to, _| if to == TWO { Reached::Gone } else { unreachable!("it is gone") }), []);
            assert!(untold.tell(ONE, body(1), |_, _| Reached::Gone) && untold.lock().is_empty());
        };
        shuttle::check_random(test, 1);
    }

    #[test]
    fn frames_that_were_given_up_are_told_once() {
        let test = || {
            let untold = Untold::default();
            untold.lost(ONE);
            untold.lost(ONE);
            untold.forget(ONE);
            assert_eq!(untold.again(full), [(ONE, 2)]);
            assert_eq!(untold.again(full), []);
        };
        shuttle::check_random(test, 1);
    }
}
