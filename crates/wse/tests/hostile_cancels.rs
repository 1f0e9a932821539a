//! Cancels by the thousand: of calls that are not there, of those of others, and of the peer's own as soon as
//! they are made.

use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use wse::{Conn, RpError, Server, cancellable, with};
use wse_test_peers::{
    RawClient, enter, enter_able,
    floods::{MIB, alone, flood, harmless, many_devices, serving, until},
    settle, text,
};

const CANCELS: usize = 100_000;

fn cancel(stamp: &str) -> Vec<u8> {
    text(&json!(["~wse:cancel", null, stamp]).to_string())
}

/// How many handlers have begun and how many run.
#[derive(Default)]
struct Runs {
    begun: AtomicUsize,
    running: AtomicUsize,
}

struct Run(Arc<Runs>);

impl Drop for Run {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}

async fn search(runs: Arc<Runs>, _: Conn, _: Value) -> Result<(), RpError> {
    runs.begun.fetch_add(1, SeqCst);
    runs.running.fetch_add(1, SeqCst);
    let _run = Run(runs);
    std::future::pending().await
}

fn searching() -> (Server, Arc<Runs>) {
    let runs = Arc::new(Runs::default());
    let server = serving(|builder| builder.limits(many_devices()).register("search", cancellable(with(&runs, search))));
    (server, runs)
}

/// Nothing was answered but this.
async fn is_served(peer: &mut RawClient) {
    assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]));
}

#[test]
fn a_hundred_thousand_cancels_of_unknown_calls_change_nothing() {
    alone(async {
        let (server, runs) = searching();
        harmless(&server, 24 * MIB, async || {
            let (mut victim, mut eve) = (enter(&server, "ann").await, enter_able(&server, "eve", &["cancel"]).await);
            let begun = runs.begun.load(SeqCst);
            victim.ask("search", json!(1), "its-very-stamp").await;
            until("it runs", || runs.begun.load(SeqCst) == begun + 1).await;
            let unknown =
                ["its-very-stamp", "unknown", "", "AAAAAAAAAAAAAAAA~00000000", "__proto__"].map(cancel).concat();
            flood(&mut eve.writer, &unknown, CANCELS / 5).await;
            is_served(&mut eve).await;
            assert_eq!(runs.running.load(SeqCst), 1, "the call of another runs on");
            drop(victim);
            until("it is dropped with its device", || runs.running.load(SeqCst) == 0).await;
        })
        .await;
    });
}

#[test]
fn nor_do_they_when_all_handlers_run_and_the_inbox_is_nearly_full() {
    alone(async {
        let (server, runs) = searching();
        harmless(&server, 24 * MIB, async || {
            let mut eve = enter_able(&server, "eve", &["cancel"]).await;
            let begun = runs.begun.load(SeqCst);
            for number in 0..64 + 1000 {
                eve.ask("search", json!(number), &format!("{number:0>16}")).await;
            }
            until("all handlers run", || runs.begun.load(SeqCst) == begun + 64).await;
            // Each looks at a thousand calls that wait.
            flood(&mut eve.writer, &cancel("no such stamp"), CANCELS).await;
            // Then those that wait are taken out, the last first, and none starts.
            for number in (64..64 + 1000).rev() {
                eve.write(&cancel(&format!("{number:0>16}"))).await;
            }
            // What runs is cancelled too, and then a call is answered.
            for number in 0..64 {
                eve.write(&cancel(&format!("{number:0>16}"))).await;
            }
            is_served(&mut eve).await;
            assert_eq!((runs.begun.load(SeqCst), runs.running.load(SeqCst)), (begun + 64, 0));
        })
        .await;
    });
}

#[test]
fn a_peer_that_cancels_each_of_20_000_calls_at_once_leaves_nothing_behind() {
    alone(async {
        let (server, runs) = searching();
        harmless(&server, 24 * MIB, async || {
            let mut eve = enter_able(&server, "eve", &["cancel"]).await;
            for number in 0..20_000 {
                let stamp = format!("{number:0>16}");
                let call = text(&json!(["search", number, stamp]).to_string());
                eve.write(&[call, cancel(&stamp), cancel(&stamp)].concat()).await;
            }
            is_served(&mut eve).await;
            settle().await;
            assert_eq!(runs.running.load(SeqCst), 0);
        })
        .await;
    });
}
