//! Sessions as a weapon: parked by the hundred with all that they may keep, resumed again and again,
//! with tokens that nobody has, with messages that nobody acknowledges.

use serde_json::{Value, json};
use wse::{Limits, Server};
use wse_test_peers::{
    RawClient, begin,
    floods::{MIB, alone, harmless, serving, until},
    resent, resume,
};

/// Ends every session that is there, so that the next round finds what the first one did.
async fn all_leave(server: &Server) {
    for n in 0..60 {
        server.user(format!("eve-{n}")).drop("");
    }
    until("all have left", || server.conn_count() == 1).await;
}

#[test]
fn parked_sessions_keep_no_more_together_than_their_bound_however_much_is_sent_to_each() {
    alone(async {
        let limits = Limits { parked_bytes: 16 * MIB, ..Limits::default() };
        let server = serving(|builder| builder.limits(limits));
        harmless(&server, 16 * MIB + 12 * MIB, async || {
            for n in 0..60 {
                let name = format!("eve-{n}");
                let (peer, _) = begin(&server, &name, json!({})).await;
                let conn = server.user(&name).conns().remove(0);
                drop(peer);
                for _ in 0..9 {
                    // Kept for it alone, until it is one of too many.
                    let _ = conn.send("m", "x".repeat(100 << 10));
                }
                assert!(server.conn_count() <= 20, "{} are kept, of 0.9 MiB each", server.conn_count());
            }
            all_leave(&server).await;
        })
        .await;
    });
}

#[test]
fn one_session_keeps_no_more_than_its_bound_for_a_peer_that_reads_and_never_acknowledges() {
    alone(async {
        let server = serving(|builder| builder);
        harmless(&server, 6 * MIB, async || {
            let (mut peer, _) = begin(&server, "eve-0", json!({})).await;
            let conn = server.user("eve-0").conns().remove(0);
            for n in 0..1000 {
                conn.send("m", "x".repeat(50 << 10)).expect("it reads, so it is not slow");
                assert_eq!(peer.json().await[0], "~wse:ack", "it announces {n}");
                assert_eq!(peer.json().await[0], "m");
            }
            drop(peer);
            until("it has ended with its connection", || server.user("eve-0").conn_count() == 0).await;
        })
        .await;
    });
}

#[test]
fn tokens_that_nobody_has_cost_what_a_login_costs() {
    alone(async {
        let server = serving(|builder| builder);
        harmless(&server, 8 * MIB, async || {
            let mut last: Option<RawClient> = None;
            for n in 0..1000_u32 {
                let token = json!(format!("{n:0>33}"));
                let (peer, granted) = resume(&server, "eve-0", &token, u64::from(n)).await;
                assert_eq!(granted["resumed"], false);
                last.replace(peer);
            }
            drop(last);
            all_leave(&server).await;
        })
        .await;
    });
}

#[test]
fn a_session_that_is_resumed_without_end_is_one_session() {
    alone(async {
        let server = serving(|builder| builder);
        harmless(&server, 8 * MIB, async || {
            let (mut peer, mut granted) = begin(&server, "eve-0", json!({})).await;
            let conn = server.user("eve-0").conns().remove(0);
            for n in 0..1000_u32 {
                conn.send("m", "x".repeat(500)).expect("it is kept");
                // Half of the time the connection before still stands.
                let before = if n % 2 == 0 { Some(peer) } else { None };
                (peer, granted) = resume(&server, "eve-0", &granted["session"], u64::from(n)).await;
                assert_eq!(granted["resumed"], true, "{n}");
                let frames = resent(&mut peer).await;
                assert_eq!(frames.len(), 1, "{n}: {:?}", frames.iter().map(Value::to_string).collect::<Vec<_>>());
                drop(before);
            }
            assert_eq!(server.user("eve-0").conn_count(), 1);
            assert!(conn.is_open());
            peer.close(1000, "").await;
            all_leave(&server).await;
        })
        .await;
    });
}
