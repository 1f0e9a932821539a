//! Tests of races on what threads share of a connection: the outbox, the session within it and the
//! parking. shuttle runs each test in thousands of orders, and reports a lost wake-up as a deadlock.

mod aging;
mod moving;

use super::{
    handle::Handle,
    outbox::signals::{Collected, Signals},
    queue::{Out, Queue},
    spoken::Spoken,
};
use crate::{
    error::SendError,
    session::parking::Parking,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};
use bytes::Bytes;
use shuttle::thread::{self, Thread};
use std::{
    io::IoSlice,
    mem::take,
    sync::Arc,
    task::{Wake, Waker},
    time::Instant,
};
use wse_proto::{Limits, Protocol, Token, TokenCheck};

/// Orders tried by each test.
const ORDERS: usize = 1000;

fn handle() -> Arc<Handle> {
    Arc::new(Handle::new(Arc::new(Spoken::by_client(Protocol::Wse)), &Limits::default(), false))
}

fn token(number: u128) -> Token {
    Token::new(0, 0, number)
}

/// Wakes a thread that has parked itself.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A thread that sends four frames of one byte each.
fn sender(handle: &Arc<Handle>, number: u8) -> thread::JoinHandle<()> {
    let handle = handle.clone();
    thread::spawn(move || (0..4).for_each(|n| _ = handle.queue(Out::Own(&[number << 4 | n])).unwrap()))
}

/// Writes all that is in a queue. Returns how many bytes that was.
fn write(queue: &mut Queue, got: &mut Vec<u8>) -> usize {
    let mut slices = [IoSlice::new(&[]); 64];
    let filled = queue.slices(&mut slices);
    let before = got.len();
    got.extend(slices[..filled].iter().flat_map(|slice| slice.iter()));
    let written = got.len() - before;
    queue.advance(written);
    written
}

fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

fn waker() -> Waker {
    Arc::new(Unpark(thread::current())).into()
}

/// A turn of a task: it writes what is queued until nothing is, and sleeps then, unless it has enough
/// bytes. It says without a lock that it is at work, as a task does. Returns signals when it finds some.
fn turn(handle: &Handle, got: &mut Vec<u8>, enough: usize) -> Option<Box<Signals>> {
    let (waker, mut queue, mut written) = (waker(), Queue::default(), 0);
    handle.outbox.work();
    loop {
        let Collected { signals, sleeps, .. } = handle.collect(&mut queue, written, &waker, now());
        if signals.is_some() || got.len() >= enough {
            handle.gone(write(&mut queue, got));
            return signals;
        }
        if sleeps {
            thread::park();
            return None;
        }
        written = write(&mut queue, got);
        // The other way to fall asleep: with a look at what is new, and not at what is there.
        if got.len().is_multiple_of(2) && got.len() < enough {
            handle.gone(take(&mut written));
            if handle.outbox.sleep(&waker) {
                thread::park();
                return None;
            }
        }
    }
}

fn assert_whole(got: &[u8], senders: u8) {
    for sender in 0..senders {
        let of_it: Vec<u8> = got.iter().filter(|byte| *byte >> 4 == sender).map(|byte| byte & 15).collect();
        assert_eq!(of_it, [0, 1, 2, 3], "{got:?}");
    }
}

