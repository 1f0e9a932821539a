//! Races of a session that moves: senders, the server that asks for it, the client that comes back, and the other
//! server's answer.

use super::*;
use crate::session::moving::{Held, Relay, Relayed};
use std::sync::Mutex;

/// Keeps what is carried.
#[derive(Default)]
struct Carried(Mutex<Vec<u8>>);

impl Relay for Carried {
    fn put(&self, what: Relayed) {
        if let Relayed::Frame(frame, _) = what {
            self.0.lock().unwrap().extend_from_slice(&frame);
        }
    }

    fn carry(&self) {}
}

/// A parked session of that token.
fn parked() -> Arc<Handle> {
    let handle = handle();
    handle.begin_session(Some(token(0)), 1 << 20);
    assert!(handle.outbox.park());
    handle
}

/// What is kept, in order.
fn kept(handle: &Handle) -> Vec<u8> {
    let parts = handle.session(|session| session.parts(Instant::now())).unwrap();
    parts
        .kept
        .iter()
        .flat_map(|kept| if let wse_proto::Kept::Frame(frame, _) = kept { frame.to_vec() } else { vec![] })
        .collect()
}

#[test]
fn every_frame_that_is_sent_while_a_session_leaves_is_given_with_it_or_carried_after_it() {
    let race = || {
        let (handle, relay) = (parked(), Arc::new(Carried::default()));
        let senders = [0, 1].map(|number| sender(&handle, number));
        let (check, _given) = handle.give(&token(0), 0, Instant::now());
        assert_eq!(check, TokenCheck::Good);
        let mut got = kept(&handle);
        thread::yield_now();
        let carrier: Arc<dyn Relay> = relay.clone();
        assert!(handle.leave(&carrier));
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        got.extend_from_slice(&relay.0.lock().unwrap());
        assert_whole(&got, 2);
        assert!(handle.is_open() && !handle.leave(&carrier));
    };
    shuttle::check_random(race, ORDERS);
}

#[test]
fn of_a_client_here_and_two_servers_that_ask_one_gets_the_session_and_what_comes_back_is_whole() {
    let race = || {
        let (handle, now, won) = (parked(), Instant::now(), Arc::new(AtomicUsize::new(0)));
        let claim = {
            let (handle, won) = (handle.clone(), won.clone());
            thread::spawn(move || {
                let claimed = handle.session(|session| session.claim(&token(0), &token(9), 0, now));
                won.fetch_add(usize::from(claimed == Some(TokenCheck::Good)), SeqCst);
            })
        };
        let asks = [1, 2].map(|_| {
            let (handle, won) = (handle.clone(), won.clone());
            thread::spawn(move || {
                let (check, _given) = handle.give(&token(0), 0, now);
                won.fetch_add(usize::from(check == TokenCheck::Good), SeqCst);
            })
        });
        let sender = sender(&handle, 0);
        claim.join().unwrap();
        asks.into_iter().for_each(|ask| ask.join().unwrap());
        assert_eq!(won.load(SeqCst), 1);
        handle.come_back(); // without effect where the client has won
        sender.join().unwrap();
        assert_whole(&kept(&handle), 1);
    };
    shuttle::check_random(race, ORDERS);
}

#[test]
fn what_was_sent_where_a_session_was_comes_before_all_that_is_sent_here() {
    let race = || {
        let (handle, held) = (handle(), Arc::new(Held::new(1000)));
        let parts = crate::session::sent::moving::SentParts {
            acknowledged: 0,
            kept: Vec::new(),
            tokens: wse_proto::TokenParts { current: None, before: Vec::new() },
        };
        assert!(handle.continue_session(parts, &held, 1 << 20, Instant::now()));
        let here = sender(&handle, 1);
        let there = {
            let handle = handle.clone();
            thread::spawn(move || {
                for n in 0..4 {
                    assert!(handle.outbox.keep_relayed(&Bytes::copy_from_slice(&[n]), None));
                }
                handle.arrive();
            })
        };
        here.join().unwrap();
        there.join().unwrap();
        let got = kept(&handle);
        assert_whole(&got, 2);
        assert_eq!(got[..4], [0, 1, 2, 3], "{got:?}");
    };
    shuttle::check_random(race, ORDERS);
}

#[test]
fn what_is_held_for_a_session_that_arrives_has_a_bound_and_beyond_it_the_session_ends() {
    let race = || {
        for (frames, fits) in [(10, true), (20, false)] {
            let (handle, held) = (handle(), Arc::new(Held::new(1000)));
            let parts = crate::session::sent::moving::SentParts {
                acknowledged: 0,
                kept: Vec::new(),
                tokens: wse_proto::TokenParts { current: None, before: Vec::new() },
            };
            assert!(handle.continue_session(parts, &held, 1 << 20, Instant::now()));
            (0..frames).for_each(|n| _ = handle.queue(Out::Own(&[n])).unwrap());
            assert!(kept(&handle).is_empty() && handle.is_open());
            handle.arrive();
            assert_eq!((handle.is_open(), kept(&handle).len()), (fits, if fits { frames as usize } else { 0 }));
        }
    };
    shuttle::check_random(race, 1);
}
