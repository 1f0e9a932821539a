//! Reads the list of extensions in a header line (RFC 6455 section 9.1). May never know an extension.

use std::borrow::Cow;

/// One extension of a list, with its parameters in order.
#[derive(Debug, PartialEq)]
pub(super) struct Extension<'h> {
    pub(super) name: &'h str,
    pub(super) params: Vec<Param<'h>>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Param<'h> {
    pub(super) name: &'h str,
    /// The value, out of its quotes if it has some.
    pub(super) value: Option<Cow<'h, str>>,
}

/// The extensions of a line, which may be none; `None`, if it is no such list.
///
/// Elements may be empty, as in every list of HTTP (RFC 9110 section 5.6.1).
pub(super) fn list(line: &str) -> Option<Vec<Extension<'_>>> {
    let mut rest = Rest(line);
    let mut list = Vec::new();
    loop {
        while rest.take(',') {}
        if rest.is_over() {
            return Some(list);
        }
        list.push(rest.extension()?);
        if !rest.is_over() && !rest.take(',') {
            return None;
        }
    }
}

/// What is left of a line.
struct Rest<'h>(&'h str);

impl<'h> Rest<'h> {
    fn extension(&mut self) -> Option<Extension<'h>> {
        let name = self.token()?;
        let mut params = Vec::new();
        while self.take(';') {
            let name = self.token()?;
            let value = if self.take('=') { Some(self.value()?) } else { None };
            params.push(Param { name, value });
        }
        Some(Extension { name, params })
    }

    fn value(&mut self) -> Option<Cow<'h, str>> {
        if !self.take('"') {
            return self.token().map(Cow::Borrowed);
        }
        let mut value = String::new();
        let mut chars = self.0.char_indices();
        loop {
            match chars.next()? {
                (end, '"') => {
                    self.0 = self.0.get(end + 1..)?;
                    return Some(value.into());
                }
                (_, '\\') => value.push(chars.next()?.1),
                (_, char) => value.push(char),
            }
        }
    }

    /// The next token (RFC 9110 section 5.6.2), which has a byte at least.
    fn token(&mut self) -> Option<&'h str> {
        self.skip_space();
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let end = self.0.bytes().position(|byte| !is_part(byte)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// Takes the char if it comes next.
    fn take(&mut self, char: char) -> bool {
        self.skip_space();
        let rest = self.0.strip_prefix(char);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn is_over(&mut self) -> bool {
        self.skip_space();
        self.0.is_empty()
    }

    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> Option<String> {
        let extensions = list(line)?.into_iter().map(|Extension { name, params }| {
            let param = |Param { name, value }: Param<'_>| match value {
                None => format!(" {name}"),
                Some(value) => format!(" {name}<{value}>"),
            };
            name.to_owned() + &params.into_iter().map(param).collect::<String>()
        });
        Some(extensions.collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn names_parameters_and_values_are_read_with_and_without_quotes() {
        for (line, read) in [
            ("", ""),
            (" \t", ""),
            ("a", "a"),
            (",a,,b ,", "a|b"),
            ("a;b", "a b"),
            ("a ; b = 1 ;c=\"2\"", "a b<1> c<2>"),
            (r#"a; b="x, y; \"z\\""#, r#"a b<x, y; "z\>"#),
            (r#"a; b="", c"#, "a b<>|c"),
        ] {
            assert_eq!(shown(line).as_deref(), Some(read), "{line}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused_whole() {
        for line in
            ["a b", "a;", "a;;b", "a;=1", "a; b=", "a; b=\"", "a; b=\"\\", "ä", "a/b", ";", "a; b=\"1\"2", "a\0"]
        {
            assert_eq!(shown(line), None, "{line}");
        }
    }
}
