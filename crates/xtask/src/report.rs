//! Reads the report Autobahn writes, `index.json`: for each agent its cases with their verdicts.
//! A case that the report does not hold does not count as passed.

use serde_json::Value;

use crate::tally::Tally;

/// Verdicts that are no failure. NON-STRICT: correct, but later than it could be.
const GOOD: [&str; 3] = ["OK", "NON-STRICT", "INFORMATIONAL"];

/// Counts the cases and names those that failed; cases missing from `expected` have failed too.
pub(crate) fn read(json: &str, expected: usize) -> Result<(Tally, Vec<String>), String> {
    let value: Value = serde_json::from_str(json).map_err(|e| format!("unreadable report: {e}"))?;
    let agents = value.as_object().ok_or("the report is no object")?;
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for (agent, cases) in agents {
        let cases = cases.as_object().ok_or(format!("the report about {agent} is no object"))?;
        for (case, result) in cases {
            let verdict = |name: &str| result[name].as_str().unwrap_or("missing").to_owned();
            let (behavior, close) = (verdict("behavior"), verdict("behaviorClose"));
            if GOOD.contains(&behavior.as_str()) && GOOD.contains(&close.as_str()) {
                tally += Tally::PASSED;
            } else {
                tally += Tally::FAILED;
                failures.push(format!("case {case}: behavior {behavior}, behaviorClose {close}"));
            }
        }
    }
    let missing = expected.saturating_sub(tally.passed + tally.failed);
    if missing > 0 {
        tally.failed += missing;
        failures.push(format!("{missing} of {expected} cases are missing from the report"));
    }
    Ok((tally, failures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_verdicts_pass_and_others_fail_by_name() {
        let json = r#"{"wse-frame":{
            "1.1.1":{"behavior":"OK","behaviorClose":"OK"},
            "6.4.1":{"behavior":"NON-STRICT","behaviorClose":"OK"},
            "7.1.6":{"behavior":"INFORMATIONAL","behaviorClose":"INFORMATIONAL"},
            "7.9.1":{"behavior":"OK","behaviorClose":"WRONG CODE"},
            "9.1.1":{"behavior":"FAILED","behaviorClose":"OK"}}}"#;
        let (tally, failures) = read(json, 5).unwrap();
        assert_eq!(tally, Tally { passed: 3, failed: 2, skipped: 0 });
        assert_eq!(failures[0], "case 7.9.1: behavior OK, behaviorClose WRONG CODE");
        assert!(failures[1].starts_with("case 9.1.1: behavior FAILED"));
    }

    #[test]
    fn a_case_that_never_ran_has_failed() {
        let json = r#"{"a":{"1.1.1":{"behavior":"OK","behaviorClose":"OK"}}}"#;
        let (tally, failures) = read(json, 3).unwrap();
        assert_eq!(tally, Tally { passed: 1, failed: 2, skipped: 0 });
        assert_eq!(failures, ["2 of 3 cases are missing from the report"]);
        assert_eq!(read("{}", 2).unwrap().0.failed, 2);
    }

    #[test]
    fn a_verdict_that_is_missing_is_a_failure() {
        let (tally, _) = read(r#"{"a":{"1.1.1":{"behavior":"OK"}}}"#, 1).unwrap();
        assert_eq!(tally, Tally::FAILED);
    }

    #[test]
    fn half_a_report_is_an_error() {
        assert!(read(r#"{"a":{"1.1.1""#, 1).is_err());
    }
}
