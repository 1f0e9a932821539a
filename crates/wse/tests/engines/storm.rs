//! What is done to the engine and the servers, and what must hold afterwards.

use crate::load::{Device, Notebook, WITHIN, ask, devices, ids};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use tokio::{
    process::Command,
    task::JoinHandle,
    time::{Instant, sleep},
};
use wse::Client;
use wse_test_peers::{bus::Process, programs::Testbed};

/// How long something may take beyond its own bound, on a busy machine.
const SLACK: Duration = Duration::from_secs(3);

async fn signal(signal: &str, id: u32) {
    let sent = Command::new("kill").args([signal, &id.to_string()]).status().await.expect("kill");
    assert!(sent.success());
}

/// Waits until it is so for that server, for so long at most; returns how long it took.
pub(crate) async fn becomes(client: &Client, what: &str, most: Duration, is_so: impl Fn(&Value) -> bool) -> Duration {
    let start = Instant::now();
    loop {
        let told = ask(client, "nodes").await;
        if is_so(&told) {
            return start.elapsed();
        }
        assert!(start.elapsed() < most, "after {most:?} not {what}: {told}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// How many nodes a server sees, itself among them.
pub(crate) fn count(told: &Value) -> usize {
    told["nodes"].as_array().map_or(0, Vec::len)
}

/// Does all of it to three servers over the engine of that URL. The last process is the one that is stopped and
/// killed.
pub(crate) async fn storm(url: &str, engine: &mut [Process]) {
    let engine = engine.last_mut().expect("an engine");
    let mut testbeds = Vec::new();
    for name in ["a", "b", "c"] {
        testbeds.push(Testbed::start(&["--cluster", url, "--node", name]).await);
    }
    let devices = devices(&testbeds).await;
    let clients: Vec<Client> = devices.iter().map(|device| device.client.clone()).collect();
    for client in &clients {
        becomes(client, "three nodes", 4 * SLACK, |told| count(told) == 3).await;
    }
    let nodes: Vec<Value> = {
        let mut nodes = Vec::new();
        for client in &clients {
            nodes.push(ask(client, "nodes").await["me"].clone());
        }
        nodes
    };
    let ids = ids(&devices);
    let notes: Vec<Notebook> = devices.iter().map(Device::notebook).collect();
    let mut work: Vec<JoinHandle<()>> =
        (0..3).map(|me| tokio::spawn(Device::work(me, clients[me].clone(), notes[me].clone(), ids.clone()))).collect();
    sleep(Duration::from_secs(2)).await;

    engine.kill();
    becomes(&clients[0], "cut off", SLACK, |told| told["connected"] == false).await;
    sleep(Duration::from_secs(1)).await;
    engine.restart();
    for client in &clients {
        becomes(client, "connected", 4 * SLACK, |told| told["connected"] == true && count(told) == 3).await;
    }
    sleep(Duration::from_secs(2)).await;

    engine.stop();
    let stopped = Instant::now();
    becomes(&clients[1], "deaf", Duration::from_secs(7), |told| told["connected"] == false).await;
    sleep(Duration::from_secs(7).saturating_sub(stopped.elapsed())).await;
    engine.resume();
    for client in &clients {
        becomes(client, "connected", 4 * SLACK, |told| told["connected"] == true && count(told) == 3).await;
    }
    sleep(Duration::from_secs(2)).await;

    let pause = Instant::now();
    signal("-STOP", testbeds[2].program.id()).await;
    let buried =
        becomes(&clients[0], "without the node", Duration::from_secs(10) + SLACK, |told| count(told) == 2).await;
    assert!(buried > Duration::from_secs(7), "buried after {buried:?}, though it was there a moment ago");
    sleep(Duration::from_secs(13).saturating_sub(pause.elapsed())).await;
    signal("-CONT", testbeds[2].program.id()).await;
    let resumed = Instant::now();
    for client in &clients {
        becomes(client, "three nodes", 4 * SLACK, |told| count(told) == 3).await;
    }
    sleep(Duration::from_secs(3)).await;

    signal("-KILL", testbeds[1].program.id()).await;
    let buried = becomes(&clients[0], "without the node", Duration::from_secs(7), |told| count(told) == 2).await;
    assert!(buried > Duration::from_secs(1), "a hint alone has buried it, after {buried:?}");
    sleep(Duration::from_secs(2)).await;
    work.iter_mut().for_each(|work| work.abort());
    sleep(WITHIN + SLACK).await;

    for (me, notes) in notes.iter().enumerate() {
        assert_eq!(notes.open(), 0, "calls of {me} hang");
        for call in notes.calls() {
            let took = call.end - call.start;
            let stood_still = me == 2 && call.start < resumed && call.end > pause;
            let killed = me == 1 && call.how == "own server lost";
            assert!(took < WITHIN + SLACK || stood_still || killed, "a call of {me} took {took:?}: {}", call.how);
        }
    }
    let mut gaps = BTreeMap::new();
    let mut lines = Vec::new();
    for (me, testbed) in testbeds.into_iter().enumerate() {
        if me == 1 {
            continue;
        }
        let told = testbed.terminate().await;
        for line in told.iter().filter(|line| line["event"] == "cluster") {
            lines.push(format!("{me}: {line}"));
            if line["what"] == "gap" {
                let to = nodes.iter().position(|node| *node == line["node"]).expect("one of the three");
                *gaps.entry((me, to)).or_insert(0) += line["sends"].as_u64().expect("a number");
            }
        }
    }
    let mut summary = Vec::new();
    for (from, notes) in notes.iter().enumerate() {
        for (to, sent) in notes.sent().iter().enumerate().filter(|(to, _)| *to != from) {
            let gap = gaps.get(&(from, to)).copied().unwrap_or(0);
            let arrived = sent.arrived.len() as u64;
            summary.push(format!(
                "{from} to {to}: sent {}, taken {}, refused {}, arrived {arrived}, told as lost {gap}",
                sent.sent, sent.taken, sent.refused
            ));
            assert!(sent.arrived.is_sorted_by(|one, next| one < next), "out of order, or twice: {from} to {to}");
        }
    }
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    notes.iter().flat_map(Notebook::calls).for_each(|call| *ends.entry(call.how).or_default() += 1);
    println!("{}\n{}\ncalls: {}", lines.join("\n"), summary.join("\n"), json!(ends));
    for (from, notes) in notes.iter().enumerate().filter(|(from, _)| *from != 1) {
        for (to, sent) in notes.sent().iter().enumerate().filter(|(to, _)| *to != from) {
            let gap = gaps.get(&(from, to)).copied().unwrap_or(0);
            let arrived = sent.arrived.len() as u64;
            // what a node has taken in dies with it
            let dead = if to == 1 { 3 } else { 0 };
            assert!(arrived + gap + dead >= sent.taken, "lost in silence, {from} to {to}:\n{}", summary.join("\n"));
            assert!(arrived <= sent.taken + gap, "{from} to {to}:\n{}", summary.join("\n"));
            assert!(arrived > 100, "{from} to {to} hardly talked:\n{}", summary.join("\n"));
        }
    }
}
