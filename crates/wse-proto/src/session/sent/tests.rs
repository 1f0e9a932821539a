//! What is kept, what is dropped, and what is given up.

use super::{
    continued::{COUNT, Kept},
    *,
};

fn kept(sent: &Sent<&'static str>) -> Vec<&'static str> {
    let frame = |again| if let Again::Frame(_, frame, _) = again { Some(*frame) } else { None };
    sent.again().filter_map(frame).collect()
}

#[test]
fn acknowledged_frames_are_dropped_and_the_rest_kept_in_order() {
    let mut sent = Sent::new(1000, true);
    assert_eq!(["a", "b", "c"].map(|frame| sent.push(frame)), [Ok(1), Ok(2), Ok(3)]);
    assert!(sent.covers(0) && sent.covers(3) && !sent.covers(4));
    sent.acknowledge(2).unwrap();
    assert_eq!((kept(&sent), sent.unconfirmed(), sent.covers(1)), (vec!["c"], 1, false));
    sent.acknowledge(1).unwrap();
    assert_eq!(kept(&sent), ["c"]);
    assert!(sent.acknowledge(4).is_err());
    sent.acknowledge(3).unwrap();
    assert_eq!((sent.bytes(), sent.frames.capacity(), sent.covers(3)), (0, 0, true));
}

#[test]
fn after_a_frame_that_does_not_fit_nothing_is_resumed_until_it_is_acknowledged() {
    let mut sent = Sent::new(2 * Sent::weight(&"aaaa"), true);
    assert!(sent.has_room(4));
    let pushed = ["aaaa", "bbbb", "cccc", "d", "e"].map(|frame| sent.push(frame));
    assert_eq!(pushed, [Ok(1), Ok(2), Err(Full(3)), Ok(4), Ok(5)]);
    assert_eq!((kept(&sent), sent.is_whole(), sent.covers(3)), (vec!["d", "e"], false, false));
    sent.acknowledge(2).unwrap();
    assert_eq!((kept(&sent), sent.is_whole(), sent.unconfirmed()), (vec!["d", "e"], false, 3));
    sent.acknowledge(4).unwrap();
    assert_eq!((kept(&sent), sent.is_whole(), sent.covers(4)), (vec!["e"], true, true));
    assert!(sent.has_room(4) && !sent.has_room(8));
    sent.discard();
    assert_eq!((sent.bytes(), sent.covers(5), sent.unconfirmed()), (0, false, 1));
}

#[test]
fn a_frame_without_bytes_takes_room_too() {
    let mut sent = Sent::new(10_000, true);
    assert!((0..10_000).any(|_| sent.push("").is_err()));
}

fn latest(text: &str) -> FrameAge {
    FrameAge { latest: Some(text.into()), until: None, told: false }
}

fn again(sent: &Sent<&'static str>) -> String {
    let shown = sent.again().map(|again| match again {
        Again::Frame(number, frame, _) => format!("{number}{frame}"),
        Again::Skip(count) => format!("-{count}"),
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_newer_frame_takes_the_place_of_one_that_was_not_written() {
    let mut sent = Sent::new(10_000, false);
    sent.push("a").unwrap();
    assert_eq!(sent.push_aging("b", latest("pos")), Ok(Placed { number: 2, given_up: None }));
    sent.push("c").unwrap();
    assert_eq!(sent.push_aging("longer", latest("pos")), Ok(Placed { number: 2, given_up: None }));
    assert_eq!(sent.push_aging("d", latest("other")), Ok(Placed { number: 4, given_up: None }));
    assert_eq!(again(&sent), "1a 2longer 3c 4d");
    sent.acknowledge(4).unwrap();
    assert_eq!((sent.bytes(), sent.aging.is_none()), (0, true));
    assert_eq!(sent.push_aging("e", latest("pos")).map(|placed| placed.number), Ok(5));
}

#[test]
fn a_frame_that_was_written_is_given_up_for_a_newer_one_if_the_peer_can_be_told() {
    for (can_skip, given_up, left) in [(true, Some(1), "-1 2b"), (false, None, "1a 2b")] {
        let mut sent = Sent::new(10_000, can_skip);
        sent.push_aging("a", latest("pos")).unwrap();
        sent.wrote(1);
        assert_eq!(sent.push_aging("b", latest("pos")), Ok(Placed { number: 2, given_up }));
        assert_eq!(again(&sent), left);
    }
}

#[test]
fn over_another_connection_nothing_was_written_that_the_peer_has_not_seen() {
    let mut sent = Sent::new(10_000, true);
    for frame in ["a", "b"] {
        sent.push_aging(frame, latest(frame)).unwrap();
    }
    sent.wrote(2);
    sent.resume(1).unwrap();
    assert_eq!(sent.push_aging("c", latest("b")), Ok(Placed { number: 2, given_up: None }));
    assert_eq!(again(&sent), "2c");
}

#[test]
fn runs_of_places_that_were_given_up_become_one_and_are_acknowledged_in_parts() {
    let mut sent = Sent::new(10_000, true);
    for frame in ["a", "b", "c", "d", "e", "f", "g"] {
        sent.push(frame).unwrap();
    }
    assert!([2, 4, 6, 3].into_iter().all(|number| sent.give_up(number)));
    assert!([2, 3, 0, 8].into_iter().all(|number| !sent.give_up(number)), "twice, or not there");
    assert_eq!(again(&sent), "1a -3 5e -1 7g");
    assert!(sent.give_up(5));
    assert_eq!(again(&sent), "1a -5 7g");
    sent.acknowledge(3).unwrap();
    assert_eq!((again(&sent), sent.unconfirmed(), sent.covers(4)), ("-3 7g".into(), 4, true));
    sent.acknowledge(6).unwrap();
    assert_eq!((again(&sent), sent.bytes()), ("7g".into(), Sent::weight(&"g")));
}

#[test]
fn what_is_too_old_is_given_up_unless_it_was_written_or_the_peer_cannot_be_told() {
    let start = Instant::now();
    let later = |millis| start + std::time::Duration::from_millis(millis);
    for can_skip in [true, false] {
        let mut sent = Sent::new(10_000, can_skip);
        for (frame, until) in [("a", 10), ("b", 10), ("c", 20), ("d", 10)] {
            sent.push_aging(frame, FrameAge { latest: None, until: Some(later(until)), told: false }).unwrap();
        }
        sent.push("e").unwrap();
        sent.wrote(1);
        assert_eq!(sent.expire(later(9)), [0; 0]);
        let (over, left) = if can_skip { (vec![2, 4], "1a -1 3c -1 5e") } else { (vec![], "1a 2b 3c 4d 5e") };
        assert_eq!((sent.expire(later(10)), again(&sent)), (over, left.into()));
        let over = if can_skip { vec![3] } else { vec![] };
        assert_eq!(sent.expire(later(30)), over);
    }
}

#[test]
fn places_that_are_given_up_and_ages_take_room_too_and_an_overflow_forgets_them() {
    let mut sent = Sent::new(3_000, true);
    let mut count = 0;
    while sent.push_aging("", FrameAge { latest: Some(count.to_string().into()), until: None, told: false }).is_ok() {
        count += 1;
    }
    assert!((13..=15).contains(&count), "{count}");
    assert_eq!((sent.bytes(), sent.is_whole(), again(&sent)), (0, false, String::new()));
    assert_eq!(sent.push_aging("x", latest("3")), Ok(Placed { number: count + 2, given_up: None }));
    sent.acknowledge(count + 1).unwrap();
    assert_eq!((again(&sent), sent.is_whole()), (format!("{}x", count + 2), true));
}

#[test]
fn a_place_is_given_up_once_also_where_all_behind_it_were() {
    let mut sent = Sent::new(10_000, true);
    let until = Some(Instant::now());
    for _ in 0..3 {
        sent.push_aging(vec![0], FrameAge { until, ..FrameAge::default() }).unwrap();
    }
    assert_eq!(sent.expire(Instant::now()), [1, 2, 3]);
    assert_eq!([1, 2, 3, 4].map(|number| sent.give_up(number)), [false; 4]);
    assert_eq!(sent.again().collect::<Vec<_>>(), [Again::Skip(3)]);
}

#[test]
fn what_another_server_has_sent_is_sent_again_with_the_same_numbers() {
    let mut sent = Sent::new(10_000, true);
    for frame in ["a", "b", "c"] {
        sent.push(frame).unwrap();
    }
    sent.push_aging("d", latest("x")).unwrap();
    for frame in ["e", "f", "g"] {
        sent.push(frame).unwrap();
    }
    sent.acknowledge(1).unwrap();
    sent.give_up(3);
    sent.give_up(5);
    sent.give_up(6);
    let kept = sent.again().map(|again| match again {
        Again::Frame(_, frame, age) => Kept::Frame(*frame, age.cloned()),
        Again::Skip(places) => Kept::GivenUp(places),
    });
    let mut continued = Sent::continued(10_000, true, sent.acknowledged(), kept).unwrap();
    assert_eq!((again(&continued), again(&sent)), ("2b -1 4d -2 7g".to_owned(), again(&sent)));
    assert_eq!((continued.sent(), continued.acknowledged(), continued.bytes()), (7, 1, sent.bytes()));
    assert!(continued.covers(1) && continued.covers(7) && !continued.covers(8) && !continued.covers(0));
    assert_eq!(continued.push_aging("D", latest("x")).unwrap(), Placed { number: 4, given_up: None });
    continued.acknowledge(6).unwrap();
    assert_eq!((continued.push("h"), again(&continued)), (Ok(8), "7g 8h".to_owned()));
}

#[test]
fn what_another_server_claims_to_have_sent_has_the_same_bounds() {
    let fits = |limit, acknowledged, kept| Sent::<&str>::continued(limit, true, acknowledged, kept).is_ok();
    let frame = || Kept::Frame("a", None);
    assert!(fits(2 * Sent::weight(&"a"), 0, vec![frame(), frame()]));
    assert!(!fits(2 * Sent::weight(&"a"), 0, vec![frame(), frame(), frame()]));
    assert!(!fits(2 * Sent::weight(&"a"), 0, vec![Kept::Frame("a", Some(latest("0123456789")))]), "its age takes room");
    assert!(fits(1000, COUNT - 1, vec![frame()]) && !fits(1000, COUNT, vec![frame()]));
    assert!(fits(1000, 0, vec![Kept::GivenUp(COUNT)]) && !fits(1000, 1, vec![Kept::GivenUp(COUNT)]));
    assert!(!fits(1000, 1, vec![Kept::GivenUp(u64::MAX)]));
    assert!(fits(1000, 5, vec![Kept::GivenUp(0)]));
}
