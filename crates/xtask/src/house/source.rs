//! Reads one Rust source: its modules, what they import, which paths they write out, what they define.
//! What is compiled for tests alone is left out. It never looks at another file.

use std::collections::BTreeSet;

use crate::house::tokens::{Kind, Token, tokens};

/// One module of a file: the file itself, or a `mod name { ... }` in it.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// Its path from the module that the file is.
    pub(crate) path: Vec<String>,
    pub(crate) imports: Vec<Import>,
    /// Paths in the code, such as `crate::a::B::new`, with their lines.
    pub(crate) mentions: Vec<(Vec<String>, usize)>,
    /// Modules declared here, in a file of their own or not.
    pub(crate) children: BTreeSet<String>,
    /// Items defined here.
    pub(crate) defines: BTreeSet<String>,
    /// Words of the code outside of imports.
    pub(crate) words: BTreeSet<String>,
}

/// One name that a `use` brings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    /// The name it has here: the last part of the path, what stands behind `as`, or `*`.
    pub(crate) name: String,
    /// Whether others can import it from here.
    pub(crate) public: bool,
    pub(crate) line: usize,
}

/// What stands in a file.
#[derive(Debug)]
pub(crate) struct Source {
    /// The module that the file is comes first.
    pub(crate) modules: Vec<Module>,
    /// Modules of other files that are declared for tests alone.
    pub(crate) test_modules: Vec<String>,
}

/// Reads a file.
pub(crate) fn read(text: &str) -> Source {
    let all = tokens(text);
    let mut test_modules = Vec::new();
    let kept = without_tests(&all, &mut test_modules);
    Source { modules: modules(&kept), test_modules }
}

/// Kinds of items that end with a closing brace; every other item ends with a semicolon.
const BRACED: [&str; 8] = ["mod", "fn", "impl", "struct", "enum", "trait", "union", "macro_rules"];
/// Words that a name follows which is defined there.
const DEFINING: [&str; 9] = ["struct", "enum", "trait", "type", "fn", "const", "static", "union", "mod"];

/// The tokens without the items behind `#[cfg(test)]` and the like.
fn without_tests(tokens: &[Token], test_modules: &mut Vec<String>) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let Some((end, inner)) = attribute(tokens, at) else {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        };
        if !is_for_tests(&tokens[at..end]) {
            kept.extend_from_slice(&tokens[at..end]);
            at = end;
        } else if inner {
            return Vec::new();
        } else {
            let mut start = end;
            while let Some((end, _)) = attribute(tokens, start) {
                start = end;
            }
            at = end_of_item(tokens, start);
            let words: Vec<&str> = tokens[start..at].iter().filter_map(Token::word).collect();
            if let ["mod", name] | ["pub", "mod", name] | ["pub", "crate", "mod", name] = words.as_slice() {
                test_modules.push((*name).to_owned());
            }
        }
    }
    kept
}

/// Where the attribute that begins here ends, and whether it speaks about what is around it.
fn attribute(tokens: &[Token], at: usize) -> Option<(usize, bool)> {
    if !tokens.get(at)?.is('#') {
        return None;
    }
    let inner = tokens.get(at + 1)?.is('!');
    let open = at + 1 + usize::from(inner);
    tokens.get(open)?.is('[').then(|| (end_of_group(tokens, open), inner))
}

/// `#[cfg(test)]`, `#[cfg(all(test, unix))]`, `#[cfg(doctest)]`; not `#[cfg(not(test))]`.
fn is_for_tests(attribute: &[Token]) -> bool {
    let mut words = attribute.iter().filter_map(Token::word);
    words.next() == Some("cfg") && !words.clone().any(|word| word == "not") && words.any(is_test_word)
}

fn is_test_word(word: &str) -> bool {
    matches!(word, "test" | "doctest")
}

