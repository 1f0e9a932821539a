//! The order of what ages, what a newer frame replaces, and what is told of places that were given up.

use super::*;
use std::{io::IoSlice, time::Duration};
use wse_frame::{Frame, Opcode};

fn frame(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

fn age(text: Option<&str>, until: Option<Instant>) -> FrameAge {
    FrameAge { latest: text.map(Into::into), until, told: false }
}

fn take(queue: &mut AgingQueue, now: Instant, too_old: TooOld) -> String {
    let mut writing = Queue::default();
    queue.take(&mut writing, now, too_old, |places| format!("-{places}").into_bytes());
    let mut slices = [IoSlice::new(&[]); 64];
    let filled = writing.slices(&mut slices);
    String::from_utf8(slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect()).unwrap()
}

#[test]
fn a_newer_frame_takes_the_place_of_the_last_of_its_text_and_the_order_stays() {
    let (now, mut queue) = (Instant::now(), AgingQueue::default());
    queue.push(1, frame("a1"), age(Some("a"), None), TooOld::Remove);
    queue.put(Out::Own(b"own"));
    queue.put(Out::Shared(&frame("shared")));
    queue.push(2, frame("b1"), age(Some("b"), None), TooOld::Remove);
    queue.put(Out::Own(b"end"));
    assert_eq!((queue.latest("a"), queue.latest("b"), queue.latest("c")), (Some(1), Some(2), None));
    assert!(queue.replace(1, &frame("a2 is longer"), &age(Some("a"), None)) && queue.weight_of(1) > 160);
    assert!(!queue.replace(3, &frame("c"), &age(None, None)));
    assert_eq!(take(&mut queue, now, TooOld::Remove), "a2 is longerownsharedb1end");
    assert_eq!((queue.weight(), queue.is_empty(), queue.latest("a")), (0, true, None));
}

#[test]
fn what_is_too_old_is_removed_or_told_in_its_place_or_sent() {
    let now = Instant::now();
    let later = now + Duration::from_secs(1);
    for (too_old, expected) in [
        (TooOld::Remove, "x4y5z"),
        (TooOld::GiveUp, "-2x-14y5-2z"), // 1 and 2, then 3, then 6 and 7
        (TooOld::Send, "12x34y567z"),
    ] {
        for swept in [false, true] {
            let mut queue = AgingQueue::default();
            let push = |queue: &mut AgingQueue, numbers: &[u64], until| {
                for number in numbers {
                    let text = Bytes::from(number.to_string());
                    queue.push(*number, text, age(None, until), too_old);
                }
            };
            push(&mut queue, &[1, 2], Some(now));
            queue.put(Out::Own(b"x"));
            push(&mut queue, &[3], Some(now));
            push(&mut queue, &[4], Some(later));
            queue.put(Out::Own(b"y"));
            push(&mut queue, &[5], None);
            push(&mut queue, &[6, 7], Some(now));
            queue.put(Out::Own(b"z"));
            if swept {
                let over = if too_old == TooOld::Send { vec![] } else { vec![1, 2, 3, 6, 7] };
                assert_eq!(queue.expire(now, too_old), over);
            }
            assert_eq!(take(&mut queue, now, too_old), expected, "{too_old:?} {swept}");
            assert_eq!((queue.weight(), queue.is_empty()), (0, true));
        }
    }
}

#[test]
fn a_frame_that_waits_can_be_given_up_once() {
    for (too_old, expected) in [(TooOld::Remove, "acd"), (TooOld::GiveUp, "a-1cd")] {
        let (now, mut queue) = (Instant::now(), AgingQueue::default());
        for (number, text) in [(3, "a"), (5, "b"), (9, "c")] {
            queue.push(number, frame(text), age(Some(text), None), too_old);
        }
        queue.put(Out::Own(b"d"));
        assert!(queue.give_up(5, too_old) && !queue.give_up(5, too_old) && !queue.give_up(4, too_old));
        assert!(!queue.replace(5, &frame("late"), &age(Some("b"), None)));
        assert_eq!((queue.latest("b"), take(&mut queue, now, too_old)), (None, expected.into()));
        assert_eq!(queue.weight(), 0);
    }
}

#[test]
fn what_is_far_behind_stays_to_be_replaced() {
    let (now, mut queue) = (Instant::now(), AgingQueue::default());
    for number in 1..=40 {
        queue.push(number, Bytes::from(vec![b'a'; 1024]), age(None, None), TooOld::Remove);
    }
    assert_eq!(take(&mut queue, now, TooOld::Remove).len(), TAKEN);
    assert!(queue.replace(5, &frame("b"), &age(None, None)) && !queue.replace(4, &frame("b"), &age(None, None)));
}

#[test]
fn a_call_tells_how_much_time_is_left_when_it_is_written() {
    let now = Instant::now();
    for (opcode, payload, behind) in [(Opcode::Text, "…~00001388\"]", 2), (Opcode::Binary, "…~00001388", 0)] {
        let frame: Bytes = Frame::new(opcode, payload.as_bytes()).into();
        let until = Some(now + Duration::from_millis(0x12b));
        let written = told(&frame, &FrameAge { latest: None, until, told: true }, now).unwrap();
        let digits = written.len() - behind - 8..written.len() - behind;
        assert_eq!(std::str::from_utf8(&written[digits]).unwrap(), "0000012b");
        let over = now + Duration::from_secs(1);
        let late = told(&frame, &FrameAge { latest: None, until, told: true }, over).unwrap();
        assert!(late.windows(8).any(|digits| digits == b"00000000"));
        assert_eq!(told(&frame, &FrameAge { latest: None, until, told: false }, now), None);
    }
}

#[test]
fn small_frames_behind_one_that_ages_share_a_buffer() {
    let mut queue = AgingQueue::default();
    queue.push(1, frame("a1"), age(None, None), TooOld::Remove);
    (0..10_000).for_each(|_| queue.put(Out::Shared(&frame("small"))));
    assert_eq!((queue.pieces.len(), queue.weight()), (2, 50_000 + 160 + 2), "a piece of its own takes more");
    queue.put(Out::Shared(&Bytes::from(vec![b'x'; 300])));
    assert_eq!(queue.pieces.len(), 3, "a large one is not copied");
}

#[test]
fn without_room_all_is_looked_at_only_where_some_may_be_too_old_and_not_again_at_once() {
    let (now, mut queue) = (Instant::now(), AgingQueue::default());
    let at = |millis| now + Duration::from_millis(millis);
    queue.push(1, frame("a"), age(None, Some(at(50))), TooOld::Remove);
    queue.push(2, frame("b"), age(None, Some(at(52))), TooOld::Remove);
    assert_eq!([0, 49, 50].map(|millis| queue.may_expire(at(millis))), [false, false, true]);
    assert_eq!(queue.expire(at(50), TooOld::Remove), [1]);
    assert_eq!([50, 52, 60].map(|millis| queue.may_expire(at(millis))), [false, false, true]);
    assert_eq!(queue.expire(at(60), TooOld::Remove), [2]);
    assert!(!queue.may_expire(at(1000)));
}
