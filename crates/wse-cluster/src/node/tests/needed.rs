//! Rules whose lack shows in a few of many thousand runs, each on what it is for.

use super::bus::{A, B, Bus, C, device, goodbye};
use crate::{Config, NodeId, Output, reports::reporter, rules::Rule};

/// A user whom the first of these nodes reports, and the second if the first is gone.
fn user_of(nodes: [NodeId; 3]) -> String {
    let mut users = (0..).map(|number| format!("user {number}"));
    let first = |cid: &String| reporter(nodes.into_iter(), cid) == Some(nodes[0]);
    let then = |cid: &String| reporter(nodes[1..].iter().copied(), cid) == Some(nodes[1]);
    users.find(|cid| first(cid) && then(cid)).expect("there is one")
}

fn settled(off: Option<Rule>) -> Bus {
    let mut bus = Bus::settled(&[A, B, C], &Config { limit: 2, ..Config::default() });
    bus.nodes.values_mut().for_each(|node| node.rules.off = off);
    bus
}

/// What was reported, in order: who has come is true.
fn reports(bus: &mut Bus) -> Vec<bool> {
    let reports = bus.outputs().into_iter().filter_map(|(_, output)| match output {
        Output::Joined(_) => Some(true),
        Output::Left(..) => Some(false),
        _ => None,
    });
    reports.collect()
}

/// The reporter ends right after a report, of which one node has not heard: that one reports next.
fn reporter_ends(off: Option<Rule>) -> Vec<bool> {
    let mut bus = settled(off);
    bus.cut.push(B);
    bus.with(C, |node, time| node.enter(time, device(C, 1, &user_of([A, B, C]))));
    bus.run(100);
    bus.nodes.remove(&A);
    bus.cut.clear();
    bus.run(30_000);
    reports(&mut bus)
}

#[test]
fn without_claims_a_user_is_reported_again_by_whoever_has_not_heard_of_it() {
    assert_eq!(reporter_ends(None), [true]);
    assert_eq!(reporter_ends(Some(Rule::Claims)), [true, true]);
}

/// The engine splits. In one half a user comes and stays, by a clock that is ahead; in the other one the same user comes
/// and leaves, later by time and earlier by the clocks.
fn halves(off: Option<Rule>) -> Vec<bool> {
    let mut bus = settled(off);
    bus.ahead.insert(A, 60_000);
    bus.half.push(A);
    bus.run(20_000);
    let ann = device(A, 1, "ann");
    bus.with(A, |node, time| node.enter(time, ann));
    bus.run(1_000);
    bus.with(B, |node, time| node.enter(time, device(B, 1, "ann")));
    bus.run(1_000);
    bus.with(B, |node, time| node.leave(time, device(B, 1, "ann").id, goodbye()));
    bus.run(1_000);
    bus.half.clear();
    bus.run(60_000);
    reports(&mut bus)
}

#[test]
fn without_a_last_word_the_last_report_of_two_halves_may_be_untrue_for_ever() {
    assert_eq!(halves(None), [true, true, false, true]);
    assert_eq!(halves(Some(Rule::LastWord)), [true, true, false]);
}
