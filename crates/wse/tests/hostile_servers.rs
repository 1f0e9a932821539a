//! Servers that no good server is like: the client beside them holds no more than its bounds, and
//! answers what is to be answered.

use futures_util::future::join_all;
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use wse::{CallError, Client, Limits};
use wse_test_peers::{
    Got, RawServer, WAIT,
    floods::{Growth, MIB, alone, until},
    scripted,
};

const CALLS: usize = 20_000;

/// A client of a server by hand.
async fn connected() -> (Client, RawServer) {
    let limits = Limits { rpc_timeout: WAIT, ..Limits::default() };
    let (builder, mut dials) = scripted();
    let client = builder.limits(limits).register("echo", async |_, what: Value| Ok(what)).build();
    let (connected, wire) = tokio::join!(client.connect(), dials.welcomed());
    connected.expect("it is welcomed");
    (client, wire)
}

/// A frame of a server, of any first byte.
fn frame(first: u8, length: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 127];
    frame.extend(length.to_be_bytes());
    frame.extend(payload);
    frame
}

#[test]
fn a_server_that_announces_2_63_bytes_is_left_and_takes_no_memory() {
    alone(async {
        let growth = Growth::begin();
        for (length, expected) in [(1 << 63, 1002), ((1 << 63) - 1, 1009), (1 << 40, 1009), ((1 << 20) + 1, 1009)] {
            for first in [0x81, 0x82, 0x01] {
                let (_client, mut wire) = connected().await;
                wire.write(&frame(first, length, b"")).await;
                let got = wire.next().await;
                assert!(matches!(got, Got::Close(Some((code, _))) if code == expected), "{length}: {got:?}");
            }
        }
        // Fragments without end, and a mebibyte of which little comes.
        let (_client, mut wire) = connected().await;
        wire.write(&[0x01, 0]).await;
        wire.write(&[0x00, 0].repeat(1025)).await;
        assert!(matches!(wire.next().await, Got::Close(Some((1009, _)))));
        let mut many = Vec::new();
        for _ in 0..200 {
            let (client, mut wire) = connected().await;
            wire.write(&frame(0x81, MIB as u64, b"[\"m\"")).await;
            many.push((client, wire));
        }
        assert!(growth.most() < 32 * MIB, "{} KiB", growth.most() >> 10);
        assert!(growth.reserved() < 64 * MIB, "{} KiB", growth.reserved() >> 10);
    });
}

#[test]
fn a_server_that_calls_20_000_times_is_answered_each_time_once_and_its_made_up_answers_never() {
    alone(async {
        let growth = Growth::begin();
        let (client, mut wire) = connected().await;
        let mut answered = HashSet::new();
        for number in 0..CALLS {
            wire.send(&format!("[\"echo\",{number},\"{number}\"]")).await;
            wire.send(&format!("[\"~wse:response\",666,\"{number}\"]")).await;
            wire.send("[\"~wse:response-err\",null]").await;
            // It reads now and then, as the pipe has an end.
            if number % 500 == 499 {
                while answered.len() <= number {
                    let answer = wire.json().await;
                    assert_eq!(
                        (&answer[0], answer[1].to_string()),
                        (&json!("~wse:response"), answer[2].as_str().unwrap_or_default().to_owned())
                    );
                    assert!(answered.insert(answer[1].as_u64()), "{answer} twice");
                }
            }
        }
        wire.hears_nothing().await;
        assert!(growth.most() < 16 * MIB, "{} KiB", growth.most() >> 10);
        assert_eq!(client.status(), wse::Status::Ready);
    });
}

#[test]
fn of_20_000_calls_of_a_client_1024_are_in_flight_and_the_rest_is_busy_at_once() {
    alone(async {
        let growth = Growth::begin();
        let (client, mut wire) = connected().await;
        let busy = Arc::new(AtomicUsize::new(0));
        let calls = (0..CALLS).map(|number| {
            let (client, busy) = (client.clone(), busy.clone());
            async move {
                match client.call::<_, usize>("double", number).await {
                    Ok(double) => assert_eq!(double, 2 * number),
                    Err(CallError::Busy) => _ = busy.fetch_add(1, SeqCst),
                    Err(other) => panic!("{other:?}"),
                }
            }
        });
        let calling = tokio::spawn(join_all(calls));
        until("all but 1024 are busy", || busy.load(SeqCst) == CALLS - 1024).await;
        for _ in 0..1024 {
            let call = wire.json().await;
            let double = json!(2 * call[1].as_u64().expect("a number"));
            wire.respond(&call, double.clone()).await;
            wire.respond(&call, double).await; // the second is nobody's
        }
        calling.await.expect("no panic");
        wire.hears_nothing().await;
        assert!(growth.most() < 48 * MIB, "{} KiB", growth.most() >> 10);
    });
}

#[test]
fn a_server_that_pings_without_end_and_does_not_read_is_answered_a_few_times() {
    alone(async {
        let growth = Growth::begin();
        let (client, mut wire) = connected().await;
        let pings = [&[0x89, 125][..], &[7; 125]].concat().repeat(100);
        for _ in 0..500 {
            wire.write(&pings).await;
        }
        // Behind the pongs that were kept comes the answer to a call.
        wire.ask("echo", json!(1), "its-stamp").await;
        let mut pongs = 0;
        let answer = loop {
            match wire.next().await {
                Got::Pong(_) => pongs += 1,
                other => break other,
            }
        };
        assert!((1..1000).contains(&pongs), "{pongs}");
        assert_eq!(answer, Got::Text(r#"["~wse:response",1,"its-stamp"]"#.into()));
        wire.hears_nothing().await;
        assert!(growth.most() < 8 * MIB, "{} KiB", growth.most() >> 10);
        drop(client);
    });
}
