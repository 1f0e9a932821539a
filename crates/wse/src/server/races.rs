//! Races: the registry, the outbox and the parking under thousands of orders of their threads, tried
//! by shuttle. A wake-up that is lost is a deadlock there, and found as one.

use crate::{
    connection::{handle::Handle, outbox::Out, queue::Queue},
    server::{
        Server,
        event::Event,
        users::{
            conn::{Conn, ConnInner},
            id::DeviceId,
        },
    },
    session::parking::Parking,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};
use shuttle::thread::{self, Thread};
use std::{
    io::IoSlice,
    sync::Arc,
    task::{Wake, Waker},
    time::Instant,
};
use wse_proto::{Cid, Closed, Codec, Format, Hello, Limits, Payload, Reason, Token, TokenCheck};

/// Orders tried by each test.
const ORDERS: usize = 1000;

fn handle() -> Arc<Handle> {
    Arc::new(Handle::new(Codec::Json, &Limits::default(), false))
}

/// A server whose events wait, as there is no runtime here.
fn server() -> Server {
    let server = Server::builder().when(async |_| ());
    server.identify(async |stranger, name: String| Ok(stranger.accept(name))).build()
}

/// A device of a user, welcomed a moment ago.
fn login(server: &Server, cid: &str, number: u64) -> Conn {
    let hello = Hello { identity: Payload::null(Format::Json), meta: Hello::no_meta(Format::Json) };
    Conn(Arc::new(ConnInner {
        handle: handle(),
        cid: Cid::from(cid),
        id: DeviceId { node: server.0.node, number },
        protocol: 0,
        codec: 0,
        hello: Arc::new(hello),
        remote_addr: None,
        server: server.0.clone(),
    }))
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
    thread::spawn(move || (0..4).for_each(|n| _ = handle.outbox.send(Out::Own(&[number << 4 | n])).unwrap()))
}

/// Writes all that is in a queue. Returns how many bytes it was.
fn write(queue: &mut Queue, got: &mut Vec<u8>) -> usize {
    let mut slices = [IoSlice::new(&[]); 64];
    let filled = queue.slices(&mut slices);
    let before = got.len();
    got.extend(slices[..filled].iter().flat_map(|slice| slice.iter()));
    let written = got.len() - before;
    queue.advance(written);
    written
}

/// Sleeps unless there is something new, as a task does.
fn sleep(handle: &Handle) {
    let waker: Waker = Arc::new(Unpark(thread::current())).into();
    if handle.outbox.sleep(&waker) {
        thread::park();
    }
}

fn assert_whole(got: &[u8], senders: u8) {
    for sender in 0..senders {
        let of_it: Vec<u8> = got.iter().filter(|byte| *byte >> 4 == sender).map(|byte| byte & 15).collect();
        assert_eq!(of_it, [0, 1, 2, 3], "{got:?}");
    }
}

#[test]
fn of_a_hundred_logins_at_once_three_are_left_and_all_events_are_in_pairs() {
    shuttle::check_random(|| logins(|_| false, 3), ORDERS / 20);
}

#[test]
fn and_where_some_may_be_stale_one_more_at_most() {
    shuttle::check_random(|| logins(|conn_id| conn_id % 3 > 0, 4), ORDERS / 20);
}

/// A hundred and twenty devices of one user come and go, at most three of which may stay; of those
/// that may be stale half show that they are there. At most `most` are left.
fn logins(may_be_stale: fn(u64) -> bool, most: usize) {
    let server = server();
    let come = move |conn: Conn| {
        thread::spawn(move || {
            let registry = &conn.0.server.registry;
            if registry.join(&conn, 3, may_be_stale(conn.conn_id())).unconfirmed && conn.conn_id() % 3 == 1 {
                registry.confirmed(&conn, 3);
            }
        })
    };
    // The task of a connection learns that it was pushed out.
    let go = |conn: Conn| {
        thread::spawn(move || {
            if let Some(closed) = conn.0.handle.outbox.closed() {
                conn.0.server.registry.leave(&conn, &closed);
            }
        })
    };
    let mut conns: Vec<Conn> = (0..120).map(|conn_id| login(&server, "ann", conn_id)).collect();
    let late = conns.split_off(20);
    let first: Vec<_> = conns.iter().cloned().map(come).collect();
    first.into_iter().for_each(|login| login.join().unwrap());
    let both: Vec<_> = late.into_iter().map(come).chain(conns.into_iter().map(go)).collect();
    both.into_iter().for_each(|thread| thread.join().unwrap());
    let cid = Cid::from("ann");
    let live = server.0.registry.of_user(&cid);
    assert!((3..=most).contains(&live.len()), "{}", live.len());
    assert_eq!((server.conn_count(), server.user_count()), (live.len(), 1));
    for conn in &live {
        assert!(conn.is_open());
        server.0.registry.leave(conn, &Closed::broken(Reason::default()));
    }
    let (mut there, mut users, mut came) = (Vec::new(), 0, 0);
    while let Some((event, _)) = server.0.events.next(&cid) {
        match event.event {
            Event::Joined(_) => users += 1,
            Event::Left(..) => users -= 1,
            Event::Connected(conn) => {
                there.push(conn.conn_id());
                came += 1;
            }
            Event::Disconnected(conn, _) => {
                let place = there.iter().position(|conn_id| *conn_id == conn.conn_id());
                there.remove(place.expect("it was connected, and not disconnected before"));
            }
            other => panic!("{other:?}"),
        }
        assert!(users == 1 || (users == 0 && there.is_empty()));
        assert!(there.len() <= most + 1, "and the newest that pushes one of them out");
    }
    assert_eq!((came, there.len(), users), (120, 0, 0));
}

