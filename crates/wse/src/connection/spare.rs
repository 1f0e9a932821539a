//! The large buffers of a thread between two uses: an allocator would give such memory back to the system and
//! take it again, page by page. With glibc an echo of 128 KiB took 40 page faults, and takes 2 to 8.

use bytes::{Buf, Bytes};
use std::cell::{Cell, RefCell};

/// A smaller buffer goes back to the allocator, which is quick with it.
pub(super) const LARGE: usize = 4 << 10;

/// Bytes that a thread keeps at the most. It keeps them until it ends: what is large once is large again.
const KEPT: usize = 1 << 20;

/// Buffers that a thread keeps at the most, as all of them are looked at.
const BUFFERS: usize = 16;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };

    /// The length of the last frame that was handed over; 0 for one that no thread would keep: to take so much for
    /// each small frame that follows would be a system call for each.
    static HANDED_OVER: Cell<usize> = const { Cell::new(0) };
}

/// Takes the largest buffer, for a frame of unknown length; without any a new one, for a frame as long as the last
/// that was handed over. To grow there from nothing would copy most of it once more.
pub(super) fn largest() -> Vec<u8> {
    let largest = SPARE.with_borrow_mut(|spare| take(spare, spare.iter().map(Vec::capacity).max()));
    if largest.capacity() > 0 { largest } else { Vec::with_capacity(HANDED_OVER.get()) }
}

/// Takes the smallest buffer of at least `least` and at most `most` bytes; without any an empty one.
pub(super) fn between(least: usize, most: usize) -> Vec<u8> {
    if most < LARGE {
        return Vec::new();
    }
    let fits = |capacity: &usize| (least..=most).contains(capacity);
    SPARE.with_borrow_mut(|spare| take(spare, spare.iter().map(Vec::capacity).filter(fits).min()))
}

fn take(spare: &mut Vec<Vec<u8>>, capacity: Option<usize>) -> Vec<u8> {
    let found = spare.iter().position(|buffer| Some(buffer.capacity()) == capacity);
    found.map_or_else(Vec::new, |at| spare.swap_remove(at))
}

/// Keeps a buffer for the next use, or frees it: if it is small, or the thread keeps enough.
pub(super) fn keep(mut buffer: Vec<u8>) {
    if buffer.capacity() < LARGE {
        return;
    }
    buffer.clear();
    SPARE.with_borrow_mut(|spare| {
        let bytes: usize = spare.iter().map(Vec::capacity).sum();
        if spare.len() < BUFFERS && bytes.saturating_add(buffer.capacity()) <= KEPT {
            spare.push(buffer);
        }
    });
}

/// Keeps the buffer of a frame that was written, if nobody else holds the frame.
pub(super) fn keep_frame(mut frame: Bytes) {
    if frame.is_unique() {
        frame.advance(frame.len()); // so that nothing is moved to the front
        keep(frame.into());
    }
}

/// Hands over what was written into `scratch` from `begin` on. Its memory is as long as it is: the length is
/// what queues and sessions count.
pub(super) fn hand_over(scratch: &mut Vec<u8>, begin: usize) -> Bytes {
    let mut buffer = std::mem::take(scratch);
    buffer.shrink_to_fit();
    HANDED_OVER.set(if buffer.len() <= KEPT { buffer.len() } else { 0 });
    let mut frame = Bytes::from(buffer);
    frame.advance(begin);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_is_handed_over_has_no_memory_to_spare_and_leaves_an_empty_buffer() {
        let mut scratch = Vec::with_capacity(3 * LARGE);
        scratch.extend(std::iter::repeat_n(7, LARGE));
        let frame = hand_over(&mut scratch, 10);
        assert_eq!((&frame[..], scratch.capacity()), (&[7; LARGE - 10][..], 0));
        assert_eq!(Vec::from(frame).capacity(), LARGE);
        assert_eq!(largest().capacity(), LARGE, "the next frame may be as long");
    }

    #[test]
    fn behind_a_frame_that_is_too_large_to_be_kept_a_small_one_takes_no_large_memory() {
        hand_over(&mut vec![7; KEPT], 0);
        assert_eq!(largest().capacity(), KEPT);
        hand_over(&mut vec![7; KEPT + 1], 0);
        assert_eq!(largest().capacity(), 0);
    }

    #[test]
    fn the_memory_of_a_frame_is_used_again_once_nobody_holds_it() {
        let mut scratch = vec![7; LARGE];
        let place = scratch.as_ptr();
        let frame = hand_over(&mut scratch, 10);
        let copy = frame.clone();
        keep_frame(frame);
        let meanwhile = largest();
        assert_ne!(meanwhile.as_ptr(), place, "a session still holds it");
        keep_frame(copy);
        let again = largest();
        assert_eq!((again.as_ptr(), again.len(), again.capacity()), (place, 0, LARGE));
        let other = largest();
        assert_ne!(other.as_ptr(), place, "it was taken");
    }

    #[test]
    fn a_thread_keeps_so_many_large_buffers_and_bytes_and_no_more() {
        let kept = || std::iter::repeat_with(largest).map(|buffer| buffer.capacity()).take_while(|bytes| *bytes > 0);
        keep(Vec::with_capacity(LARGE - 1));
        keep(Vec::with_capacity(KEPT + 1));
        assert_eq!(kept().count(), 0);
        (0..2 * BUFFERS).for_each(|_| keep(Vec::with_capacity(LARGE)));
        assert_eq!(kept().count(), BUFFERS);
        (0..5).for_each(|_| keep(Vec::with_capacity(KEPT / 3)));
        assert_eq!(kept().sum::<usize>(), KEPT / 3 * 3);
    }

    #[test]
    fn the_buffer_that_fits_best_is_taken() {
        [3, 2, 5, 4].into_iter().for_each(|times| keep(Vec::with_capacity(times * LARGE)));
        assert_eq!(between(LARGE, 2 * LARGE - 1).capacity(), 0);
        assert_eq!(between(0, LARGE - 1).capacity(), 0);
        assert_eq!(between(2 * LARGE + 1, 9 * LARGE).capacity(), 3 * LARGE);
        assert_eq!(between(0, 9 * LARGE).capacity(), 2 * LARGE);
        assert_eq!(largest().capacity(), 5 * LARGE);
    }
}
