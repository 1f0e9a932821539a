//! Holds the log lines of the code against the table that operators read, docs/reference/logs.md.
//! Level, message and fields are compared; what a line means is for people. The cell of the fields
//! holds their names with commas, or nothing, a dash or `none`.

use std::collections::BTreeSet;

use crate::house::source::split_at_commas;
use crate::house::tokens::{Kind, Token, tokens};
use crate::house::tree::{Tree, is_test};

/// Where the table is: rows of level, message, fields, meaning.
const TABLE: &str = "docs/reference/logs.md";
/// The crates whose lines reach an operator.
const CRATES: [&str; 5] = ["crates/wse", "crates/wse-frame", "crates/wse-nats", "crates/wse-proto", "crates/wse-redis"];
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// One log line as both places tell it; the fields are sorted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    level: String,
    message: String,
    fields: Vec<String>,
}

/// What stands in the code and not in the table, and the other way round.
pub(crate) fn breaches(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines: Vec<(String, Line)> = Vec::new();
    for (folder, file, text) in tree.rust_sources() {
        if CRATES.contains(&folder) && !is_test(file) {
            for (at, line) in in_code(text) {
                match line {
                    Ok(line) => lines.push((format!("{file}:{at}"), line)),
                    Err(why) => found.push(format!("{file}:{at}: {why}")),
                }
            }
        }
    }
    let Some(text) = tree.text(TABLE) else {
        if !lines.is_empty() {
            found.push(format!("{TABLE} is missing: it lists the {} log lines of the code", lines.len()));
        }
        return found;
    };
    let rows = in_table(text);
    let known: BTreeSet<&Line> = rows.iter().map(|(_, line)| line).collect();
    let said: BTreeSet<&Line> = lines.iter().map(|(_, line)| line).collect();
    for (place, line) in lines.iter().filter(|(_, line)| !known.contains(line)) {
        found.push(format!("{place}: {} is not in {TABLE}", shown(line)));
    }
    for (at, line) in rows.iter().filter(|(_, line)| !said.contains(line)) {
        found.push(format!("{TABLE}:{at}: {} is not in the code", shown(line)));
    }
    found
}

fn shown(Line { level, message, fields }: &Line) -> String {
    let fields = if fields.is_empty() { "no fields".to_owned() } else { format!("fields {}", fields.join(", ")) };
    format!("{level} \"{message}\" with {fields}")
}

/// Every call of a macro of `tracing`, with its line.
fn in_code(text: &str) -> Vec<(usize, Result<Line, String>)> {
    let tokens = tokens(text);
    let word = |at: usize| tokens.get(at).and_then(Token::word);
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let Some(name) = word(at) else { continue };
        let called = tokens.get(at + 1).is_some_and(|token| token.is('!'))
            && tokens.get(at + 2).is_some_and(|token| matches!(token.kind, Kind::Sign('(' | '[' | '{')));
        let of_tracing = at >= 2 && tokens[at - 1].kind == Kind::Path && word(at - 2) == Some("tracing");
        if called && LEVELS.contains(&name) {
            found.push((tokens[at].line, read_call(name, arguments(&tokens[at + 3..]))));
        } else if called && of_tracing && name == "event" {
            found.push((tokens[at].line, Err("`event!` hides its level: use the macro of that level".into())));
        }
    }
    found
}

/// The tokens up to the bracket that closes the call.
fn arguments(tokens: &[Token]) -> &[Token] {
    let mut depth = 0_usize;
    let end = tokens.iter().position(|token| match token.kind {
        Kind::Sign('(' | '[' | '{') => {
            depth += 1;
            false
        }
        Kind::Sign(')' | ']' | '}') if depth == 0 => true,
        Kind::Sign(')' | ']' | '}') => {
            depth -= 1;
            false
        }
        _ => false,
    });
    &tokens[..end.unwrap_or(tokens.len())]
}

