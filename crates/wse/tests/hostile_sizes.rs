//! Sizes that no good peer sends: lengths that are announced and never come, fragments without end.

use serde_json::json;
use wse::Limits;
use wse_frame::Opcode;
use wse_test_peers::{
    Got, RawClient, attach_to, broke_protocol, enter,
    floods::{Growth, MIB, alone, any_frame, code_of, every_wire, flood, harmless, noting, peer, serving},
    frame, header, pack, text,
};

/// The first bytes of frames.
const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const TEXT_BEGINS: u8 = 0x01;
const GOES_ON: u8 = 0x00;
const ENDS: u8 = 0x80;

#[test]
fn a_length_of_up_to_2_63_bytes_is_refused_by_its_header_and_takes_no_memory() {
    alone(async {
        let (server, _) = noting(Limits::default());
        harmless(&server, 16 * MIB, async || {
            for (length, expected) in [
                (1 << 63, 1002), // the highest bit of a length is never set
                (u64::MAX, 1002),
                ((1 << 63) - 1, 1009),
                (1 << 40, 1009),
                (1 << 32, 1009),
                ((1 << 20) + 1, 1009),
            ] {
                for welcomed in [false, true] {
                    for first in [TEXT, BINARY, TEXT_BEGINS] {
                        let got = code_of(&mut peer(&server, welcomed).await, &header(first, length as usize)).await;
                        assert_eq!(got, expected, "{first:#x} of {length}, welcomed: {welcomed}");
                    }
                    // As the second fragment, behind a first that is good.
                    let bytes = [any_frame(TEXT_BEGINS, b"[\"m\""), header(ENDS, length as usize)].concat();
                    assert_eq!(code_of(&mut peer(&server, welcomed).await, &bytes).await, expected, "{length}");
                }
            }
        })
        .await;
    });
}

#[test]
fn a_mebibyte_that_is_announced_and_never_comes_takes_no_memory() {
    alone(async {
        let (server, _) = noting(Limits::default());
        let beginning = &frame(Opcode::Text, &[b' '; MIB])[..100];
        let growth = Growth::begin();
        harmless(&server, 16 * MIB, async || {
            let mut peers = Vec::new();
            for _ in 0..500 {
                let mut peer = enter(&server, "eve").await;
                peer.write(beginning).await;
                peers.push(peer);
            }
            assert!(server.user("eve").conn_count() >= peers.len());
            assert!(growth.reserved() < 100 * MIB, "{} KiB of 500 MiB", growth.reserved() >> 10);
        })
        .await;
    });
}

#[test]
fn messagepack_that_announces_more_than_there_is_is_refused_and_takes_no_memory() {
    alone(async {
        let limits = Limits { conns_per_user: 10_000, ..Limits::default() };
        let server = serving(|builder| builder.limits(limits).protocols(every_wire()));
        let heads: [&[u8]; 6] = [
            b"\xdd\xff\xff\xff\xff",     // an array
            b"\xdf\xff\xff\xff\xff",     // a map
            b"\xc6\xff\xff\xff\xff",     // bin
            b"\xdb\xff\xff\xff\xff",     // str
            b"\xc9\xff\xff\xff\xff\x01", // ext
            b"\xc1",                     // what is never used
        ];
        harmless(&server, 16 * MIB, async || {
            for head in heads {
                let payload = [b"\x92\xa1m", head].concat();
                for bytes in [head, &payload] {
                    let (mut stranger, _) = attach_to(&server, "wse-msgpack");
                    stranger.write(&frame(Opcode::Binary, bytes)).await;
                    assert!(broke_protocol(&stranger.closed().await), "{bytes:x?}");
                    let (mut known, _) = attach_to(&server, "wse-msgpack");
                    known.pack(json!(["~wse:hi", {"identity": "eve"}])).await;
                    assert_eq!(known.unpack().await[0], "~wse:welcome");
                    known.write(&frame(Opcode::Binary, bytes)).await;
                    assert_eq!(known.closed().await, (1000, "wse.protocol-error".into()), "{bytes:x?}");
                    // The other system answers what it cannot read, and stays.
                    let (mut other, _) = attach_to(&server, "ws-messaging");
                    other.write(&frame(Opcode::Binary, &pack(&json!("eve")))).await;
                    assert_eq!(other.unpack().await["name"], "connect");
                    other.write(&frame(Opcode::Binary, bytes)).await;
                    assert_eq!(other.unpack().await["name"], "preprocessingError", "{bytes:x?}");
                }
            }
        })
        .await;
    });
}

#[test]
fn fragments_without_end_are_refused_at_the_1025th_and_the_rest_is_not_heard() {
    alone(async {
        let (server, log) = noting(Limits::default());
        harmless(&server, 16 * MIB, async || {
            for piece in [&b""[..], b"x"] {
                for welcomed in [false, true] {
                    let RawClient { mut reader, mut writer } = peer(&server, welcomed).await;
                    let flooding = async {
                        writer.write(&any_frame(TEXT_BEGINS, b"[\"m\",\"")).await;
                        flood(&mut writer, &any_frame(GOES_ON, piece).repeat(1000), 1000).await;
                        writer.write(&any_frame(ENDS, b"\"]")).await;
                        writer.write(&text("[\"m\",\"after\"]")).await;
                    };
                    let (got, ()) = tokio::join!(reader.next(), flooding);
                    let Got::Close(Some((1009, why))) = got else { panic!("{got:?}") };
                    assert!(why.contains("fragments"), "{why}");
                }
            }
        })
        .await;
        assert_eq!(log.len(), 0);
    });
}

#[test]
fn a_million_fragments_that_are_allowed_are_one_message_of_its_own_size() {
    alone(async {
        let (server, log) = noting(Limits { fragments: usize::MAX, ..Limits::default() });
        harmless(&server, 24 * MIB, async || {
            let mut peer = enter(&server, "eve").await;
            peer.write(&any_frame(TEXT_BEGINS, b"[\"m\",\"")).await;
            for piece in [&b""[..], b"x"] {
                let pieces = any_frame(GOES_ON, piece).repeat(1000);
                flood(&mut peer.writer, &pieces, 500).await;
                // Control frames may stand between, and are no fragments.
                peer.write(&frame(Opcode::Ping, b"?")).await;
                assert_eq!(peer.next().await, Got::Pong(b"?".to_vec()));
            }
            peer.write(&any_frame(ENDS, b"\"]")).await;
            assert_eq!(peer.call("echo", json!(1)).await, json!(["~wse:response", 1]));
            assert_eq!(log.take(), [format!("\"{}\"", "x".repeat(500_000))]);
        })
        .await;
    });
}
