//! The house check: the rules of the tree that no tool knows, over all files that git knows.
//! It never changes a file.

mod circles;
mod contract;
mod forbidden;
mod imports;
mod links;
mod logs;
pub(crate) mod map;
mod names;
mod rooms;
mod scripts;
pub(crate) mod snippets;
mod source;
mod text;
mod tokens;
mod tree;

use crate::screen;
use crate::step::Outcome;
use crate::tally::Tally;
use crate::workspace::Workspace;
use rooms::{RULES, Rule};
use tree::Tree;

/// Every rule over every file of the tree; prints each breach, then counts as one test.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome, String> {
    let tree = Tree::read(workspace)?;
    let (mut breaches, notes) = found(workspace, &tree, RULES);
    screen::say(format!("{} files checked", tree.files().count()));
    notes.iter().chain(&breaches).for_each(screen::say);
    match breaches.len() {
        0 => Ok(Outcome::Ran(Tally::PASSED)),
        1 => Err(breaches.remove(0)),
        n => Err(format!("{n} breaches of the house rules, listed above")),
    }
}

/// The breaches and the notes.
fn found(workspace: &Workspace, tree: &Tree, rules: &[Rule]) -> (Vec<String>, Vec<String>) {
    let mut notes = Vec::new();
    let mut breaches = text::breaches(tree, &mut notes);
    let arrows = imports::arrows(tree);
    breaches.extend(forbidden::breaches(tree, &arrows, rules));
    breaches.extend(circles::breaches(tree, &arrows));
    breaches.extend(links::breaches(tree));
    breaches.extend(snippets::breaches(workspace, tree));
    breaches.extend(logs::breaches(tree));
    breaches.extend(contract::breaches(tree));
    breaches.extend(map::breach(tree));
    (breaches, notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_RUNTIME: Rule = Rule {
        room: "crates/wse/src/app",
        never: &["tokio", "crates/wse/src/server"],
        except: &[],
        why: "it knows no socket",
    };
    const CLEAN: [(&str, &str); 6] = [
        ("README.md", "# Wse\n\n[guide](docs/guide.md)\n"),
        ("clients/js/src/a.ts", "// A.\n\nimport { b } from \"./b.js\";\n"),
        ("clients/js/src/b.ts", "// B.\n\nexport const b = 1;\n"),
        ("crates/wse/src/app/mod.rs", "//! What the application hands in.\n\nmod run;\npub use run::Run;\n"),
        ("crates/wse/src/app/run.rs", "//! One run.\n\nuse super::Run as Own;\npub struct Run(Box<Own>);\n"),
        ("crates/wse/src/server.rs", "//! The server.\n\nuse crate::app::Run;\npub struct Server(Run);\n"),
    ];

    /// The breaches in the clean tree with these files planted in it.
    fn planted(files: &[(&str, &str)], rule: Rule) -> Vec<String> {
        let mut all = CLEAN.to_vec();
        all.retain(|(file, _)| files.iter().all(|(planted, _)| planted != file));
        all.extend([("docs/guide.md", "# Guide\n"), ("crates/wse/src/lib.rs", "//! Wse.\n\nmod app;\nmod server;\n")]);
        all.extend(files);
        let map = map::page(&Tree::planted(&all));
        all.push(("docs/design/map.md", &map));
        let (table, names) = contract::planted();
        if all.iter().all(|(file, _)| *file != table) {
            all.push((table, &names));
        }
        found(&Workspace::default(), &Tree::planted(&all), &[rule]).0
    }

    #[test]
    fn a_clean_tree_passes() {
        assert_eq!(planted(&[], NO_RUNTIME), Vec::<String>::new());
    }

    #[test]
    fn a_planted_import_is_found() {
        let run = ("crates/wse/src/app/run.rs", "//! One run.\n\npub struct Run(tokio::net::TcpStream);\n");
        let found = planted(&[run], NO_RUNTIME);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("crates/wse/src/app/run.rs:3: imports `tokio::net::TcpStream`"), "{found:?}");
    }

    #[test]
    fn a_planted_circle_through_a_re_export_is_found() {
        let run = ("crates/wse/src/app/run.rs", "//! One run.\n\npub struct Run(Box<crate::server::Server>);\n");
        let found = planted(&[run], Rule { never: &["tokio"], ..NO_RUNTIME });
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("crates/wse/src/server.rs imports Run of crates/wse/src/app/run.rs"), "{found:?}");
    }

    #[test]
    fn a_planted_circle_of_types_in_typescript_is_found() {
        let b = ("clients/js/src/b.ts", "// B.\n\nimport type { A } from \"./a.js\";\n");
        let found = planted(&[b], NO_RUNTIME);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("a circle of 2 files"), "{found:?}");
    }

    #[test]
    fn a_rule_about_a_missing_folder_is_found() {
        let found = planted(&[], Rule { room: "crates/wse/src/session", ..NO_RUNTIME });
        assert_eq!(found, ["the rule about crates/wse/src/session speaks about a folder that is not there"]);
    }

    #[test]
    fn every_other_rule_is_part_of_the_check() {
        let server = "use a;\nfn f() { tracing::warn!(\"lost\"); }\n";
        let files = [
            ("README.md", "[gone](docs/gone.md)\n```rust\nfn main() {}\n```\n"),
            ("crates/wse/src/server.rs", server),
            (contract::planted().0, ""),
        ];
        let found = planted(&files, NO_RUNTIME);
        for part in ["does not begin with", "docs/gone.md", "no doc test", "logs.md is missing", "0 names"] {
            assert!(found.iter().any(|breach| breach.contains(part)), "{part} in {found:?}");
        }
        assert_eq!(found.len(), 5, "{found:?}");
    }
}
