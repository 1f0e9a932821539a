//! Races of what a room retains with those who join it, and with what else it retains.

use super::{ORDERS, login, server};
use crate::server::{Server, users::conn::Conn};
use bytes::Bytes;
use shuttle::thread;
use wse_proto::Again;

/// A device whose session keeps what it is sent.
fn device(server: &Server, number: u64) -> Conn {
    let conn = login(server, &format!("user {number}"), number);
    conn.0.handle.begin_session(None, 1 << 20);
    drop(server.0.registry.join(&conn, 1, false));
    conn
}

/// The name and the number of each message that a device was sent.
fn sent(conn: &Conn) -> Vec<(String, u64)> {
    let read = |sent: Again<'_, Bytes>| {
        let Again::Frame(_, frame, _) = sent else { panic!("nothing is given up") };
        let (name, number, ()) = serde_json::from_slice(&frame[2..]).unwrap(); // behind the short header of a server
        (name, number)
    };
    conn.0.handle.session(|session| session.again().map(read).collect()).unwrap()
}

#[test]
fn who_joins_while_values_are_retained_gets_each_once_and_none_behind_a_later_message() {
    let race = || {
        let server = server();
        let (host, guest) = (device(&server, 1), device(&server, 2));
        host.join("tea").unwrap();
        let (tea, joins) = (server.room("tea"), guest.clone());
        let threads = [
            thread::spawn(move || {
                for number in 1..=2 {
                    tea.retain("n", number).unwrap();
                    tea.send("after", number).unwrap();
                }
            }),
            thread::spawn(move || joins.join("tea").unwrap()),
        ];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let all = [("n", 1), ("after", 1), ("n", 2), ("after", 2)].map(|(name, number)| (name.to_owned(), number));
        assert_eq!(sent(&host), all);
        let mut seen = 0;
        for (name, number) in sent(&guest) {
            match name.as_str() {
                "n" => assert!(std::mem::replace(&mut seen, number) < number, "{:?}", sent(&guest)),
                _ => assert_eq!(seen, number, "{:?}", sent(&guest)),
            }
        }
        assert_eq!(seen, 2);
    };
    shuttle::check_random(race, ORDERS);
}

#[test]
fn of_two_values_retained_at_once_every_member_gets_the_kept_one_last() {
    let race = || {
        let server = server();
        let members = [device(&server, 1), device(&server, 2)];
        members.iter().for_each(|conn| conn.join("tea").unwrap());
        let threads = [1, 2].map(|number| {
            let tea = server.room("tea");
            thread::spawn(move || _ = tea.retain("n", number).unwrap())
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let late = device(&server, 3);
        late.join("tea").unwrap();
        let kept = sent(&late);
        assert_eq!(kept.len(), 1);
        for conn in &members {
            assert_eq!((sent(conn).len(), sent(conn).last()), (2, kept.last()));
        }
    };
    shuttle::check_random(race, ORDERS);
}
