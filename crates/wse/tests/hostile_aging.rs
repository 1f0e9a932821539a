//! Messages that age by the thousand for a device that does not read, places that are given up by the thousand,
//! and questions and revocations without end.

use http::Request;
use serde_json::{Value, json};
use std::time::Duration;
use wse::{Conn, Limits, Msg, SendError, Server};
use wse_test_peers::{
    RawClient, attach_with, begin, enter,
    floods::{MIB, alone, flood, harmless, many_devices, serving},
    text,
};

const KIB: usize = 1 << 10;
const AT: Msg<usize> = Msg::new("at");

/// The only device of that user, which reads nothing more.
async fn deaf(server: &Server, name: &str) -> (RawClient, Conn) {
    let (mut peer, _) = attach_with(server, KIB, Request::new(()));
    peer.enter(name).await;
    let conn = server.user(name).conns().pop().expect("it is there");
    (peer, conn)
}

#[test]
fn a_hundred_thousand_keys_for_a_reader_that_stops_take_its_queue_at_most() {
    alone(async {
        let server = serving(|builder| builder.limits(Limits { queue_bytes_max: MIB, ..many_devices() }));
        harmless(&server, 8 * MIB, async || {
            let (_peer, conn) = deaf(&server, "eve").await;
            let mut ended = false;
            for key in 0..100_000 {
                match conn.send(AT.latest(key).ttl(Duration::from_secs(60)), key) {
                    Ok(_) => assert!(!ended),
                    Err(SendError::Slow | SendError::NotReady) => ended = true,
                    Err(other) => panic!("{other:?}"),
                }
            }
            assert!(ended, "it holds less than that");
        })
        .await;
    });
}

#[test]
fn a_hundred_thousand_of_one_key_take_one_place_and_end_nobody() {
    alone(async {
        let server = serving(|builder| builder.limits(many_devices()));
        harmless(&server, 4 * MIB, async || {
            let (_peer, conn) = deaf(&server, "eve").await;
            for number in 0..100_000 {
                conn.send(AT.latest("taxi"), number).expect("it takes the place of the one before");
            }
            assert!(conn.is_open());
        })
        .await;
    });
}

#[test]
fn a_client_that_gives_up_without_end_is_counted_and_no_more() {
    alone(async {
        let server = serving(|builder| builder.limits(many_devices()));
        harmless(&server, 24 * MIB, async || {
            let (mut eve, _) = begin(&server, "eve", json!({})).await;
            flood(&mut eve.writer, &text(r#"["~wse:skip",1,null]"#), 100_000).await;
            eve.ask("echo", json!(1), "still here").await;
            let acknowledged = loop {
                let said = eve.json().await;
                match said[0].as_str() {
                    Some("~wse:ack") => {}
                    Some("~wse:response") => break eve.json().await,
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!(acknowledged, json!(["~wse:ack", 100_001, null]), "all of them, and the call");
        })
        .await;
    });
}

#[test]
fn who_asks_a_silent_device_a_thousand_times_keeps_nothing_of_it() {
    alone(async {
        let server = serving(|builder| builder.limits(many_devices()));
        harmless(&server, 8 * MIB, async || {
            let _silent = enter(&server, "eve").await;
            for _ in 0..1000 {
                let answers = server.user("eve").ask::<_, Value>("never", json!(null));
                assert!(answers.within(Duration::ZERO).quorum(1).await.is_empty());
            }
        })
        .await;
    });
}

#[test]
fn revocations_are_kept_only_while_someone_logs_in() {
    alone(async {
        let server = serving(|builder| builder.limits(many_devices()));
        harmless(&server, 4 * MIB, async || {
            for number in 0..10_000 {
                let kept = vec![0_u8; KIB];
                server.revoke(move |conn| conn.cid().as_str().len() == number + kept.len() + 1000);
            }
        })
        .await;
    });
}
