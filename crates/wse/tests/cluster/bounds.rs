//! What a flood over the bus can cost a node.

use crate::nodes::{Node, READY, S, limits, node_with};
use bytes::Bytes;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::Relaxed},
};
use tokio::{
    select,
    sync::{Notify, mpsc, watch},
    time::sleep,
};
use wse::{
    Event,
    cluster::{Bus, Order, Port, Seat},
};
use wse_test_peers::{Log, enter, line, log};

/// Datagrams of the flood.
const FLOOD: usize = 200_000;

/// The end of a wire between two nodes. It can flood its node with copies of what came last.
struct Wire {
    to: mpsc::UnboundedSender<Bytes>,
    from: mpsc::UnboundedReceiver<Bytes>,
    floods: Arc<Notify>,
    held: Held,
}

/// What is held of a flood: datagrams and bytes, and the most of either.
#[derive(Clone, Default)]
struct Held {
    datagrams: Arc<AtomicUsize>,
    bytes: Arc<AtomicUsize>,
    most: Arc<Mutex<(usize, usize)>>,
}

struct Copy {
    bytes: Vec<u8>,
    held: Held,
}

impl AsRef<[u8]> for Copy {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        self.held.datagrams.fetch_sub(1, Relaxed);
        self.held.bytes.fetch_sub(self.bytes.len(), Relaxed);
    }
}

impl Held {
    fn copy(&self, bytes: Vec<u8>) -> Bytes {
        let now = (self.datagrams.fetch_add(1, Relaxed) + 1, self.bytes.fetch_add(bytes.len(), Relaxed) + bytes.len());
        let mut most = self.most.lock().unwrap();
        *most = (most.0.max(now.0), most.1.max(now.1));
        Bytes::from_owner(Copy { bytes, held: self.clone() })
    }
}

impl Bus for Wire {
    async fn run(mut self, _: Seat, mut port: Port) {
        port.link(true);
        let mut last = Bytes::new();
        loop {
            select! {
                order = port.next() => match order {
                    Some(Order::Publish(to, datagram)) => {
                        if to == wse::cluster::To::All {
                            port.arrived(datagram.clone());
                        }
                        let _ = self.to.send(datagram); // the other may have ended
                    }
                    Some(Order::Reconnect) => {}
                    None => return,
                },
                Some(datagram) = self.from.recv() => {
                    last = datagram.clone();
                    port.arrived(datagram);
                }
                () = self.floods.notified() => {
                    // The driver is in the same task, so it stands still meanwhile.
                    for number in 0..FLOOD {
                        let junk = if number % 2 == 0 { last.to_vec() } else { vec![0; 60_000] };
                        port.arrived(self.held.copy(junk));
                    }
                }
            }
        }
    }
}

/// A node whose listener takes the reports of users only while the gate is open.
fn slow(bus: &wse_test::Bus, name: &str, gate: &watch::Sender<bool>, told: &Log) -> Node {
    let (gate, told) = (gate.subscribe(), told.clone());
    node_with(bus.node(name), name, |builder| {
        builder.limits(limits(1)).when(async move |event| {
            if matches!(event, Event::Joined(_) | Event::Left(..)) {
                let _ = gate.clone().wait_for(|open| *open).await;
                told.add(line(&event));
            }
        })
    })
}

#[tokio::test(start_paused = true)]
async fn a_user_who_comes_and_goes_elsewhere_while_the_application_hangs_costs_no_memory() {
    let (bus, gate, told) = (wse_test::Bus::new(), watch::Sender::new(true), log());
    let a = node_with(bus.node("a"), "a", |builder| builder.limits(limits(1)));
    let b = slow(&bus, "b", &gate, &told);
    sleep(READY).await;
    // Each user is reported by one of the two.
    let mut user = 0;
    let name = loop {
        let name = format!("user {user}");
        enter(&a.server, &name).await.leave().await;
        sleep(S).await;
        if !told.take().is_empty() {
            break name;
        }
        user += 1;
    };
    gate.send_replace(false);
    for _ in 0..500 {
        let peer = enter(&a.server, &name).await;
        sleep(S / 20).await;
        peer.leave().await;
        sleep(S / 20).await;
    }
    let last = enter(&a.server, &name).await;
    sleep(S).await;
    gate.send_replace(true);
    sleep(S).await;
    let told = told.take();
    assert!((250..260).contains(&told.len()), "{}", told.len());
    for (number, line) in told.iter().enumerate() {
        assert!(line.starts_with(["joined", "left"][number % 2]), "they come by turns: {told:?}");
    }
    assert_eq!(told.len() % 2, 1, "the last word is true");
    drop((last, b));
}

#[tokio::test(start_paused = true)]
async fn a_flood_while_the_driver_stands_still_costs_no_memory_and_nothing_is_lost_by_it() {
    let ((a_to, b_from), (b_to, a_from)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
    let (floods, held) = (Arc::new(Notify::new()), Held::default());
    let wire = |to, from, floods| Wire { to, from, floods, held: held.clone() };
    let configure = |builder: wse::ServerBuilder| builder.limits(limits(1));
    let a = node_with(wire(a_to, a_from, Arc::default()), "a", configure);
    let b = node_with(wire(b_to, b_from, floods.clone()), "b", configure);
    sleep(READY).await;
    let mut ann = enter(&b.server, "ann").await;
    sleep(S).await;

    for number in 0..1000 {
        if number % 100 == 0 {
            floods.notify_one();
        }
        assert_eq!(a.server.user("ann").send("number", number).unwrap().total(), 1);
        sleep(S / 1000).await;
    }
    for number in 0..1000 {
        assert_eq!(ann.text().await, format!(r#"["number",{number},null]"#));
    }
    ann.hears_nothing().await;
    let most = *held.most.lock().unwrap();
    assert!(most.0 <= 1024 + 1 && most.1 <= (16 << 20) + 60_000, "{most:?}");
    assert!(most.0 > 500, "the flood came: {most:?}");
    sleep(S).await;
    assert_eq!(held.datagrams.load(Relaxed), 0, "and nothing of it is left");
}
