//! Five nodes under every kind of bad luck: real bytes as datagrams, virtual time, an engine that follows its seed, and
//! the whole history checked. The same seed gives the same run.
//!
//! `WSE_MODE=cuts WSE_SEED=17` runs that seed alone and tells what happens; `WSE_SEEDS=2000` runs so many seeds of each
//! mode, from `WSE_FIRST` on.

mod book;
mod chance;
mod faults;
mod mode;
mod mutants;
mod run;
mod serve;
mod traffic;
mod world;

use crate::Time;
use book::Count;
use mode::{Mode, mode};

/// Seeds of each mode that every change has to bear.
const SEEDS: u64 = 300;

fn time_of(now: u64, skew: i64) -> Time {
    Time { ms: now, wall: (1_700_000_000_000 + now).saturating_add_signed(skew) }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}

/// Runs the seeds of a mode. Reports may be too many in one of so many runs; 0: in none.
fn bear(name: &str, reports: u64) {
    let mode = mode(name);
    if let Some(seed) = number("WSE_SEED") {
        if std::env::var("WSE_MODE").is_ok_and(|only| only == name) {
            let (count, wrong) = run::run(seed, mode, None, true);
            assert_eq!(wrong, Vec::<String>::new(), "{count:?}");
        }
        return;
    }
    let (seeds, first) = (number("WSE_SEEDS").unwrap_or(SEEDS), number("WSE_FIRST").unwrap_or(0));
    let (sum, wrong) = all(mode, first..first + seeds, None);
    println!("{name}: {sum:?}");
    for (seed, wrong) in &wrong {
        println!(
            "{wrong}; to see it: WSE_MODE={name} WSE_SEED={seed} cargo test -p wse-cluster --lib simulation -- --nocapture"
        );
    }
    assert!(wrong.is_empty(), "{name}: {} of {seeds} seeds are wrong, the first one is {}", wrong.len(), wrong[0].0);
    let most = if reports == 0 { 0 } else { seeds.div_ceil(reports) };
    assert!(sum.twice + sum.untrue <= most, "{name}: of {seeds} runs too many reports: {sum:?}");
    // A run that never comes to it proves nothing about it.
    let least = [sum.devices, sum.reports, sum.sent, sum.answered].into_iter().min();
    assert!(least >= Some(seeds * 10), "{name}: too little has happened: {sum:?}");
}

/// The sum of the runs, and the seeds that are wrong with what they found first.
fn all(mode: Mode, seeds: std::ops::Range<u64>, off: Option<crate::rules::Rule>) -> (Count, Vec<(u64, String)>) {
    let (mut sum, mut found) = (Count::default(), Vec::new());
    for seed in seeds {
        let (count, wrong) = run::run(seed, mode, off, false);
        sum.add(&count);
        if off.is_none() && count.twice + count.untrue > 0 && !mode.splits {
            println!("{}: reports of seed {seed}: {} twice, {} untrue", mode.name, count.twice, count.untrue);
        }
        found.extend(wrong.into_iter().next().map(|wrong| (seed, wrong)));
    }
    (sum, found)
}

#[test]
fn in_calm_everything_holds() {
    bear("calm", 0);
}

#[test]
fn lost_repeated_and_late_datagrams_and_wrong_clocks_change_nothing() {
    bear("loss", 0);
}

#[test]
fn nodes_may_be_killed_with_and_without_a_goodbye() {
    bear("kills", 0);
}

#[test]
fn nodes_may_be_stopped_and_go_on() {
    bear("pauses", 0);
}

#[test]
fn nodes_may_be_cut_off_knowing_it_or_not_and_the_engine_may_be_down() {
    bear("cuts", 100);
}

#[test]
fn sessions_may_move_meanwhile() {
    bear("takes", 100);
}

#[test]
fn all_of_it_may_happen_at_once() {
    bear("all1", 100);
}

#[test]
fn the_engine_may_split_and_only_reports_are_too_many() {
    bear("splits", 1);
}

#[test]
fn all_of_it_may_happen_and_the_engine_split() {
    bear("all", 1);
}

#[test]
fn a_seed_gives_one_run() {
    for seed in 0..3 {
        assert_eq!(run::run(seed, mode("all"), None, false), run::run(seed, mode("all"), None, false));
    }
    assert_ne!(run::run(0, mode("all"), None, false), run::run(1, mode("all"), None, false));
}
