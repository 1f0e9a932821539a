//! The faults by bytes, over TCP: what a proxy does to two sockets.

use crate::faults;
use crate::rig::{Rig, exactly, is_silent, pattern, rest, tcp, write};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use wse_test::{Cut, Proxy};
use wse_test_peers::soon;

#[tokio::test]
async fn without_a_fault_every_byte_and_the_end_pass() {
    faults::without_a_fault_every_byte_and_the_end_pass(tcp().await).await;
}

#[tokio::test]
async fn a_cut_by_reset_lets_exactly_so_many_bytes_pass_and_both_see_it() {
    faults::a_cut_lets_exactly_so_many_bytes_pass_and_both_see_it(tcp().await, Cut::Reset, 50).await;
}

#[tokio::test]
async fn a_cut_in_order_lets_exactly_so_many_bytes_pass_and_both_see_it() {
    faults::a_cut_lets_exactly_so_many_bytes_pass_and_both_see_it(tcp().await, Cut::Fin, 50).await;
}

#[tokio::test]
async fn a_cut_is_a_reset_unless_another_is_asked_for() {
    for (cut, abrupt) in [(None, true), (Some(Cut::Fin), false), (Some(Cut::Reset), true)] {
        let mut rig = tcp().await;
        let (mut client, mut server) = rig.dial().await.unwrap();
        cut.inspect(|cut| _ = rig.faults().cut_as(*cut));
        rig.faults().cut();
        assert_eq!(rest(&mut client).await, (vec![], abrupt), "{cut:?}");
        assert_eq!(rest(&mut server).await, (vec![], abrupt), "{cut:?}");
    }
}

#[tokio::test]
async fn only_the_connection_that_was_meant_is_cut() {
    faults::only_the_connection_that_was_meant_is_cut(tcp().await).await;
}

#[tokio::test]
async fn a_cut_now_ends_what_is_there_and_nothing_that_comes() {
    faults::a_cut_now_ends_what_is_there_and_nothing_that_comes(tcp().await).await;
}

#[tokio::test]
async fn in_a_blackhole_bytes_vanish_and_nobody_is_told() {
    faults::in_a_blackhole_bytes_vanish_and_nobody_is_told(tcp().await).await;
}

#[tokio::test]
async fn a_half_open_connection_is_over_for_one_end_only() {
    faults::a_half_open_connection_is_over_for_one_end_only(tcp().await).await;
}

#[tokio::test]
async fn who_is_refused_does_not_get_in() {
    faults::who_is_refused_does_not_get_in(tcp().await).await;
}

#[tokio::test]
async fn what_is_held_goes_on_where_it_was() {
    faults::what_is_held_goes_on_where_it_was(tcp().await).await;
}

#[tokio::test]
async fn split_loses_and_mixes_nothing() {
    faults::split_loses_and_mixes_nothing(tcp().await).await;
}

#[tokio::test]
async fn latency_and_bandwidth_take_at_least_their_time() {
    for to_server in faults::BOTH {
        let mut rig = tcp().await;
        let all = rig.faults();
        let way = if to_server { all.to_server() } else { all.to_client() };
        way.latency(Duration::from_millis(30)).bandwidth(10_000);
        let (client, server) = rig.dial().await.unwrap();
        let (mut from, mut to) = if to_server { (client, server) } else { (server, client) };
        let start = Instant::now();
        write(&mut from, &pattern(500)).await;
        assert_eq!(exactly(&mut to, 500).await, pattern(500));
        assert!(start.elapsed() >= Duration::from_millis(80), "{:?}", start.elapsed());
        all.heal();
        assert!(is_silent(&mut to).await);
    }
}

#[tokio::test]
async fn a_sender_that_nobody_reads_from_has_to_wait() {
    let mut rig = tcp().await;
    rig.faults().bandwidth(0);
    let (client, _server) = rig.dial().await.unwrap();
    // The buffers of the system are larger than the proxy's, but no more than some megabytes.
    let mut taken = 0;
    while let Ok(writable) = tokio::time::timeout(Duration::from_millis(200), client.writable()).await {
        writable.unwrap();
        taken += client.try_write(&[0; 64 << 10]).unwrap_or(0);
        assert!(taken < 64 << 20);
    }
    assert_eq!(rig.counts().to_server, 0);
}

#[tokio::test]
async fn without_anybody_behind_it_the_client_is_reset() {
    let nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let proxy = Proxy::new(nobody).await.unwrap();
    let mut client = TcpStream::connect(proxy.addr()).await.unwrap();
    assert_eq!(rest(&mut client).await, (vec![], true));
    let counts = soon(proxy.until(|counts| counts.connections == 1 && counts.live == 0)).await;
    assert_eq!(counts.refused, 0);
}

#[tokio::test]
async fn everything_ends_with_the_proxy() {
    let mut rig = tcp().await;
    let (mut client, mut server) = rig.dial().await.unwrap();
    let (_half, mut open) = rig.dial().await.unwrap();
    rig.faults().nth(2).cut_as(Cut::ClientOnly).cut();
    rig.until(|counts| counts.live == 2).await;
    let (addr, faults) = (rig.proxy.addr(), rig.faults());
    drop(rig);
    for end in [&mut client, &mut server, &mut open] {
        assert_eq!(rest(end).await.0, b"");
    }
    assert!(TcpStream::connect(addr).await.is_err());
    faults.cut(); // a handle to nothing does nothing
}
