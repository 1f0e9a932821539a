//! Peers that nobody lets in: that talk on after a refusal, make identify fail, hang or answer for
//! nobody, solve a challenge hundreds of times, and come by the thousand.

use http::Request;
use serde_json::{Value, json};
use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::Notify;
use wse::{Limits, RpError, Server, Stranger, Verdict};
use wse_test_peers::{
    Got, Log, PIPE, RawClient, ask_upgrade, attach, attach_with, broke_protocol, end,
    floods::{MIB, alone, every_wire, flood, harmless, pour, until, upgrade_before_long},
    header, log, request, text,
};

/// What became of those whom identify was asked about.
#[derive(Clone, Default)]
struct UpgradeRequest {
    times: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    /// Lets those in who wait.
    late: Arc<Notify>,
}

/// Counts when identify ends, however it does.
struct Ends(Arc<AtomicUsize>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

async fn identify(asked: UpgradeRequest, stranger: Stranger, how: Value) -> Result<Verdict, RpError> {
    asked.times.fetch_add(1, SeqCst);
    let _ends = Ends(asked.dropped);
    Ok(match how.as_str().unwrap_or("refuse") {
        "refuse" => stranger.refuse(),
        "fail" => return Err(RpError::new("no")),
        "break" => return Err(std::io::Error::other("broken").into()),
        "panic" => panic!("identify broke"),
        "wrong type" => return Err(stranger.meta::<u8>().expect_err("it is an object").into()),
        "nobody" => stranger.accept(""),
        "never" => pending().await,
        "late" => {
            asked.late.notified().await;
            stranger.accept("late")
        }
        "again" => stranger.challenge(&"again"),
        "challenge" => match stranger.answer::<Value, Value>()? {
            None => stranger.challenge(&41),
            Some((_, answer)) if answer == 42 => stranger.accept("solver"),
            Some(_) => stranger.refuse(),
        },
        name => stranger.accept(name),
    })
}

/// A server that does what the identity says, and writes down all that reaches a handler.
fn obeying(limits: Limits) -> (Server, UpgradeRequest, Log) {
    let (asked, log) = (UpgradeRequest::default(), log());
    let (state, by_message, by_call, by_hook) = (asked.clone(), log.clone(), log.clone(), log.clone());
    let server = Server::builder()
        .limits(limits)
        .protocols(every_wire())
        .identify(async move |stranger: Stranger, how: Value| identify(state, stranger, how).await)
        .on("m", async move |_, _: Value| {
            by_message.add("message");
            Ok(())
        })
        .register("rp", async move |_, _: Value| {
            by_call.add("call");
            Ok(())
        })
        .on_receive(async move |conn, _| {
            if conn.cid().as_str() != "the good one" {
                by_hook.add("hook");
            }
            Ok(())
        })
        .register("echo", async |_, what: Value| Ok(what))
        .build();
    (server, asked, log)
}

/// What a refused peer goes on saying.
fn talk() -> Vec<u8> {
    [
        text(r#"["m",1]"#),
        text(r#"["rp",1,"stamp"]"#),
        text(r#"["~wse:hi",{"identity":"ann"}]"#),
        text(r#"["~wse:challenge",42]"#),
        text(r#"["~wse:response",1,"stamp"]"#),
    ]
    .concat()
}

fn hi(identity: &str) -> Vec<u8> {
    text(&json!(["~wse:hi", {"identity": identity}]).to_string())
}

/// Every way not to be let in, and the end that begins like this.
const REFUSALS: [(&str, &str); 6] = [
    ("refuse", "1000 wse.not-authorized"),
    ("fail", "1013 wse.later after="),
    ("break", "1013 wse.later after="),
    ("panic", "1013 wse.later after="),
    ("wrong type", "1000 wse.not-authorized"),
    ("nobody", "1013 wse.later after="),
];

fn is_close(got: &Got, begin: &str) -> bool {
    matches!(got, Got::Close(Some((code, reason))) if format!("{code} {reason}").starts_with(begin))
}

#[test]
fn a_refused_peer_that_keeps_talking_runs_no_handler_and_is_cut_in_time() {
    alone(async {
        let limits = Limits { close_timeout: Duration::from_millis(300), ..Limits::default() };
        let (server, asked, log) = obeying(limits);
        let words = [talk(), text("{{{"), header(0xf3, 1 << 40)].concat().repeat(100);
        harmless(&server, 24 * MIB, async || {
            let before = asked.times.load(SeqCst);
            for (how, begin) in REFUSALS {
                // In the segment of the hi, and on and on after the refusal.
                let (mut peer, ended) = attach_with(&server, PIPE, Request::new(()));
                peer.write(&[&hi(how), &talk()[..]].concat()).await;
                let got = peer.next().await;
                assert!(is_close(&got, begin), "{how}: {got:?}");
                flood(&mut peer.writer, &words, 100).await;
                assert!(end(ended).await.starts_with(begin), "{how}");
                assert_eq!(peer.next().await, Got::End, "{how}: it is answered nothing more");
            }
            assert_eq!(asked.times.load(SeqCst) - before, REFUSALS.len(), "one hi, one question");
            assert_eq!(server.user_count(), 1, "the good one");
        })
        .await;
        assert_eq!(log.take(), Vec::<String>::new());
    });
}

#[test]
fn what_waits_for_a_verdict_is_bounded_and_dropped_with_the_refusal() {
    alone(async {
        let limits = Limits { auth_timeout: Duration::from_secs(1), ..Limits::default() };
        let (server, asked, log) = obeying(limits);
        let words = [text(r#"["m",1]"#), text(r#"["rp",1,"stamp"]"#)].concat().repeat(1000);
        harmless(&server, 64 * MIB, async || {
            let mut peers = Vec::new();
            for _ in 0..100 {
                let (mut peer, ended) = attach_with(&server, 4 << 10, Request::new(()));
                peer.write(&hi("never")).await;
                peers.push((peer, ended));
            }
            // Each offers 20 MB. What is taken is the inbox, one read and the pipe.
            let pouring = peers.iter_mut().map(|(peer, _)| pour(&mut peer.writer, &words, 500));
            let taken = futures_util::future::join_all(pouring).await;
            assert!(taken.iter().all(|times| times * words.len() <= 64 << 10), "{taken:?}");
            for (peer, ended) in peers {
                drop(peer); // which nobody notices who does not read it, until the time is over
                assert!(end(ended).await.starts_with("1013 wse.later after="));
            }
        })
        .await;
        assert_eq!(log.len(), 0);
        until("every identify is dropped", || asked.dropped.load(SeqCst) == asked.times.load(SeqCst)).await;
    });
}

#[test]
fn every_way_in_which_identify_fails_frees_the_place_and_leaves_nothing() {
    alone(async {
        let limits = Limits { strangers_per_address: 4, ..Limits::default() };
        let (server, _, log) = obeying(limits);
        harmless(&server, 24 * MIB, async || {
            for number in 0..300 {
                let (how, begin) = REFUSALS[number % REFUSALS.len()];
                let mut peer = upgrade_before_long(&server).await;
                peer.write(&[hi(how), talk()].concat()).await;
                let (code, reason) = peer.closed().await;
                assert!(format!("{code} {reason}").starts_with(begin), "{how}: {code} {reason}");
            }
            for _ in 0..4 {
                upgrade_before_long(&server).await.enter("eve").await;
            }
        })
        .await;
        assert_eq!(log.len(), 0);
    });
}

#[test]
fn identify_that_never_answers_ends_by_the_deadline_and_is_dropped() {
    alone(async {
        // Long enough for every hi to reach identify before, on a busy machine too.
        let limits = Limits { auth_timeout: Duration::from_secs(3), ..Limits::default() };
        let (server, asked, _) = obeying(limits);
        harmless(&server, 32 * MIB, async || {
            let mut peers: Vec<RawClient> = Vec::new();
            for _ in 0..500 {
                let mut peer = attach(&server);
                peer.write(&hi("never")).await;
                peers.push(peer);
            }
            for mut peer in peers {
                let (code, reason) = peer.closed().await;
                assert!(code == 1013 && reason.starts_with("wse.later after="), "{code} {reason}");
            }
        })
        .await;
        let times = asked.times.load(SeqCst);
        assert!(times >= 500 && times % 500 == 1, "{times}, the good one among them");
        until("all are dropped", || asked.dropped.load(SeqCst) == times).await;
    });
}

#[test]
fn identify_that_answers_when_the_peer_has_left_lets_nobody_in() {
    alone(async {
        let (server, asked, log) = obeying(Limits::default());
        let waiting = async |number: usize| {
            let expected = asked.times.load(SeqCst) + number;
            let mut peers = Vec::new();
            for _ in 0..number {
                let (mut peer, ended) = attach_with(&server, PIPE, Request::new(()));
                peer.write(&[hi("late"), text(r#"["m",1]"#)].concat()).await;
                peers.push((peer, ended));
            }
            until("identify thinks about all", || asked.times.load(SeqCst) == expected).await;
            peers
        };
        harmless(&server, 32 * MIB, async || {
            let mut endings = Vec::new();
            for (number, (mut peer, ended)) in waiting(300).await.into_iter().enumerate() {
                match number % 3 {
                    0 => drop(peer),
                    1 => peer.close(1000, "bye").await,
                    _ => peer.writer.hang_up().await,
                }
                endings.push(ended);
            }
            for ended in endings {
                end(ended).await;
            }
            asked.late.notify_waiters();
            until("identify is over", || asked.dropped.load(SeqCst) == asked.times.load(SeqCst)).await;
            assert_eq!((log.len(), server.user_count()), (0, 1));
        })
        .await;
        // Verdict and goodbye at once: whoever was let in for a moment has left again.
        harmless(&server, 32 * MIB, async || {
            let peers = waiting(100).await;
            asked.late.notify_waiters();
            for (peer, ended) in peers {
                drop(peer);
                end(ended).await;
            }
            until("nobody stays", || server.user_count() == 1).await;
        })
        .await;
    });
}

#[test]
fn hundreds_of_answers_to_a_challenge_are_three_tries() {
    alone(async {
        let (server, asked, log) = obeying(Limits::default());
        let answer = text(r#"["~wse:challenge",1]"#);
        harmless(&server, 16 * MIB, async || {
            // One after the other, as often as there is another challenge.
            let before = asked.times.load(SeqCst);
            let mut peer = attach(&server);
            peer.write(&hi("again")).await;
            for _ in 0..3 {
                assert_eq!(peer.text().await, r#"["~wse:challenge","again",null]"#);
                peer.write(&answer).await;
            }
            let got = peer.next().await;
            assert!(is_close(&got, "1000 wse.not-authorized"), "{got:?}");
            peer.write(&answer.repeat(500)).await;
            assert_eq!(asked.times.load(SeqCst) - before, 4);

            // Hundreds at once: each challenge takes one of them.
            for (identity, most) in [("again", 4), ("challenge", 2)] {
                let before = asked.times.load(SeqCst);
                let mut peer = attach(&server);
                peer.write(&hi(identity)).await;
                assert!(peer.text().await.starts_with("[\"~wse:challenge\""));
                peer.write(&answer.repeat(500)).await;
                let mut quests = 1;
                loop {
                    match peer.next().await {
                        Got::Text(_) => quests += 1,
                        got => {
                            break assert!(
                                quests <= 3 && is_close(&got, "1000 wse.not-authorized"),
                                "{quests} {got:?}"
                            );
                        }
                    }
                    peer.write(&answer).await;
                }
                let times = asked.times.load(SeqCst) - before;
                assert!(times <= most, "{identity}: {times}");
            }

            // The right one behind a wrong one comes too late; an unasked one too early.
            let mut peer = attach(&server);
            peer.write(&hi("challenge")).await;
            peer.text().await;
            peer.write(&[answer.clone(), text(r#"["~wse:challenge",42]"#)].concat()).await;
            let got = peer.next().await;
            assert!(is_close(&got, "1000 wse.not-authorized"), "{got:?}");
            let mut peer = attach(&server);
            peer.write(&[text(r#"["~wse:challenge",42]"#), hi("challenge")].concat()).await;
            assert!(broke_protocol(&peer.closed().await));
        })
        .await;
        assert_eq!((log.len(), server.user("solver").conn_count()), (0, 0));
    });
}

#[test]
fn strangers_whose_failure_the_application_is_slow_to_hear_of_are_bounded() {
    alone(async {
        let waiting = Arc::new(AtomicUsize::new(0));
        let told = waiting.clone();
        let server = Server::builder()
            .limits(Limits { strangers: 64, strangers_per_address: 64, ..Limits::default() })
            .identify(async |_: Stranger, _: Value| -> Result<Verdict, RpError> { Err(RpError::new("no")) })
            .when(async move |_| {
                told.fetch_add(1, SeqCst);
                pending::<()>().await // a slow log, say
            })
            .build();
        for _ in 0..10_000 {
            let (ours, theirs) = tokio::io::duplex(1 << 10);
            let serving = server.clone();
            tokio::spawn(async move { serving.serve_stream(theirs, None).await });
            let answer = ask_upgrade(ours, request("/", &[])).await;
            if answer.status != 101 {
                continue;
            }
            let mut peer = answer.upgraded();
            peer.write(&text(r#"["~wse:hi",{"identity":1}]"#)).await;
            peer.closed().await;
        }
        assert!(waiting.load(SeqCst) <= 64, "{} events wait", waiting.load(SeqCst));
    });
}
