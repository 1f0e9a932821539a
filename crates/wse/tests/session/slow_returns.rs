//! A session that is resumed over a slow link, with far more to send again than a queue holds.

use std::time::Duration;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use wse::{Backoff, Limits};
use wse_test::Net;
use wse_test_peers::{server, settle};

const S: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn eight_megabytes_are_sent_again_over_a_slow_link_and_nobody_is_slow() {
    const MESSAGES: usize = 80;
    // Whatever were new would be too much at once.
    let limits = Limits { session_bytes: 16 << 20, queue_bytes_max: 1 << 20, ..Limits::default() };
    let server = server(|builder| builder.limits(limits));
    let net = Net::new(&server);
    let (tell, mut told) = mpsc::unbounded_channel();
    let _client = net
        .client()
        .identity("ann")
        .reconnect(Backoff::default())
        .on("m", async move |_, (number, text): (usize, String)| {
            let _ = tell.send((number, text.len()));
            Ok(())
        })
        .connect()
        .await
        .expect("a connection");
    let conn = server.user("ann").conns().remove(0);
    net.faults().refuse();
    net.faults().cut();
    settle().await;
    for number in 0..MESSAGES {
        conn.send("m", (number, "x".repeat(100_000))).expect("it is kept");
    }
    net.faults().heal();
    net.faults().bandwidth(100_000);
    sleep(25 * S).await;
    conn.send("m", (MESSAGES, "x".repeat(100_000))).expect("and what is new goes behind it");
    for number in 0..=MESSAGES {
        let next = timeout(100 * S, told.recv()).await.expect("it goes on");
        assert_eq!(next, Some((number, 100_000)));
    }
    assert!(conn.is_open());
    assert_eq!(server.conn_count(), 1);
}
