//! A test that goes round while paused time stands still fails with a message, and does not hang.

use std::{future::poll_fn, task::Poll, time::Duration};
use wse::{Backoff, Server, Status};
use wse_test::Net;

fn server() -> Server {
    Server::builder().identify(async |stranger, name: String| Ok(stranger.accept(name))).build()
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a busy loop")]
async fn a_test_that_polls_for_what_needs_time_fails_with_a_message() {
    let net = Net::new(&server());
    let client = net.client().identity("ann").reconnect(Backoff::default()).connect().await.unwrap();
    net.faults().cut();
    net.faults().refuse();
    while client.status() != Status::Offline {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a busy loop")]
async fn a_handler_that_never_waits_fails_the_test_too() {
    let server = Server::builder()
        .identify(async |stranger, name: String| Ok(stranger.accept(name)))
        .register("spin", async |_, ()| {
            let spin = poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            });
            spin.await;
            Ok(())
        })
        .build();
    let net = Net::new(&server);
    let client = net.client().identity("ann").connect().await.unwrap();
    let _ = client.call_within::<_, ()>(Duration::from_secs(1), "spin", ()).await;
}

#[tokio::test(start_paused = true)]
async fn what_takes_long_in_real_time_is_no_busy_loop() {
    let net = Net::new(&server());
    let _client = net.client().identity("ann").connect().await.unwrap();
    let (done, is_done) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_secs(4));
        done.send(())
    });
    is_done.await.unwrap();
    std::thread::sleep(Duration::from_secs(4));
    tokio::time::sleep(Duration::from_secs(1)).await;
}
