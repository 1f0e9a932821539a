//! `Step`: one part of a run with its outcome, and the loop that runs a list of them.
//! A failed step never stops the loop, and nothing is printed after the totals.

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
    pub(crate) run: fn(&Workspace) -> Result<Outcome, String>,
}

/// Runs the steps one after the other, prints a line for each and the totals last.
pub(crate) fn run_all(steps: &[Step], workspace: &Workspace) -> Tally {
    let mut total = Tally::default();
    let mut lines = Vec::new();
    for step in steps {
        screen::say(format!("\n=== {}: {}", step.name, step.about));
        let start = Instant::now();
        let (tally, result) = result_of((step.run)(workspace));
        let line = format!("{:9} {:6.1} s  {result}", step.name, start.elapsed().as_secs_f64());
        screen::say(format!("--- {line}"));
        total += tally;
        lines.push(line);
    }
    screen::say("\n=== totals");
    for line in lines {
        screen::say(line);
    }
    screen::say(total);
    total
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

    #[test]
    fn a_failed_step_does_not_stop_the_next() {
        let workspace = Workspace::default();
        let bad = Step { name: "bad", about: "fails", run: |_| Err("on purpose".into()) };
        let good = Step { name: "good", about: "passes", run: |_| Ok(Outcome::Ran(Tally::PASSED)) };
        assert_eq!(run_all(&[bad, good], &workspace), Tally { passed: 1, failed: 1, skipped: 0 });
    }
}
