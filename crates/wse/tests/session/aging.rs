//! Messages and calls that age, in a session: what a tunnel leaves of twenty seconds of positions, and that
//! nothing too old arrives.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until};
use wse::{Backoff, CallError, Client, Conn, Msg, RpError, SendError, Server};
use wse_test::{Cut, Net};

const MS: Duration = Duration::from_millis(1);
const POSITION: Msg<u32> = Msg::new("position");
const NOTE: Msg<u32> = Msg::new("note");

/// What arrived, and when.
type Got = Arc<Mutex<Vec<(String, u32, Instant)>>>;

fn note(got: &Got, name: &str, number: u32) -> Result<(), RpError> {
    got.lock().expect("no panic while locked").push((name.to_owned(), number, Instant::now()));
    Ok(())
}

fn names(got: &Got) -> Vec<String> {
    got.lock().expect("no panic while locked").iter().map(|(name, number, _)| format!("{name} {number}")).collect()
}

/// A server and a client in a session over a network in memory.
struct Road {
    net: Net,
    client: Client,
    conn: Conn,
    /// By the server.
    got: Got,
    /// By the client.
    got_there: Got,
}

impl Road {
    async fn new() -> Self {
        let (got, got_there) = (Got::default(), Got::default());
        let server = {
            let (position, note_, call) = (got.clone(), got.clone(), got.clone());
            Server::builder()
                .identify(async |stranger, name: String| Ok(stranger.accept(name)))
                .on(POSITION, async move |_, n| note(&position, "position", n))
                .on(NOTE, async move |_, n| note(&note_, "note", n))
                .register("offer", async move |_, n: u32| note(&call, "offer", n))
                .build()
        };
        let net = Net::new(&server);
        let (position, note_, call) = (got_there.clone(), got_there.clone(), got_there.clone());
        let client = net
            .client()
            .identity("ann")
            .reconnect(Backoff { min: 5 * MS, max: 20 * MS, ..Backoff::default() })
            .on(POSITION, async move |_, n| note(&position, "position", n))
            .on(NOTE, async move |_, n| note(&note_, "note", n))
            .register("offer", async move |_, n: u32| note(&call, "offer", n))
            .connect()
            .await
            .expect("the server lets everybody in");
        let conn = server.user("ann").conns().pop().expect("it is there");
        Road { net, client, conn, got, got_there }
    }

    fn enter_tunnel(&self, seen: Cut) {
        self.net.faults().refuse().cut_as(seen).cut();
    }

    fn leave_tunnel(&self) {
        self.net.faults().heal();
    }
}

/// Sends ten positions a second for so long, and a note every second.
async fn drive(seconds: u32, first: u32, send: impl Fn(u32, bool)) -> u32 {
    let start = Instant::now();
    for number in first..first + 10 * seconds {
        sleep_until(start + 100 * MS * (number - first)).await;
        if number.is_multiple_of(10) {
            send(number, false);
        }
        send(number, true);
    }
    first + 10 * seconds - 1
}

