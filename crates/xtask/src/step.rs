//! `Step`: one part of a run with its outcome, and the two lanes in which a list of them runs.
//! A failed step never stops a lane, and nothing is printed after the totals.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use crate::screen;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// How a step ended, when it did not fail as a whole.
pub(crate) enum Outcome {
    /// It ran; it has failed if its tally says so.
    Ran(Tally),
    /// It could not run here, and why. This is not a failure, but it is always shown.
    Skipped(String),
}

/// One part of a run. An error fails the step as one test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Whether it runs while others do, since it waits or has work for one core. It says everything on the thread
    /// that runs it, where its lines are held back until it has ended.
    pub(crate) beside: bool,
    pub(crate) run: fn(&Workspace) -> Result<Outcome, String>,
}

/// What a step has come to, and the line that tells it.
struct End {
    name: &'static str,
    tally: Tally,
    line: String,
}

/// Runs the steps, prints a line for each and the totals last.
pub(crate) fn run_all(steps: &[Step], workspace: &Workspace) -> Tally {
    let start = Instant::now();
    let mut ends = ends_of(steps, workspace);
    ends.sort_by_key(|end| steps.iter().position(|step| step.name == end.name));
    screen::say("\n=== totals");
    let mut total = Tally::default();
    for end in ends {
        screen::say(end.line);
        total += end.tally;
    }
    screen::say(format!("{:9} {:6.1} s", "in all", start.elapsed().as_secs_f64()));
    screen::say(total);
    total
}

/// Runs the steps in two lanes: those that run beside others one after the other, from the first of them in the
/// list on, and the rest as they stand there, shown as they run. Alone, a lane is always shown.
fn ends_of(steps: &[Step], workspace: &Workspace) -> Vec<End> {
    let first = steps.iter().position(|step| step.beside).unwrap_or(steps.len());
    let (before, rest) = steps.split_at(first);
    let mut ends: Vec<End> = before.iter().map(|step| end_of(step, workspace)).collect();
    let (beside, shown): (Vec<&Step>, Vec<&Step>) = rest.iter().partition(|step| step.beside);
    if beside.is_empty() || shown.is_empty() {
        ends.extend(rest.iter().map(|step| end_of(step, workspace)));
        return ends;
    }
    let names: Vec<&str> = beside.iter().map(|step| step.name).collect();
    screen::say(format!("\n=== meanwhile, each shown when it has ended: {}", names.join(" ")));
    thread::scope(|scope| {
        let (sender, held) = channel();
        scope.spawn(move || {
            beside.iter().for_each(|step| _ = sender.send(screen::held(|| end_of(step, workspace))));
        });
        let show = |(end, lines): (End, Vec<String>)| {
            lines.iter().for_each(screen::say);
            end
        };
        for step in shown {
            ends.push(end_of(step, workspace));
            ends.extend(held.try_iter().map(show));
        }
        ends.extend(held.iter().map(show));
    });
    ends
}

/// Runs a step between two lines that say which it is and how it ended.
fn end_of(step: &Step, workspace: &Workspace) -> End {
    screen::say(format!("\n=== {}: {}", step.name, step.about));
    let start = Instant::now();
    let (tally, result) = result_of((step.run)(workspace));
    let line = format!("{:9} {:6.1} s  {result}", step.name, start.elapsed().as_secs_f64());
    screen::say(format!("--- {line}"));
    End { name: step.name, tally, line }
}

/// What a finished step counts and how that reads.
fn result_of(outcome: Result<Outcome, String>) -> (Tally, String) {
    match outcome {
        Ok(Outcome::Ran(tally)) if tally.failed > 0 => (tally, format!("FAILED ({tally})")),
        Ok(Outcome::Ran(tally)) if tally == Tally::PASSED => (tally, "passed".into()),
        Ok(Outcome::Ran(tally)) => (tally, format!("passed ({tally})")),
        Ok(Outcome::Skipped(why)) => (Tally::SKIPPED, format!("skipped: {why}")),
        Err(why) => (Tally::FAILED, format!("FAILED: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn one_failed_test_fails_the_step() {
        let (tally, text) = result_of(Ok(Outcome::Ran(Tally { passed: 5, failed: 1, skipped: 0 })));
        assert_eq!(tally.failed, 1);
        assert_eq!(text, "FAILED (5 passed, 1 failed, 0 skipped)");
    }

    #[test]
    fn a_skipped_step_counts_once_and_says_why() {
        let (tally, text) = result_of(Ok(Outcome::Skipped("no Python 2.7".into())));
        assert_eq!((tally, text.as_str()), (Tally::SKIPPED, "skipped: no Python 2.7"));
    }

    #[test]
    fn an_error_counts_as_one_failure() {
        let (tally, text) = result_of(Err("exit status 101".into()));
        assert_eq!((tally, text.as_str()), (Tally::FAILED, "FAILED: exit status 101"));
    }

    fn step(name: &'static str, beside: bool, run: fn(&Workspace) -> Result<Outcome, String>) -> Step {
        Step { name, about: "for a test", beside, run }
    }

    #[test]
    fn a_failed_step_does_not_stop_the_next() {
        for beside in [false, true] {
            let bad = step("bad", beside, |_| Err("on purpose".into()));
            let good = step("good", beside, |_| Ok(Outcome::Ran(Tally::PASSED)));
            let all = [bad, good, step("other", false, |_| Ok(Outcome::Skipped("no tool".into())))];
            let total = run_all(&all, &Workspace::default());
            assert_eq!(total, Tally { passed: 1, failed: 1, skipped: 1 });
        }
    }

    #[test]
    fn what_runs_beside_others_is_shown_whole_and_when_it_has_ended() {
        static SEEN: Barrier = Barrier::new(2);
        let one = step("one", true, |_| {
            screen::say("one begins");
            SEEN.wait();
            Ok(Outcome::Ran(Tally::PASSED))
        });
        // Neither would end if one waited for the end of the other.
        let other = step("other", false, |_| {
            SEEN.wait();
            Ok(Outcome::Ran(Tally::PASSED))
        });
        let (total, lines) = screen::held(|| run_all(&[one, other], &Workspace::default()));
        assert_eq!(total, Tally { passed: 2, failed: 0, skipped: 0 });
        let at = |text: &str| lines.iter().position(|line| line.contains(text)).expect(text);
        let order = [at("meanwhile"), at("=== other"), at("--- other"), at("=== one"), at("one begins"), at("--- one")];
        assert!(order.is_sorted(), "{lines:?}");
    }

    #[test]
    fn steps_that_have_nothing_beside_them_are_shown_as_they_run() {
        let only = step("only", true, |_| Ok(Outcome::Ran(Tally::PASSED)));
        let lines = screen::held(|| run_all(&[only], &Workspace::default())).1;
        assert!(lines.iter().all(|line| !line.contains("meanwhile")), "{lines:?}");
    }
}
