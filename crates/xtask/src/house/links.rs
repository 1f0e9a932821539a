//! Checks that every link of a document leads to a file and a heading that exist.
//! It never asks a network: links to other places are not checked.

use crate::house::tree::{Tree, beside};

/// Every link of every document to a file or heading that the tree does not have.
pub(crate) fn breaches(tree: &Tree) -> Vec<String> {
    tree.documents().flat_map(|(document, text)| dead(tree, document, text)).collect()
}

fn dead(tree: &Tree, document: &str, text: &str) -> Vec<String> {
    let found = text.lines().enumerate().flat_map(|(at, line)| targets(line).map(move |target| (at + 1, target)));
    let dead = found.filter(|(_, target)| is_local(target) && !leads_somewhere(tree, document, text, target));
    dead.map(|(line, target)| format!("{document}:{line}: the link to `{target}` leads nowhere")).collect()
}

/// What stands between `](` and `)`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// Paths of Rust are resolved by rustdoc; addresses of other hosts are not checked.
fn is_local(target: &str) -> bool {
    !target.contains("://") && !target.contains("::") && !target.starts_with("mailto:")
}

fn leads_somewhere(tree: &Tree, document: &str, text: &str, target: &str) -> bool {
    let (path, heading) = target.split_once('#').unwrap_or((target, ""));
    if path.is_empty() {
        return has_heading(text, heading);
    }
    let file = beside(document, path);
    tree.holds(&file) && (heading.is_empty() || tree.text(&file).is_some_and(|text| has_heading(text, heading)))
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
        let tree =
            Tree::planted(&[("docs/guide/a.md", text), ("docs/b.md", "# B\n"), ("README.md", "# Top\n## Two words\n")]);
        breaches(&tree)
    }

    #[test]
    fn a_link_to_a_file_is_followed_from_where_the_document_is() {
        assert!(dead_in("see [this](a.md), [that](../b.md), [top](../../README.md) and [the folder](..)").is_empty());
        let found = dead_in("see [this](a.md)\nand [that](b.md)");
        assert_eq!(found, ["docs/guide/a.md:2: the link to `b.md` leads nowhere"]);
    }

    #[test]
    fn a_link_to_a_heading_needs_the_heading() {
        let text = "## 6.1 When a client `comes back`\n";
        assert!(dead_in(&format!("{text}[above](#61-when-a-client-comes-back)")).is_empty());
        let found = dead_in(&format!("{text}[above](#62-when)"));
        assert_eq!(found, ["docs/guide/a.md:2: the link to `#62-when` leads nowhere"]);
        assert!(dead_in("[there](../../README.md#two-words)").is_empty());
        assert_eq!(dead_in("[there](../../README.md#nothing)").len(), 1, "headings are looked for in the other file");
    }

    #[test]
    fn links_to_other_hosts_are_not_checked() {
        assert!(dead_in("[a](https://example.org/b) [b](crate::Server) [c](mailto:a@example.org)").is_empty());
    }
}
