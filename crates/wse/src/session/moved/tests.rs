//! A session as bytes: what is read is what was written, and nothing else is read as one.

use super::*;

const S: Duration = Duration::from_secs(1);

fn frame(text: &str) -> Bytes {
    let mut frame = vec![0x81, text.len() as u8];
    frame.extend_from_slice(text.as_bytes());
    frame.into()
}

fn session(now: Instant) -> Moved {
    let json = |text| Payload::json(text).unwrap();
    let hello = Hello { identity: json("\"secret\""), meta: json("{}") };
    let age = FrameAge { latest: Some("spot".into()), until: Some(now + 9 * S), told: true };
    let call = Envelope { name: "add".into(), payload: json("[1,2]"), stamp: Some("ABC".into()) };
    let message = Envelope { name: "say".into(), payload: json("null"), stamp: None };
    Moved {
        device: MovedDevice {
            id: DeviceId::new(NodeId::new(u64::MAX), 7),
            cid: "ann".into(),
            protocol: "wse-default-json".into(),
            format: Format::Json,
            binary: false,
            hello: KeptHello::from(&hello),
            remote_addr: Some(IpAddr::from([127, 0, 0, 1])),
            term: Some((2 * S, 5 * S)),
            rooms: vec!["tea".into(), "milk".into()],
        },
        talk: Talk {
            features: Features::ALL,
            taken: 300,
            known: 200,
            acknowledged: 100,
            kept: vec![
                Kept::Frame(frame("one"), None),
                Kept::GivenUp(3),
                Kept::Frame(frame("two"), Some(age)),
                Kept::Frame(frame(""), Some(FrameAge::default())),
            ],
            tokens: TokenParts { current: Some([9; 16]), before: vec![([1; 16], S), ([2; 16], Duration::ZERO)] },
            inbox: vec![(call, Some(3 * S)), (message, None)],
        },
        at_work: vec![("S3".into(), NodeId::new(3))],
        origins: vec![NodeId::new(4)],
    }
}

fn read(bytes: &[u8], now: Instant) -> Option<Moved> {
    Moved::read(Bytes::copy_from_slice(bytes), &Limits::default(), now)
}

#[test]
fn what_is_read_is_what_was_written() {
    let now = Instant::now();
    for addr in [None, Some(IpAddr::from([127, 0, 0, 1])), Some(IpAddr::from([7; 16]))] {
        let mut written = session(now);
        written.device.remote_addr = addr;
        let bytes = written.write(now);
        let moved = read(&bytes, now).unwrap();
        assert_eq!(
            (moved.device.id, &moved.device.cid, moved.device.term),
            (written.device.id, &"ann".into(), Some((2 * S, 5 * S)))
        );
        assert_eq!((&moved.device.rooms, moved.device.remote_addr), (&written.device.rooms, addr));
        assert_eq!(moved.device.hello.identity().as_bytes(), b"\"secret\"");
        assert_eq!((moved.talk.taken, moved.talk.known, moved.talk.acknowledged), (300, 200, 100));
        assert_eq!((&moved.talk.kept, &moved.talk.tokens), (&written.talk.kept, &written.talk.tokens));
        assert_eq!((&moved.talk.inbox, moved.talk.features), (&written.talk.inbox, Features::ALL));
        assert_eq!((&moved.at_work, &moved.origins), (&written.at_work, &written.origins));
        assert_eq!(moved.write(now), bytes);
        assert!(!format!("{moved:?}").contains("secret"));
    }
}

#[test]
fn times_go_on_while_a_session_travels() {
    let now = Instant::now();
    let bytes = session(now).write(now + S);
    let moved = read(&bytes, now + S).unwrap();
    let until = moved.talk.kept.iter().find_map(|kept| match kept {
        Kept::Frame(_, Some(FrameAge { until, .. })) => *until,
        _ => None,
    });
    assert_eq!(until, Some(now + 9 * S));
    let over = read(&session(now).write(now + 99 * S), now + 99 * S).unwrap();
    assert!(over.talk.kept.iter().any(|kept| matches!(kept, Kept::Frame(_, Some(age)) if age.is_over(now + 99 * S))));
}

#[test]
fn bytes_that_were_cut_short_or_have_more_behind_them_are_no_session() {
    let now = Instant::now();
    let bytes = session(now).write(now);
    for end in 0..bytes.len() {
        assert!(read(&bytes[..end], now).is_none(), "{end} of {}", bytes.len());
    }
    assert!(read(&[&bytes[..], &[0]].concat(), now).is_none());
}

#[test]
fn whatever_byte_is_changed_into_whatever_other_nothing_panics_and_what_is_read_is_within_its_bounds() {
    let now = Instant::now();
    let bytes = session(now).write(now);
    for place in 0..bytes.len() {
        for change in 1..=255u8 {
            let mut changed = bytes.to_vec();
            changed[place] ^= change;
            let Some(moved) = read(&changed, now) else { continue };
            assert!(!moved.device.cid.is_empty());
            for kept in &moved.talk.kept {
                assert!(
                    !matches!(kept, Kept::Frame(frame, _) if whole_message(frame) != Some(Opcode::Text)),
                    "{place}"
                );
            }
        }
    }
}

#[test]
fn what_a_foreign_server_may_not_say_is_refused() {
    let now = Instant::now();
    let refused = |change: &dyn Fn(&mut Moved)| {
        let mut moved = session(now);
        change(&mut moved);
        read(&moved.write(now), now).is_none()
    };
    assert!(!refused(&|_| {}));
    assert!(refused(&|moved| moved.device.cid = "".into()), "the empty cid");
    assert!(refused(&|moved| moved.device.cid = "a".repeat(TEXT + 1).into()));
    assert!(refused(&|moved| moved.device.rooms = vec!["tea".into(); 129]));
    assert!(refused(&|moved| moved.device.rooms = vec!["".into()]));
    assert!(refused(&|moved| moved.device.binary = true), "frames of another kind");
    let frames: [&'static [u8]; 5] = [b"", b"\x81\x05hell", b"\x89\x00", b"\x88\x02\x03\xe8", b"\x81\x01a\x88\x00"];
    for frame in frames {
        assert!(refused(&|moved| moved.talk.kept = vec![Kept::Frame(Bytes::from_static(frame), None)]), "{frame:x?}");
    }
    assert!(refused(&|moved| moved.talk.kept = vec![Kept::GivenUp(0)]));
    assert!(refused(&|moved| moved.talk.tokens.before = vec![([0; 16], S); TokenParts::BEFORE + 1]));
    assert!(refused(&|moved| moved.origins = vec![NodeId::new(0); NODES + 1]));
}

#[test]
fn the_nodes_that_have_a_part_of_a_session_are_few_and_the_last_ones() {
    let mut moved = session(Instant::now());
    (0..40).for_each(|node| moved.add_origin(NodeId::new(node)));
    assert_eq!((moved.origins.len(), moved.origins.last()), (NODES, Some(&NodeId::new(39))));
    moved.add_origin(NodeId::new(30));
    assert_eq!((moved.origins.len(), moved.origins.last()), (NODES, Some(&NodeId::new(30))));
}
