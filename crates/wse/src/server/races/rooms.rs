//! Races of devices that join rooms while they, their users and other members come and go.

use super::{ORDERS, login, server};
use crate::server::{
    Changes, JoinError, Server, Status,
    users::{conn::Conn, joining::join_rooms_of_user},
};
use shuttle::thread;
use wse_proto::{Closed, Reason};

fn leave(conn: &Conn) {
    conn.0.server.registry.leave(conn, &Closed::broken(Reason::default()));
}

/// Nothing is known of any room or device.
fn is_forgotten(server: &Server) -> bool {
    server.0.rooms.is_empty() && server.0.watching.is_empty()
}

fn all(threads: Vec<thread::JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_device_that_joins_while_it_leaves_is_in_no_room_afterwards() {
    let race = || {
        let server = server();
        let conns: Vec<Conn> = (0..3).map(|number| login(&server, "ann", number)).collect();
        conns.iter().for_each(|conn| drop(server.0.registry.join(conn, 3, false)));
        let mut threads = Vec::new();
        for conn in &conns {
            let (joins, leaves) = (conn.clone(), conn.clone());
            threads.push(thread::spawn(move || {
                for room in ["tea", "milk"] {
                    let joined = joins.join(room);
                    assert!(matches!(joined, Ok(()) | Err(JoinError::Gone)), "{joined:?}");
                }
            }));
            threads.push(thread::spawn(move || leave(&leaves)));
        }
        let user = server.user("ann");
        threads.push(thread::spawn(move || _ = user.join("all")));
        all(threads);
        assert!(is_forgotten(&server));
        assert!(conns.iter().all(|conn| conn.rooms().is_empty() && conn.join("tea") == Err(JoinError::Gone)));
    };
    shuttle::check_random(race, ORDERS / 4);
}

#[test]
fn a_device_that_comes_while_its_user_joins_or_leaves_a_room_is_in_it_if_the_user_is() {
    for joins in [true, false] {
        let race = move || {
            let server = server();
            let (first, second) = (login(&server, "ann", 1), login(&server, "ann", 2));
            drop(server.0.registry.join(&first, 2, false));
            if !joins {
                server.user("ann").join("tea").unwrap();
            }
            let (user, late) = (server.user("ann"), second.clone());
            all(vec![
                thread::spawn(move || if joins { user.join("tea").unwrap() } else { assert!(user.leave("tea")) }),
                thread::spawn(move || {
                    drop(late.0.server.registry.join(&late, 2, false));
                    join_rooms_of_user(&late);
                }),
            ]);
            let expected = if joins { 2 } else { 0 };
            assert_eq!(server.room("tea").count(), expected);
            leave(&first);
            leave(&second);
            assert!(is_forgotten(&server));
        };
        shuttle::check_random(race, ORDERS / 4);
    }
}

#[test]
fn members_come_and_go_at_once_and_a_watcher_sees_the_last_of_it() {
    let race = || {
        let server = server();
        let conns: Vec<Conn> = (0..4).map(|number| login(&server, &format!("user {number}"), number)).collect();
        conns.iter().for_each(|conn| drop(server.0.registry.join(conn, 1, false)));
        let mut changes = server.room("tea").watch();
        let threads = conns.iter().cloned().map(|conn| {
            thread::spawn(move || {
                conn.join("tea").unwrap();
                match conn.conn_id() {
                    0 => assert!(conn.leave("tea")),
                    1 => leave(&conn),
                    _ => {}
                }
            })
        });
        let threads = threads.collect();
        let mut told = std::collections::HashMap::new();
        let mut read = |changes: &mut Changes| {
            while let Some(change) = changes.next_now() {
                assert_ne!(told.insert(change.cid.to_string(), change.status), Some(change.status), "{change:?}");
            }
        };
        read(&mut changes);
        all(threads);
        read(&mut changes);
        told.retain(|_, status| *status != Status::Offline);
        let mut told: Vec<String> = told.into_iter().map(|(cid, status)| format!("{cid} {status}")).collect();
        told.sort();
        assert_eq!(told, ["user 1 away", "user 2 online", "user 3 online"]);
        drop(changes);
        conns.iter().for_each(leave);
        assert!(is_forgotten(&server));
    };
    shuttle::check_random(race, ORDERS / 4);
}
