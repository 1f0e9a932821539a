//! The links of the documents: what they point at is there, file and heading.
//! It may never ask a network: what is elsewhere is not looked at.

use crate::workspace::Workspace;

/// Every link of this document to a file or heading that the tree does not have, with its line.
pub(crate) fn dead(workspace: &Workspace, document: &str, text: &str) -> Vec<String> {
    let found = text.lines().enumerate().flat_map(|(at, line)| targets(line).map(move |target| (at + 1, target)));
    let dead = found.filter(|(_, target)| is_local(target) && !leads_somewhere(workspace, document, text, target));
    dead.map(|(line, target)| format!("{document}:{line}: nothing is at `{target}`")).collect()
}

/// What stands between `](` and `)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// Paths of Rust are resolved by rustdoc, addresses by nobody here.
fn is_local(target: &str) -> bool {
    !target.contains("://") && !target.contains("::") && !target.starts_with("mailto:")
}

fn leads_somewhere(workspace: &Workspace, document: &str, text: &str, target: &str) -> bool {
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    if path.is_empty() {
        return has_heading(text, heading);
    }
    let folder = document.rfind('/').map_or("", |slash| &document[..=slash]);
    let file = format!("{folder}{path}");
    let there = workspace.root.join(&file).exists();
    there && (heading.is_empty() || workspace.text(&file).is_some_and(|text| has_heading(&text, heading)))
}

fn has_heading(text: &str, anchor: &str) -> bool {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| line.trim_start_matches('#').trim()).any(|heading| slug(heading) == anchor)
}

/// The anchor that a heading gets where the documents are read.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead_in(text: &str) -> Vec<String> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).to_owned();
        dead(&Workspace { root, ..Workspace::default() }, "src/a.md", text)
    }

    #[test]
    fn a_link_to_a_file_is_followed_from_where_the_document_is() {
        assert!(dead_in("see [this](links.rs), [that](../Cargo.toml) and [the folder](../src)").is_empty());
        assert_eq!(dead_in("see [this](links.rs)\nand [that](Cargo.toml)"), ["src/a.md:2: nothing is at `Cargo.toml`"]);
    }

    #[test]
    fn a_link_to_a_heading_needs_the_heading() {
        let text = "## 6.1 When a client `comes back`\n";
        assert!(dead_in(&format!("{text}[above](#61-when-a-client-comes-back)")).is_empty());
        assert_eq!(dead_in(&format!("{text}[above](#62-when)")), ["src/a.md:2: nothing is at `#62-when`"]);
        assert_eq!(dead_in("[there](links.rs#nothing)").len(), 1, "headings are looked for in the other file");
    }

    #[test]
    fn what_is_elsewhere_is_not_looked_at() {
        assert!(dead_in("[a](https://example.org/b) [b](crate::Server) [c](mailto:a@example.org)").is_empty());
    }
}
