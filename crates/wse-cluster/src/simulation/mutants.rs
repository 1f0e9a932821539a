//! Each rule is needed: without it, runs go wrong that are right with it. Two rules whose lack shows in one of some
//! thousand runs only are tried on what they are for, in the node's own tests: claims and the last word.

use super::{all, mode::mode};
use crate::rules::Rule;

/// Reports too many or untrue, and runs that are wrong otherwise, in some seeds of a mode without a rule.
fn without(rule: Rule, name: &str, seeds: std::ops::Range<u64>) -> (u64, usize) {
    let (sum, wrong) = all(mode(name), seeds, Some(rule));
    let reports = sum.twice + sum.untrue;
    println!("{rule:?} in {name}: {reports} reports of {}, {} wrong: {:?}", sum.reports, wrong.len(), wrong.first());
    (reports, wrong.len())
}

#[test]
fn without_deafness_a_node_that_is_cut_off_reports_everybody_as_gone() {
    let (reports, _) = without(Rule::Freeze, "cuts", 0..10);
    assert!(reports > 20);
}

#[test]
fn without_merging_clocks_a_device_may_be_older_than_one_that_was_there() {
    let (_, wrong) = without(Rule::MergeClock, "loss", 0..10);
    assert!(wrong > 5);
}

#[test]
fn a_node_that_was_buried_and_has_nothing_to_say_stays_unknown_unless_it_is_told_everything_anew() {
    let (_, wrong) = without(Rule::Forgot, "pauses", 80..120);
    assert!(wrong > 0);
}

#[test]
fn without_quiet_after_a_change_two_nodes_report() {
    let (reports, _) = without(Rule::Handover, "pauses", 0..100);
    assert!(reports > 2);
}

#[test]
fn without_keeping_a_session_until_it_is_there_it_is_lost() {
    let (_, wrong) = without(Rule::KeepUntilGot, "takes", 0..20);
    assert!(wrong > 0);
}

#[test]
fn without_whole_snapshots_devices_seem_to_leave() {
    let (_, wrong) = without(Rule::WholeSnapshot, "cuts", 0..10);
    assert!(wrong > 3);
}