#[tokio::test(start_paused = true)]
async fn after_a_tunnel_the_true_position_arrives_at_once_and_no_other_and_every_message_that_does_not_age() {
    for (to_server, seen) in [(true, Cut::Reset), (false, Cut::Reset), (true, Cut::Fin), (false, Cut::Fin)] {
        let road = Road::new().await;
        let send = |number, ages| {
            let sent = match (to_server, ages) {
                (true, true) => road.client.send(POSITION.latest("taxi 7"), number),
                (true, false) => road.client.send(NOTE, number),
                (false, true) => road.conn.send(POSITION.latest("taxi 7"), number),
                (false, false) => road.conn.send(NOTE, number),
            };
            sent.expect("the session keeps it");
        };
        let got = if to_server { &road.got } else { &road.got_there };
        drive(3, 0, send).await;
        sleep(90 * MS).await;
        assert_eq!(got.lock().unwrap().len(), 33, "all of it arrives where there is no tunnel");

        got.lock().unwrap().clear();
        road.enter_tunnel(seen);
        let last = drive(20, 30, send).await;
        road.leave_tunnel();
        let left = Instant::now();
        sleep(100 * MS).await;

        let came = got.lock().unwrap().clone();
        let positions: Vec<_> = came.iter().filter(|(name, ..)| name == "position").collect();
        assert_eq!(positions.iter().map(|(_, number, _)| *number).collect::<Vec<_>>(), [last], "{to_server} {seen:?}");
        assert!(positions[0].2 - left <= 100 * MS);
        let notes: Vec<_> = came.iter().filter(|(name, ..)| name == "note").map(|(_, number, _)| *number).collect();
        assert_eq!(notes, (3..23).map(|second| 10 * second).collect::<Vec<_>>());
        let kept = if to_server { road.conn.is_open() } else { road.client.send(NOTE, 0).is_ok() };
        assert!(kept);
        sleep(3000 * MS).await;
        send(1000, true);
        sleep(10 * MS).await;
        assert_eq!(names(got).last().map(String::as_str), Some("position 1000"), "both sides still count alike");
        road.client.close("").await;
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_other_keys_and_names_do_not_replace_each_other() {
    let road = Road::new().await;
    road.enter_tunnel(Cut::Reset);
    sleep(MS).await;
    for number in 0..3 {
        road.client.send(POSITION.latest("a"), number).unwrap();
        road.client.send(POSITION.latest("b"), 10 + number).unwrap();
        road.client.send(NOTE.latest("a"), 20 + number).unwrap();
    }
    road.leave_tunnel();
    sleep(100 * MS).await;
    assert_eq!(names(&road.got), ["position 2", "position 12", "note 22"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_when_the_tunnel_ends_does_not_arrive_and_the_sender_learns_of_it() {
    let road = Road::new().await;
    road.enter_tunnel(Cut::Reset);
    sleep(MS).await;
    let short = road.conn.send(NOTE.ttl(500 * MS), 1).unwrap();
    let long = road.conn.send(NOTE.ttl(5000 * MS), 2).unwrap();
    let both = road.conn.send(NOTE.latest("x").ttl(500 * MS), 3).unwrap();
    road.conn.send(NOTE, 4).unwrap();
    let before = Instant::now();
    assert!(matches!(short.delivered().await, Err(SendError::Expired)));
    assert_eq!(before.elapsed(), 500 * MS, "as soon as it is too old");
    sleep(600 * MS).await;
    road.leave_tunnel();
    sleep(100 * MS).await;
    assert_eq!(names(&road.got_there), ["note 2", "note 4"]);
    long.delivered().await.expect("it has arrived");
    assert!(matches!(both.delivered().await, Err(SendError::Expired)));
}

#[tokio::test(start_paused = true)]
async fn the_receipt_of_a_message_that_was_replaced_resolves_when_the_newer_has_arrived() {
    let road = Road::new().await;
    let first = road.client.send(POSITION.latest(7), 1).unwrap();
    sleep(10 * MS).await;
    road.enter_tunnel(Cut::Reset);
    sleep(MS).await;
    let second = road.client.send(POSITION.latest(7), 2).unwrap();
    let third = road.client.send(POSITION.latest(7), 3).unwrap();
    let mut receipts = [first, second, third].map(|receipt| Box::pin(receipt.delivered()));
    for receipt in &mut receipts {
        assert!(tokio::time::timeout(5000 * MS, receipt).await.is_err(), "nothing has arrived");
    }
    road.leave_tunnel();
    for receipt in receipts {
        receipt.await.expect("the newest has arrived");
    }
    assert_eq!(names(&road.got), ["position 1", "position 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_arrived_before_the_cut_does_not_come_again_and_its_newer_one_does() {
    for seen in [Cut::ClientOnly, Cut::ServerOnly, Cut::Reset] {
        for bytes in (280..480).step_by(3) {
            let road = Road::new().await;
            road.net.faults().nth(1).to_server().cut_as(seen).cut_after(bytes);
            for number in 0..20 {
                road.client.send(POSITION.latest("taxi 7"), number).unwrap();
                road.client.send(NOTE, number).unwrap();
                sleep(MS).await;
            }
            sleep(120_000 * MS).await;
            let came = road.got.lock().unwrap().clone();
            let of =
                |kind: &'static str| came.iter().filter(move |(name, ..)| name == kind).map(|(_, number, _)| *number);
            assert_eq!(of("note").collect::<Vec<_>>(), (0..20).collect::<Vec<_>>(), "{seen:?} {bytes}");
            assert!(
                of("position").is_sorted_by(|a, b| a < b) && of("position").next_back() == Some(19),
                "{seen:?} {bytes}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_timed_out_or_was_dropped_in_a_tunnel_is_never_delivered_and_one_that_waits_is() {
    for to_server in [true, false] {
        for seen in [Cut::Reset, Cut::ClientOnly, Cut::ServerOnly] {
            let road = Road::new().await;
            let (got, client, conn) = (if to_server { &road.got } else { &road.got_there }, &road.client, &road.conn);
            let call = async |timeout, number: u32| match to_server {
                true => client.call_within::<u32, ()>(timeout, "offer", number).await,
                false => conn.call_within::<u32, ()>(timeout, "offer", number).await,
            };
            call(5000 * MS, 1).await.expect("there is no tunnel yet");
            // The first is written into a connection that only one side knows to be lost.
            road.enter_tunnel(seen);
            let (timed_out, answered) = tokio::join!(
                async {
                    let before = call(500 * MS, 2).await;
                    sleep(500 * MS).await;
                    let within = call(500 * MS, 3).await;
                    let dropped = tokio::time::timeout(100 * MS, call(600_000 * MS, 4)).await;
                    sleep(500 * MS).await;
                    road.leave_tunnel();
                    (before, within, dropped.is_err())
                },
                call(600_000 * MS, 5)
            );
            assert!(matches!(timed_out, (Err(CallError::TimedOut), Err(CallError::TimedOut), true)));
            answered.expect("its caller has waited");
            sleep(1000 * MS).await;
            assert_eq!(names(got), ["offer 1", "offer 5"], "{to_server} {seen:?}");
            call(5000 * MS, 6).await.expect("both sides still count alike");
        }
    }
}
