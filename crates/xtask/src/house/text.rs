//! The rules about the text of files: headings, lengths, sizes, nothing that only one machine has.

use crate::house::names::public_names;
use crate::house::tree::Tree;

/// A Rust file above this many lines is named in the output.
const LONG: usize = 350;
/// A Rust file above this many lines fails the step.
const TOO_LONG: usize = 400;
/// README is read in three minutes: 7 kB.
const README: usize = 7 * 1024;
/// The most names the root of `wse` may export.
const PUBLIC_NAMES: usize = 53;
/// Text that only makes sense on one machine, in two halves so that this file passes.
const MACHINE_PATHS: [(&str, &str); 3] = [("/ho", "me/"), ("/ro", "ot/"), ("/wo", "rk/")];
/// First labels of the host names packages are downloaded from.
const REGISTRIES: [&str; 3] = ["registry", "index", "static"];

/// Every breach of these rules; what is only worth a look goes to the notes.
pub(crate) fn breaches(tree: &Tree, notes: &mut Vec<String>) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in tree.files() {
        if file.ends_with(".rs") {
            match text.lines().count() {
                lines if lines > TOO_LONG => found.push(format!("{file}: {lines} lines, at most {TOO_LONG}")),
                lines if lines > LONG => notes.push(format!("note: {file}: {lines} lines, aim at {LONG}")),
                _ => {}
            }
        }
        if file != "Cargo.lock" {
            found.extend(machine_bound(file, text));
        }
    }
    let rust = tree.rust_sources().map(|(_, file, text)| (file, text, "//! "));
    let scripts = tree.script_sources().map(|(file, text)| (file, text, "// "));
    found.extend(
        rust.chain(scripts)
            .filter(|(_, text, begin)| !text.starts_with(begin))
            .map(|(file, _, begin)| format!("{file}: does not begin with `{begin}` and what it holds")),
    );
    found.extend(too_large(tree));
    found.extend(too_many_names(tree, notes));
    found
}

fn too_large(tree: &Tree) -> Option<String> {
    let size = tree.text("README.md")?.len();
    (size > README).then(|| format!("README.md: {size} bytes, at most {README}: move it to docs/"))
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

fn too_many_names(tree: &Tree, notes: &mut Vec<String>) -> Option<String> {
    let file = "crates/wse/src/lib.rs";
    match public_names(tree.text(file)?) {
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

    fn found(file: &str, text: &str) -> Vec<String> {
        breaches(&Tree::planted(&[(file, text)]), &mut Vec::new())
    }

    #[test]
    fn a_source_needs_a_heading_and_a_test_file_does_not() {
        assert_eq!(found("crates/wse/src/user.rs", "use a;\n").len(), 1);
        assert!(found("crates/wse/src/user.rs", "//! `User`.\n").is_empty());
        assert!(found("crates/wse/tests/user.rs", "use a;\n").is_empty());
        assert_eq!(found("clients/js/src/user.ts", "import a;\n").len(), 1);
        assert!(found("clients/js/src/user.ts", "// The user.\n").is_empty());
    }

    #[test]
    fn a_file_has_its_length_and_readme_its_size() {
        assert_eq!(found("crates/wse/tests/a.rs", &"a\n".repeat(401)).len(), 1);
        let mut notes = Vec::new();
        let long = "a\n".repeat(400);
        assert!(breaches(&Tree::planted(&[("fuzz/a.rs", &long)]), &mut notes).is_empty());
        assert_eq!(notes.len(), 1);
        assert!(found("README.md", &"a".repeat(7168)).is_empty());
        assert_eq!(found("README.md", &"a".repeat(7169)), ["README.md: 7169 bytes, at most 7168: move it to docs/"]);
        assert!(found("docs/a.md", &"a".repeat(7169)).is_empty());
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
