//! A conversation that is cut behind each of its bytes, on either way, in memory: what the kit is
//! for, with the guarantees that have to hold whatever was lost.

use std::time::Duration;
use wse::{Backoff, Client, Status};
use wse_test::Net;
use wse_test_peers::{log, server, settle};

/// Comes in, says three things and calls, until the call was answered.
async fn conversation(net: &Net) {
    let at_once = Backoff { max: Duration::ZERO, ..Backoff::default() };
    let client: Client = net.client().identity("ann").reconnect(at_once).connect().await.expect("let in");
    let mut said = 0;
    loop {
        client.watch_status().wait_for(|status| *status == Status::Ready).await.expect("the client lives");
        while said < 3 && client.send("say", said).is_ok() {
            said += 1;
        }
        if client.call::<_, i64>("add", (2, 3)).await.is_ok_and(|sum| sum == 5) {
            break client.close("done").await;
        }
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn behind_whatever_byte_it_is_cut_messages_come_once_in_order_and_the_client_comes_back() {
    let log = log();
    let server = server(|builder| {
        let log = log.clone();
        let say = async move |_, number: u32| {
            log.add(number);
            Ok(())
        };
        builder.on("say", say).register("add", async |_, (a, b): (i64, i64)| Ok(a + b))
    });
    for to_server in [true, false] {
        for bytes in 0.. {
            let net = Net::new(&server);
            let first = net.faults().nth(1);
            let way = if to_server { first.to_server() } else { first.to_client() };
            way.cut_after(bytes);
            conversation(&net).await;
            let counts = net.until(|counts| counts.live == 0).await;

            assert!(counts.connections <= 2, "{bytes}");
            let said = log.take();
            if counts.cuts == 0 {
                net.faults().heal(); // the conversation is over before that byte
                assert_eq!(said, ["0", "1", "2"]);
                assert!(bytes > 200, "{bytes}");
                break;
            }
            assert!(in_order(&said), "{bytes}: {said:?}");
        }
    }
    settle().await;
    assert_eq!(server.conn_count(), 0);
}

fn in_order(said: &[String]) -> bool {
    said.windows(2).all(|pair| pair[0] < pair[1])
}

#[tokio::test(start_paused = true)]
async fn the_same_cut_leaves_the_same_traces() {
    let server = server(|builder| builder.register("add", async |_, (a, b): (i64, i64)| Ok(a + b)));
    let trace = async |bytes| {
        let net = Net::new(&server);
        net.faults().split(5).latency(Duration::from_millis(3)).nth(1).to_client().cut_after(bytes);
        let start = tokio::time::Instant::now();
        conversation(&net).await;
        (net.until(|counts| counts.live == 0).await, start.elapsed())
    };
    for bytes in [0, 10, 170, 200, 230, 300] {
        let (counts, took) = trace(bytes).await;
        for _ in 0..5 {
            let (again, time) = trace(bytes).await;
            assert_eq!(again, counts, "{bytes}");
            // The client's wait is drawn, up to its floor of 10 ms.
            assert!(time.abs_diff(took) <= Duration::from_millis(10), "{bytes}: {time:?} {took:?}");
        }
    }
}
