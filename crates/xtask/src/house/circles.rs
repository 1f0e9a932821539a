//! Finds circles: files that import each other, directly or through others, so that none can be read first.
//! Imports of types alone count, in Rust and in TypeScript.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::house::imports::{Arrow, Target};
use crate::house::scripts;
use crate::house::tree::Tree;

/// For each file the files that it imports, with the names.
type Ties = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// Every circle, each with its files and the names that tie them.
pub(crate) fn breaches(tree: &Tree, arrows: &[Arrow]) -> Vec<String> {
    let mut ties = Ties::new();
    let mut tie = |from: &str, to: String, name: String| {
        ties.entry(from.to_owned()).or_default().entry(to).or_default().insert(name);
    };
    for arrow in arrows.iter().filter(|arrow| arrow.ties) {
        if let Target::Own { file, name } = &arrow.target {
            tie(&arrow.file, file.clone(), name.clone());
        }
    }
    for (file, text) in tree.script_sources() {
        for (to, name) in scripts::imports(tree, file, text) {
            tie(file, to, name);
        }
    }
    circles(&ties).iter().map(|circle| shown(circle, &ties)).collect()
}

/// The largest sets of files in which each can be reached from each.
fn circles(ties: &Ties) -> Vec<BTreeSet<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = ties.keys().map(|file| (file.as_str(), reach(file, ties))).collect();
    let mut found: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
    for (file, targets) in &reached {
        let back = |other: &&str| reached.get(other).is_some_and(|targets| targets.contains(file));
        found.insert(targets.iter().copied().filter(back).collect());
    }
    found.into_iter().filter(|circle| circle.len() > 1).collect()
}

/// Everything that can be reached from a file.
fn reach<'a>(from: &str, ties: &'a Ties) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&str> = vec![from];
    while let Some(file) = waiting.pop() {
        for target in ties.get(file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(target.as_str()) {
                waiting.push(target);
            }
        }
    }
    reached
}

/// The shortest way from a file of a circle back to itself.
fn shortest<'a>(circle: &BTreeSet<&'a str>, ties: &'a Ties) -> Vec<&'a str> {
    let around = |start: &'a str| {
        let mut ways: VecDeque<Vec<&str>> = VecDeque::from([vec![start]]);
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        while let Some(way) = ways.pop_front() {
            for target in way.last().and_then(|last| ties.get(*last)).into_iter().flat_map(BTreeMap::keys) {
                let longer: Vec<&str> = way.iter().copied().chain([target.as_str()]).collect();
                if target == start {
                    return longer;
                }
                if seen.insert(target) {
                    ways.push_back(longer);
                }
            }
        }
        Vec::new()
    };
    circle.iter().map(|file| around(file)).min_by_key(Vec::len).unwrap_or_default()
}

/// Every file of a circle with what it imports of the others; of a long circle the shortest part first.
fn shown(circle: &BTreeSet<&str>, ties: &Ties) -> String {
    let mut text = format!("a circle of {} files; move what ties them into a file below them:", circle.len());
    if circle.len() > 3 {
        text.push_str(&format!("\n  shortest: {}", shortest(circle, ties).join(" -> ")));
    }
    for file in circle {
        for (target, names) in ties.get(*file).into_iter().flatten().filter(|(to, _)| circle.contains(to.as_str())) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            text.push_str(&format!("\n  {file} imports {} of {target}", names.join(", ")));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::house::imports::arrows;

    fn found(tree: Tree) -> Vec<String> {
        breaches(&tree, &arrows(&tree))
    }

    #[test]
    fn a_circle_through_a_re_export_is_found_with_its_names() {
        let found = found(Tree::planted(&[
            ("crates/a/src/lib.rs", "mod b;\nmod c;\n"),
            ("crates/a/src/b/mod.rs", "mod d;\npub(crate) use d::One;\n"),
            ("crates/a/src/b/d.rs", "use crate::c::Two;\npub struct One(Two);\n"),
            ("crates/a/src/c.rs", "use crate::b::One;\npub struct Two(Box<One>);\n"),
        ]));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a circle of 2 files"), "{found:?}");
        assert!(found[0].contains("crates/a/src/b/d.rs imports Two of crates/a/src/c.rs"));
        assert!(found[0].contains("crates/a/src/c.rs imports One of crates/a/src/b/d.rs"));
    }

    #[test]
    fn a_circle_over_three_files_is_one_circle() {
        let found = found(Tree::planted(&[
            ("crates/a/src/lib.rs", "mod b;\nmod c;\nmod d;\nmod e;\n"),
            ("crates/a/src/b.rs", "use crate::c::C;\npub struct B;\n"),
            ("crates/a/src/c.rs", "fn f() { crate::d::D::new() }\npub struct C;\n"),
            ("crates/a/src/d.rs", "pub struct D;\npub fn f() -> super::b::B {}\n"),
            ("crates/a/src/e.rs", "use crate::{b::B, d::D};\n"),
        ]));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a circle of 3 files"), "{found:?}");
    }

    #[test]
    fn of_a_long_circle_the_shortest_part_is_told_first() {
        let text = found(Tree::planted(&[
            ("crates/a/src/lib.rs", "mod b;\nmod c;\nmod d;\nmod e;\n"),
            ("crates/a/src/b.rs", "use crate::c::C;\npub struct B;\n"),
            ("crates/a/src/c.rs", "use crate::d::D;\npub struct C;\n"),
            ("crates/a/src/d.rs", "use crate::e::E;\npub struct D;\n"),
            ("crates/a/src/e.rs", "use crate::{b::B, d::D};\npub struct E;\n"),
        ]));
        assert_eq!(text.len(), 1);
        let wanted = "\n  shortest: crates/a/src/d.rs -> crates/a/src/e.rs -> crates/a/src/d.rs\n";
        assert!(text[0].contains(wanted), "{text:?}");
    }

    #[test]
    fn imports_of_types_in_typescript_count() {
        let found = found(Tree::planted(&[
            ("clients/js/src/a.ts", "import type { B } from \"./b.js\";\nexport interface A { b: B }\n"),
            ("clients/js/src/b.ts", "import { other, type A } from \"./a.js\";\nexport interface B { a: A }\n"),
            ("clients/js/src/index.ts", "export { A } from \"./a.js\";\nexport type * from \"./b.js\";\n"),
        ]));
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("clients/js/src/b.ts imports A, other of clients/js/src/a.ts"), "{found:?}");
    }

    #[test]
    fn a_child_may_import_from_its_parent_and_tests_from_anywhere() {
        let found = found(Tree::planted(&[
            ("crates/a/src/lib.rs", "mod b;\n"),
            ("crates/a/src/b/mod.rs", "mod c;\nmod d;\nuse c::C;\npub struct B(C);\n"),
            ("crates/a/src/b/c.rs", "use super::B;\npub struct C;\n#[cfg(test)]\nmod tests { use crate::b::d::D; }\n"),
            ("crates/a/src/b/d.rs", "use super::c::C;\npub struct D;\n"),
        ]));
        assert!(found.is_empty(), "{found:?}");
    }
}
