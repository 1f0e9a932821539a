//! Frames that no good peer sends: text that is none, bits and opcodes that mean nothing, close codes
//! that may not travel, garbage with more behind it.

use serde_json::Value;
use wse::{Conn, Limits};
use wse_frame::{Opcode, put_close};
use wse_test_peers::{
    Got, attach, enter,
    floods::{MIB, alone, any_frame, code_of, harmless, noting, peer, serving},
    frame, header, log, text,
};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The first bytes of frames.
const TEXT_BEGINS: u8 = 0x01;
const ENDS: u8 = 0x80;

/// The body of a close frame, masked.
fn close_frame(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(Opcode::Close, &[&code.to_be_bytes(), reason].concat())
}

#[test]
fn text_that_is_no_utf_8_is_refused_wherever_it_stands() {
    alone(async {
        let (server, log) = noting(Limits::default());
        let bad: [&[u8]; 8] =
            [b"\xff", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf5\x80", b"\xe2\x28", b"\xc3"];
        let mut floods = Vec::new();
        for bad in bad {
            for (before, after) in [("[\"", "\",1]"), ("[\"m\",\"", "\"]"), ("[\"m\",1,\"", "\"]"), ("", "[\"m\"]")] {
                let whole = [before.as_bytes(), bad, after.as_bytes()].concat();
                floods.push(frame(Opcode::Text, &whole));
                // The same, cut into fragments at every byte around the bad one.
                for cut in before.len()..=before.len() + bad.len() {
                    let (front, back) = whole.split_at(cut);
                    floods.push([any_frame(TEXT_BEGINS, front), any_frame(ENDS, back)].concat());
                }
            }
            floods.push(close_frame(1000, bad));
        }
        // A char that begins and never ends.
        floods.push([any_frame(TEXT_BEGINS, b"[\"m\",\"\xf0\x9f"), any_frame(ENDS, b"")].concat());
        harmless(&server, 16 * MIB, async || {
            for bytes in &floods {
                for welcomed in [false, true] {
                    assert_eq!(code_of(&mut peer(&server, welcomed).await, bytes).await, 1007, "{bytes:x?}");
                }
            }
        })
        .await;
        assert_eq!(log.len(), 0);
    });
}

/// What a first byte of a frame without payload is answered: a close code, or something else.
fn answer_to(first: u8) -> Option<u16> {
    let (fin, reserved, opcode) = (first & 0x80 != 0, first & 0x70, first & 0x0f);
    match opcode {
        _ if reserved != 0 => Some(1002),
        3..=7 | 11..=15 | 0 => Some(1002),
        8..=10 if !fin => Some(1002),
        1 | 2 if fin => Some(1000), // no envelope
        _ => None,
    }
}

#[test]
fn every_first_byte_of_a_frame_has_its_answer() {
    alone(async {
        let (server, _) = noting(Limits::default());
        harmless(&server, 16 * MIB, async || {
            for welcomed in [false, true] {
                for first in 0..=255 {
                    let mut masked = peer(&server, welcomed).await;
                    masked.write(&any_frame(first, b"")).await;
                    match answer_to(first) {
                        Some(expected) => {
                            let Got::Close(Some((code, _))) = masked.next().await else { panic!("{first:#x}") };
                            assert_eq!(code, expected, "{first:#x}");
                        }
                        None if first == 0x88 => assert_eq!(masked.next().await, Got::Close(None)),
                        // It is taken, or the beginning of something.
                        None => {
                            masked.write(&frame(Opcode::Ping, b"?")).await;
                            let pings =
                                if first == 0x89 { vec![b"".to_vec(), b"?".to_vec()] } else { vec![b"?".to_vec()] };
                            for ping in pings {
                                assert_eq!(masked.next().await, Got::Pong(ping), "{first:#x}");
                            }
                        }
                    }
                    let mut unmasked = peer(&server, welcomed).await;
                    assert_eq!(code_of(&mut unmasked, &[first, 0]).await, 1002, "{first:#x} without a mask");
                }
            }
        })
        .await;
    });
}

#[test]
fn a_close_code_that_may_not_travel_breaks_the_rules_and_a_good_one_is_echoed() {
    alone(async {
        let (server, _) = noting(Limits::default());
        harmless(&server, 16 * MIB, async || {
            for welcomed in [false, true] {
                for bad in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 40_000, 65_535] {
                    let mut peer = peer(&server, welcomed).await;
                    assert_eq!(code_of(&mut peer, &close_frame(bad, b"")).await, 1002, "{bad}");
                }
                for good in [1000, 1001, 1003, 1007, 1011, 1014, 3000, 4000, 4999] {
                    let mut peer = peer(&server, welcomed).await;
                    let mut bytes = Vec::new();
                    put_close(&mut bytes, Some(MASK), good, "bye");
                    assert_eq!(code_of(&mut peer, &bytes).await, good);
                }
                // Half a code, and a close frame that is too long.
                assert_eq!(code_of(&mut peer(&server, welcomed).await, &header(0x88, 1)).await, 1002);
                assert_eq!(code_of(&mut peer(&server, welcomed).await, &header(0x88, 126)).await, 1002);
            }
        })
        .await;
    });
}

#[test]
fn of_garbage_and_a_bad_frame_in_one_segment_the_first_decides_and_nothing_behind_is_heard() {
    alone(async {
        let (server, log) = noting(Limits::default());
        let (good, garbage, bad) = (text("[\"m\",\"before\"]"), text("{{{"), any_frame(0xf3, b"\xff\xff"));
        let after = text("[\"m\",\"after\"]");
        harmless(&server, 16 * MIB, async || {
            for _ in 0..100 {
                for (segment, expected) in [
                    ([&good[..], &garbage, &bad, &after].concat(), (1000, "wse.protocol-error")),
                    ([&good[..], &bad, &garbage, &after].concat(), (1002, "")),
                ] {
                    let mut peer = enter(&server, "eve").await;
                    peer.write(&segment).await;
                    let Got::Close(Some((code, reason))) = peer.next().await else { panic!("{expected:?}") };
                    assert_eq!(code, expected.0);
                    assert!(reason.contains(expected.1), "{reason}");
                    assert_eq!(log.take(), ["\"before\""]);
                    // Before the verdict not even what precedes it is handled.
                    assert_eq!(code_of(&mut attach(&server), &segment).await, 1000);
                    let hi = text("[\"~wse:hi\",{\"identity\":\"eve\"}]");
                    assert_eq!(code_of(&mut attach(&server), &[&hi, &segment[..]].concat()).await, expected.0);
                    assert_eq!(log.len(), 0, "what a stranger said before it broke the rules was handled");
                }
            }
        })
        .await;
    });
}

#[test]
fn a_handler_that_closes_over_bytes_already_read_hears_no_more_of_them() {
    alone(async {
        let log = log();
        let noted = log.clone();
        let server = serving(|builder| {
            builder
                .limits(Limits { conns_per_user: 10_000, ..Limits::default() })
                .on("go", async |conn: Conn, ()| {
                    conn.drop("gone");
                    Ok(())
                })
                .on("m", async move |_, what: Value| {
                    noted.add(what);
                    Ok(())
                })
        });
        let segment = [text("[\"go\"]"), text("[\"m\",\"after\"]").repeat(1000)].concat();
        harmless(&server, 16 * MIB, async || {
            for _ in 0..50 {
                let mut peer = enter(&server, "eve").await;
                peer.write(&segment).await;
                assert_eq!(peer.closed().await, (1000, "gone".into()));
            }
        })
        .await;
        assert_eq!(log.len(), 0);
    });
}
