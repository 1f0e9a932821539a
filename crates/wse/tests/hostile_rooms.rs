//! Rooms and presence under pressure: large rooms, rooms by the ten thousand, users who come and go without
//! end, and those who are told of it and do not read.

use serde_json::Value;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};
use wse::{Conn, Limits, Server, presence::Status};
use wse_test_peers::{
    PIPE, RawClient, attach_with, enter,
    floods::{Growth, MIB, alone},
    server, settle,
};

const S: Duration = Duration::from_secs(1);

async fn come(server: &Server, name: &str) -> (RawClient, Conn) {
    let peer = enter(server, name).await;
    let conn = server.user(name).conns().pop().expect("it is there");
    (peer, conn)
}

async fn crowd(server: &Server, number: usize) -> Vec<(RawClient, Conn)> {
    let mut crowd = Vec::new();
    for number in 0..number {
        crowd.push(come(server, &format!("user {number}")).await);
    }
    crowd
}

/// How long so many joins and leaves of one device take.
fn comings(conn: &Conn, room: &str, number: usize) -> Duration {
    let began = Instant::now();
    for _ in 0..number {
        conn.join(room).expect("there is room");
        assert!(conn.leave(room));
    }
    began.elapsed()
}

#[test]
fn joining_and_leaving_take_as_long_in_a_room_of_thousands_as_in_a_small_one() {
    alone(async {
        let server = server(|builder| builder);
        let crowd = crowd(&server, 3000).await;
        for (number, (_, conn)) in crowd.iter().enumerate() {
            conn.join(if number < 3 { "small" } else { "large" }).unwrap();
        }
        let conn = &crowd[0].1;
        assert!(conn.leave("small"));
        let (mut least, mut fastest) = (f64::MAX, Duration::MAX);
        for _ in 0..10 {
            let (small, large) = (comings(conn, "small", 2000), comings(conn, "large", 2000));
            least = least.min(large.as_secs_f64() / small.as_secs_f64());
            fastest = fastest.min(large / 2000);
        }
        println!("joining and leaving a room of 3,000: {fastest:?}, {least:.2} times that of a small one");
        // Looking at every member would take a hundred times as long.
        assert!(least < 4.0, "{least:.1} times as long");
    });
}

#[test]
fn a_message_to_a_room_of_a_thousand_costs_what_a_broadcast_costs() {
    alone(async {
        let server = server(|builder| builder);
        let crowd = crowd(&server, 1000).await;
        crowd.iter().for_each(|(_, conn)| conn.join("tea").unwrap());
        let tea = server.room("tea");
        let timed = |send: &dyn Fn() -> usize| {
            let began = Instant::now();
            (0..20).for_each(|_| assert_eq!(send(), 1000));
            began.elapsed()
        };
        let (mut to_room, mut to_all) = (Duration::MAX, Duration::MAX);
        for _ in 0..20 {
            to_room = to_room.min(timed(&|| tea.send("m", 1).unwrap().here));
            to_all = to_all.min(timed(&|| server.broadcast("m", 1).unwrap().here));
            settle().await; // they are written
        }
        println!("to a room {to_room:?}, to all {to_all:?}, for 20 messages to 1,000 devices");
        assert!(to_room < to_all * 5 / 4, "{to_room:?} instead of {to_all:?}");
    });
}

#[test]
fn rooms_by_the_ten_thousand_leave_nothing_behind() {
    alone(async {
        let server = server(|builder| builder);
        let mut grown = Vec::new();
        let growth = Growth::begin();
        for round in 0..5 {
            let crowd = crowd(&server, 100).await;
            for (number, (_, conn)) in crowd.iter().enumerate() {
                for room in 0..128 {
                    let name = format!("{round} {number} {room}");
                    conn.join(&format!("{name:x<256}")).unwrap();
                    server.room(name).retain("topic", "x".repeat(1000)).unwrap();
                }
                assert!(conn.join("one more").is_err());
            }
            let watching: Vec<_> = (0..100).map(|room| server.room(format!("{round} 0 {room}")).watch()).collect();
            drop((crowd, watching));
            while server.conn_count() > 0 {
                tokio::time::sleep(S / 100).await;
            }
            grown.push(growth.reserved());
        }
        // The allocator keeps what it had once; another round finds it free.
        assert!(grown[4] < grown[1] + 4 * MIB, "{grown:?}");
    });
}