#[test]
fn frames_of_many_senders_leave_whole_and_in_order_and_no_wake_up_is_lost() {
    let race = || {
        let handle = handle();
        let senders = [0, 1, 2].map(|number| sender(&handle, number));
        let mut got = Vec::new();
        while got.len() < 12 {
            turn(&handle, &mut got, 12);
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert_whole(&got, 3);
    };
    shuttle::check_random(race, ORDERS);
}

#[test]
fn signals_of_many_threads_and_what_they_send_reach_a_task_whenever_it_falls_asleep() {
    let race = || {
        let handle = handle();
        let (drains, cuts) = (handle.clone(), handle.clone());
        let threads = [
            thread::spawn(move || drains.drain(wse_proto::Closed::slow())),
            thread::spawn(move || cuts.cut()),
            sender(&handle, 1),
        ];
        let (mut got, mut drained, mut cut) = (Vec::new(), false, false);
        while !drained || !cut || got.len() < 4 {
            let enough = if drained && cut { 4 } else { usize::MAX };
            if let Some(signals) = turn(&handle, &mut got, enough) {
                (drained, cut) = (drained || signals.drain.is_some(), cut || signals.cut);
            }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    };
    shuttle::check_random(race, ORDERS);
}

/// Counts how often a task is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_task_at_work_is_not_woken_one_that_sleeps_once_and_one_that_has_ended_is_not_kept() {
    let test = || {
        let (handle, woken) = (handle(), Arc::new(Count::default()));
        let (waker, mut queue) = (Waker::from(woken.clone()), Queue::default());
        let send = |expected| {
            (0..3).for_each(|_| _ = handle.queue(Out::Own(b"frame")).unwrap());
            assert_eq!(woken.0.load(SeqCst), expected);
        };
        assert!(handle.collect(&mut queue, 0, &waker, now()).sleeps);
        send(1);
        handle.outbox.work();
        send(1);
        assert!(!handle.collect(&mut queue, 0, &waker, now()).sleeps, "there is something to write");
        send(1);
        assert!(!handle.outbox.sleep(&waker), "something was sent since");
        let written = write(&mut queue, &mut Vec::new());
        assert!(!handle.collect(&mut queue, written, &waker, now()).sleeps);
        assert!(handle.outbox.sleep(&waker), "while the stream is full");
        send(2);
        // What wakes a task keeps its memory.
        handle.collect(&mut queue, 0, &waker, now());
        assert!(handle.outbox.sleep(&waker));
        handle.outbox.forget_task();
        drop(waker);
        assert_eq!(Arc::strong_count(&woken), 1);
    };
    shuttle::check_random(test, 1);
}

#[test]
fn whoever_waits_for_room_is_woken_when_there_is_some_and_when_the_connection_ends() {
    const LAST: u8 = 99;
    let race = || {
        let limits = Limits { queue_bytes: 4, queue_bytes_max: 4, ..Limits::default() };
        let handle = Arc::new(Handle::new(Arc::new(Spoken::by_client(Protocol::Wse)), &limits, false));
        let senders = [0, 1].map(|number: u8| {
            let handle = handle.clone();
            thread::spawn(move || {
                shuttle::future::block_on(async {
                    for n in 0..3 {
                        let frame = Bytes::copy_from_slice(&[number << 4 | n; 2]);
                        handle.queue_when_ready(&frame).await.expect("there is room at last");
                    }
                    handle.queue_when_ready(&Bytes::from_static(&[LAST; 4])).await
                })
            })
        });
        let mut got = Vec::new();
        let of_theirs = |got: &[u8]| got.iter().filter(|byte| **byte != LAST).count();
        while of_theirs(&got) < 12 {
            let missing = 12 - of_theirs(&got);
            let enough = got.len() + missing;
            turn(&handle, &mut got, enough);
        }
        // Each has one more to send, for which there may be no room any more.
        handle.close(wse_proto::Closed::slow());
        for sender in senders {
            let last = sender.join().unwrap();
            assert!(matches!(last, Ok(_) | Err(SendError::NotReady)));
        }
    };
    shuttle::check_random(race, ORDERS);
}

#[test]
fn a_session_loses_and_doubles_nothing_while_it_is_parked_and_resumed_under_its_senders() {
    let race = || {
        let handle = handle();
        handle.begin_session(None, 1 << 20);
        let senders = [0, 1].map(|number| sender(&handle, number));
        let mut got = Vec::new();
        while got.len() < 8 {
            // With what was about to be written.
            handle.collect(&mut Queue::default(), 0, &waker(), now());
            assert!(handle.outbox.park());
            thread::yield_now();
            handle.send_again(&[], got.len() as u64, &[]);
            turn(&handle, &mut got, 8);
            handle.outbox.acknowledge(got.len() as u64 / 2).unwrap();
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert_whole(&got, 2);
    };
    shuttle::check_random(race, ORDERS);
}

#[test]
fn of_many_that_race_for_one_token_one_gets_the_session() {
    let race = || {
        let (handle, now, won) = (handle(), Instant::now(), Arc::new(AtomicUsize::new(0)));
        handle.begin_session(Some(token(0)), 1000);
        assert!(handle.outbox.park());
        let claims = [1, 2, 3, 4].map(|next| {
            let (handle, won) = (handle.clone(), won.clone());
            thread::spawn(move || {
                let claimed = handle.session(|session| session.claim(&token(0), &token(next), 0, now));
                won.fetch_add(usize::from(claimed == Some(TokenCheck::Good)), SeqCst);
            })
        });
        claims.into_iter().for_each(|claim| claim.join().unwrap());
        assert_eq!(won.load(SeqCst), 1);
    };
    shuttle::check_random(race, ORDERS);
}

#[test]
fn the_parking_holds_its_bound_while_sessions_come_grow_and_go() {
    const BOUND: usize = 3 * (4 << 10) + 500;
    let race = || {
        let parking: Arc<Parking> = Arc::new(Parking::new(BOUND));
        let sessions = [(); 5].map(|()| {
            let parking = parking.clone();
            thread::spawn(move || {
                let handle = handle();
                handle.begin_session(None, 1 << 20);
                assert!(handle.outbox.park());
                handle.take_slot(&parking, 0);
                let sent = handle.queue(Out::Own(&[0; 100]));
                assert!(parking.bytes() <= BOUND);
                assert!(sent.is_ok() || !handle.is_open(), "an error only after the end");
                handle.send_again(&[], 0, &[]);
                handle.parked.free_slot();
                handle
            })
        });
        sessions.into_iter().for_each(|session| drop(session.join().unwrap()));
        assert_eq!(parking.bytes(), 0);
    };
    shuttle::check_random(race, ORDERS);
}

#[test]
fn a_session_that_ends_while_it_is_parked_leaves_no_slot_behind() {
    let race = || {
        let parking: Arc<Parking> = Arc::new(Parking::new(1 << 20));
        let handle = handle();
        handle.begin_session(None, 1 << 20);
        assert!(handle.outbox.park());
        let closing = {
            let handle = handle.clone();
            thread::spawn(move || drop(handle.close(wse_proto::Closed::slow())))
        };
        handle.take_slot(&parking, 0);
        closing.join().unwrap();
        assert_eq!(parking.bytes(), 0);
    };
    shuttle::check_random(race, ORDERS);
}

#[test]
fn what_a_parked_session_keeps_is_counted_whole_whenever_it_grows() {
    let race = || {
        let parking: Arc<Parking> = Arc::new(Parking::new(1 << 20));
        let handle = handle();
        handle.begin_session(None, 1 << 20);
        assert!(handle.outbox.park());
        handle.take_slot(&parking, 0);
        let (empty, senders) = (parking.bytes(), [0, 1].map(|number| sender(&handle, number)));
        handle.send_again(&[], 0, &[]);
        handle.parked.free_slot();
        assert!(handle.outbox.park());
        handle.take_slot(&parking, 0);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert_eq!(parking.bytes(), empty + handle.session(|session| session.bytes()).unwrap());
        drop(handle);
        assert_eq!(parking.bytes(), 0);
    };
    shuttle::check_random(race, ORDERS);
}
