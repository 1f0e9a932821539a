//! Tests of the seal.

use super::*;

/// The locks are shuttle's here, so each test runs within it.
fn within_shuttle(test: impl Fn() + Send + Sync + 'static) {
    shuttle::check_random(test, 1);
}

fn key(byte: u8) -> ClusterKey {
    [byte; 32].into()
}

fn seal(node: u64, keys: &[u8]) -> Seal {
    let keys: Vec<ClusterKey> = keys.iter().map(|byte| key(*byte)).collect();
    Seal::new(NodeId::new(node), &keys).unwrap()
}

#[test]
fn what_is_sealed_is_hidden_and_opens_at_another_node() {
    within_shuttle(|| {
        let (one, other) = (seal(1, &[7]), seal(2, &[7]));
        for text in ["", "hello", &"long ".repeat(13_000)] {
            let sealed = one.seal(text.as_bytes(), 1_000_000);
            assert_eq!(sealed.len(), HEAD + text.len() + MAX_TAG_LEN);
            assert!(text.is_empty() || !sealed.windows(5).any(|part| part == &text.as_bytes()[..5]));
            assert_eq!(other.open(&sealed, 1_000_030).unwrap(), text.as_bytes());
        }
    });
}

#[test]
fn every_flipped_bit_and_every_missing_byte_is_refused() {
    within_shuttle(|| {
        let (one, other) = (seal(1, &[7]), seal(2, &[7]));
        let sealed = one.seal(b"hello", 1_000_000);
        for length in 0..sealed.len() {
            assert!(other.open(&sealed[..length], 1_000_000).is_err(), "{length} bytes");
        }
        for place in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.to_vec();
                changed[place] ^= 1 << bit;
                assert!(other.open(&changed, 1_000_000).is_err(), "byte {place}, bit {bit}");
            }
        }
        assert_eq!(other.seen.lock().unwrap().len(), 0, "nothing is remembered of it");
        assert_eq!(other.open(&sealed, 1_000_000).unwrap(), &b"hello"[..], "and nothing spent");
    });
}

#[test]
fn another_key_and_no_seal_are_refused() {
    within_shuttle(|| {
        let (one, other) = (seal(1, &[7]), seal(2, &[8]));
        assert_eq!(other.open(&one.seal(b"hello", 9), 9), Err(Unopened::WrongKey));
        assert_eq!(other.open(&[1; 80], 9), Err(Unopened::Unsealed));
        // The id of a key is no secret: who has it and not the key is refused all the same.
        let mut forged = one.seal(b"hello", 9).to_vec();
        forged[1..5].copy_from_slice(&other.keys[0].id.to_be_bytes());
        assert_eq!(other.open(&forged, 9), Err(Unopened::WrongKey));
    });
}

#[test]
fn a_key_is_replaced_while_the_cluster_runs() {
    within_shuttle(|| {
        // All nodes learn the new key, then all seal with it, then all forget the old one.
        let (old, both, turned, new) = (seal(1, &[7]), seal(2, &[7, 8]), seal(3, &[8, 7]), seal(4, &[8]));
        assert!(both.open(&old.seal(b"a", 9), 9).is_ok());
        assert!(old.open(&both.seal(b"b", 9), 9).is_ok());
        assert!(both.open(&turned.seal(b"c", 9), 9).is_ok());
        assert!(turned.open(&both.seal(b"d", 9), 9).is_ok());
        assert!(new.open(&turned.seal(b"e", 9), 9).is_ok());
        assert_eq!(new.open(&both.seal(b"f", 9), 9), Err(Unopened::WrongKey));
    });
}

#[test]
fn a_datagram_is_taken_once_and_for_a_minute() {
    within_shuttle(|| {
        let (one, other) = (seal(1, &[7]), seal(2, &[7]));
        let (first, second) = (one.seal(b"1", 1_000), one.seal(b"2", 1_000));
        assert_eq!(other.open(&first, 1_061), Err(Unopened::Stale));
        assert_eq!(other.open(&first, 939), Err(Unopened::Stale), "a clock that is behind");
        assert!(other.open(&second, 1_060).is_ok());
        assert!(other.open(&first, 940).is_ok(), "out of order");
        assert_eq!(other.open(&first, 1_000), Err(Unopened::Replayed));
        assert_eq!(other.open(&second, 1_000), Err(Unopened::Replayed));
    });
}

#[test]
fn a_late_datagram_is_taken_within_a_thousand_and_never_twice() {
    within_shuttle(|| {
        let mut counts = Counts { highest: 0, bits: [0; WINDOW] };
        assert!(counts.note(1));
        assert!(counts.note(5_000));
        assert!(!counts.note(1), "nobody knows any more");
        assert!(!counts.note(5_000 - 1_024));
        assert!(counts.note(5_000 - 1_023));
        assert!(!counts.note(5_000 - 1_023));
        assert!(counts.note(6_023), "whose place has been another's");
        assert!((5_001..6_023).all(|count| counts.note(count)));
        assert!(!(5_000..6_024).any(|count| counts.note(count)));
    });
}

#[test]
fn so_many_nodes_are_remembered_and_no_more() {
    within_shuttle(|| {
        let other = seal(0, &[7]);
        for node in 1..=NODES as u64 {
            assert!(other.open(&seal(node, &[7]).seal(b"a", 1_000), 1_000).is_ok());
        }
        let late = seal(9_999, &[7]);
        assert_eq!(other.open(&late.seal(b"a", 1_000), 1_000), Err(Unopened::TooMany));
        assert!(other.open(&late.seal(b"a", 1_121), 1_121).is_ok(), "those are silent for two minutes");
        assert_eq!(other.seen.lock().unwrap().len(), 1);
    });
}

#[test]
fn a_key_is_not_shown() {
    assert_eq!(format!("{:?}", key(7)), "ClusterKey(..)");
}
