//! The rules of the tree that no tool knows: headings, lengths, links, machine paths, public names.
//! It may never change a file, and never look at what git ignores.

use crate::links;
use crate::names::public_names;
use crate::screen;
use crate::snippets;
use crate::step::Outcome;
use crate::tally::Tally;
use crate::workspace::Workspace;

/// A Rust file above this many lines is named in the output.
const LONG: usize = 350;
/// A Rust file above this many lines fails the step.
const TOO_LONG: usize = 400;
/// The most names the root of `wse` may export.
const PUBLIC_NAMES: usize = 45;
/// Text that only makes sense on one machine, in two halves so that this file passes.
const MACHINE_PATHS: [(&str, &str); 3] = [("/ho", "me/"), ("/ro", "ot/"), ("/wo", "rk/")];
/// First labels of the host names packages are downloaded from.
const REGISTRIES: [&str; 3] = ["registry", "index", "static"];

/// Every rule over every file of the tree; prints each breach, then counts as one test.
pub(crate) fn check(workspace: &Workspace) -> Result<Outcome, String> {
    let mut breaches = Vec::new();
    let mut notes = Vec::new();
    let files = workspace.files()?;
    for file in &files {
        let Some(text) = workspace.text(file) else { continue };
        if file.ends_with(".rs") {
            breaches.extend(without_heading(file, &text));
            match text.lines().count() {
                lines if lines > TOO_LONG => breaches.push(format!("{file}: {lines} lines, at most {TOO_LONG}")),
                lines if lines > LONG => notes.push(format!("note: {file}: {lines} lines, aim at {LONG}")),
                _ => {}
            }
        }
        if file.ends_with(".md") {
            breaches.extend(links::dead(workspace, file, &text));
        }
        if file != "Cargo.lock" {
            breaches.extend(machine_bound(file, &text));
        }
    }
    breaches.extend(too_many_names(workspace, &mut notes));
    breaches.extend(snippets::breaches(workspace));

    screen::say(format!("{} files looked at", files.len()));
    notes.iter().chain(&breaches).for_each(screen::say);
    match breaches.len() {
        0 => Ok(Outcome::Ran(Tally::PASSED)),
        1 => Err(breaches.remove(0)),
        n => Err(format!("{n} breaches of the house rules, listed above")),
    }
}

/// Sources of the crates say in their first line what they hold.
fn without_heading(file: &str, text: &str) -> Option<String> {
    let mut parts = file.split('/');
    let of_a_crate = parts.next() == Some("crates") && parts.nth(1) == Some("src");
    (of_a_crate && !text.starts_with("//!")).then(|| format!("{file}: does not begin with `//!`"))
}

/// Paths of one machine and hosts of registries, with their lines.
fn machine_bound(file: &str, text: &str) -> Vec<String> {
    let paths: Vec<String> = MACHINE_PATHS.iter().map(|(a, b)| format!("{a}{b}")).collect();
    let found =
        |line: &str| paths.iter().find(|path| line.contains(path.as_str())).cloned().or_else(|| registry_host(line));
    text.lines()
        .enumerate()
        .filter_map(|(at, line)| Some(format!("{file}:{}: holds `{}`", at + 1, found(line)?)))
        .collect()
}

fn registry_host(line: &str) -> Option<String> {
    line.match_indices("://").find_map(|(at, slashes)| {
        let web = line[..at].ends_with("http") || line[..at].ends_with("https");
        let host = line[at + slashes.len()..].split(['/', '"', ' ', ')', '>']).next()?;
        let (first, _) = host.split_once('.')?;
        (web && REGISTRIES.contains(&first)).then(|| host.to_owned())
    })
}

fn too_many_names(workspace: &Workspace, notes: &mut Vec<String>) -> Option<String> {
    let file = "crates/wse/src/lib.rs";
    match public_names(&workspace.text(file)?) {
        Ok(names) if names.len() > PUBLIC_NAMES => {
            let (count, list) = (names.len(), names.join(" "));
            Some(format!("{file}: {count} public names, at most {PUBLIC_NAMES}: {list}"))
        }
        Ok(names) => {
            notes.push(format!("note: {file}: {} public names of {PUBLIC_NAMES}", names.len()));
            None
        }
        Err(why) => Some(format!("{file}: {why}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_of_a_crate_needs_a_heading_and_a_test_file_does_not() {
        assert!(without_heading("crates/wse/src/user.rs", "use a;\n").is_some());
        assert!(without_heading("crates/wse/src/user.rs", "//! `User`.\n").is_none());
        assert!(without_heading("crates/wse/tests/user.rs", "use a;\n").is_none());
    }

    #[test]
    fn a_machine_path_is_found_with_its_line() {
        let text = format!("one\nsee {}{}ann/notes\n", "/ho", "me/");
        let found = machine_bound("README.md", &text);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("README.md:2:"));
    }

    #[test]
    fn a_registry_host_is_found_and_other_hosts_are_not() {
        let line = |first: &str| format!("\"resolved\": \"https://{first}.example.org/a\"");
        assert_eq!(registry_host(&line("registry")).unwrap(), "registry.example.org");
        assert_eq!(registry_host(&line("www")), None);
        assert_eq!(registry_host("ws://static.example.org"), None);
    }
}