/// The place behind the bracket that closes this one.
fn end_of_group(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Sign('(' | '[' | '{') => depth += 1,
            Kind::Sign(')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The place behind an item, a statement, a field or an arm.
fn end_of_item(tokens: &[Token], start: usize) -> usize {
    let mut at = start;
    let mut braced = tokens.get(start).is_some_and(|token| token.is('{'));
    let mut item = false;
    while let Some(token) = tokens.get(at) {
        match &token.kind {
            Kind::Word(word) if matches!(word.as_str(), "use" | "const" | "static" | "let" | "type") => item = true,
            Kind::Word(word) if BRACED.contains(&word.as_str()) => (item, braced) = (true, true),
            Kind::Sign(';') => return at + 1,
            Kind::Sign(',') if !item => return at + 1,
            Kind::Sign('}' | ')' | ']') => return at,
            Kind::Sign('{') if braced => return end_of_group(tokens, at),
            Kind::Sign('{' | '(' | '[') => {
                at = end_of_group(tokens, at);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    at
}

/// Sorts the tokens into the modules that they stand in.
fn modules(tokens: &[Token]) -> Vec<Module> {
    let mut found = vec![Module::default()];
    // the modules around this place, each with the depth of braces at which it ends
    let mut around = vec![(0, 0)];
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(token) = tokens.get(at) {
        let here = around.last().map_or(0, |(module, _)| *module);
        let next = |ahead: usize| tokens.get(at + ahead);
        match &token.kind {
            Kind::Sign('{') => depth += 1,
            Kind::Sign('}') => {
                depth = depth.saturating_sub(1);
                if around.len() > 1 && around.last().is_some_and(|(_, end)| *end == depth) {
                    around.pop();
                }
            }
            Kind::Word(word) if word == "use" && next(1).is_some_and(|token| !token.is('<')) => {
                let public = at > 0 && (tokens[at - 1].word() == Some("pub") || tokens[at - 1].is(')'));
                let end = (at..tokens.len()).find(|at| tokens[*at].is(';')).unwrap_or(tokens.len());
                read_use(&tokens[at + 1..end], &[], public, &mut found[here].imports);
                at = end;
            }
            Kind::Word(word) => {
                let name = next(1).and_then(Token::word).map(str::to_owned);
                if let Some(name) = name.filter(|_| DEFINING.contains(&word.as_str())) {
                    let inside = word == "mod" && next(2).is_some_and(|token| token.is('{'));
                    if word == "mod" {
                        found[here].children.insert(name.clone());
                    }
                    if inside {
                        let path = found[here].path.iter().cloned().chain([name.clone()]).collect();
                        around.push((found.len(), depth));
                        found.push(Module { path, ..Module::default() });
                        depth += 1;
                        at += 2;
                    }
                    found[here].defines.insert(name);
                } else {
                    at = read_mention(tokens, at, &mut found[here]);
                }
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Takes up the word here and the path that it may begin; returns the place of its last word.
fn read_mention(tokens: &[Token], start: usize, module: &mut Module) -> usize {
    let mut path: Vec<String> = Vec::new();
    let mut at = start;
    while let Some(word) = tokens.get(at).and_then(Token::word) {
        module.words.insert(word.to_owned());
        path.push(word.to_owned());
        if tokens.get(at + 1).is_none_or(|token| token.kind != Kind::Path) {
            at += 1;
            break;
        }
        at += 2;
    }
    // `a.b::<T>()` is a method, and `<T as A>::b` begins with a type
    let before = |back: usize| start.checked_sub(back).map(|at| &tokens[at]);
    let method = before(1).is_some_and(|token| token.is('.')) && before(2).is_none_or(|token| !token.is('.'));
    let continued = before(1).is_some_and(|token| token.kind == Kind::Path);
    if path.len() > 1 && !method && !continued {
        module.mentions.push((path, tokens[start].line));
    }
    (at - 1).max(start)
}

/// Reads what stands between `use` and `;`, with all that is in braces.
fn read_use(tokens: &[Token], parent: &[String], public: bool, found: &mut Vec<Import>) {
    let mut path = parent.to_vec();
    let mut words = tokens.iter().enumerate().filter(|(_, token)| token.kind != Kind::Path).peekable();
    while let Some((at, token)) = words.next() {
        match &token.kind {
            Kind::Sign('{') => {
                let inside = &tokens[at + 1..end_of_group(tokens, at) - 1];
                return split_at_commas(inside).for_each(|part| read_use(part, &path, public, found));
            }
            Kind::Sign('*') => path.push("*".into()),
            Kind::Word(word) if word == "as" => {
                let name = words.next().and_then(|(_, token)| token.word()).unwrap_or_default().to_owned();
                return found.push(Import { path, name, public, line: token.line });
            }
            // `a::{self}` is `a`
            Kind::Word(word) if word == "self" && !path.is_empty() => {}
            Kind::Word(word) => path.push(word.clone()),
            _ => {}
        }
    }
    if let (Some(name), Some(token)) = (path.last().cloned(), tokens.first()) {
        found.push(Import { path, name, public, line: token.line });
    }
}

/// The paths of the files that this one includes as documentation, so that rustdoc tests them.
pub(crate) fn included(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let word = |token: &Token, word: &str| token.word() == Some(word);
    let paths = tokens.windows(6).filter_map(|window| match window {
        [doc, equals, include, mark, open, Token { kind: Kind::Text(path), .. }]
            if word(doc, "doc") && equals.is('=') && word(include, "include_str") && mark.is('!') && open.is('(') =>
        {
            Some(path.clone())
        }
        _ => None,
    });
    paths.collect()
}

/// The parts between the commas that stand in no bracket; an empty last part is left out.
pub(crate) fn split_at_commas(tokens: &[Token]) -> impl Iterator<Item = &[Token]> {
    let mut depth = 0_i32;
    let parts = tokens.split(move |token| {
        depth += match token.kind {
            Kind::Sign('(' | '[' | '{') => 1,
            Kind::Sign(')' | ']' | '}') => -1,
            _ => 0,
        };
        depth == 0 && token.is(',')
    });
    parts.filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(text: &str) -> String {
        let Source { modules, .. } = read(text);
        let imports = modules.iter().flat_map(|module| &module.imports);
        let shown = imports.map(|Import { path, name, public, line }| {
            let public = if *public { "pub " } else { "" };
            format!("{line}: {public}{} as {name}", path.join("::"))
        });
        shown.collect::<Vec<_>>().join("\n")
    }

    fn mentions(text: &str) -> String {
        let Source { modules, .. } = read(text);
        let mentions = modules.iter().flat_map(|module| &module.mentions);
        mentions.map(|(path, _)| path.join("::")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_name_of_a_use_is_read() {
        let text = "use a::{\n    b::{self, C as D},\n    e::*,\n};\npub(crate) use f::G;\npub use ::h;\nuse i as _;";
        let all =
            ["2: a::b as b", "2: a::b::C as D", "3: a::e::* as *", "5: pub f::G as G", "6: pub h as h", "7: i as _"];
        assert_eq!(imports(text), all.join("\n"));
        assert_eq!(imports("fn a<'b>(c: &'b u8) -> impl D + use<'b> {}"), "");
    }

    #[test]
    fn paths_in_the_code_are_read_from_their_beginning() {
        assert_eq!(
            mentions("fn a() -> crate::b::C { x.collect::<super::D>(); Vec::<e::F>::new(); 0..g::H }"),
            "crate::b::C super::D e::F g::H"
        );
    }

    #[test]
    fn what_is_for_tests_alone_is_left_out() {
        let text = "\
#[cfg(test)]
#[path = \"x.rs\"]
mod races;
#[cfg(all(test, unix))]
mod tests { use a::B; fn c() { d::e() } }
#[cfg(test)]
use f::G;
struct H { #[cfg(test)] i: j::K<1>, l: m::N }
#[cfg(test)]
pub(crate) fn o(p: [q::R; 2]) -> s::T { u::v() }
#[cfg(not(test))]
use w::X;";
        assert_eq!(imports(text), "12: w::X as X");
        assert_eq!(mentions(text), "m::N");
        assert_eq!(read(text).test_modules, ["races"]);
        assert!(imports("#![cfg(test)]\nuse a::B;").is_empty());
    }

    #[test]
    fn a_module_inside_of_a_file_is_its_own() {
        let source = read("mod a; pub mod b { pub use crate::C; pub fn d() {} mod e { use f::G; } } use h::I;");
        let paths: Vec<String> = source.modules.iter().map(|module| module.path.join("::")).collect();
        assert_eq!(paths, ["", "b", "b::e"]);
        assert_eq!(source.modules[0].imports.len(), 1);
        assert!(source.modules[0].children.contains("a") && source.modules[0].children.contains("b"));
        assert!(source.modules[1].defines.contains("d") && source.modules[1].imports[0].public);
        assert_eq!(source.modules[2].imports.len(), 1);
    }
}