#[test]
fn a_watcher_that_does_not_read_holds_nothing_however_often_others_come_and_go() {
    alone(async {
        let server = server(|builder| builder);
        let crowd = crowd(&server, 500).await;
        let (mut room, mut users) = (server.room("tea").watch(), server.presence().watch(["user 1", "nobody"]));
        let growth = Growth::begin();
        for _ in 0..200 {
            for (_, conn) in &crowd {
                conn.join("tea").unwrap();
                assert!(conn.leave("tea"));
            }
        }
        for (_, conn) in &crowd[..7] {
            conn.join("tea").unwrap();
        }
        assert!(growth.most() < MIB, "{} KiB", growth.most() >> 10);
        let mut told = HashMap::new();
        while let Ok(Some(change)) = tokio::time::timeout(S / 10, room.next()).await {
            assert_eq!(told.insert(change.cid, change.status), None, "each is told of once");
        }
        assert!(told.len() == 7 && told.values().all(|status| *status == Status::Online), "{told:?}");
        for _ in 0..2 {
            users.next().await.expect("how they are at first");
        }
        assert!(tokio::time::timeout(S / 10, users.next()).await.is_err());
    });
}

#[test]
fn a_user_who_comes_and_goes_without_end_has_one_place_among_those_who_may_be_back() {
    alone(async {
        let limits = Limits { presence_grace: 600 * S, resume_window: Duration::ZERO, ..Limits::default() };
        let server = server(|builder| builder.limits(limits));
        let (presence, rooms) = (server.presence(), 0..100);
        let watching: Vec<_> = rooms.clone().map(|room| server.room(format!("room {room}")).watch()).collect();
        let mut growth = Growth::begin();
        for round in 0..600 {
            if round == 100 {
                growth = Growth::begin(); // what is needed once is there
            }
            let (peer, conn) = come(&server, "ann").await;
            for room in rooms.clone() {
                conn.join(&format!("room {room}")).unwrap();
            }
            drop(peer);
            while server.conn_count() > 0 {
                settle().await;
            }
        }
        // A place for each of 50,000 absences would be some 5 MiB.
        assert!(growth.most() < 2 * MIB, "{} KiB", growth.most() >> 10);
        assert_eq!((presence.count(), presence.status(&"ann".into())), (1, Status::Away));
        drop(watching);
    });
}

#[test]
fn a_device_that_is_told_and_does_not_read_is_not_closed_and_learns_what_is_true() {
    alone(async {
        let server = server(|builder| builder.limits(Limits { ping_interval: Duration::ZERO, ..Limits::default() }));
        let crowd = crowd(&server, 100).await;
        let (mut ann, _ended) = attach_with(&server, PIPE, http::Request::new(()));
        ann.enter("ann").await;
        let conn = server.user("ann").conns().remove(0);
        conn.presence_for("tea").unwrap();
        let growth = Growth::begin();
        for round in 0..500 {
            for (number, (_, conn)) in crowd.iter().enumerate() {
                if (round + number) % 2 == 0 {
                    conn.join("tea").unwrap();
                } else {
                    conn.leave("tea");
                }
            }
            settle().await;
        }
        assert!(conn.is_open() && growth.most() < 4 * MIB, "{} KiB", growth.most() >> 10);
        // In the last round every second of them has joined.
        let (mut there, mut last) = (HashMap::<String, Value>::new(), Value::Null);
        let right = |there: &HashMap<String, Value>| {
            (0..100).all(|number| {
                let online = there.get(&format!("user {number}")).is_some_and(|status| status == "online");
                online == (number % 2 == 1)
            })
        };
        while let Ok(told) = tokio::time::timeout(S, ann.json()).await {
            let one = serde_json::json!([[told[1]["cid"], told[1]["status"]]]);
            let entries = told[1].get("all").or(told[1].get("more")).unwrap_or(&one).as_array().unwrap();
            for entry in entries {
                there.insert(entry[0].as_str().unwrap().into(), entry[1].clone());
            }
            last = told;
        }
        assert!(right(&there), "{there:?} {last}");
    });
}
