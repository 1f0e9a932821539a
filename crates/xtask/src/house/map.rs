//! Makes the map of the code, docs/design/map.md, of the first sentence of every source.
//! It says nothing of its own, so it cannot be wrong unless a file is wrong about itself.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::house::tree::{Tree, is_test};
use crate::screen;
use crate::workspace::Workspace;

/// Where the map is.
const MAP: &str = "docs/design/map.md";
const HEAD: &str = "# Map of the code\n\nMade by `cargo xtask map` of the first sentence of every file; \
    do not edit it, edit the file. Tests are left out.\n";

/// Writes the map.
pub(crate) fn write(workspace: &Workspace) -> Result<(), String> {
    let path = workspace.root.join(MAP);
    let failed = |error: std::io::Error| format!("{MAP}: {error}");
    std::fs::create_dir_all(path.parent().unwrap_or(&workspace.root)).map_err(failed)?;
    std::fs::write(&path, page(&Tree::read(workspace)?)).map_err(failed)?;
    screen::say(format!("{MAP} is current"));
    Ok(())
}

/// A map that is missing or old.
pub(crate) fn breach(tree: &Tree) -> Option<String> {
    let current = tree.text(MAP).is_some_and(|found| found == page(tree));
    (!current).then(|| format!("{MAP} is not current: run `cargo xtask map`"))
}

/// One table a folder, one row a file.
pub(crate) fn page(tree: &Tree) -> String {
    let mut folders: BTreeMap<&str, Vec<(&str, String)>> = BTreeMap::new();
    let sources = tree.rust_sources().map(|(_, file, text)| (file, text)).chain(tree.script_sources());
    for (file, text) in sources.filter(|(file, _)| !is_test(file)) {
        if let Some((folder, name)) = file.rsplit_once('/') {
            folders.entry(folder).or_default().push((name, first_sentence(text)));
        }
    }
    let mut text = HEAD.to_owned();
    for (folder, mut files) in folders {
        // the file that the folder is comes first
        files.sort_by_key(|(name, _)| (!matches!(*name, "lib.rs" | "main.rs" | "mod.rs" | "index.ts"), *name));
        let _ = write!(text, "\n## {folder}\n\n| file | what it holds |\n|---|---|\n");
        for (name, holds) in files {
            let _ = writeln!(text, "| [{name}](../../{folder}/{name}) | {holds} |");
        }
    }
    text
}

/// The first sentence of a file's heading, fit for a cell of a table.
pub(crate) fn first_sentence(text: &str) -> String {
    let lines = text.lines().map_while(|line| line.strip_prefix("//!").or_else(|| line.strip_prefix("//")));
    let paragraph: Vec<&str> = lines.map(str::trim).take_while(|line| !line.is_empty()).collect();
    let paragraph = paragraph.join(" ");
    let sentence = paragraph.split_once(". ").map_or(paragraph.as_str(), |(first, _)| first);
    let sentence = sentence.strip_suffix('.').unwrap_or(sentence);
    // a link of rustdoc leads nowhere in a document
    sentence.replace("[`", "`").replace("`]", "`").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sentence_may_go_over_lines() {
        assert_eq!(
            first_sentence("//! Reads `a.rs` | [`b`], or\n//! nothing. It never writes.\nuse c;"),
            "Reads `a.rs` \\| `b`, or nothing"
        );
        assert_eq!(first_sentence("// One client.\n\n// More."), "One client");
        assert_eq!(first_sentence("//! Title\n//!\n//! Text."), "Title");
        assert_eq!(first_sentence("use a;"), "");
    }

    #[test]
    fn there_is_a_table_for_each_folder_and_none_for_tests() {
        let tree = Tree::planted(&[
            ("clients/js/src/client.ts", "// The client.\n"),
            ("crates/a/src/b/c.rs", "//! C.\n"),
            ("crates/a/src/b/mod.rs", "//! B.\n"),
            ("crates/a/src/b/tests.rs", "//! Tests.\n"),
            ("crates/a/src/lib.rs", "//! A.\n"),
            ("crates/a/tests/d.rs", "//! D.\n"),
        ]);
        let head = "| file | what it holds |\n|---|---|\n";
        let wanted = format!(
            "{HEAD}\n## clients/js/src\n\n{head}| [client.ts](../../clients/js/src/client.ts) | The client |\n\
            \n## crates/a/src\n\n{head}| [lib.rs](../../crates/a/src/lib.rs) | A |\n\
            \n## crates/a/src/b\n\n{head}| [mod.rs](../../crates/a/src/b/mod.rs) | B |\n\
            | [c.rs](../../crates/a/src/b/c.rs) | C |\n"
        );
        assert_eq!(page(&tree), wanted);
    }

    #[test]
    fn a_map_that_is_missing_or_old_is_a_breach() {
        let source = ("crates/a/src/lib.rs", "//! A.\n");
        let current = page(&Tree::planted(&[source]));
        assert_eq!(breach(&Tree::planted(&[source, (MAP, &current)])), None);
        assert!(breach(&Tree::planted(&[source])).is_some());
        assert!(breach(&Tree::planted(&[source, (MAP, "# Map\n")])).unwrap().ends_with("run `cargo xtask map`"));
    }
}
