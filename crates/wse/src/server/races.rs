//! Tests of races in the registry: shuttle runs threads whose devices join and leave in thousands of
//! orders.

mod retained;
mod rooms;

use crate::{
    connection::{handle::Handle, spoken::Spoken},
    server::{
        Server,
        event::Event,
        revocations::Deciding,
        users::{
            conn::{Conn, ConnInner},
            standing::{Standing, Terms},
        },
    },
};
use shuttle::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use std::sync::Arc;
use wse_cluster::DeviceId;
use wse_proto::{Cid, Closed, Format, Hello, Limits, Payload, Protocol, Reason};

/// Orders tried by each test.
const ORDERS: usize = 1000;

fn handle() -> Arc<Handle> {
    Arc::new(Handle::new(Arc::new(Spoken::by_client(Protocol::Wse)), &Limits::default(), false))
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
        id: DeviceId::new(server.0.node, number),
        standing: Standing::new(&hello, Terms::default()),
        remote_addr: None.into(),
        server: server.0.clone(),
        runtime: None,
    }))
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
            if let Some(closed) = conn.0.handle.closed() {
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
fn nobody_who_is_coming_in_slips_through_a_revocation() {
    shuttle::check_random(
        || {
            let (server, banned) = (server(), Arc::new(AtomicBool::new(false)));
            let coming: Vec<_> = (1..4)
                .map(|number| {
                    let (server, banned) = (server.clone(), banned.clone());
                    thread::spawn(move || {
                        let deciding = Deciding::begin(&server);
                        if banned.load(Ordering::SeqCst) {
                            return; // identify refuses it
                        }
                        let conn = login(&server, "ann", number);
                        if deciding.revokes(&conn) {
                            return;
                        }
                        server.0.registry.join(&conn, 9, false);
                        if deciding.revokes(&conn) {
                            conn.close(Closed::normal(Reason::REVOKED));
                        }
                    })
                })
                .collect();
            banned.store(true, Ordering::SeqCst);
            server.revoke(|conn| conn.cid().as_str() == "ann");
            coming.into_iter().for_each(|coming| coming.join().unwrap());
            assert_eq!(server.conn_count(), 0);
        },
        ORDERS,
    );
}
