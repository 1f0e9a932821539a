//! Holds the table of the names of npm wse's contract against the tests that it names.
//! A name has a test of ours on every side, or the reason why that side cannot have one; whether a test
//! holds its name is for people.
//!
//! A name stands at the start of a line, its sides stand indented below it: `server PATH: TEST`, with
//! several lines where several tests hold it together, or `server none: REASON`. A `note` is for readers.

use std::collections::BTreeSet;

use crate::house::tree::Tree;

/// Where the table is.
const TABLE: &str = "crates/wse/tests/contract/names.txt";
/// How many tests the contract has.
const NAMES: usize = 79;
/// The Rust server, the Rust client and the TypeScript client.
const SIDES: [&str; 3] = ["server", "client", "typescript"];

/// One name of the contract.
#[derive(Debug)]
struct Name<'a> {
    line: usize,
    name: &'a str,
    /// Line, side and what stands behind it.
    sides: Vec<(usize, &'a str, &'a str)>,
}

/// Names without a test or a reason, tests that are not there, and a wrong number of names.
pub(crate) fn breaches(tree: &Tree) -> Vec<String> {
    let Some(text) = tree.text(TABLE) else {
        return vec![format!("{TABLE} is missing: it lists the {NAMES} names of the contract")];
    };
    let (names, mut found) = read(text);
    if names.len() != NAMES {
        found.push(format!("{TABLE}: {} names, the contract has {NAMES}", names.len()));
    }
    let mut known = BTreeSet::new();
    for name in &names {
        if !known.insert(name.name) {
            found.push(format!("{TABLE}:{}: `{}` stands there twice", name.line, name.name));
        }
        SIDES.iter().for_each(|side| found.extend(incomplete(name, side)));
        found.extend(name.sides.iter().filter_map(|(line, _, what)| {
            let why = no_test(tree, what)?;
            Some(format!("{TABLE}:{line}: {why}"))
        }));
    }
    found
}

/// The names with their sides, and the lines that are neither.
fn read(text: &str) -> (Vec<Name<'_>>, Vec<String>) {
    let mut names: Vec<Name<'_>> = Vec::new();
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            names.push(Name { line: at, name: line.trim(), sides: Vec::new() });
            continue;
        }
        let (side, what) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        match names.last_mut() {
            Some(name) if SIDES.contains(&side) => name.sides.push((at, side, what.trim())),
            Some(_) if side == "note" => {}
            _ => found.push(format!("{TABLE}:{at}: `{side}` is no side of a name")),
        }
    }
    (names, found)
}

/// Why a side of a name does not count; `None` when it has tests, or a reason instead.
fn incomplete(Name { line, name, sides }: &Name<'_>, side: &str) -> Option<String> {
    let mine: Vec<&str> = sides.iter().filter(|(_, of, _)| of == &side).map(|(_, _, what)| *what).collect();
    let reasons = mine.iter().filter(|what| reason(what).is_some()).count();
    let why = match (mine.len(), reasons) {
        (0, _) => "neither a test nor a reason",
        (_, 0) | (1, 1) => return None,
        _ => "a reason beside a test or another reason",
    };
    Some(format!("{TABLE}:{line}: `{name}` has {why} for {side}"))
}

/// The reason why there is no test.
fn reason(what: &str) -> Option<&str> {
    what.strip_prefix("none:").map(str::trim)
}

/// What is wrong with what stands behind a side.
fn no_test(tree: &Tree, what: &str) -> Option<String> {
    if let Some(reason) = reason(what) {
        return reason.is_empty().then(|| "`none:` needs a reason".to_owned());
    }
    let Some((file, test)) = what.split_once(": ") else {
        return Some(format!("`{what}` is neither `PATH: TEST` nor `none: REASON`"));
    };
    let there = tree.text(file).is_some_and(|text| match file.ends_with(".rs") {
        true => is_rust_test(text, test),
        false => text.lines().any(|line| line.starts_with(&format!("test({test:?},"))),
    });
    (!there).then(|| format!("{file} has no test `{test}` that runs"))
}

/// Whether there is a function of this name that its attributes make a test which is not ignored.
fn is_rust_test(text: &str, test: &str) -> bool {
    let mut attributes: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[") {
            attributes.push(line);
        } else if function(line) == Some(test) {
            let has = |start: &str| attributes.iter().any(|line| line.starts_with(start));
            return (has("#[test]") || has("#[tokio::test")) && !has("#[ignore");
        } else if !line.starts_with("//") {
            attributes.clear();
        }
    }
    false
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let (name, _) = line.trim_start_matches("async ").strip_prefix("fn ")?.split_once('(')?;
    Some(name)
}

