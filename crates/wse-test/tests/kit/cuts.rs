//! Cuts that a test orders: within the answer to a call, on one device, and not at all.

use crate::rig::{Rig, exactly, memory, write};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};
use wse::{Backoff, CallError, Client, Conn, Protocol, Server};
use wse_test::{Counts, Cut, Net};
use wse_test_peers::soon;

/// A server whose procedure counts how often it ran, on that wire.
fn counting(protocol: Protocol) -> (Server, Arc<AtomicU32>) {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let server = Server::builder()
        .identify(async |stranger, name: String| Ok(stranger.accept(name)))
        .protocols([protocol])
        .register("run", async move |_, ()| Ok(counted.fetch_add(1, Relaxed) + 1))
        .register("back", async |conn: Conn, ()| {
            let answer = conn.call::<_, String>("whoami", ()).await;
            Ok(answer.map_err(|error| error.code().to_owned()).unwrap_or_else(|code| code))
        })
        .build();
    (server, runs)
}

async fn device(net: &Net, name: &str, protocol: Protocol) -> Client {
    let builder = net.client().identity(name).protocol(protocol).reconnect(Backoff::default());
    let me = name.to_owned();
    let whoami = async move |_, ()| Ok(me);
    builder.register("whoami", whoami).connect().await.expect("let in")
}

/// The text with which a network fails that is dropped now.
fn failure(net: Net) -> String {
    let failed = catch_unwind(AssertUnwindSafe(|| drop(net))).expect_err("it fails");
    failed.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_cut_in_the_next_call_lets_the_procedure_run_and_the_session_brings_the_answer() {
    for protocol in [Protocol::Wse, Protocol::WseMsgpack] {
        let (server, runs) = counting(protocol.clone());
        let net = Net::new(&server);
        let client = device(&net, "ann", protocol.clone()).await;
        for turn in 1..=3 {
            net.faults().cut_in_next_call();
            assert_eq!(client.call::<_, u32>("run", ()).await.unwrap(), turn);
            assert_eq!(runs.load(Relaxed), turn, "it ran once");
            let counts = net.counts();
            assert_eq!((counts.cuts, counts.connections), (u64::from(turn), u64::from(turn) + 1));
            assert_eq!(client.call::<_, String>("back", ()).await.unwrap(), "ann", "no other call is cut");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_session_it_fails_on_every_wire_after_the_procedure_ran() {
    let protocols = [Protocol::from(wse::WsMessaging::new()), Protocol::from(wse::WsMessaging::new().messagepack())];
    for protocol in protocols {
        let (server, runs) = counting(protocol.clone());
        let net = Net::new(&server);
        let client = device(&net, "ann", protocol).await;
        net.faults().cut_in_next_call();
        let lost = client.call::<_, u32>("run", ()).await;
        assert!(matches!(lost, Err(CallError::Disconnected { .. })), "{lost:?}");
        assert_eq!(runs.load(Relaxed), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn to_the_server_it_is_the_answer_to_a_call_of_the_server() {
    let (server, _) = counting(Protocol::Wse);
    let net = Net::new(&server);
    let client = device(&net, "ann", Protocol::Wse).await;
    net.faults().to_server().cut_in_next_call();
    assert_eq!(client.call::<_, u32>("run", ()).await.unwrap(), 1);
    assert_eq!(net.counts().cuts, 0, "that answer went to the client");
    assert_eq!(client.call::<_, String>("back", ()).await.unwrap(), "ann");
    assert_eq!(net.counts().cuts, 1);
}

#[tokio::test(start_paused = true)]
async fn of_many_devices_only_the_one_that_was_meant_is_cut() {
    let (server, _) = counting(Protocol::Wse);
    let net = Net::new(&server);
    let ann = device(&net, "ann", Protocol::Wse).await;
    let bob = device(&net, "bob", Protocol::Wse).await;
    net.device(2).faults().cut_in_next_call();
    ann.call::<_, u32>("run", ()).await.unwrap();
    assert_eq!(net.counts().cuts, 0);
    bob.call::<_, u32>("run", ()).await.unwrap();
    assert_eq!((net.device(1).counts().cuts, net.device(2).counts().cuts, net.device(3).counts().cuts), (0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_counts_of_the_devices_are_those_of_the_network_together() {
    let mut rig = memory();
    assert_eq!(rig.net.device(1).counts(), Counts::default());
    rig.faults().nth(2).refuse();
    let (mut first, mut to_first) = rig.dial().await.unwrap();
    assert!(rig.dial().await.is_none());
    let (mut third, mut to_third) = rig.dial().await.unwrap();
    write(&mut first, b"one").await;
    exactly(&mut to_first, 3).await;
    write(&mut to_third, b"three").await;
    exactly(&mut third, 5).await;
    rig.net.device(3).faults().cut_as(Cut::ClientOnly).cut();
    soon(rig.net.device(3).until(|counts| counts.cuts == 1)).await;
    drop(first);
    drop(to_first);
    soon(rig.net.device(1).until(|counts| counts.live == 0)).await;

    let of = |number| rig.net.device(number).counts();
    assert_eq!((of(1).to_server, of(1).to_client, of(1).live, of(1).cuts), (3, 0, 0, 0));
    assert_eq!((of(2).connections, of(2).refused), (1, 1));
    assert_eq!((of(3).to_client, of(3).live, of(3).cuts), (5, 1, 1));
    let (all, each) = (rig.counts(), [of(1), of(2), of(3), of(4), of(0)]);
    let sums: [fn(&Counts) -> u64; 6] = [
        |counts| counts.connections,
        |counts| counts.refused,
        |counts| counts.live,
        |counts| counts.to_server,
        |counts| counts.to_client,
        |counts| counts.cuts,
    ];
    for sum in sums {
        assert_eq!(each.iter().map(sum).sum::<u64>(), sum(&all));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_that_did_not_happen_fails_the_test_with_the_line_that_ordered_it() {
    let (server, _) = counting(Protocol::Wse);
    type Order = fn(&Net);
    let orders: [(&str, Order); 5] = [
        ("cut_after()", |net| _ = net.faults().nth(1).to_client().cut_after(1_000_000)),
        ("cut_after()", |net| _ = net.faults().nth(2).cut_after(3)),
        ("cut()", |net| _ = net.faults().nth(2).cut()),
        ("cut_in_next_call()", |net| _ = net.faults().cut_in_next_call()),
        ("cut_in_next_call()", |net| _ = net.device(1).faults().to_server().cut_in_next_call()),
    ];
    for (what, order) in orders {
        let net = Net::new(&server);
        let _client = device(&net, "ann", Protocol::Wse).await;
        order(&net);
        let failed = failure(net);
        assert!(failed.contains(what) && failed.contains("cuts.rs:"), "{failed}");

        let net = Net::new(&server);
        let client = device(&net, "ann", Protocol::Wse).await;
        order(&net);
        net.faults().heal();
        client.call::<_, u32>("run", ()).await.unwrap();
        assert_eq!(net.counts().cuts, 0, "what was taken back does not happen");
    }
}

#[tokio::test(start_paused = true)]
async fn a_test_that_fails_already_is_not_failed_twice() {
    let (server, _) = counting(Protocol::Wse);
    let failed = catch_unwind(AssertUnwindSafe(|| {
        let net = Net::new(&server);
        net.faults().cut_after(3);
        panic!("the first failure");
    }));
    assert_eq!(failed.expect_err("it fails").downcast_ref::<&str>(), Some(&"the first failure"));
}
