//! Splits a Rust source into words, texts and signs, so that no check trips over a comment or a string.
//! It accepts what the compiler accepts; what it makes of anything else is of no use.

/// One token with the number of its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

/// What a token is. Lifetimes are dropped with the comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An identifier or a keyword.
    Word(String),
    /// The value of a string literal.
    Text(String),
    /// A number or a character.
    Literal,
    /// `::`.
    Path,
    /// Any other character.
    Sign(char),
}

impl Token {
    /// The identifier or keyword, if it is one.
    pub(crate) fn word(&self) -> Option<&str> {
        if let Kind::Word(word) = &self.kind { Some(word) } else { None }
    }

    /// Whether it is this character.
    pub(crate) fn is(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }
}

/// All tokens of a source.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader { signs: source.chars().collect(), at: 0, line: 1 };
    let mut found = Vec::new();
    loop {
        while reader.skip_blank() {}
        let line = reader.line;
        match reader.next() {
            None => return found,
            Some(kind) => found.extend(kind.map(|kind| Token { kind, line })),
        }
    }
}

struct Reader {
    signs: Vec<char>,
    at: usize,
    line: usize,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.signs.get(self.at + ahead).copied()
    }

    fn take(&mut self) -> Option<char> {
        let sign = self.peek(0)?;
        self.at += 1;
        self.line += usize::from(sign == '\n');
        Some(sign)
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while self.peek(0).is_some_and(&wanted) {
            text.extend(self.take());
        }
        text
    }

    /// Skips white space or one comment; says whether there was any.
    fn skip_blank(&mut self) -> bool {
        match (self.peek(0), self.peek(1)) {
            (Some(sign), _) if sign.is_whitespace() => _ = self.take(),
            (Some('/'), Some('/')) => _ = self.take_while(|sign| sign != '\n'),
            (Some('/'), Some('*')) => {
                let mut depth = 0_usize;
                loop {
                    match (self.peek(0), self.peek(1)) {
                        (Some('/'), Some('*')) => depth += 1,
                        (Some('*'), Some('/')) => depth -= 1,
                        (None, _) => return true,
                        _ => {
                            self.take();
                            continue;
                        }
                    }
                    self.take();
                    self.take();
                    if depth == 0 {
                        break;
                    }
                }
            }
            _ => return false,
        }
        true
    }

    /// The next token, `None` at the end; a lifetime is `Some(None)`.
    fn next(&mut self) -> Option<Option<Kind>> {
        let first = self.peek(0)?;
        if first.is_alphabetic() || first == '_' {
            return Some(Some(self.word()));
        }
        if first.is_ascii_digit() {
            self.take_while(is_of_word);
            return Some(Some(Kind::Literal));
        }
        self.take();
        Some(match first {
            '"' => Some(Kind::Text(self.text())),
            '\'' if self.peek(0) == Some('\\') || self.peek(1) == Some('\'') => Some(self.character()),
            '\'' => {
                self.take_while(is_of_word);
                None
            }
            ':' if self.peek(0) == Some(':') => {
                self.take();
                Some(Kind::Path)
            }
            sign => Some(Kind::Sign(sign)),
        })
    }

    /// A word, or the literal that its letters are the prefix of.
    fn word(&mut self) -> Kind {
        let word = self.take_while(is_of_word);
        match (word.as_str(), self.peek(0)) {
            ("b" | "c", Some('"')) => {
                self.take();
                Kind::Text(self.text())
            }
            ("b", Some('\'')) => {
                self.take();
                self.character()
            }
            ("r" | "br" | "cr", Some('"' | '#')) => {
                let hashes = self.take_while(|sign| sign == '#').len();
                if self.peek(0) == Some('"') {
                    self.take();
                    Kind::Text(self.raw_text(hashes))
                } else {
                    Kind::Word(self.take_while(is_of_word))
                }
            }
            _ => Kind::Word(word),
        }
    }

    /// The rest of a string literal whose quote was taken.
    fn text(&mut self) -> String {
        let mut text = String::new();
        while let Some(sign) = self.take() {
            match sign {
                '"' => break,
                '\\' => match self.take() {
                    Some('\n') => _ = self.take_while(char::is_whitespace),
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    other => text.extend(other),
                },
                sign => text.push(sign),
            }
        }
        text
    }

    fn raw_text(&mut self, hashes: usize) -> String {
        let mut text = String::new();
        while let Some(sign) = self.take() {
            if sign == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                self.at += hashes;
                break;
            }
            text.push(sign);
        }
        text
    }

    /// The rest of a character literal whose quote was taken.
    fn character(&mut self) -> Kind {
        while let Some(sign) = self.take() {
            match sign {
                '\\' => _ = self.take(),
                '\'' => break,
                _ => {}
            }
        }
        Kind::Literal
    }
}

fn is_of_word(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> String {
        let shown = tokens(source).into_iter().map(|token| match token.kind {
            Kind::Word(word) => word,
            Kind::Text(text) => format!("{text:?}"),
            Kind::Literal => "#".into(),
            Kind::Path => "::".into(),
            Kind::Sign(sign) => sign.into(),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_are_dropped_and_paths_are_kept_whole() {
        assert_eq!(shown("use a::b; // c::d\n/* e /* f */ g */ h"), "use a :: b ; h");
        assert_eq!(shown("a.0..5 b: c"), "a . # . . # b : c");
    }

    #[test]
    fn texts_are_values() {
        assert_eq!(shown(r##"x("a \"b\" // c", r#"d "e" f"#, b"g")"##), r#"x ( "a \"b\" // c" , "d \"e\" f" , "g" )"#);
        assert_eq!(shown("\"one \\\n   two\""), "\"one two\"");
    }

    #[test]
    fn a_character_is_told_from_a_lifetime() {
        assert_eq!(shown(r"f::<'a>('\'', 'b', b'\\', '{') r#type"), "f :: < > ( # , # , # , # ) type");
    }

    #[test]
    fn a_token_knows_its_line() {
        let lines: Vec<usize> = tokens("a\n/*\n*/ b \"\n\" c").into_iter().map(|token| token.line).collect();
        assert_eq!(lines, [1, 3, 3, 4]);
    }
}