/// A table that passes in any tree.
#[cfg(test)]
pub(crate) fn planted() -> (&'static str, String) {
    let names = (1..=NAMES).map(|n| format!("name {n}\n  server none: a\n  client none: b\n  typescript none: c\n"));
    (TABLE, names.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUST: &str = "\
#[tokio::test(start_paused = true)]
async fn it_passes() {}

// no test
fn it_helps() {}

#[test]
#[ignore = \"slow\"]
fn it_sleeps() {}

proptest! {
    #[test]
    fn it_tries(bytes in any::<u8>()) {}
}
";
    const SCRIPT: &str = "test(\"it passes, \\\"too\\\"\", async () => {});\ntest.skip(\"it is skipped\", () => {});\n";

    /// The breaches where the sides of the first name are these.
    fn found(sides: &str) -> Vec<String> {
        let (file, table) = planted();
        let (_, rest) = table.split_once("typescript none: c\n").unwrap();
        let table = format!("# Names.\n\nname 1\n{sides}{rest}");
        breaches(&Tree::planted(&[(file, &table), ("a.rs", RUST), ("b.test.js", SCRIPT)]))
    }

    #[test]
    fn tests_and_reasons_are_taken_several_tests_and_notes_too() {
        let sides = "  server a.rs: it_passes\n  server     a.rs: it_tries\n  client none: there is no client\n  \
                     note it is slow\n  typescript b.test.js: it passes, \"too\"\n";
        assert_eq!(found(sides), Vec::<String>::new());
        let (file, table) = planted();
        assert_eq!(breaches(&Tree::planted(&[(file, &table)])), Vec::<String>::new());
    }

    #[test]
    fn a_name_with_neither_a_test_nor_a_reason_is_a_breach() {
        let sides = "  server none: a\n  typescript none: c\n";
        let wanted = "crates/wse/tests/contract/names.txt:3: `name 1` has neither a test nor a reason for client";
        assert_eq!(found(sides), [wanted]);
        let empty = found("  server none:\n  client none: b\n  typescript none: c\n");
        assert_eq!(empty, ["crates/wse/tests/contract/names.txt:4: `none:` needs a reason"]);
    }

    #[test]
    fn a_reason_beside_a_test_is_a_breach() {
        let both = found("  server a.rs: it_passes\n  server none: a\n  client none: b\n  typescript none: c\n");
        assert_eq!(both.len(), 1);
        assert!(both[0].contains("a reason beside a test"), "{both:?}");
    }

    #[test]
    fn a_test_that_does_not_exist_or_does_not_run_is_a_breach() {
        for server in [
            "a.rs: it_passes_not",
            "a.rs: it_helps",
            "a.rs: it_sleeps",
            "c.rs: it_passes",
            "b.test.js: it is skipped",
            "a.rs",
        ] {
            let found = found(&format!("  server {server}\n  client none: b\n  typescript none: c\n"));
            assert_eq!(found.len(), 1, "{server}: {found:?}");
            assert!(found[0].starts_with("crates/wse/tests/contract/names.txt:4: "), "{found:?}");
        }
    }

    #[test]
    fn a_number_of_names_that_is_not_the_contracts_is_a_breach() {
        let (file, table) = planted();
        let number = |table: &str| breaches(&Tree::planted(&[(file, table)]));
        let sides = "  server none: a\n  client none: b\n  typescript none: c\n";
        let more = number(&format!("{table}name 80\n{sides}"));
        assert_eq!(more, ["crates/wse/tests/contract/names.txt: 80 names, the contract has 79"]);
        let twice = number(&table.replace("name 79", "name 1"));
        assert_eq!(twice, ["crates/wse/tests/contract/names.txt:313: `name 1` stands there twice"]);
        let missing = breaches(&Tree::planted(&[]));
        assert_eq!(missing, ["crates/wse/tests/contract/names.txt is missing: it lists the 79 names of the contract"]);
        let unknown = number(&format!("{table}  swift none: d\n"));
        assert_eq!(unknown, ["crates/wse/tests/contract/names.txt:317: `swift` is no side of a name"]);
    }
}
