//! Keeps the promises of the documents: Rust blocks are compiled by a doc test, commands exist.
//! It never compiles or runs anything: rustdoc compiles the blocks, where a crate includes the document.

use crate::house::source::included;
use crate::house::tree::{Tree, beside};
use crate::screen;
use crate::step::Outcome;
use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{COMMANDS, STEPS};

/// The check as a command of its own.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome, String> {
    let mut breaches = breaches(workspace, &Tree::read(workspace)?);
    breaches.iter().for_each(screen::say);
    match breaches.len() {
        0 => Ok(Outcome::Ran(Tally::PASSED)),
        1 => Err(breaches.remove(0)),
        n => Err(format!("{n} breaches, listed above")),
    }
}

/// Everything in the documents that nothing keeps true.
pub(crate) fn breaches(workspace: &Workspace, tree: &Tree) -> Vec<String> {
    let tested: Vec<String> = tree
        .rust_sources()
        .flat_map(|(_, file, text)| included(text).into_iter().map(|path| beside(file, &path)))
        .collect();
    let mut found = Vec::new();
    for (document, text) in tree.documents() {
        let blocks = fenced_blocks(text);
        let rust = blocks.iter().filter(|block| block.is_tested_rust()).count();
        if rust > 0 && !tested.iter().any(|path| path == document) {
            found.push(format!(
                "{document}: {rust} Rust blocks and no doc test: a crate needs `#[doc = include_str!(...)]` of it"
            ));
        }
        let commands = blocks.iter().flat_map(Block::commands);
        found.extend(
            commands
                .filter_map(|(line, command)| Some(format!("{document}:{line}: {}", unknown(&command, workspace)?))),
        );
    }
    found
}

/// A fenced block: the words behind the fence, and its lines with their numbers.
struct Block<'a> {
    info: Vec<&'a str>,
    lines: Vec<(usize, &'a str)>,
}

impl Block<'_> {
    fn is_tested_rust(&self) -> bool {
        self.info.first() == Some(&"rust") && !self.info.contains(&"ignore")
    }

    /// The cargo commands of a shell block, without prompt, comment and the program's own arguments.
    fn commands(&self) -> Vec<(usize, String)> {
        let shell = matches!(self.info.first(), Some(&("sh" | "bash" | "shell" | "console")));
        self.lines
            .iter()
            .filter(|_| shell)
            .map(|(number, line)| (*number, line.trim().trim_start_matches("$ ")))
            .filter(|(_, line)| line.starts_with("cargo "))
            .map(|(number, line)| (number, line.split(" #").next().unwrap_or_default()))
            .map(|(number, line)| (number, line.split(" -- ").next().unwrap_or_default().to_owned()))
            .collect()
    }
}

fn fenced_blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, Block<'_>)> = None;
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        let fence = &trimmed[..trimmed.len() - trimmed.trim_start_matches('`').len()];
        match open.take() {
            None if fence.len() >= 3 => {
                let info = trimmed[fence.len()..].split([',', ' ']).filter(|word| !word.is_empty()).collect();
                open = Some((fence, Block { info, lines: Vec::new() }));
            }
            Some((start, block)) if fence.len() >= start.len() => blocks.push(block),
            Some((start, mut block)) => {
                block.lines.push((at + 1, line));
                open = Some((start, block));
            }
            None => {}
        }
    }
    blocks.extend(open.map(|(_, block)| block));
    blocks
}

