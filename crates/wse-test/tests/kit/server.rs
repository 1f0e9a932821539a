//! A real server and real clients over a network in memory: what each fault looks like from
//! inside.

use std::time::Duration;
use tokio::time::Instant;
use wse::{Backoff, CallError, Client, ClientBuilder, ConnectError, Limits, Server, ServerBuilder, Status};
use wse_test::{Cut, Net};
use wse_test_peers::{about, events, log, server, settle, timed};

const SECOND: Duration = Duration::from_secs(1);

/// A server that adds, and its network.
fn adding(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> (Server, Net) {
    let server = server(|builder| {
        let add = async |_, (a, b): (i64, i64)| Ok(a + b);
        configure(builder.register("add", add).limits(Limits { conns_per_user: 3, ..Limits::default() }))
    });
    let net = Net::new(&server);
    (server, net)
}

async fn ann(net: &Net) -> Client {
    net.client().identity("ann").connect().await.expect("let in")
}

async fn adds(client: &Client) -> Result<i64, CallError> {
    client.call("add", (2, 3)).await
}

/// Comes back at once, without jitter.
fn at_once() -> Backoff {
    Backoff { max: Duration::ZERO, ..Backoff::default() }
}

async fn is_ready(client: &Client) {
    client.watch_status().wait_for(|status| *status == Status::Ready).await.expect("the client lives");
}

#[tokio::test(start_paused = true)]
async fn clients_come_in_talk_and_leave_without_a_socket() {
    let (when, mut told) = events();
    let (server, net) = adding(|builder| builder.when(when));
    let (ann, bob) = (ann(&net).await, net.client().identity("bob").connect().await.unwrap());
    assert_eq!(server.user_count(), 2);
    assert_eq!((adds(&ann).await.unwrap(), adds(&bob).await.unwrap()), (5, 5));
    ann.close("done").await;
    bob.close("done").await;
    net.until(|counts| counts.live == 0).await;
    assert_eq!(told.take(8).await[6..], ["disconnected bob 2 1000 done", "left bob 1000 done"]);
    assert_eq!(net.counts().vanished, 0);
}

#[tokio::test(start_paused = true)]
async fn the_path_of_the_server_is_that_of_its_clients_and_a_jump_stays_within() {
    let server = server(|builder| builder.path("/ws"));
    let net = Net::new(&server);
    let client = ann(&net).await;
    assert_eq!(client.url(), "ws://in.memory/ws");
    client.jump("wss://elsewhere.example/ws").await.unwrap();
    assert_eq!(net.counts().connections, 2);
    let error = client.jump("ws://in.memory/other").await.unwrap_err();
    assert!(matches!(error, ConnectError::UpgradeRefused { status: 404, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn latency_is_added_once_for_each_way() {
    let (_server, net) = adding(|builder| builder);
    net.faults().to_server().latency(2 * SECOND).to_client().latency(SECOND);
    let (time, client) = timed(ann(&net)).await;
    assert!(about(time, 6 * SECOND), "the upgrade and the welcome: {time:?}");
    let (time, sum) = timed(adds(&client)).await;
    assert!(about(time, 3 * SECOND), "{time:?}");
    assert_eq!(sum.unwrap(), 5);
    // Many calls are under way at once.
    let (time, sums) = timed(at_the_same_time(10, &client)).await;
    assert!(about(time, 3 * SECOND) && sums == [5; 10], "{time:?}");
}

/// Calls so many times at once.
async fn at_the_same_time(number: usize, client: &Client) -> Vec<i64> {
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..number {
        let client = client.clone();
        calls.spawn(async move { adds(&client).await.expect("a sum") });
    }
    calls.join_all().await
}

#[tokio::test(start_paused = true)]
async fn a_call_in_flight_fails_when_it_is_cut_on_either_way_and_both_sides_are_told() {
    for (to_server, ran) in [(true, 0), (false, 1)] {
        let ((when, mut server_told), (heard, mut client_told)) = (events(), wse_test_peers::events());
        let log = log();
        let (_server, net) = adding(|builder| {
            let log = log.clone();
            builder.when(when).register("run", async move |_, ()| {
                log.add("ran");
                Ok(())
            })
        });
        let client = net.client().identity("ann").when(heard).connect().await.unwrap();
        let counts = net.counts();
        let faults = net.faults().nth(1);
        if to_server {
            faults.to_server().cut_after(counts.to_server + 1);
        } else {
            faults.to_client().cut_after(counts.to_client + 1);
        }
        let called = client.call::<_, ()>("run", ()).await;
        assert!(matches!(called, Err(CallError::Disconnected { .. })), "{called:?}");
        assert_eq!(client_told.next_like("closed").await, "closed 1006");
        assert_eq!(server_told.take(4).await[2..], ["disconnected ann 1 1006", "left ann 1006"]);
        assert_eq!(log.len(), ran);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reconnects_is_back_after_a_cut() {
    let (server, net) = adding(|builder| builder);
    let client = net.client().identity("ann").reconnect(at_once()).connect().await.unwrap();
    for cuts in 1..=20 {
        net.faults().cut();
        net.until(|counts| counts.connections == cuts + 1).await;
        is_ready(&client).await;
        assert_eq!(adds(&client).await.unwrap(), 5);
        net.until(|counts| counts.live == 1).await;
    }
    assert_eq!(server.conn_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_not_told_of_the_end_finds_it_in_35_seconds() {
    let (when, mut told) = events();
    let (server, net) = adding(|builder| builder.when(when));
    let builder = net.client().identity("ann").reconnect(at_once()).resume(false);
    let client = builder.connect().await.unwrap();
    net.faults().nth(1).cut_as(Cut::ClientOnly).cut();
    let start = Instant::now();
    net.until(|counts| counts.connections == 2).await;
    is_ready(&client).await;
    assert_eq!(server.user("ann").conn_count(), 2, "the same phone, twice");
    assert_eq!(told.take(4).await[3], "disconnected ann 1 1006 wse.silent");
    assert!(about(start.elapsed(), 35 * SECOND), "{:?}", start.elapsed());
    assert_eq!(adds(&client).await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_not_told_of_the_end_finds_it_in_35_seconds() {
    let (when, mut told) = wse_test_peers::events();
    let (server, net) = adding(|builder| builder);
    let client = net.client().identity("ann").when(when).connect().await.unwrap();
    net.faults().cut_as(Cut::ServerOnly).cut();
    settle().await;
    assert_eq!((server.conn_count(), client.status()), (0, Status::Ready));
    let (time, closed) = timed(told.next_like("closed")).await;
    assert_eq!(closed, "closed 1006 wse.silent");
    assert!(about(time, 35 * SECOND - Duration::from_millis(1)), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn in_a_blackhole_calls_time_out_and_both_sides_find_out_by_themselves() {
    let ((when, mut server_told), (heard, mut client_told)) = (events(), wse_test_peers::events());
    let (_server, net) = adding(|builder| builder.when(when));
    let client = net.client().identity("ann").when(heard).connect().await.unwrap();
    net.faults().blackhole();
    let (time, called) = timed(adds(&client)).await;
    assert!(matches!(called, Err(CallError::TimedOut)) && about(time, 20 * SECOND), "{time:?} {called:?}");
    assert_eq!(client_told.next_like("closed").await, "closed 1006 wse.silent");
    assert_eq!(server_told.take(4).await[2], "disconnected ann 1 1006 wse.silent");
    assert_eq!(net.until(|counts| counts.live == 0).await.connections, 1);
}

#[tokio::test(start_paused = true)]
async fn in_a_blackhole_of_one_way_the_other_is_still_heard() {
    let log = log();
    let (server, net) = adding(|builder| {
        let log = log.clone();
        builder.on("say", async move |_, text: String| {
            log.add(text);
            Ok(())
        })
    });
    let client = ann(&net).await;
    net.faults().to_client().blackhole();
    let called = client.call_within::<_, i64>(SECOND, "add", (2, 3)).await;
    assert!(matches!(called, Err(CallError::TimedOut)));
    client.send("say", "I hear nothing").unwrap();
    settle().await;
    assert_eq!(log.take(), ["I hear nothing"]);
    assert_eq!(server.user("ann").send("line", 1).unwrap().here, 1, "nor does the server know");
}

#[tokio::test(start_paused = true)]
async fn byte_by_byte_and_through_a_thin_pipe_all_the_same_is_said() {
    let (server, net) = adding(|builder| {
        builder.on("say", async |conn, text: String| {
            conn.send("said", text)?;
            Ok(())
        })
    });
    net.faults().split(1);
    let (text, log) = ("x".repeat(3000), log());
    let hear = {
        let log = log.clone();
        async move |_: Client, text: String| {
            log.add(text.len());
            Ok(())
        }
    };
    let client = net.client().identity("ann").on("said", hear).connect().await.unwrap();
    assert_eq!(adds(&client).await.unwrap(), 5);
    client.send("say", &text).unwrap();
    settle().await;
    assert_eq!(log.take(), ["3000"]);

    net.faults().heal().to_server().bandwidth(1000);
    let before = net.counts();
    let start = Instant::now();
    client.send("say", &text).unwrap();
    assert_eq!(adds(&client).await.unwrap(), 5, "behind the text");
    let sent = net.counts().to_server - before.to_server;
    assert!(sent > 3000 && about(start.elapsed(), Duration::from_millis(sent)), "{sent} {:?}", start.elapsed());
    assert_eq!((log.take(), server.conn_count()), (vec!["3000".to_owned()], 1));
}

#[tokio::test(start_paused = true)]
async fn who_reads_slower_than_is_sent_is_closed_as_slow() {
    let (when, mut told) = events();
    let (server, net) = adding(|builder| builder.when(when));
    let _client = ann(&net).await;
    net.faults().to_client().bandwidth(1000);
    let text = "x".repeat(64 << 10);
    let user = server.user("ann");
    let sent = std::iter::from_fn(|| (user.send("line", &text).unwrap().here == 1).then_some(())).take(200).count();
    assert!((125..=135).contains(&sent), "8 MiB: {sent}");
    assert_eq!(told.take(4).await[2], "disconnected ann 1 1013 wse.slow");
}

#[tokio::test(start_paused = true)]
async fn a_refused_client_fails_or_goes_on_trying() {
    let (_server, net) = adding(|builder| builder);
    net.faults().refuse();
    let error = net.client().identity("ann").connect().await.unwrap_err();
    assert!(
        matches!(&error, ConnectError::Unreachable(error) if error.kind() == std::io::ErrorKind::ConnectionRefused)
    );
    let trying = tokio::spawn(net.client().identity("ann").reconnect(Backoff::default()).connect());
    net.until(|counts| counts.refused == 10).await;
    net.faults().heal();
    assert_eq!(adds(&trying.await.unwrap().unwrap()).await.unwrap(), 5);
    let counts = net.counts();
    assert_eq!((counts.connections, counts.refused, counts.live), (11, 10, 1));
}

#[tokio::test(start_paused = true)]
async fn when_the_network_is_gone_everybody_is_alone() {
    let ((when, mut server_told), (heard, mut client_told)) = (events(), wse_test_peers::events());
    let (server, net) = adding(|builder| builder.when(when));
    let client = net.client().identity("ann").when(heard).connect().await.unwrap();
    drop(net);
    assert_eq!(client_told.next_like("closed").await, "closed 1006");
    assert_eq!(server_told.take(4).await[3], "left ann 1006");
    assert!(matches!(client.connect().await, Err(ConnectError::Unreachable(_))));
    server.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_thousand_clients_are_no_matter() {
    let (server, net) = adding(|builder| builder);
    net.faults().latency(SECOND);
    let client = |builder: ClientBuilder, at: u32| builder.identity(&format!("user {at}")).connect();
    let coming: Vec<_> = (0..1000).map(|at| tokio::spawn(client(net.client(), at))).collect();
    let mut clients = Vec::new();
    for client in coming {
        clients.push(client.await.unwrap().unwrap());
    }
    assert_eq!((server.user_count(), net.counts().live), (1000, 1000));
    net.faults().cut();
    net.until(|counts| counts.live == 0).await;
    settle().await;
    assert_eq!(server.user_count(), 0);
}
