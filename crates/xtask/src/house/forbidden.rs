//! Holds every import of the tree against the table of the rooms.

use crate::house::imports::{Arrow, Target};
use crate::house::rooms::Rule;
use crate::house::tokens::tokens;
use crate::house::tree::{Tree, is_below};

/// Every import that a rule forbids, and every rule that speaks about something that is not there.
pub(crate) fn breaches(tree: &Tree, arrows: &[Arrow], rules: &[Rule]) -> Vec<String> {
    let mut found = Vec::new();
    for rule in rules {
        if !tree.holds(rule.room) {
            found.push(format!("the rule about {} speaks about a folder that is not there", rule.room));
            continue;
        }
        for forbidden in rule.never.iter().filter(|forbidden| !exists(tree, forbidden)) {
            found.push(format!("the rule about {} speaks about {forbidden}, which is not there", rule.room));
        }
        for arrow in arrows.iter().filter(|arrow| is_below(&arrow.file, rule.room)) {
            if !rule.except.iter().any(|except| excepted(arrow, except))
                && let Some(forbidden) = rule.never.iter().find(|forbidden| is_of(&arrow.target, forbidden))
            {
                let Arrow { file, line, target, .. } = arrow;
                let what = match target {
                    Target::Own { file, name } => format!("`{name}` of {file}"),
                    Target::Other(path) => format!("`{path}`"),
                };
                found.push(format!(
                    "{file}:{line}: imports {what}; {} may never import {forbidden}: {}",
                    rule.room, rule.why
                ));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Whether an exception is about this file, or about what is imported of another crate.
fn excepted(arrow: &Arrow, except: &str) -> bool {
    if except.contains('/') { is_below(&arrow.file, except) } else { is_of(&arrow.target, except) }
}

/// Whether something imported is what a rule speaks about.
fn is_of(target: &Target, spoken_of: &str) -> bool {
    match (target, spoken_of.split_once('#')) {
        (Target::Own { file, name }, Some((owner, thing))) => file == owner && name == thing,
        (Target::Own { file, .. }, None) => is_below(file, spoken_of),
        (Target::Other(path), _) => {
            path.strip_prefix(spoken_of).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        }
    }
}

/// Whether a place of the tree is there; nothing is known about other crates.
fn exists(tree: &Tree, place: &str) -> bool {
    match place.split_once('#') {
        Some((file, name)) => tree.text(file).is_some_and(|text| {
            tokens(text).windows(2).any(|pair| {
                matches!(pair[0].word(), Some("struct" | "enum" | "trait" | "type" | "fn" | "const"))
                    && pair[1].word() == Some(name)
            })
        }),
        None => !place.contains('/') || tree.holds(place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::house::imports::arrows;
    use crate::house::rooms::RULES;

    const NO_CLOCK: Rule = Rule {
        room: "crates/a/src/low",
        never: &["crates/a/src/high", "tokio", "std::time::Instant::now"],
        except: &["tokio::sync"],
        why: "low stands below high",
    };

    fn found(low: &str, rule: Rule) -> Vec<String> {
        let tree = Tree::planted(&[
            ("crates/a/src/lib.rs", "mod low;\nmod high;\nmod face { pub use crate::high::High; }\n"),
            ("crates/a/src/low/mod.rs", low),
            ("crates/a/src/high.rs", "pub struct High;\n"),
        ]);
        breaches(&tree, &arrows(&tree), &[rule])
    }

    #[test]
    fn a_forbidden_import_is_found_with_its_line_and_the_reason() {
        let wanted = "crates/a/src/low/mod.rs:2: imports `High` of crates/a/src/high.rs; \
            crates/a/src/low may never import crates/a/src/high: low stands below high";
        for import in ["use crate::high::High;", "use super::{face::High as H};", "type H = crate::face::High;"] {
            assert_eq!(found(&format!("\n{import}\n"), NO_CLOCK), [wanted], "{import}");
        }
    }

    #[test]
    fn a_path_of_another_crate_is_found_however_it_is_written() {
        for import in [
            "use tokio::net::TcpStream;",
            "use tokio as t;\nfn f() { t::spawn(x) }",
            "fn f() { tokio::spawn(x) }",
            "use std::time::Instant;\nfn f() { Instant::now() }",
            "use std::time::{self, Duration};\nfn f() { time::Instant::now() }",
        ] {
            assert!(!found(import, NO_CLOCK).is_empty(), "{import}");
        }
        for import in [
            "use tokio::sync::Notify;",
            "use tokio_rustls::rustls;",
            "use std::time::Instant;\nfn f(now: Instant) {}",
            "// use tokio::net;\nconst T: &str = \"tokio::net\";",
            "#[cfg(test)]\nmod tests { use tokio::net::TcpStream; use super::super::high::High; }",
        ] {
            assert_eq!(found(import, NO_CLOCK), Vec::<String>::new(), "{import}");
        }
    }

    #[test]
    fn one_thing_of_a_file_can_be_kept_for_one_room() {
        let kept = || Rule { never: &["crates/a/src/high.rs#High"], ..NO_CLOCK };
        assert_eq!(found("use crate::high::High;", kept()).len(), 1);
        assert!(found("use crate::high::Other;", kept()).is_empty());
        let excepted = Rule { except: &["crates/a/src/low/mod.rs"], ..kept() };
        assert!(found("use crate::high::High;", excepted).is_empty());
    }

    #[test]
    fn a_rule_about_something_that_is_not_there_is_a_breach() {
        let room = Rule { room: "crates/a/src/gone", ..NO_CLOCK };
        assert_eq!(found("", room), ["the rule about crates/a/src/gone speaks about a folder that is not there"]);
        for never in [&["crates/a/src/gone"], &["crates/a/src/high.rs#Gone"]] {
            assert_eq!(found("", Rule { never, ..NO_CLOCK }).len(), 1, "{never:?}");
        }
    }

    /// The table holds in a tree that has its rooms and nothing in them, and finds what is planted there.
    #[test]
    fn the_table_itself_finds_a_planted_import_in_every_room() {
        let plan = |rule: &Rule, import: &str| {
            let mut files = vec![(format!("{}/planted.rs", rule.room), import.to_owned())];
            for place in RULES.iter().flat_map(|rule| rule.never.iter().chain([&rule.room])) {
                let (path, name) = place.split_once('#').unwrap_or((place, "Thing"));
                let file = match path {
                    path if path.ends_with(".rs") => path.to_owned(),
                    path if path.ends_with("/src") => format!("{path}/lib.rs"),
                    path => format!("{path}.rs"),
                };
                if place.contains('/') {
                    files.push((file, format!("pub struct {name};\n")));
                }
            }
            let files: Vec<(&str, &str)> = files.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
            let tree = Tree::planted(&files);
            breaches(&tree, &arrows(&tree), RULES)
        };
        for rule in RULES {
            assert_eq!(plan(rule, ""), Vec::<String>::new());
            for never in rule.never {
                let (path, name) = never.split_once('#').unwrap_or((never, "Thing"));
                let import = match path.split_once("/src/") {
                    Some((_, module)) => {
                        format!("use crate::{}::{name};", module.trim_end_matches(".rs").replace('/', "::"))
                    }
                    None => format!("use {never};"),
                };
                let found = plan(rule, &import);
                assert!(found.iter().any(|breach| breach.contains(rule.why)), "{import} in {}: {found:?}", rule.room);
            }
        }
    }
}