/// What a cargo command names that does not exist.
fn unknown(command: &str, workspace: &Workspace) -> Option<String> {
    let words: Vec<&str> = command.split([' ', '=']).filter(|word| !word.is_empty()).collect();
    if let ["cargo", "xtask", rest @ ..] = words.as_slice() {
        let (name, steps) = rest.split_first()?;
        if COMMANDS.iter().all(|(known, ..)| known != name) {
            return Some(format!("`cargo xtask {name}` is no command"));
        }
        let steps = if *name == "test" { steps } else { &[] };
        let step = steps.iter().find(|name| STEPS.iter().all(|step| step.name != **name))?;
        return Some(format!("`{step}` is no step of `cargo xtask test`"));
    }
    let after = |flags: [&str; 2]| words.windows(2).find(|pair| flags.contains(&pair[0])).map(|pair| pair[1]);
    let package = after(["-p", "--package"]);
    if let Some(name) = package
        && !workspace.packages.contains_key(name)
    {
        return Some(format!("`{name}` is no package of this workspace"));
    }
    let example = after(["--example", "--example"])?;
    let known = workspace.packages.iter().any(|(name, examples)| {
        package.is_none_or(|package| package == name) && examples.iter().any(|known| known == example)
    });
    (!known).then(|| format!("`{example}` is no example{}", package.map(|p| format!(" of {p}")).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "# A\n```rust\nfn a() {}\n```\n```rust,ignore\nb\n```\n```console\n$ cargo xtask test format # quick\n$ cargo xtask dance\nnot a command\n```\n";

    #[test]
    fn blocks_are_found_with_their_language() {
        let blocks = fenced_blocks(README);
        assert_eq!(blocks.len(), 3);
        assert_eq!(blocks.iter().filter(|block| block.is_tested_rust()).count(), 1);
        assert_eq!(blocks[2].commands()[1], (10, "cargo xtask dance".into()));
        assert_eq!(blocks[2].commands().len(), 2);
    }

    #[test]
    fn a_fence_inside_a_longer_fence_is_text() {
        let blocks = fenced_blocks("````text\n```rust\n```\n````\n");
        assert_eq!(blocks.len(), 1);
        assert!(!blocks[0].is_tested_rust());
    }

    #[test]
    fn a_document_with_rust_needs_a_crate_that_includes_it() {
        let found = |lib: &str| {
            let page = "```rust\nfn a() {}\n```\n";
            let tree = Tree::planted(&[("docs/guide/a.md", page), ("crates/wse/src/guide.rs", lib)]);
            breaches(&Workspace::default(), &tree)
        };
        let path = "../../../docs/guide/a.md";
        assert_eq!(
            found(&format!("#[cfg(doctest)]\n#[doc = include_str!(\"{path}\")]\nmod a {{}}\n")),
            Vec::<String>::new()
        );
        assert_eq!(found(&format!("pub mod a {{\n#![doc = include_str!(\"{path}\")]\n}}\n")), Vec::<String>::new());
        for lib in [
            String::new(),
            format!("// #[doc = include_str!(\"{path}\")]\n"),
            format!("const PAGE: &str = include_str!(\"{path}\");\n"),
            "#[doc = include_str!(\"../../docs/guide/a.md\")]\nmod a {}\n".into(),
        ] {
            assert_eq!(found(&lib).len(), 1, "{lib}");
        }
    }

    #[test]
    fn the_commands_of_every_document_are_checked() {
        let page = "```console\n$ cargo xtask dance\n```\n";
        let tree = Tree::planted(&[("docs/guide/a.md", page), ("CONTRIBUTING.md", page)]);
        let found = breaches(&Workspace::default(), &tree);
        assert_eq!(found[1], "docs/guide/a.md:2: `cargo xtask dance` is no command");
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn commands_may_only_name_what_exists() {
        let workspace =
            Workspace { packages: [("wse".to_owned(), vec!["chat".to_owned()])].into(), ..Workspace::default() };
        for good in [
            "cargo xtask test",
            "cargo xtask autobahn",
            "cargo xtask soak 3600",
            "cargo run --release -p wse --example chat",
            "cargo add wse",
        ] {
            assert_eq!(unknown(good, &workspace), None, "{good}");
        }
        for bad in ["cargo xtask dance", "cargo xtask test dance", "cargo run -p other", "cargo run --example=dance"] {
            assert!(unknown(bad, &workspace).is_some(), "{bad}");
        }
    }
}
