//! The order of what is queued, where a frame is put in, and what is copied.

use super::*;
use crate::connection::{handle::Handle, spoken::Spoken};
use proptest::prelude::*;
use std::sync::Arc;
use wse_proto::{Again, Limits, Protocol};

fn flatten(queue: &Queue, slices: usize) -> Vec<u8> {
    let mut parts = vec![IoSlice::new(&[]); slices];
    let filled = queue.slices(&mut parts);
    parts[..filled].iter().flat_map(|part| part.to_vec()).collect()
}

proptest! {
    #[test]
    fn bytes_leave_in_the_order_they_came(
        frames in prop::collection::vec((2usize..3000, any::<bool>()), 0..40),
        writes in prop::collection::vec(1usize..5000, 0..60),
    ) {
        let (mut queue, mut expected, mut got) = (Queue::default(), Vec::new(), Vec::new());
        for (index, (length, shared)) in frames.iter().enumerate() {
            let bytes = vec![index as u8; *length];
            expected.extend_from_slice(&bytes);
            if *shared { queue.put(Out::Shared(&Bytes::from(bytes))) } else { queue.put(Out::Own(&bytes)) }
        }
        for write in writes.into_iter().chain(std::iter::repeat(100_000)) {
            let next = flatten(&queue, 4);
            if next.is_empty() { break }
            let written = write.min(next.len());
            got.extend_from_slice(&next[..written]);
            queue.advance(written);
        }
        prop_assert_eq!(got, expected);
        prop_assert!(queue.is_empty());
        let owns_nothing = matches!(&queue.first, First::Own { bytes, .. } if bytes.capacity() == 0);
        prop_assert!(owns_nothing && queue.rest.is_empty());
    }
}

#[test]
fn a_frame_is_put_in_at_the_front_or_where_the_mark_was_set() {
    for (marked, expected) in [(false, "!welcome,more"), (true, "welcome,!more")] {
        let mut queue = Queue::default();
        queue.put(Out::Own(b"welcome,"));
        if marked {
            queue.mark();
        }
        queue.put(Out::Own(b"more"));
        assert_eq!(queue.behind_mark(), if marked { 4 } else { 12 });
        queue.put_at_mark(b"!");
        assert_eq!(flatten(&queue, 4), expected.as_bytes());
    }
}

#[test]
fn a_frame_that_was_begun_is_kept_when_the_rest_is_dropped() {
    for (written, kept) in [(0, 5), (3, 2), (5, SMALL + 1), (6, SMALL)] {
        let mut queue = Queue::default();
        queue.put(Out::Own(b"small"));
        for byte in [1, 2] {
            queue.put(Out::Shared(&Bytes::from(vec![byte; SMALL + 1])));
        }
        queue.advance(written);
        let before = queue.len();
        assert_eq!((queue.drop_rest(), queue.len()), (before - kept, kept), "{written}");
    }
}

#[test]
fn a_large_shared_frame_is_not_copied() {
    let frame = Bytes::from(vec![7; SMALL + 1]);
    let mut queue = Queue::default();
    queue.put(Out::Shared(&frame));
    let mut slices = [IoSlice::new(&[])];
    assert_eq!(queue.slices(&mut slices), 1);
    assert_eq!(slices[0].as_ptr(), frame.as_ptr());
}

#[test]
fn a_shared_frame_is_not_copied_before_another_follows_it() {
    let frame = Bytes::from_static(b"small");
    let mut queue = Queue::default();
    queue.put(Out::Shared(&frame));
    assert_eq!(queue.whole().map(<[u8]>::as_ptr), Some(frame.as_ptr()));
    queue.put(Out::Shared(&frame));
    assert_eq!(queue.whole(), Some(&b"smallsmall"[..]), "one buffer for both");
}

#[test]
fn a_large_frame_lies_in_memory_once_for_the_queue_and_the_session_and_a_small_one_twice() {
    shuttle::check_random(
        || {
            let spoken = Spoken::by_client(Protocol::Wse);
            let handle = Handle::new(Arc::new(spoken), &Limits::default(), false);
            handle.begin_session(None, 1 << 20);
            for text in ["x".into(), "x".repeat(spare::LARGE), "x".repeat(1 << 18)] {
                handle.send("m", &text, None).unwrap();
            }
            let alone = handle.session(|sent| {
                let unique = |again| matches!(again, Again::Frame(_, frame, _) if Bytes::is_unique(frame));
                sent.again().map(unique).collect()
            });
            assert_eq!(alone, Some(vec![true, false, false]));
        },
        1,
    );
}
