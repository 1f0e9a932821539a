//! A crowd behind a balancer that is not sticky, while all servers restart one after the other.

use crate::cluster::{S, meet};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};
use wse::{Backoff, Client, ClientEvent, Conn, Event, Limits, Server, cluster::ClusterOptions};
use wse_test::{Bus, Net};

const DEVICES: usize = 2000;

/// Numbers that were taken in, by user, in the order in which they came.
type Heard = Arc<Mutex<HashMap<String, Vec<u32>>>>;

/// The servers that take new connections.
#[derive(Clone, Default)]
struct Serving(Arc<Mutex<Vec<Server>>>, Arc<AtomicUsize>);

impl Serving {
    /// The next one in turn, whoever comes.
    fn next(&self) -> Server {
        let servers = self.0.lock().unwrap();
        let turn = self.1.fetch_add(1, Ordering::Relaxed);
        servers[turn % servers.len()].clone()
    }
}

fn note(heard: &Heard, name: &str, number: u32) {
    heard.lock().unwrap().entry(name.to_owned()).or_default().push(number);
}

fn server(bus: &Bus, name: &str, heard: &Heard, left: &Arc<Mutex<Vec<String>>>) -> Server {
    let (heard, left) = (heard.clone(), left.clone());
    Server::builder()
        .identify(async |stranger, name: String| Ok(stranger.accept(name)))
        .limits(Limits { ping_interval: Duration::ZERO, ..Limits::default() })
        .on("up", async move |conn: Conn, number: u32| {
            note(&heard, conn.cid().as_str(), number);
            Ok(())
        })
        .when(async move |event| {
            if let Event::Left(user, _) = event {
                left.lock().unwrap().push(user.cid().to_string());
            }
        })
        .cluster(bus.node(name))
        .cluster_options(ClusterOptions::new().node(name))
        .build()
}

async fn client(net: &Net, name: String, heard: &Heard, lost: &Arc<Mutex<u64>>) -> Client {
    let (heard, lost, of) = (heard.clone(), lost.clone(), name.clone());
    let client = net
        .client()
        .identity(&name)
        .limits(Limits { ping_interval: Duration::ZERO, ..Limits::default() })
        .reconnect(Backoff { max: Duration::from_millis(200), ..Backoff::default() })
        .on("down", async move |_, number: u32| {
            note(&heard, &of, number);
            Ok(())
        })
        .when(async move |event| {
            if let ClientEvent::Ready { lost: more, .. } = event {
                *lost.lock().unwrap() += more;
            }
        });
    client.connect().await.unwrap()
}

/// What was sent to each, in order.
fn counted(sent: &[AtomicU32]) -> HashMap<String, Vec<u32>> {
    let sent = sent.iter().enumerate().map(|(at, last)| (format!("u{at}"), last.load(Ordering::Relaxed)));
    sent.filter(|(_, last)| *last > 0).map(|(name, last)| (name, (1..=last).collect())).collect()
}

#[tokio::test(start_paused = true)]
async fn all_servers_restart_under_load_and_two_thousand_devices_lose_nothing() {
    let (bus, serving) = (Bus::new(), Serving::default());
    let (up, down, left, lost) = (Heard::default(), Heard::default(), Arc::default(), Arc::default());
    let servers = ["a", "b", "c"].map(|name| server(&bus, name, &up, &left));
    meet(servers.iter()).await;
    serving.0.lock().unwrap().extend(servers);
    let net = Net::serving({
        let serving = serving.clone();
        async move |stream| serving.next().serve_stream(stream, None).await
    });
    let clients = (0..DEVICES).map(|at| client(&net, format!("u{at}"), &down, &lost));
    let clients = futures_util::future::join_all(clients).await;
    for _ in 0..3 {
        serving.next().cluster().unwrap().settled().await;
    }
    assert_eq!(serving.next().conn_count(), DEVICES, "every server knows of all");

    // Both sides say one number after the other: each device, and to each of them a server that is not its own.
    let stop = Arc::new(AtomicBool::new(false));
    let sent: Arc<[[AtomicU32; 2]]> = (0..DEVICES).map(|_| Default::default()).collect();
    let load = tokio::spawn({
        let (clients, serving, stop, sent) = (clients.clone(), serving.clone(), stop.clone(), sent.clone());
        async move {
            for at in (0..DEVICES).cycle() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let [said, told] = &sent[at];
                clients[at].send("up", said.load(Ordering::Relaxed) + 1).unwrap();
                said.fetch_add(1, Ordering::Relaxed);
                let number = told.load(Ordering::Relaxed) + 1;
                let delivered = serving.next().user(format!("u{at}")).send("down", number).unwrap();
                told.fetch_add(delivered.total() as u32, Ordering::Relaxed);
                assert!(delivered.total() <= 1, "{delivered:?}");
                if at % 10 == 0 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    });
    for name in ["a", "b", "c"] {
        tokio::time::sleep(S).await;
        let new = server(&bus, &format!("{name}2"), &up, &left);
        let old = {
            let mut serving = serving.0.lock().unwrap();
            serving.remove(0)
        };
        old.shutdown(30 * S).await;
        tokio::time::sleep(S).await;
        serving.0.lock().unwrap().push(new);
    }
    tokio::time::sleep(S).await;
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
    tokio::time::sleep(30 * S).await;

    let said: Vec<AtomicU32> = sent.iter().map(|[said, _]| said.load(Ordering::Relaxed).into()).collect();
    let told: Vec<AtomicU32> = sent.iter().map(|[_, told]| told.load(Ordering::Relaxed).into()).collect();
    let compare = |what: &str, heard: &Heard, sent: HashMap<String, Vec<u32>>| {
        let heard = heard.lock().unwrap();
        let numbers: usize = sent.values().map(Vec::len).sum();
        assert!(numbers > 3 * DEVICES, "{what}: there was load");
        let wrong: Vec<_> = sent.iter().filter(|(name, numbers)| heard.get(*name) != Some(numbers)).collect();
        assert!(wrong.is_empty(), "{what}: {} of {DEVICES}, such as {:?}", wrong.len(), wrong.first());
    };
    compare("up", &up, counted(&said));
    compare("down", &down, counted(&told));
    assert_eq!(*lost.lock().unwrap(), 0, "sessions that could not be resumed");
    assert_eq!(*left.lock().unwrap(), Vec::<String>::new(), "nobody has left");
    let connections = net.counts().connections as usize;
    assert!(
        (2 * DEVICES..=4 * DEVICES).contains(&connections),
        "all have moved, none more often than servers: {connections}"
    );
}
