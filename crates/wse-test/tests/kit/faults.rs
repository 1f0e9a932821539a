//! What every fault must do to the bytes of a connection, in memory and over TCP.

use crate::rig::{Rig, exactly, is_silent, pattern, read, rest, write};
use tokio::io::AsyncWriteExt;
use wse_test::{Cut, Faults};

/// The two ways, as a test goes through them: the faults of that way alone, and the ends in the
/// order sender, receiver.
const TO_SERVER: bool = true;
pub(crate) const BOTH: [bool; 2] = [TO_SERVER, false];

fn on(faults: &Faults, to_server: bool) -> Faults {
    if to_server { faults.to_server() } else { faults.to_client() }
}

fn turned<T>((client, server): (T, T), to_server: bool) -> (T, T) {
    if to_server { (client, server) } else { (server, client) }
}

pub(crate) async fn without_a_fault_every_byte_and_the_end_pass(mut rig: impl Rig) {
    for to_server in BOTH {
        let (mut from, mut to) = turned(rig.dial().await.expect("a connection"), to_server);
        let bytes = pattern(300_000);
        let before = rig.counts();
        let send = async {
            write(&mut from, &bytes).await;
            from.shutdown().await.expect("it is open");
        };
        let (got, ()) = tokio::join!(rest(&mut to), send);
        assert!(got == (bytes, false));
        let after = rig.counts();
        let passed = (after.to_server - before.to_server, after.to_client - before.to_client);
        assert_eq!(passed, if to_server { (300_000, 0) } else { (0, 300_000) });
        // The other way is still open.
        write(&mut to, b"and back").await;
        drop(to);
        assert_eq!(rest(&mut from).await.0, b"and back");
        let end = rig.until(|counts| counts.live == 0).await;
        assert_eq!((end.refused, end.vanished), (0, 0));
    }
    assert_eq!(rig.counts().connections, 2);
}

pub(crate) async fn a_cut_lets_exactly_so_many_bytes_pass_and_both_see_it(mut rig: impl Rig, cut: Cut, most: u64) {
    rig.faults().cut_as(cut);
    for to_server in BOTH {
        for bytes in 0..=most {
            on(&rig.faults().next(), to_server).cut_after(bytes);
            let before = rig.counts();
            let (mut from, mut to) = turned(rig.dial().await.expect("a connection"), to_server);
            // It may be cut already.
            let _ = from.write_all(&pattern(100)).await;
            assert_eq!(rest(&mut to).await.0, pattern(bytes as usize), "{bytes}");
            assert_eq!(rest(&mut from).await.0, b"");
            let after = rig.until(|counts| counts.live == 0).await;
            assert_eq!(after.to_server + after.to_client - before.to_server - before.to_client, bytes);
        }
    }
}

pub(crate) async fn only_the_connection_that_was_meant_is_cut(mut rig: impl Rig) {
    rig.faults().nth(2).to_server().cut_after(3);
    let mut ends = Vec::new();
    for _ in 1..=3 {
        ends.push(rig.dial().await.expect("a connection"));
    }
    for (number, (client, server)) in ends.iter_mut().enumerate() {
        write(client, b"hello").await;
        if number == 1 {
            assert_eq!(rest(server).await.0, b"hel");
        } else {
            assert_eq!(exactly(server, 5).await, b"hello");
            write(server, b"hi").await;
            assert_eq!(exactly(client, 2).await, b"hi");
        }
    }
    assert_eq!(rig.until(|counts| counts.live == 2).await.connections, 3);
    rig.faults().nth(3).cut();
    assert_eq!(rest(&mut ends[2].0).await.0, b"");
    rig.faults().nth(3).latency(wse_test_peers::WAIT).cut(); // it is over: nothing happens
    rig.faults().nth(3).heal();
    assert_eq!(rig.counts().live, 1);
}

pub(crate) async fn a_cut_now_ends_what_is_there_and_nothing_that_comes(mut rig: impl Rig) {
    let (mut client, mut server) = rig.dial().await.expect("a connection");
    write(&mut client, b"hello").await;
    assert_eq!(exactly(&mut server, 5).await, b"hello");
    rig.faults().cut();
    assert_eq!((rest(&mut client).await.0, rest(&mut server).await.0), (vec![], vec![]));
    let (mut client, mut server) = rig.dial().await.expect("another connection");
    write(&mut server, b"hello").await;
    assert_eq!(exactly(&mut client, 5).await, b"hello");
    // A count that is full already cuts now.
    rig.faults().to_client().cut_after(4);
    assert_eq!((rest(&mut client).await.0, rest(&mut server).await.0), (vec![], vec![]));
}

