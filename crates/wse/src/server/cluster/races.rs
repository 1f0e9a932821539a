//! Tests of races between the bus, the driver and those who tell the node something: shuttle runs them in
//! thousands of orders. A wake-up that is lost is a deadlock.

use crate::server::cluster::{member::Member, order::Order};
use bytes::Bytes;
use shuttle::{future::block_on, thread};
use std::sync::Arc;
use wse_cluster::{Config, Node, NodeId, To};

/// Orders tried by each test.
const ORDERS: usize = 1000;

fn member() -> Arc<Member> {
    let id = NodeId::new(7);
    Arc::new(Member::new(id, None, |time| Node::new(id, Config::default(), time)))
}

fn with(member: &Arc<Member>, does: impl FnOnce(&Member) + Send + 'static) -> thread::JoinHandle<()> {
    let member = member.clone();
    thread::spawn(move || does(&member))
}

#[test]
fn the_driver_never_sleeps_over_a_datagram() {
    let race = || {
        let member = member();
        let arrives = |member: &Member| member.arrived(Bytes::from_static(b"one"));
        let threads = [with(&member, arrives), with(&member, arrives)];
        block_on(async {
            let mut read = 0;
            while read < 2 {
                member.arm();
                member.work().await;
                while member.output().is_some() {}
                while member.receive() {
                    read += 1;
                }
            }
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    };
    shuttle::check_random(race, ORDERS);
}

#[test]
fn the_bus_never_sleeps_over_what_is_to_be_sent_nor_over_the_end() {
    let race = || {
        let member = member();
        let rises = with(&member, |member| member.with(|node, time| node.link(time, true)));
        let beat = block_on(member.next_order());
        assert!(matches!(beat, Some(Order::Publish(To::All, _))), "{beat:?}");
        let ends = with(&member, Member::end);
        block_on(async { while member.next_order().await.is_some() {} });
        [rises, ends].into_iter().for_each(|thread| thread.join().unwrap());
    };
    shuttle::check_random(race, ORDERS);
}

#[test]
fn an_order_to_connect_again_reaches_the_bus_once() {
    let race = || {
        let member = member();
        let orders = with(&member, Member::reconnect);
        assert!(matches!(block_on(member.next_order()), Some(Order::Reconnect)));
        orders.join().unwrap();
        assert!(member.more_orders().is_none());
    };
    shuttle::check_random(race, ORDERS);
}

#[test]
fn who_waits_for_acknowledgements_does_not_wait_for_a_node_that_has_left() {
    let race = || {
        let member = member();
        let leaves = with(&member, Member::leave);
        block_on(member.settled());
        block_on(member.left());
        leaves.join().unwrap();
    };
    shuttle::check_random(race, ORDERS);
}
