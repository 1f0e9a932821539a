//! A receive hook that takes its time, on a server: the order it keeps, what waits behind it, and
//! what becomes of both when the connection ends.

use serde_json::json;
use std::{future::pending, sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use wse::{Conn, Limits, Server, ServerBuilder, codec::Envelope, with};
use wse_test_peers::{Got, Log, RawClient, attach_to, end, enter_messaging, log, messaging, settle};

const S: Duration = Duration::from_secs(1);

/// A server whose hook waits for a permit before it lets `wait` through.
fn waiting(permits: &Arc<Semaphore>, log: &Log, configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Server {
    let (heard, called) = (log.clone(), log.clone());
    messaging(|builder| {
        configure(builder)
            .on_receive(with(permits, async |permits: Arc<Semaphore>, _: Conn, envelope: Envelope<'static>| {
                if envelope.name == "wait" {
                    permits.acquire().await?.forget();
                }
                Ok(())
            }))
            .on("wait", {
                let log = log.clone();
                async move |_: Conn, number: u32| {
                    log.add(number);
                    Ok(())
                }
            })
            .on("next", async move |_: Conn, number: u32| {
                heard.add(number);
                Ok(())
            })
            .register("add", async move |_: Conn, (a, b): (u32, u32)| {
                called.add("add");
                Ok(a + b)
            })
    })
}

#[tokio::test(start_paused = true)]
async fn what_comes_behind_waits_for_it_but_answers_do_not() {
    let (permits, log) = (Arc::new(Semaphore::new(0)), log());
    let server = waiting(&permits, &log, |builder| builder);
    let mut peer = enter_messaging(&server, "ann").await;
    let mut other = enter_messaging(&server, "bob").await;
    let conn = server.user("ann").conns().remove(0);
    let calling = tokio::spawn(async move { conn.call::<_, u32>("its", 1).await });
    peer.text().await;
    peer.emit("wait", json!([1])).await;
    peer.emit("next", json!([2])).await;
    peer.invoke("add", json!([1, 2]), 1).await;
    peer.emit("wait", json!([3])).await;
    peer.emit("next", json!([4])).await;
    peer.send(r#"{"id":1,"result":7}"#).await;
    assert_eq!(calling.await.unwrap().unwrap(), 7, "an answer passes");
    peer.invoke("ping", json!([]), 2).await;
    assert_eq!(peer.text().await, r#"{"id":2,"result":null}"#, "so does a ping");
    peer.hears_nothing().await;
    assert!(log.take().is_empty());
    other.invoke("add", json!([1, 2]), 1).await;
    assert_eq!(other.text().await, r#"{"id":1,"result":3}"#, "nobody else waits");
    log.take();
    permits.add_permits(1);
    assert_eq!(peer.text().await, r#"{"id":1,"result":3}"#);
    settle().await;
    assert_eq!(log.take(), ["1", "2", "add"]);
    permits.add_permits(1);
    settle().await;
    assert_eq!(log.take(), ["3", "4"]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_it_is_bounded_by_the_inbox() {
    let (permits, log) = (Arc::new(Semaphore::new(0)), log());
    let server = waiting(&permits, &log, |builder| builder.limits(Limits { inbox_bytes: 2000, ..Limits::default() }));
    let RawClient { reader: mut its, mut writer } = enter_messaging(&server, "ann").await;
    writer.write(&wse_test_peers::text(r#"{"name":"wait","args":[1]}"#)).await;
    let flooding = tokio::spawn(async move {
        for number in 0..10_000 {
            writer.write(&wse_test_peers::text(&format!(r#"{{"name":"next","args":[{number}]}}"#))).await;
        }
        writer.write(&wse_test_peers::text(r#"{"name":"add","args":[1,2],"id":1}"#)).await;
        writer
    });
    settle().await;
    assert!(!flooding.is_finished(), "the socket is not read");
    permits.add_permits(1);
    assert_eq!(its.text().await, r#"{"id":1,"result":3}"#);
    assert_eq!(log.len(), 10_002);
    flooding.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn when_the_connection_ends_a_hook_at_work_and_what_waits_behind_it() {
    // The peer says goodbye: what it said before is handled still.
    let (permits, log) = (Arc::new(Semaphore::new(0)), log());
    let server = waiting(&permits, &log, |builder| builder);
    let (mut peer, ended) = attach_to(&server, "ws-messaging");
    peer.auth(json!("ann")).await;
    peer.emit("wait", json!([1])).await;
    peer.emit("next", json!([2])).await;
    peer.close(1000, "").await;
    assert_eq!(peer.next().await, Got::Close(Some((1000, String::new()))));
    assert_eq!(server.conn_count(), 0);
    permits.add_permits(1);
    assert_eq!(end(ended).await, "1000");
    assert_eq!(log.take(), ["1", "2"]);
    // The server drops it: nothing more is heard.
    let (mut peer, ended) = attach_to(&server, "ws-messaging");
    peer.auth(json!("ann")).await;
    peer.emit("wait", json!([1])).await;
    peer.emit("next", json!([2])).await;
    settle().await;
    server.user("ann").drop("enough");
    assert_eq!(peer.closed().await, (4003, "enough".into()));
    assert_eq!(end(ended).await, "4003 enough");
    permits.add_permits(1);
    settle().await;
    assert!(log.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_shuts_down_does_not_wait_for_a_hook() {
    let (permits, log) = (Arc::new(Semaphore::new(0)), log());
    let server = waiting(&permits, &log, |builder| builder);
    let mut peer = enter_messaging(&server, "ann").await;
    peer.emit("wait", json!([1])).await;
    settle().await;
    let down = tokio::spawn(async move { server.shutdown(5 * S).await });
    assert_eq!(peer.closed().await, (1012, "wse.restart after=1000".into()));
    let (time, done) = wse_test_peers::timed(down).await;
    done.unwrap();
    assert!(time < S, "{time:?}");
    assert!(log.take().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_never_ends_goes_when_the_server_drops_its_connection() {
    let server = messaging(|builder| builder.on_receive(async |_: Conn, _: Envelope<'static>| pending().await));
    let (mut peer, ended) = attach_to(&server, "ws-messaging");
    peer.auth(json!("ann")).await;
    peer.invoke("x", json!([]), 1).await;
    settle().await;
    server.user("ann").drop("enough");
    assert_eq!(peer.closed().await.0, 4003);
    assert_eq!(end(ended).await, "4003 enough");
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_drops_the_device_has_stopped_what_it_looks_at() {
    for slow in [false, true] {
        let log = log();
        let handled = log.clone();
        let server = messaging(|builder| {
            builder
                .on_receive(async move |conn: Conn, _: Envelope<'static>| {
                    if slow {
                        tokio::time::sleep(S).await;
                    }
                    conn.drop("abuse");
                    Ok(())
                })
                .on("m", async move |_: Conn, number: u32| {
                    handled.add(number);
                    Ok(())
                })
        });
        let mut peer = enter_messaging(&server, "ann").await;
        peer.emit("m", json!([1])).await;
        peer.emit("m", json!([2])).await;
        assert_eq!(peer.closed().await, (4003, "abuse".into()));
        settle().await;
        assert!(log.take().is_empty(), "{slow}");
    }
}
