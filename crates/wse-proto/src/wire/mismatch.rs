//! Where a payload is not of the type asked for, and what was expected there. Nothing of the payload is
//! quoted: neither a value nor a key that the type does not know.

pub(crate) mod traced;

use std::fmt::{self, Display, Write};

/// What is said of a value that its type refuses with a text of its own, which may quote.
const REFUSED: &str = "a value that its type does not accept";

/// The way to the value that is being read, and the first fault that was not recovered from.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    way: Vec<Place>,
    /// What the key or tag that was read last is called, if the type knows it.
    named: Option<&'static str>,
    fault: Option<String>,
}

/// A value on the way.
#[derive(Debug)]
struct Place {
    step: Step,
    names: Names,
    /// What the type has asked the deserializer for.
    wanted: &'static str,
}

/// The names of fields or variants that a type has told.
type Names = &'static [&'static str];

/// One step into a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The value itself.
    Whole,
    Index(usize),
    /// A field or variant that the type knows.
    Named(&'static str),
    /// The value of a key that the type does not know: what it is called is the payload's.
    Unnamed,
}

impl Trace {
    /// Runs `work` one step further in, and describes the fault if that is where it is.
    pub(crate) fn within<T, E: Display>(
        &mut self,
        step: Step,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.way.push(Place { step, names: &[], wanted: "" });
        let done = work(self);
        match &done {
            Ok(_) => self.fault = None, // it was recovered from
            Err(error) if self.fault.is_none() => self.fault = Some(self.describe(&error.to_string())),
            Err(_) => {}
        }
        self.way.pop();
        done
    }

    /// The fault, such as ``, at `stops[2].lat`: expected f64, got a string``.
    pub(crate) fn into_fault(self) -> Option<String> {
        self.fault
    }

    /// Notes what the type asks for.
    pub(crate) fn want(&mut self, wanted: &'static str) {
        if let Some(place) = self.way.last_mut() {
            place.wanted = wanted;
        }
    }

    /// Notes the names of the value that is being read.
    pub(crate) fn tell_names(&mut self, names: Names) {
        if let Some(place) = self.way.last_mut() {
            place.names = names;
        }
    }

    /// The names of the value that is being read.
    pub(crate) fn names(&self) -> Names {
        self.way.last().map_or(&[], |place| place.names)
    }

    /// Notes a string that was read: it may be a key or a tag.
    pub(crate) fn read_text(&mut self, text: &str) {
        self.named = self.names().iter().find(|name| **name == text).copied();
    }

    /// The step to the value whose key or tag was just read.
    pub(crate) fn named(&mut self) -> Step {
        self.named.take().map_or(Step::Unnamed, Step::Named)
    }

    fn describe(&self, error: &str) -> String {
        let path = Path(&self.way).to_string();
        let wanted = self.way.last().map_or("", |place| place.wanted);
        let what = what(error, wanted);
        if path.is_empty() { format!(": {what}") } else { format!(", at `{path}`: {what}") }
    }
}

/// The steps as JavaScript would write them; `*` for a key that the type does not know.
struct Path<'a>(&'a [Place]);

impl Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut is_first = true;
        for place in self.0 {
            let name = match place.step {
                Step::Whole => continue,
                Step::Index(index) => {
                    write!(f, "[{index}]")?;
                    is_first = false;
                    continue;
                }
                Step::Named(name) => name,
                Step::Unnamed => "*",
            };
            if !std::mem::take(&mut is_first) {
                f.write_char('.')?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// What the text of a decoder's error says without a word of the payload. The texts are those of `serde`,
/// and those in which `rmp_serde` says that a value is not what was `wanted`.
fn what(error: &str, wanted: &str) -> String {
    if let Some(field) = error.strip_prefix("missing field `").and_then(|rest| rest.split_once('`')) {
        return format!("missing field `{}`", field.0);
    }
    if let Some(field) = error.strip_prefix("duplicate field `").and_then(|rest| rest.split_once('`')) {
        return format!("field `{}` twice", field.0);
    }
    if let Some(name) = error.strip_prefix("data did not match any variant of untagged enum ") {
        let is_of_name = |letter: &char| letter.is_alphanumeric() || *letter == '_';
        return format!("expected a variant of {}", name.chars().take_while(is_of_name).collect::<String>());
    }
    if let Some(found) = error.strip_prefix("wrong msgpack marker ").filter(|_| !wanted.is_empty()) {
        return format!("expected {wanted}, got {}", kind(found));
    }
    // What was found may quote this, so the last one is the decoder's own.
    let expected = error.rsplit_once(", expected ").map(|(_, expected)| without_place(expected));
    let found = |prefix| error.strip_prefix(prefix).map(kind);
    match (found("invalid type: ").or(found("invalid value: ")), expected) {
        (Some(found), Some(expected)) => format!("expected {expected}, got {found}"),
        (None, Some(expected)) if error.starts_with("invalid length ") => {
            format!("expected {expected}, got another length")
        }
        (None, Some(expected)) if error.starts_with("unknown variant `") => format!("expected {expected}"),
        (None, Some(expected)) if error.starts_with("unknown field `") => format!("unknown field, expected {expected}"),
        _ => REFUSED.to_owned(),
    }
}

/// A text without the place that `serde_json` writes behind it.
fn without_place(text: &str) -> &str {
    let Some((before, place)) = text.rsplit_once(" at line ") else { return text };
    let is_place = place.chars().all(|letter| letter.is_ascii_digit() || " column".contains(letter));
    if is_place { before } else { text }
}

/// What kind of value was found, by the words with which the decoder begins.
fn kind(found: &str) -> &'static str {
    const KINDS: [(&str, &str); 19] = [
        ("boolean", "a boolean"),
        ("integer", "an integer"),
        ("floating point", "a number with a fraction"),
        ("character", "a string"),
        ("string", "a string"),
        ("byte array", "bytes"),
        ("unit value", "null"),
        ("null", "null"),
        ("sequence", "an array"),
        ("map", "an object"),
        ("Option value", "an optional value"),
        ("FixStr", "a string"),
        ("Str", "a string"),
        ("Bin", "bytes"),
        ("FixArray", "an array"),
        ("Array", "an array"),
        ("FixMap", "an object"),
        ("Map", "an object"),
        ("True", "a boolean"),
    ];
    KINDS.iter().find(|(words, _)| found.starts_with(words)).map_or("another value", |(_, kind)| kind)
}

#[cfg(test)]
mod tests;
