//! Sessions over a network in memory that is cut behind each of its bytes, goes silent, splits and
//! delays: a real server and a real client, in paused time.

use crate::conversation::{LENGTH, Seen, check, client, server, talk};
use std::{sync::Arc, time::Duration};
use wse::{
    Limits, Protocol,
    codec::{CustomCodec, EncodeError, Envelope, Payload, ProtocolError},
};
use wse_test::{Cut, Faults, Net};

/// One conversation over a network of its own.
async fn run(what: &str, faults: impl FnOnce(Faults)) -> u64 {
    run_over(what, Protocol::Wse, LENGTH, faults).await
}

/// The same of that length over that wire.
async fn run_over(what: &str, protocol: Protocol, length: u32, faults: impl FnOnce(Faults)) -> u64 {
    let seen = Arc::new(Seen::default());
    let net = Net::new(&server(&seen, Limits::default(), protocol.clone()));
    faults(net.faults());
    let client = talk(&seen, client(&seen, net.client().protocol(protocol), Limits::default()), length).await;
    tokio::time::timeout(Duration::from_secs(60), client.close("")).await.expect("it closes");
    net.faults().heal(); // some cuts are behind the end of the conversation
    check(&seen, length, what);
    net.counts().connections
}

/// The same way of the `nth` connection.
fn way(faults: &Faults, nth: u64, to_server: bool) -> Faults {
    let one = faults.nth(nth);
    if to_server { one.to_server() } else { one.to_client() }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_or_doubled_behind_whatever_byte_of_either_way_the_first_connection_is_cut() {
    let mut resumed = 0;
    for to_server in [true, false] {
        for bytes in 0..=512 {
            let what = format!("cut of the first, to_server {to_server}, after {bytes}");
            resumed += u32::from(run(&what, |faults| _ = way(&faults, 1, to_server).cut_after(bytes)).await > 1);
        }
    }
    assert!(resumed > 600, "{resumed} cuts were in time");
}

#[tokio::test(start_paused = true)]
async fn nor_behind_whatever_byte_of_the_one_that_resumes() {
    for to_server in [true, false] {
        for bytes in 0..=512 {
            let what = format!("cut of the second, to_server {to_server}, after {bytes}");
            run(&what, |faults| {
                way(&faults, 1, false).cut_after(420);
                way(&faults, 2, to_server).cut_after(bytes);
            })
            .await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nor_when_only_one_side_sees_the_cut() {
    for cut in [Cut::Fin, Cut::ClientOnly, Cut::ServerOnly] {
        for to_server in [true, false] {
            for bytes in (0..=512).step_by(5) {
                let what = format!("{cut:?}, to_server {to_server}, after {bytes}");
                run(&what, |faults| _ = way(&faults, 1, to_server).cut_as(cut).cut_after(bytes)).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nor_when_only_one_side_sees_that_of_the_one_that_resumes() {
    for cut in [Cut::ClientOnly, Cut::ServerOnly] {
        for to_server in [true, false] {
            for bytes in (0..=512).step_by(5) {
                let what = format!("{cut:?} of the second, to_server {to_server}, after {bytes}");
                run(&what, |faults| {
                    way(&faults, 1, false).cut_after(420);
                    way(&faults, 2, to_server).cut_as(cut).cut_after(bytes);
                })
                .await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nor_when_the_network_swallows_what_is_sent() {
    for nth in [1, 2] {
        for to_server in [true, false] {
            for bytes in (0..=512).step_by(7) {
                let what = format!("blackhole of {nth}, to_server {to_server}, after {bytes}");
                run(&what, |faults| {
                    if nth == 2 {
                        way(&faults, 1, true).cut_after(450);
                    }
                    way(&faults, nth, to_server).blackhole_after(bytes);
                })
                .await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nor_on_the_hundredth_cut_over_a_slow_network_that_splits() {
    for seed in 0..5u64 {
        let connections = run_over(&format!("seed {seed}"), Protocol::Wse, 400, |faults| {
            faults.latency(Duration::from_millis(seed)).split(1 + seed as usize);
            // Long enough for the handshake, and then for some frames more: every fifth time for so many that
            // the session gets on.
            for nth in 1..=150 {
                let more = if nth % 5 == 0 { 150 } else { 0 };
                faults.nth(nth).cut_after(330 + (nth * 37 + seed * 11) % 60 + more);
            }
        })
        .await;
        assert!(connections > 100, "{connections}");
    }
}

/// Name, stamp and payload behind one another. It knows nothing of sessions.
struct Lines;

impl CustomCodec for Lines {
    fn name(&self) -> &str {
        "lines"
    }

    fn write(&self, envelope: &Envelope<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let stamp = envelope.stamp.as_deref().unwrap_or("-");
        out.extend_from_slice(format!("{} {stamp} ", envelope.name).as_bytes());
        out.extend_from_slice(envelope.payload.as_bytes());
        Ok(())
    }

    fn read<'a>(&self, frame: &'a [u8]) -> Result<Envelope<'a>, ProtocolError> {
        let text = std::str::from_utf8(frame).map_err(|_| ProtocolError::new("no text"))?;
        let mut parts = text.splitn(3, ' ');
        let (Some(name), Some(stamp), Some(payload)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(ProtocolError::new("not three parts"));
        };
        let stamp = (stamp != "-").then(|| stamp.into());
        Ok(Envelope { name: name.into(), payload: Payload::json(payload)?, stamp })
    }
}

#[tokio::test(start_paused = true)]
async fn nor_in_messagepack_or_a_codec_of_the_applications_own() {
    for protocol in [Protocol::WseMsgpack, Protocol::custom(Lines)] {
        for to_server in [true, false] {
            for bytes in (0..=512).step_by(11) {
                let what = format!("{}, to_server {to_server}, after {bytes}", protocol.name());
                run_over(&what, protocol.clone(), LENGTH, |faults| {
                    way(&faults, 1, to_server).cut_after(bytes);
                    way(&faults, 2, !to_server).cut_after(bytes + 100);
                })
                .await;
            }
        }
    }
}