pub(crate) async fn in_a_blackhole_bytes_vanish_and_nobody_is_told(mut rig: impl Rig) {
    for to_server in BOTH {
        let (mut from, mut to) = turned(rig.dial().await.expect("a connection"), to_server);
        let before = rig.counts().vanished;
        on(&rig.faults(), to_server).blackhole();
        write(&mut from, b"vanishes").await;
        rig.until(|counts| counts.vanished == before + 8).await;
        assert!(is_silent(&mut to).await);
        // The other way is none of its business.
        write(&mut to, b"passes").await;
        assert_eq!(exactly(&mut from, 6).await, b"passes");
        rig.faults().heal();
        write(&mut from, b"again").await;
        assert_eq!(exactly(&mut to, 5).await, b"again");
        // Both ways, and behind a byte of one.
        on(&rig.faults(), to_server).blackhole_after(10);
        write(&mut from, b"12345678").await;
        assert_eq!(exactly(&mut to, 5).await, b"12345");
        rig.until(|counts| counts.vanished == before + 11).await;
        rig.faults().blackhole();
        write(&mut to, b"vanishes too").await;
        rig.until(|counts| counts.vanished == before + 23).await;
        assert!(is_silent(&mut to).await && is_silent(&mut from).await);
        // Not even the end passes, until the end that was not told has left as well.
        drop(from);
        write(&mut to, b"anybody there?").await;
        rig.until(|counts| counts.vanished == before + 37).await;
        assert!(is_silent(&mut to).await);
        assert_eq!(rig.counts().live, 1);
        drop(to);
        rig.until(|counts| counts.live == 0).await;
        rig.faults().heal();
    }
}

pub(crate) async fn a_half_open_connection_is_over_for_one_end_only(mut rig: impl Rig) {
    for (cut, client_told) in [(Cut::ClientOnly, true), (Cut::ServerOnly, false)] {
        for after in [None, Some(5)] {
            let faults = rig.faults().next().cut_as(cut);
            if let Some(bytes) = after {
                faults.to_server().cut_after(bytes);
            }
            let (mut client, mut server) = rig.dial().await.expect("a connection");
            let before = rig.counts().vanished;
            write(&mut client, b"hello").await;
            if after.is_none() {
                assert_eq!(exactly(&mut server, 5).await, b"hello");
                faults.cut();
            }
            let (mut told, mut other) = if client_told { (client, server) } else { (server, client) };
            let (last, _) = rest(&mut told).await;
            assert_eq!(last, if client_told || after.is_none() { &b""[..] } else { b"hello" });
            drop(told);
            if after.is_some() && client_told {
                assert_eq!(exactly(&mut other, 5).await, b"hello");
            }
            write(&mut other, b"anybody there?").await;
            rig.until(|counts| counts.vanished == before + 14).await;
            assert!(is_silent(&mut other).await);
            assert_eq!(rig.counts().live, 1);
            // Half of them leave, the others are cut.
            if after.is_none() {
                drop(other);
            } else {
                faults.cut_as(Cut::Reset).cut();
                assert_eq!(rest(&mut other).await.0, b"");
            }
            rig.until(|counts| counts.live == 0).await;
        }
    }
}

pub(crate) async fn who_is_refused_does_not_get_in(mut rig: impl Rig) {
    rig.faults().nth(2).refuse();
    let (mut client, mut server) = rig.dial().await.expect("the first");
    assert!(rig.dial().await.is_none(), "the second");
    assert!(rig.dial().await.is_some(), "the third");
    rig.faults().refuse();
    for _ in 0..3 {
        assert!(rig.dial().await.is_none());
    }
    write(&mut client, b"I am in").await;
    assert_eq!(read(&mut server).await.expect("bytes"), b"I am in");
    rig.faults().heal();
    assert!(rig.dial().await.is_some());
    assert_eq!((rig.counts().connections, rig.counts().refused), (7, 4));
}

pub(crate) async fn what_is_held_goes_on_where_it_was(mut rig: impl Rig) {
    for to_server in BOTH {
        let (mut from, mut to) = turned(rig.dial().await.expect("a connection"), to_server);
        write(&mut from, b"one ").await;
        assert_eq!(exactly(&mut to, 4).await, b"one ");
        on(&rig.faults(), to_server).bandwidth(0);
        write(&mut from, b"two ").await;
        from.shutdown().await.expect("it is open");
        write(&mut to, b"back").await;
        assert_eq!(exactly(&mut from, 4).await, b"back");
        assert!(is_silent(&mut to).await);
        rig.faults().heal();
        assert_eq!(rest(&mut to).await, (b"two ".to_vec(), false));
    }
}

pub(crate) async fn split_loses_and_mixes_nothing(mut rig: impl Rig) {
    for to_server in BOTH {
        for piece in [0, 1, 7, 1 << 20] {
            on(&rig.faults().heal(), to_server).split(piece);
            let (mut from, mut to) = turned(rig.dial().await.expect("a connection"), to_server);
            write(&mut from, &pattern(1000)).await;
            assert_eq!(exactly(&mut to, 1000).await, pattern(1000));
        }
    }
}
