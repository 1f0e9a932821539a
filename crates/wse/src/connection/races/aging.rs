//! The same of frames that age: whatever races, the newest arrives, in its session once and last.

use super::{ORDERS, handle, now, waker, write};
use crate::connection::{handle::Handle, outbox::signals::Collected, queue::Queue};
use bytes::Bytes;
use shuttle::thread;
use std::mem::take;
use wse_proto::{Features, FrameAge};

/// A frame of one byte, of which only the newest counts.
fn send(handle: &Handle, number: u8) {
    let age = FrameAge { latest: Some("a".into()), until: None, told: false };
    handle.send_aging(&Bytes::from(vec![number]), &age).unwrap();
}

/// How many places there were in what was written, and the frames among them. Everything but a frame of one
/// byte is a skip.
fn read(mut got: &[u8]) -> (u64, Vec<u8>) {
    let (mut places, mut frames) = (0, Vec::new());
    while let Some((first, rest)) = got.split_first() {
        got = rest;
        if *first != 0x81 {
            frames.push(*first);
            places += 1;
            continue;
        }
        let (skip, rest) = rest[1..].split_at(usize::from(rest[0]));
        let skip: (String, u64, ()) = serde_json::from_slice(skip).unwrap();
        places += skip.1;
        got = rest;
    }
    (places, frames)
}

/// What a task writes until nothing is left.
fn write_all(handle: &Handle, got: &mut Vec<u8>) {
    let (waker, mut queue, mut written) = (waker(), Queue::default(), 0);
    handle.outbox.work();
    loop {
        let Collected { sleeps, .. } = handle.collect(&mut queue, take(&mut written), &waker, now());
        if sleeps {
            return;
        }
        written = write(&mut queue, got);
    }
}

#[test]
fn of_one_key_the_newest_is_written_last_and_no_older_one_behind_it() {
    let race = || {
        let handle = handle();
        let sender = {
            let handle = handle.clone();
            thread::spawn(move || (1..=5).for_each(|number| send(&handle, number)))
        };
        let mut got = Vec::new();
        while got.last() != Some(&5) {
            write_all(&handle, &mut got);
            thread::yield_now();
        }
        sender.join().unwrap();
        assert!(got.is_sorted_by(|a, b| a < b), "{got:?}");
        assert_eq!(handle.outbox.waiting(), 0);
    };
    shuttle::check_random(race, ORDERS);
}

#[test]
fn a_session_counts_every_place_while_it_is_parked_and_resumed_under_what_ages() {
    let race = || {
        let handle = handle();
        handle.set_features(Features::ALL);
        handle.begin_session(None, 1 << 20);
        let sender = {
            let handle = handle.clone();
            thread::spawn(move || (1..=5).for_each(|number| send(&handle, number)))
        };
        // The peer reads what the first connection has brought until it was cut.
        let (mut seen, mut frames) = (0, Vec::new());
        while frames.last() != Some(&5) {
            let mut got = Vec::new();
            write_all(&handle, &mut got);
            let (places, here) = read(&got);
            // Every other byte is lost with the connection.
            if here.last() == Some(&5) || places % 2 == 0 {
                (seen, frames) = (seen + places, [frames, here].concat());
                handle.outbox.acknowledge(seen).unwrap();
            }
            assert!(handle.outbox.park());
            thread::yield_now();
            handle.send_again(&[], seen, &[]);
        }
        sender.join().unwrap();
        assert!(frames.is_sorted_by(|a, b| a < b), "{frames:?}");
        assert_eq!(handle.session(|session| (session.unconfirmed(), session.bytes())), Some((0, 0)));
    };
    shuttle::check_random(race, ORDERS);
}
