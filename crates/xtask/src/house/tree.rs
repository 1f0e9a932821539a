//! `Tree`: the text of every file of the repository, so that the checks are functions of values.
//! No check below `house` reads the disk itself.

use std::collections::BTreeMap;

use crate::workspace::Workspace;

/// The files that git tracks or would add, by their path from the root.
#[derive(Debug, Default)]
pub(crate) struct Tree(BTreeMap<String, String>);

impl Tree {
    /// Reads every file; bytes that are not UTF-8 are replaced.
    pub(crate) fn read(workspace: &Workspace) -> Result<Tree, String> {
        let files = workspace.files()?;
        let texts = files.into_iter().filter_map(|file| workspace.text(&file).map(|text| (file, text)));
        Ok(Tree(texts.collect()))
    }

    /// Every file with its text, in the order of the paths.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(file, text)| (file.as_str(), text.as_str()))
    }

    /// The text of a file; `None` when there is no such file.
    pub(crate) fn text(&self, file: &str) -> Option<&str> {
        self.0.get(file).map(String::as_str)
    }

    /// Whether there is a file or a folder at this path.
    pub(crate) fn holds(&self, path: &str) -> bool {
        self.0.keys().any(|file| is_below(file, path))
    }

    /// The Rust sources of the crates, with the folder of each crate.
    pub(crate) fn rust_sources(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.files().filter_map(|(file, text)| {
            let (folder, rest) = file.strip_prefix("crates/")?.split_once("/src/")?;
            let folder = &file[.."crates/".len() + folder.len()];
            rest.ends_with(".rs").then_some((folder, file, text))
        })
    }

    /// The sources of the TypeScript clients.
    pub(crate) fn script_sources(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(file, _)| {
            let source = file.strip_prefix("clients/").and_then(|rest| rest.split_once('/'));
            source.is_some_and(|(_, rest)| rest.starts_with("src/")) && file.ends_with(".ts")
        })
    }

    /// The documents.
    pub(crate) fn documents(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(|(file, _)| file.ends_with(".md"))
    }
}

/// A tree of files that were never written to a disk.
#[cfg(test)]
impl Tree {
    pub(crate) fn planted(files: &[(&str, &str)]) -> Tree {
        Tree(files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect())
    }
}

/// Whether a file is this one or stands in this folder. The folder's own module file counts, even
/// when it stands beside it: `users.rs` belongs to `users`.
pub(crate) fn is_below(file: &str, path: &str) -> bool {
    file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == ".rs")
}

/// Files that hold tests alone: what they import does not count, and the map leaves them out.
pub(crate) fn is_test(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or_default();
    matches!(name, "tests.rs" | "races.rs") || name.ends_with("_tests.rs") || file.contains("/tests/")
}

/// The path that `relative` means in the folder of `file`, without `.` and `..`.
pub(crate) fn beside(file: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_from_where_its_file_is() {
        assert_eq!(beside("docs/guide/a.md", "../../README.md"), "README.md");
        assert_eq!(beside("README.md", "./docs/"), "docs");
    }

    #[test]
    fn a_folder_holds_its_files_and_its_own_module_file() {
        assert!(is_below("src/users/conn.rs", "src/users"));
        assert!(is_below("src/users.rs", "src/users"));
        assert!(is_below("src/users", "src/users"));
        assert!(!is_below("src/users_tests.rs", "src/users"));
    }

    #[test]
    fn sources_and_tests_are_told_by_their_paths() {
        let tree = Tree::planted(&[
            ("crates/a/src/b/c.rs", ""),
            ("crates/a/tests/d.rs", ""),
            ("clients/js/src/e.ts", ""),
            ("clients/js/test/f.ts", ""),
        ]);
        assert_eq!(tree.rust_sources().collect::<Vec<_>>(), [("crates/a", "crates/a/src/b/c.rs", "")]);
        assert_eq!(tree.script_sources().collect::<Vec<_>>(), [("clients/js/src/e.ts", "")]);
        assert!(is_test("src/wire/limit_tests.rs") && is_test("src/races.rs") && is_test("src/a/tests.rs"));
        assert!(!is_test("src/attests.rs"));
    }
}
