//! Counts the public names at the root of a crate by reading its `lib.rs`.
//! It never asks the compiler: it reads `pub` items of the root, as rustfmt writes them.
//!
//! The parse, in full: comments and attributes are dropped; an item counts when it begins with
//! `pub` in the first column. `pub use` counts each name it brings (the last part of the path, or
//! what stands behind `as`), every other item (`mod`, `fn`, `struct`, ...) counts one, and what is
//! inside a module does not count. `pub(crate)` is not public.

/// The public names, in the order of the file, or why they cannot be counted.
pub(crate) fn public_names(lib: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let mut lines = lib.lines().map(|line| line.split("//").next().unwrap_or_default().trim_end());
    while let Some(line) = lines.next() {
        let Some(item) = line.strip_prefix("pub ") else { continue };
        if let Some(start) = item.strip_prefix("use ") {
            let mut path = start.to_owned();
            while !path.ends_with(';') {
                path.push_str(lines.next().ok_or("a `pub use` without its end")?.trim());
            }
            names_of_path(path.trim_end_matches(';'), "", &mut names)?;
        } else {
            names.push(name_of_item(item));
        }
    }
    Ok(names)
}

/// The name of `const X: ...`, `async fn x(...)`, `mod x;` and the like.
fn name_of_item(item: &str) -> String {
    let kinds = ["async", "const", "extern", "unsafe", "fn", "mod", "struct", "enum", "trait", "type", "static"];
    item.split([' ', '(', '<', ':', ';', '{', '='])
        .find(|word| !word.is_empty() && !kinds.contains(word))
        .unwrap_or_default()
        .to_owned()
}

/// The names a path of a `use` brings; braces may stand in braces.
fn names_of_path(path: &str, parent: &str, names: &mut Vec<String>) -> Result<(), String> {
    let path = path.trim();
    if let Some((before, inner)) = path.split_once('{') {
        let inner = inner.strip_suffix('}').ok_or(format!("cannot read `{path}`"))?;
        let parent = before.trim_end_matches("::").rsplit("::").next().unwrap_or_default();
        return split_outside_braces(inner)
            .into_iter()
            .filter(|part| !part.trim().is_empty())
            .try_for_each(|part| names_of_path(part, parent, names));
    }
    match path.rsplit_once(" as ") {
        Some((_, "_")) => {}
        Some((_, name)) => names.push(name.to_owned()),
        None => match path.rsplit("::").next().unwrap_or_default() {
            "*" => return Err(format!("`pub use {path}` cannot be counted: name what is exported")),
            "self" => names.push(parent.to_owned()),
            name => names.push(name.to_owned()),
        },
    }
    Ok(())
}

fn split_outside_braces(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, sign) in text.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(lib: &str) -> String {
        public_names(lib).unwrap().join(" ")
    }

    #[test]
    fn every_name_of_a_use_counts() {
        let lib =
            "pub use wse_proto::{\n    Cid, Reason as Why,\n    limits::{self, Limits}, // all\n};\npub use a::B;\n";
        assert_eq!(joined(lib), "Cid Why limits Limits B");
    }

    #[test]
    fn items_count_once_and_their_inside_does_not() {
        let lib = "pub mod codes {\n    pub const A: u8 = 1;\n}\npub fn with<T>(t: T) {}\npub const MAX: usize = 1;\npub struct Unit;\npub async fn go() {}\n";
        assert_eq!(joined(lib), "codes with MAX Unit go");
    }

    #[test]
    fn what_is_not_public_does_not_count() {
        let lib = "pub(crate) use a::B;\nmod c;\nuse d::E;\n// pub use f::G;\n/// pub fn h() {}\npub use i::J as _;\n";
        assert_eq!(joined(lib), "");
    }

    #[test]
    fn a_glob_is_refused_because_it_hides_names() {
        assert!(public_names("pub use wse_proto::*;\n").is_err());
    }
}
