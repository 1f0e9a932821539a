//! Resolves every import of a crate to the file that owns what is imported, or to another crate.
//! A re-export is followed to its end, so that a `mod.rs` which only passes names on owns nothing.

use std::collections::BTreeMap;

use crate::house::source::{Import, Module, read};
use crate::house::tree::{Tree, is_test};

/// One thing that a file imports or mentions by its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrow {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) target: Target,
    /// Whether it ties the file to its target. A module's own ancestor does not tie it, and what
    /// a `mod.rs` passes on without a use of its own does not tie the `mod.rs`.
    pub(crate) ties: bool,
}

/// What is imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Something of a file.
    Own { file: String, name: String },
    /// A path of another crate, such as `tokio::net::TcpStream`.
    Other(String),
}

/// Every import of the crates of this tree.
pub(crate) fn arrows(tree: &Tree) -> Vec<Arrow> {
    let mut crates: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
    for (folder, file, text) in tree.rust_sources() {
        crates.entry(folder).or_default().push((file, text));
    }
    crates.into_iter().flat_map(|(folder, files)| Crate::read(folder, &files).arrows()).collect()
}

/// So many re-exports are followed from one import.
const FAR: usize = 32;

type Path = Vec<String>;

/// The modules of one crate by their paths.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<Path, Found>,
}

struct Found {
    file: String,
    /// The module that the file is.
    top: Path,
    module: Module,
}

impl Crate {
    fn read(folder: &str, files: &[(&str, &str)]) -> Crate {
        let mut all = Crate::default();
        let mut only_tests: Vec<Path> = Vec::new();
        for (file, text) in files.iter().filter(|(file, _)| !is_test(file)) {
            let top = module_of(file, folder);
            let source = read(text);
            only_tests.extend(source.test_modules.iter().map(|name| joined(&top, [name.clone()])));
            for module in source.modules {
                let path = joined(&top, module.path.clone());
                all.modules.insert(path, Found { file: (*file).to_owned(), top: top.clone(), module });
            }
        }
        all.modules.retain(|path, _| !only_tests.iter().any(|test| path.starts_with(test)));
        all
    }

    fn arrows(&self) -> Vec<Arrow> {
        let mut arrows = Vec::new();
        for (path, found) in &self.modules {
            for import in &found.module.imports {
                let target = self.resolve(path, &import.path, FAR);
                let passed_on = import.public && !found.module.words.contains(&import.name);
                arrows.push(self.arrow(found, import.line, target, passed_on));
            }
            for (mention, line) in &found.module.mentions {
                arrows.push(self.arrow(found, *line, self.resolve(path, mention, FAR), false));
            }
        }
        arrows.retain(|arrow| !matches!(&arrow.target, Target::Own { file, .. } if *file == arrow.file));
        arrows
    }

    fn arrow(&self, from: &Found, line: usize, target: Target, passed_on: bool) -> Arrow {
        let ties = match &target {
            Target::Other(_) => false,
            Target::Own { file, .. } => {
                let owner = self.modules.values().find(|found| found.file == *file);
                owner.is_some_and(|owner| {
                    let ancestor = from.top.starts_with(&owner.top);
                    let own_child = owner.top.starts_with(&from.top);
                    !(ancestor || own_child && passed_on)
                })
            }
        };
        Arrow { file: from.file.clone(), line, target, ties }
    }

    /// What a path means in a module.
    fn resolve(&self, at: &[String], path: &[String], fuel: usize) -> Target {
        let other = || Target::Other(path.join("::"));
        let (Some((first, rest)), Some(fuel)) = (path.split_first(), fuel.checked_sub(1)) else { return other() };
        match first.as_str() {
            "crate" => self.walk(&[], rest, fuel),
            "self" => self.walk(at, rest, fuel),
            "super" => {
                let mut at = at;
                let mut path = path;
                while let [first, rest @ ..] = path
                    && first == "super"
                {
                    at = &at[..at.len().saturating_sub(1)];
                    path = rest;
                }
                self.walk(at, path, fuel)
            }
            name if self.knows(at, name, path) => self.walk(at, path, fuel),
            name => {
                let mut globs = self.imports(at).filter(|import| import.name == "*");
                let known = globs.find_map(|glob| self.behind_glob(at, glob, name, fuel));
                known.map_or_else(other, |module| self.walk(&module, path, fuel))
            }
        }
    }

    /// Follows a path from a module down to the file that owns what it ends with.
    fn walk(&self, from: &[String], path: &[String], fuel: usize) -> Target {
        let mut here = from.to_vec();
        let mut rest = path;
        let mut name = from.last().cloned().unwrap_or_else(|| "crate".into());
        while let [next, after @ ..] = rest {
            let below = joined(&here, [next.clone()]);
            if next == "*" {
                break;
            }
            if !self.modules.contains_key(&below) {
                if let Some(import) = self.imports(&here).find(|import| import.name == *next) {
                    return self.resolve(&here, &joined(&import.path, after.to_vec()), fuel);
                }
                let defined = self.modules.get(&here).is_some_and(|found| found.module.defines.contains(next));
                let mut globs = self.imports(&here).filter(|import| import.name == "*" && !defined);
                if let Some(module) = globs.find_map(|glob| self.behind_glob(&here, glob, next, fuel)) {
                    return self.walk(&module, rest, fuel.saturating_sub(1));
                }
                name.clone_from(next);
                break;
            }
            name.clone_from(next);
            here = below;
            rest = after;
        }
        match self.modules.get(&here) {
            Some(found) => Target::Own { file: found.file.clone(), name },
            None => Target::Other(path.join("::")),
        }
    }