#[test]
fn logins_of_many_users_at_once_are_counted_right_and_told_in_order() {
    const USERS: u64 = 12;
    let race = || {
        let server = server();
        let cid = |number: u64| format!("user {}", number % USERS);
        let conns: Vec<Conn> = (0..3 * USERS).map(|number| login(&server, &cid(number), number)).collect();
        // Every third device of a user leaves again, some of them before they were pushed out.
        let tasks = conns.iter().cloned().map(|conn| {
            thread::spawn(move || {
                let registry = &conn.0.server.registry;
                registry.join(&conn, 2, false);
                registry.parked(&conn);
                registry.resumed(&conn);
                if conn.conn_id() / USERS == 0 {
                    registry.leave(&conn, &Closed::broken(Reason::default()));
                }
            })
        });
        tasks.collect::<Vec<_>>().into_iter().for_each(|task| task.join().unwrap());
        let registry = &server.0.registry;
        let everyone = registry.everyone();
        let (users, devices) = registry.counts();
        assert_eq!((users, devices, registry.cids().len()), (USERS as usize, everyone.len(), users));
        let of_users = registry.cids().iter().map(|cid| registry.of_user(cid)).collect::<Vec<_>>().concat();
        assert_eq!(of_users.len(), devices, "both indexes hold the same devices");
        assert!(of_users.iter().all(|conn| registry.device(conn.id()).as_ref() == Some(conn)));
        everyone.iter().for_each(|conn| registry.leave(conn, &Closed::broken(Reason::default())));
        assert!(conns.iter().all(|conn| registry.device(conn.id()).is_none()));
        assert_eq!((registry.counts(), registry.everyone().len(), registry.cids().len()), ((0, 0), 0, 0));
        for number in 0..USERS {
            assert_told_in_order(&server, &Cid::from(cid(number)));
        }
    };
    shuttle::check_random(race, ORDERS / 10);
}

/// Of one user, who has left: every device came and went once, and changed only in between.
fn assert_told_in_order(server: &Server, cid: &Cid) {
    let (mut user, mut there) = (false, Vec::new());
    while let Some((event, _)) = server.0.events.next(cid) {
        let had = there.len();
        match event.event {
            Event::Joined(_) => assert!(!std::mem::replace(&mut user, true)),
            Event::Left(..) => assert!(std::mem::replace(&mut user, false) && there.is_empty()),
            Event::Connected(conn) => there.push(conn),
            Event::Parked(conn) | Event::Resumed(conn) => assert!(there.contains(&conn)),
            Event::Disconnected(conn, _) => {
                there.retain(|other| *other != conn);
                assert_eq!(there.len() + 1, had);
            }
            other => panic!("{other:?}"),
        }
        assert!(user || there.is_empty());
    }
    assert!(!user && there.is_empty());
}

#[test]
fn frames_of_many_senders_leave_whole_and_in_order_and_no_wake_up_is_lost() {
    let race = || {
        let handle = handle();
        let senders = [0, 1, 2].map(|number| sender(&handle, number));
        let (mut queue, mut got) = (Queue::default(), Vec::new());
        loop {
            handle.outbox.collect(&mut queue);
            handle.outbox.written(write(&mut queue, &mut got));
            if got.len() == 12 {
                break;
            }
            sleep(&handle);
        }
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert_whole(&got, 3);
    };
    shuttle::check_random(race, ORDERS);
}

#[test]
fn a_session_loses_and_doubles_nothing_while_it_is_parked_and_resumed_under_its_senders() {
    let race = || {
        let handle = handle();
        handle.outbox.keep(None, 1 << 20);
        let senders = [0, 1].map(|number| sender(&handle, number));
        let (mut queue, mut got, mut lost) = (Queue::default(), Vec::new(), false);
        loop {
            handle.outbox.collect(&mut queue);
            lost = !lost;
            if lost {
                // With what was about to be written.
                assert!(handle.outbox.park());
                queue = Queue::default();
                thread::yield_now();
                handle.outbox.resume(&[], got.len() as u64, &[]);
                continue;
            }
            handle.outbox.written(write(&mut queue, &mut got));
            handle.outbox.acknowledge(got.len() as u64 / 2).unwrap();
            if got.len() == 8 {
                break;
            }
            sleep(&handle);
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
        handle.outbox.keep(Some(Token::new(0, 0)), 1000);
        assert!(handle.outbox.park());
        let claims = [1, 2, 3, 4].map(|next| {
            let (handle, won) = (handle.clone(), won.clone());
            thread::spawn(move || {
                let claimed = handle.outbox.claim(&Token::new(0, 0), &Token::new(0, next), 0, now);
                won.fetch_add(usize::from(claimed == TokenCheck::Good), SeqCst);
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
        let parking = Parking::new(BOUND);
        let sessions = [(); 5].map(|()| {
            let parking = parking.clone();
            thread::spawn(move || {
                let handle = handle();
                handle.outbox.keep(None, 1 << 20);
                assert!(handle.outbox.park());
                let (slot, evicted) = parking.enter(handle.clone(), 0);
                handle.outbox.take_slot(slot);
                evicted.end();
                let sent = handle.outbox.send(Out::Own(&[0; 100]));
                assert!(parking.bytes() <= BOUND);
                assert!(sent.is_ok() || !handle.outbox.is_open(), "an error only after the end");
                handle.outbox.resume(&[], 0, &[]);
                handle
            })
        });
        sessions.into_iter().for_each(|session| drop(session.join().unwrap()));
        assert_eq!(parking.bytes(), 0);
    };
    shuttle::check_random(race, ORDERS);
}
