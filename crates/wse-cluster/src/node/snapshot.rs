//! What a peer is told at the beginning: all that this node has, part by part.

use super::Node;
use crate::{Frame, NodeId, directory::HERE, members::Cursor};

impl Node {
    /// Pushes the next parts of what a peer has to know, as far as its link wants them.
    pub(super) fn tell_state(&mut self, now: u64, to: NodeId) {
        while let Some(peer) = self.members.get_mut(to).filter(|peer| peer.link.wants_snapshot()) {
            let Some(cursor) = peer.snapshot.take() else { return };
            let (mut frame, next) = self.part(cursor);
            if let Frame::Snap { last, .. } = &mut frame {
                *last = next.is_none();
            }
            self.write(&frame);
            let Some(peer) = self.members.get_mut(to) else { return };
            peer.link.push_snapshot(now, &self.scratch, next.is_none());
            peer.snapshot = next;
        }
    }

    /// The part behind the cursor, and where it goes on; `None`: that was the last one.
    fn part(&self, mut cursor: Cursor) -> (Frame, Option<Cursor>) {
        let (mut entries, mut rooms, mut told) = (Vec::new(), Vec::new(), Vec::new());
        let mut left = self.config.part_bytes as isize;
        let mut next = None;
        if let Cursor::Devices(last) = cursor {
            let from = last.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
            for id in self.own.range((from, std::ops::Bound::Unbounded)) {
                if left <= 0 {
                    next = Some(Cursor::Devices(entries.last().map(|entry: &crate::Entry| entry.id)));
                    break;
                }
                // What has moved on is told by its new node alone.
                if let Some(entry) = self.directory.get(HERE, *id) {
                    left -= 36 + entry.cid.as_str().len() as isize;
                    entries.push(entry);
                }
            }
            cursor = Cursor::Rooms(None);
        }
        if let (Cursor::Rooms(last), None) = (&cursor, &next) {
            for (name, members) in self.rooms.after(last.as_ref()) {
                if left <= 0 {
                    let last = rooms.last().map(|(name, _): &(std::sync::Arc<str>, u32)| name.clone());
                    next = Some(Cursor::Rooms(last));
                    break;
                }
                left -= 4 + name.len() as isize;
                rooms.push((name.clone(), members));
            }
            cursor = Cursor::Told(0);
        }
        if let (Cursor::Told(from), None) = (&cursor, &next) {
            for (user, cid, register) in self.directory.users(*from).filter(|(_, _, told)| told.is_some()) {
                if left <= 0 {
                    next = Some(Cursor::Told(user));
                    break;
                }
                left -= 30 + cid.as_str().len() as isize;
                told.push((cid.clone(), self.told_of(user, register)));
            }
        }
        (Frame::Snap { entries, rooms, told, last: false }, next)
    }
}