/// Reads `target: "a", %error, name = value, "message", ...`; what follows the message is its own.
fn read_call(level: &str, arguments: &[Token]) -> Result<Line, String> {
    let mut fields = Vec::new();
    for argument in split_at_commas(arguments) {
        if let [Token { kind: Kind::Text(message), .. }] = argument {
            fields.sort();
            return Ok(Line { level: level.to_owned(), message: message.clone(), fields });
        }
        let mut name = String::new();
        for token in argument {
            match &token.kind {
                Kind::Word(word) => name.push_str(word),
                Kind::Sign('.') => name.push('.'),
                Kind::Sign('%' | '?') if name.is_empty() => {}
                // `target:` and `parent:` are no fields
                Kind::Sign(':') => {
                    name.clear();
                    break;
                }
                Kind::Sign('=') => break,
                _ => return Err("a field of this log line has no name: write `name = value`".into()),
            }
        }
        if !name.is_empty() {
            fields.push(name);
        }
    }
    Err("a log line without a message".into())
}

/// The rows of every table whose first cell is a level, with their lines.
fn in_table(text: &str) -> Vec<(usize, Line)> {
    let rows = text.lines().enumerate().filter_map(|(at, line)| {
        let cells: Vec<String> = line.trim().strip_prefix('|')?.split('|').map(plain).collect();
        let [level, message, fields, ..] = cells.as_slice() else { return None };
        let level = level.to_lowercase();
        let names = fields.split([',', ' ']).filter(|name| name.starts_with(char::is_alphabetic) && *name != "none");
        let mut fields: Vec<String> = names.map(str::to_owned).collect();
        fields.sort();
        LEVELS.contains(&level.as_str()).then(|| (at + 1, Line { level, message: message.clone(), fields }))
    });
    rows.collect()
}

/// The text of a cell without its marks.
fn plain(cell: &str) -> String {
    cell.replace(['`', '*'], "").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        in_code(text)
            .into_iter()
            .map(|(at, line)| format!("{at}: {}", line.map_or_else(|e| e, |l| shown(&l))))
            .collect()
    }

    #[test]
    fn a_call_is_read_with_all_forms_of_fields() {
        let text = "\
fn f() {
    tracing::warn!(%error, \"cannot accept\");
    tokio::select! { () = x => tracing::debug!(\"evicted\") }
    tracing::info!(
        target: \"wse\",
        ?closed,
        cid = conn.cid().as_str(),
        peer.addr = ?addr(a, b),
        conn.number,
        \"closed {}\",
        why,
    );
    // tracing::error!(\"a comment\");
    log(\"error!\");
}";
        assert_eq!(
            read(text),
            [
                "2: warn \"cannot accept\" with fields error",
                "3: debug \"evicted\" with no fields",
                "4: info \"closed {}\" with fields cid, closed, conn.number, peer.addr",
            ]
        );
    }

    #[test]
    fn a_call_that_cannot_be_listed_is_a_breach() {
        assert_eq!(read("trace!(%error);"), ["1: a log line without a message"]);
        assert_eq!(read("tracing::event!(Level::INFO, \"a\");").len(), 1);
        assert!(read("info!(f(x), \"a\");")[0].contains("has no name"));
    }

    #[test]
    fn the_table_and_the_code_are_compared_both_ways() {
        let code = "fn f() { tracing::warn!(%error, \"cannot accept\"); tracing::debug!(a, b, \"closed\"); }";
        let found = |table: &str| {
            breaches(&Tree::planted(&[("crates/wse/src/lib.rs", code), ("docs/reference/logs.md", table)]))
        };
        let head = "| level | message | fields | meaning |\n|---|---|---|---|\n";
        let good =
            format!("{head}| warn | `cannot accept` | `error` | no more files |\n| DEBUG | closed | b, `a` | |\n");
        assert_eq!(found(&good), Vec::<String>::new());
        let level = found(&good.replace("| warn |", "| error |"));
        assert_eq!(
            level[0],
            "crates/wse/src/lib.rs:1: warn \"cannot accept\" with fields error is not in docs/reference/logs.md"
        );
        assert_eq!(level[1], "docs/reference/logs.md:3: error \"cannot accept\" with fields error is not in the code");
        assert_eq!(found(&good.replace("b, `a`", "–")).len(), 2, "fields count");
        assert_eq!(found(&format!("{good}| info | gone | none | |\n")).len(), 1);
        let missing = breaches(&Tree::planted(&[("crates/wse/src/lib.rs", code)]));
        assert_eq!(missing, ["docs/reference/logs.md is missing: it lists the 2 log lines of the code"]);
    }
}