    /// The module that a glob brings this name from, when it is one of this crate.
    fn behind_glob(&self, at: &[String], glob: &Import, name: &str, fuel: usize) -> Option<Path> {
        let fuel = fuel.checked_sub(1)?;
        let (_, path) = glob.path.split_last()?;
        let Target::Own { file, .. } = self.resolve(at, path, fuel) else { return None };
        let module = self.modules.values().find(|found| found.file == file)?.top.clone();
        (module != at && self.knows(&module, name, &[])).then_some(module)
    }

    /// Whether a name is one of this module: a child, an item, or an import other than of itself.
    fn knows(&self, at: &[String], name: &str, path: &[String]) -> bool {
        let Some(found) = self.modules.get(at) else { return false };
        let imported = |import: &Import| import.name == name && (import.path.len() > 1 || import.path[0] != name);
        self.modules.contains_key(&joined(at, [name.to_owned()]))
            || found.module.defines.contains(name)
            // `use a::b::a` must not be taken for an import of itself
            || self.imports(at).any(|import| imported(import) && import.path != path)
    }

    fn imports(&self, at: &[String]) -> impl Iterator<Item = &Import> {
        self.modules.get(at).into_iter().flat_map(|found| &found.module.imports)
    }
}

/// The module that a file is: `src/a/mod.rs` and `src/a.rs` are both `a`.
fn module_of(file: &str, folder: &str) -> Path {
    let path = file.strip_prefix(folder).and_then(|path| path.strip_prefix("/src/")).unwrap_or(file);
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if matches!(path, "lib" | "main") {
        return Vec::new();
    }
    path.split('/').map(str::to_owned).collect()
}

fn joined(path: &[String], more: impl IntoIterator<Item = String>) -> Path {
    path.iter().cloned().chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `file -> target`, with a `!` where the import ties the file.
    fn shown(tree: Tree) -> Vec<String> {
        let shown = arrows(&tree).into_iter().map(|arrow| {
            let mark = if arrow.ties { "!" } else { "" };
            let target = match arrow.target {
                Target::Own { file, name } => format!("{}#{name}", file.trim_start_matches("crates/a/src/")),
                Target::Other(path) => path,
            };
            format!("{} -> {target}{mark}", arrow.file.trim_start_matches("crates/a/src/"))
        });
        shown.collect()
    }

    #[test]
    fn a_re_export_leads_to_the_file_that_owns_the_thing() {
        let tree = Tree::planted(&[
            ("crates/a/src/lib.rs", "mod b;\nmod c;\npub use b::One;\n"),
            ("crates/a/src/b/mod.rs", "mod d;\npub(crate) use d::{One, Two as Three};\n"),
            ("crates/a/src/b/d.rs", "pub struct One;\npub struct Two;\n"),
            ("crates/a/src/c.rs", "use crate::{One, b::Three};\nfn f() -> super::b::d::Two {}\n"),
        ]);
        let found = shown(tree);
        for wanted in ["lib.rs -> b/d.rs#One", "b/mod.rs -> b/d.rs#Two", "c.rs -> b/d.rs#One!", "c.rs -> b/d.rs#Two!"] {
            assert!(found.contains(&wanted.to_owned()), "{wanted} in {found:?}");
        }
    }

    #[test]
    fn a_module_is_not_tied_to_its_own_ancestor() {
        let tree = Tree::planted(&[
            ("crates/a/src/lib.rs", "mod b;\n"),
            ("crates/a/src/b.rs", "mod c;\nuse c::C;\npub struct B(C);\n"),
            ("crates/a/src/b/c.rs", "use super::B;\npub struct C;\n"),
        ]);
        assert_eq!(shown(tree), ["b.rs -> b/c.rs#C!", "b/c.rs -> b.rs#B"]);
    }

    #[test]
    fn other_crates_are_told_by_their_whole_path() {
        let text = "use std::time;\nuse tokio::net as n;\nuse http;\n\
            fn f() { time::Instant::now(); n::TcpStream::connect(); http::Uri::new(); rand::random() }\n";
        let found = shown(Tree::planted(&[("crates/a/src/lib.rs", text)]));
        let paths: Vec<&str> = found.iter().filter_map(|line| line.split(" -> ").nth(1)).collect();
        let wanted = [
            "std::time",
            "tokio::net",
            "http",
            "std::time::Instant::now",
            "tokio::net::TcpStream::connect",
            "http::Uri::new",
            "rand::random",
        ];
        assert_eq!(paths, wanted);
    }

    #[test]
    fn a_glob_is_followed_and_a_module_in_a_file_is_one() {
        let tree = Tree::planted(&[
            ("crates/a/src/lib.rs", "mod b;\nmod c;\npub mod d { pub use crate::b::One; }\n"),
            ("crates/a/src/b.rs", "pub struct One;\npub struct Two;\n"),
            ("crates/a/src/c.rs", "use crate::b::*;\nuse crate::d::One;\nfn f() { Two::new() }\n"),
        ]);
        let found = shown(tree);
        assert!(found.contains(&"c.rs -> b.rs#Two!".into()), "{found:?}");
        assert!(found.contains(&"c.rs -> b.rs#One!".into()), "{found:?}");
    }

    #[test]
    fn files_and_modules_of_tests_are_left_out() {
        let tree = Tree::planted(&[
            ("crates/a/src/lib.rs", "#[cfg(test)]\nmod kit;\nmod b;\n"),
            ("crates/a/src/kit.rs", "use crate::b::B;\n"),
            ("crates/a/src/b_tests.rs", "use crate::b::B;\n"),
            ("crates/a/src/b.rs", "pub struct B;\n"),
        ]);
        assert!(shown(tree).is_empty());
    }
}
