//! Sockets by the thousand that nobody has let in: those that say nothing, those that wait for a
//! verdict, those that make up where they come from.

use std::time::Duration;
use tokio::{
    io::AsyncWriteExt,
    time::{sleep, timeout},
};
use wse::Limits;
use wse_test_peers::{
    RawClient, WAIT, ask_upgrade,
    floods::{MIB, alone, harmless, leave, serving, socket, until, upgrade_before_long, upgrade_from},
    request,
};

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

#[test]
fn of_ten_thousand_silent_sockets_the_newest_4096_stay_and_they_keep_nobody_out() {
    alone(async {
        let limits = Limits { http_timeout: 60 * S, conns_per_user: 100, ..Limits::default() };
        let server = serving(|builder| builder.limits(limits));
        // For each 15 KiB: the buffer of HTTP, a task, a timer, the pipe of this test. Of what is given
        // back the allocator keeps some.
        harmless(&server, 4096 * (32 << 10), async || {
            let mut sockets = Vec::new();
            for number in 0..10_000 {
                if number % 500 == 0 {
                    sleep(50 * MS).await; // they come over a second, as they will go
                }
                let (mut io, served) = socket(&server, None);
                // Some say a little first.
                io.write_all(&b"GET / HTTP/1.1\r\nHost: x"[..number % 24]).await.expect("it is taken");
                sockets.push((io, served));
            }
            // Somebody new is let in beside them.
            ask_upgrade(socket(&server, None).0, request("/", &[])).await.upgraded().enter("new").await;
            let silent = || sockets.iter().filter(|(_, served)| !served.is_finished()).count();
            until("the oldest make room", || silent() <= 4096).await;
            assert!(silent() >= 4095, "only the one who was let in has pushed one out: {}", silent());
            for (io, served) in sockets {
                drop(io);
                timeout(20 * S, served).await.expect("it is over").expect("no panic");
            }
        })
        .await;
    });
}

/// Nobody's time is over before the test is.
fn patient() -> Limits {
    Limits { auth_timeout: WAIT, ..Limits::default() }
}

#[test]
fn strangers_by_the_thousand_have_4096_places_and_64_an_address_and_give_them_back() {
    alone(async {
        let server = serving(|builder| builder.limits(patient()));
        harmless(&server, 64 * MIB, async || {
            let mut inside: Vec<RawClient> = Vec::new();
            // 100 from each of 60 addresses, and then one from each of a thousand.
            for number in 0..6000 {
                inside.extend(upgrade_from(&server, [10, 0, 0, (number / 100) as u8], &[]).await);
            }
            assert_eq!(inside.len(), 60 * 64, "64 of each address");
            for number in 0..1000 {
                inside.extend(upgrade_from(&server, [10, 1, (number / 250) as u8, (number % 250) as u8], &[]).await);
            }
            assert_eq!(inside.len(), 4096);
            // Whoever gets in makes room for one.
            let mut known = inside.remove(0);
            known.enter("eve").await;
            inside.extend(upgrade_from(&server, [10, 2, 0, 1], &[]).await);
            assert!(inside.len() == 4096 && upgrade_from(&server, [10, 2, 0, 2], &[]).await.is_none());
            leave(inside).await;
            upgrade_before_long(&server).await.enter("eve").await;
        })
        .await;
    });
}

#[test]
fn made_up_addresses_win_no_places_among_the_strangers() {
    alone(async {
        let server =
            serving(|builder| builder.limits(patient()).trusted_proxy("10.0.0.0/8".parse().expect("a network")));
        harmless(&server, 16 * MIB, async || {
            let mut inside: Vec<RawClient> = Vec::new();
            for number in 0..500 {
                let made_up = format!("198.51.{}.{}", number / 250, number % 250);
                inside.extend(upgrade_from(&server, [203, 0, 113, 9], &[("X-Forwarded-For", &made_up)]).await);
            }
            assert_eq!(inside.len(), 64);
            // Behind a proxy each client has places of its own, whatever it wrote before its proxy did.
            for (client, all) in [("198.51.100.7", 2 * 64), ("198.51.100.8", 3 * 64)] {
                for number in 0..100 {
                    let chain = format!("1.2.3.{number}, {client}");
                    inside.extend(upgrade_from(&server, [10, 0, 0, 1], &[("X-Forwarded-For", &chain)]).await);
                }
                assert_eq!(inside.len(), all, "{client}");
            }
            leave(inside).await;
        })
        .await;
    });
}
