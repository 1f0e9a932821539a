//! `Tally`: how many tests passed, failed and were skipped, read from `cargo test`, Node or Jest.
//! Its text is the last line of a run, which other programs parse.

use std::fmt;
use std::ops::AddAssign;

/// Counts of single tests. A step that is no test counts as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    pub(crate) const PASSED: Tally = Tally { passed: 1, failed: 0, skipped: 0 };
    pub(crate) const FAILED: Tally = Tally { passed: 0, failed: 1, skipped: 0 };
    pub(crate) const SKIPPED: Tally = Tally { passed: 0, failed: 0, skipped: 1 };

    /// Reads libtest's `test result:` line; `None` for every other line.
    pub(crate) fn of_line(line: &str) -> Option<Tally> {
        let rest = line.strip_prefix("test result: ")?;
        let words: Vec<&str> = rest.split([' ', ';']).filter(|word| !word.is_empty()).collect();
        let count = |name: &str| words.windows(2).find(|pair| pair[1] == name).and_then(|pair| pair[0].parse().ok());
        Some(Tally { passed: count("passed")?, failed: count("failed")?, skipped: count("ignored")? })
    }

    /// Reads the line of Jest that counts its tests; `None` for every other line.
    pub(crate) fn of_jest_line(line: &str) -> Option<Tally> {
        let mut tally = Tally::default();
        for part in line.strip_prefix("Tests: ")?.split(',') {
            let (count, name) = part.trim().split_once(' ')?;
            let count: usize = count.parse().ok()?;
            match name {
                "passed" => tally.passed += count,
                "failed" => tally.failed += count,
                "skipped" | "todo" => tally.skipped += count,
                _ => {}
            }
        }
        Some(tally)
    }

    /// Reads one line of the totals of Node's test runner; `None` for every other line.
    pub(crate) fn of_node_line(line: &str) -> Option<Tally> {
        let (name, count) = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# "))?.split_once(' ')?;
        let count = count.parse().ok()?;
        Some(match name {
            "pass" => Tally { passed: count, ..Tally::default() },
            "fail" | "cancelled" => Tally { failed: count, ..Tally::default() },
            "skipped" | "todo" => Tally { skipped: count, ..Tally::default() },
            _ => return None,
        })
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_line_is_read_whole() {
        let line = "test result: FAILED. 12 passed; 3 failed; 4 ignored; 0 measured; 5 filtered out; finished in 0.01s";
        assert_eq!(Tally::of_line(line), Some(Tally { passed: 12, failed: 3, skipped: 4 }));
    }

    #[test]
    fn a_coloured_verdict_does_not_hide_the_counts() {
        let line = "test result: \u{1b}[32mok\u{1b}[0m. 7 passed; 0 failed; 1 ignored; 0 measured";
        assert_eq!(Tally::of_line(line), Some(Tally { passed: 7, failed: 0, skipped: 1 }));
    }

    #[test]
    fn the_totals_of_node_are_read_line_by_line() {
        let mut tally = Tally::default();
        for line in ["ℹ tests 11", "ℹ suites 1", "ℹ pass 5", "ℹ fail 3", "ℹ cancelled 1", "ℹ skipped 2", "# todo 0"]
        {
            tally += Tally::of_node_line(line).unwrap_or_default();
        }
        assert_eq!(tally, Tally { passed: 5, failed: 4, skipped: 2 });
        for line in ["✔ pass 5", "  ℹ pass 5", "ℹ pass", "# pass five", "# duration_ms 12.5", ""] {
            assert_eq!(Tally::of_node_line(line), None, "{line}");
        }
    }

    #[test]
    fn the_totals_of_jest_are_read_whole() {
        let line = "Tests:       1 failed, 2 skipped, 1 todo, 12 passed, 16 total";
        assert_eq!(Tally::of_jest_line(line), Some(Tally { passed: 12, failed: 1, skipped: 3 }));
        for line in ["Test Suites: 1 failed, 1 total", "Tests:", "Tests: many passed", " Tests: 1 passed", ""] {
            assert_eq!(Tally::of_jest_line(line), None, "{line}");
        }
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in ["test tests::one ... ok", "  test result: ok. 1 passed", "test result: who knows", ""] {
            assert_eq!(Tally::of_line(line), None, "{line}");
        }
    }

    #[test]
    fn the_totals_have_the_fixed_form() {
        let mut tally = Tally::PASSED;
        tally += Tally { passed: 2, failed: 1, skipped: 3 };
        assert_eq!(tally.to_string(), "3 passed, 1 failed, 3 skipped");
    }
}
