//! The scan against `serde_json`, which agrees on what a value is and where it begins and ends, and against a
//! count of brackets.

use super::*;
use crate::wire::depth::DEPTH;
use serde_json::value::RawValue;

/// How deep a text nests that is JSON.
fn counted(json: &str) -> usize {
    let (mut open, mut deepest, mut quoted, mut escaped) = (0usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' => open -= 1,
            _ => {}
        }
    }
    deepest
}

/// Checks that both say the same of a text; returns whether it is a value that does not nest too deep.
#[track_caller]
fn agree(text: &str) -> bool {
    let read = serde_json::from_str::<&RawValue>(text).ok().map(RawValue::get);
    let expected = read.map(|json| (json.as_ptr(), json.len(), counted(json)));
    let expected = expected.filter(|(_, _, depth)| *depth <= usize::from(DEPTH));
    let found = scan(text, DEPTH).map(|found| (found.text.as_ptr(), found.text.len(), usize::from(found.depth)));
    assert_eq!(found, expected, "{:?}", text.chars().take(300).collect::<String>());
    found.is_some()
}

/// Pieces that texts are made of and broken with.
const PIECES: [&str; 44] = [
    "[", "]", "{", "}", ",", ":", "\"", "\\", "null", "true", "false", "nul", "n", "0", "1", "9", "-", ".", "e", "E",
    "+", " ", "\n", "\t", "\r", "a", "\"a\"", "\"k\":", "ß", "世", "😀", "\u{0}", "\u{1}", "\u{1f}", "\u{7f}",
    "\u{80}", "\u{feff}", "\u{2028}", "\u{a0}", "\\u12", "\\u12G4", "\\ud800", "/", "\u{c}",
];

/// A sequence of numbers that is the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    fn one_of<'a>(&mut self, pieces: &[&'a str]) -> &'a str {
        pieces[self.below(pieces.len())]
    }

    fn space(&mut self, out: &mut String) {
        if self.below(6) == 0 {
            out.push_str(self.one_of(&[" ", "\n", "\t", "\r", "  \r\n  "]));
        }
    }

    /// Appends a value that nests at most so deep.
    fn value(&mut self, depth: usize, out: &mut String) {
        self.space(out);
        match self.below(if depth == 0 { 5 } else { 8 }) {
            0 => out.push_str(self.one_of(&["null", "true", "false"])),
            1 => out.push_str(self.one_of(&[
                "0",
                "-0",
                "12",
                "-1.5",
                "1e5",
                "1.0E-7",
                "12345678",
                "123456789",
                "99999999999999999999",
                "1e999",
                "0.1",
                "0.12345678901234567",
                "2E+0",
            ])),
            2..=4 => self.string(out),
            5 | 6 => {
                out.push('[');
                for at in 0..self.below(5) {
                    out.push_str(if at > 0 { "," } else { "" });
                    self.value(depth - 1, out);
                }
                self.space(out);
                out.push(']');
            }
            _ => {
                out.push('{');
                for at in 0..self.below(4) {
                    out.push_str(if at > 0 { "," } else { "" });
                    self.space(out);
                    self.string(out);
                    self.space(out);
                    out.push(':');
                    self.value(depth - 1, out);
                }
                self.space(out);
                out.push('}');
            }
        }
        self.space(out);
    }

    fn string(&mut self, out: &mut String) {
        out.push('"');
        let length = if self.below(10) == 0 { 200 } else { 12 };
        for _ in 0..self.below(length) {
            match self.below(16) {
                0 => out.push_str(self.one_of(&["\\n", "\\\"", "\\\\", "\\/", "\\u00e9", "\\ud800", "\\uDe00\\u0000"])),
                1 => out.push_str(self.one_of(&["ß", "世", "😀", "\u{7f}", "\u{2028}"])),
                2 => out.push_str(self.one_of(&["[", "]", "{", "}", ",", ":"])),
                _ => out.push((b'a' + self.below(26) as u8) as char),
            }
        }
        out.push('"');
    }

    /// Takes a char away, puts a piece in, or cuts the text off.
    fn breaks(&mut self, text: &mut String) {
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        let Some(at) = (!places.is_empty()).then(|| places[self.below(places.len())]) else { return };
        match self.below(3) {
            0 => drop(text.remove(at)),
            1 => text.insert_str(at, self.one_of(&PIECES)),
            _ => text.truncate(at),
        }
    }
}

#[test]
fn values_and_what_is_left_of_them_when_broken() {
    let mut chance = Chance(88_172_645_463_325_252);
    let (mut good, mut text) = (0, String::new());
    for _ in 0..100_000 {
        text.clear();
        chance.value(4, &mut text);
        for _ in 0..chance.below(3) {
            chance.breaks(&mut text);
        }
        good += usize::from(agree(&text));
    }
    assert!((40_000..80_000).contains(&good), "{good} were values");
}

#[test]
fn pieces_in_any_order() {
    let mut chance = Chance(1_234_567_891_011);
    let mut text = String::new();
    for _ in 0..60_000 {
        text.clear();
        for _ in 0..chance.below(12) {
            text.push_str(chance.one_of(&PIECES));
        }
        agree(&text);
    }
}

#[test]
fn every_short_text_of_what_numbers_and_brackets_are_made_of() {
    for alphabet in ["01-.eE+", "[]{},:\"1", "\"\\u0n \n"] {
        let letters: Vec<char> = alphabet.chars().collect();
        for length in 0..6 {
            for number in 0..letters.len().pow(length) {
                let digit = |at| letters[number / letters.len().pow(at) % letters.len()];
                agree(&(0..length).map(digit).collect::<String>());
            }
        }
    }
}

#[test]
fn a_byte_that_ends_or_breaks_a_string_is_found_wherever_it_stands() {
    let found = ["\"", "\\", "\\n", "\\u0041", "\\u004", "\0", "\u{1f}"];
    let plain = [" ", "!", "#", "[", "]", "\u{7f}", "\u{80}", "¢", "\u{a2}\u{dc}", "ÿ", "世", "😀", "\u{2028}"];
    for length in (0..26).chain([31, 32, 33, 39, 40, 41, 63, 64, 65, 95, 96, 97, 103, 104, 105, 127, 128, 129, 170]) {
        for at in 0..=length {
            for special in found.into_iter().chain(plain) {
                let inside = format!("{}{special}{}", "x".repeat(at), "x".repeat(length - at));
                assert_eq!(
                    agree(&format!("\"{inside}\"")),
                    !found.contains(&special) || special.len() > 1 && special != "\\u004"
                );
                assert_eq!(is_plain(&inside), plain.contains(&special), "{inside:?}");
                agree(&format!("\"{inside}"));
            }
        }
    }
    // Bytes that are found above one that is none: a subtraction must not borrow from them.
    for first in 0..0x80u8 {
        for second in 0..0x80u8 {
            let inside = String::from_utf8(vec![first, second, b'x', b'x', b'x', b'x', b'x', b'x']).unwrap();
            agree(&format!("\"{inside}\""));
        }
    }
}

#[test]
fn digits_end_wherever_they_end() {
    for length in 1..40 {
        for end in 0..0x80u8 {
            let digits = "1234567890".repeat(4);
            agree(&format!("[{}{}]", &digits[..length], char::from(end)));
            agree(&format!("[0.{}{}", &digits[..length], char::from(end)));
        }
        agree(&format!("[{}é]", "1".repeat(length)));
    }
}

#[test]
fn a_value_is_nested_as_deep_as_a_frame_may_be_and_no_deeper() {
    for [open, inner, close] in
        [["[", "", "]"], ["{\"a\":", "{}", "}"], ["[1,", "null", ",2]"], [" [ ", "\"[[\"", " ] "]]
    {
        for depth in [1, 2, 63, 64, 65, 126, 127, 128, 129, 130, 300] {
            let text = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(agree(&text), counted(&text) <= 128);
            agree(&text[..text.len() - 1]);
            agree(&format!("{text}{}", close.trim()));
            let Some(found) = scan(&text, DEPTH) else { continue };
            assert!(scan(&text, found.depth).is_some() && scan(&text, found.depth - 1).is_none());
        }
    }
    assert!(agree(&format!("[{}[]]", "[[]],".repeat(1000))), "what was closed does not count");
    assert!(!agree(&"[{".repeat(64)) && !agree(&"[}".repeat(3)) && !agree("{]") && !agree("[1}"));
}

#[test]
fn what_is_rare_is_what_serde_json_takes_it_for() {
    let values = [
        "{\"a\":1,\"a\":2}",
        "\"\\ud800\"",
        "\"\\udc00\\ud800\"",
        "\"\u{2028}\u{2029}\"",
        "\"\u{feff}\"",
        " \t\r\n1\n",
        "1e999",
        "-0",
        "[ ]",
        "{ }",
        "\"\u{7f}\"",
        "\"\\/\"",
        "123456789012345678901234567890",
    ];
    let others = [
        "",
        " ",
        "\u{feff}1",
        "1\0",
        "\0",
        "\u{a0}1",
        "1\u{c}",
        "\u{b}1",
        "01",
        "-",
        "-01",
        "+1",
        "1.",
        ".5",
        "1.e5",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "Infinity",
        "nulll",
        "Null",
        "tru",
        "'a'",
        "[1,]",
        "[,1]",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\"}",
        "{\"a\" 1}",
        "{1:1}",
        "{\"a\":}",
        "[1 2]",
        "1 1",
        "[]]",
        "// c\n1",
        "\"\n\"",
        "\"\t\"",
        "\"\\",
        "\"\\u\"",
        "\"\\u12",
        "\"\\x41\"",
        "\"\\U0041\"",
        "\"a",
        "{\"a",
        "{\"a\":\"",
        "\u{2028}1",
    ];
    for text in values {
        assert!(agree(text), "{text:?}");
    }
    for text in others {
        assert!(!agree(text), "{text:?}");
    }
}

#[test]
fn a_value_is_found_within_a_text() {
    let mut scanner = Scanner::new(r#" {"k\n" : [1, "é"] , 2"#);
    assert_eq!((scanner.next(), scanner.next()), (b'{', b'"'));
    let key = scanner.string().unwrap();
    assert_eq!((key.text, key.escaped), ("k\\n", true));
    assert_eq!(scanner.next(), b':');
    let first = scanner.next();
    let value = scanner.value(first, 1).unwrap();
    assert_eq!((value.text, value.depth), ("[1, \"é\"]", 1));
    assert_eq!((scanner.next(), scanner.next(), scanner.is_at_end()), (b',', b'2', true));
    assert_eq!(scanner.next(), 0);
}

/// In the time that one look takes: a second for each of these would be a hundred times that.
#[test]
fn large_texts_are_looked_at_once() {
    const LENGTH: usize = 4 << 20;
    let texts =
        ["[", "\"", "[\"\\n", "1", " ", "[1,[],{},", "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\\\\", "{\"a\":"];
    for piece in texts {
        let text = piece.repeat(LENGTH / piece.len());
        let began = std::time::Instant::now();
        let _ = scan(&text, DEPTH);
        assert!(began.elapsed().as_secs() < 5, "{piece:?}: {:?}", began.elapsed());
    }
}

proptest::proptest! {
    #[test]
    fn any_text(text in proptest::prelude::any::<String>(), json in r#"[\[\]{}":,a\\u0-9 ~.eE+-]{0,24}"#) {
        agree(&text);
        agree(&json);
    }
}
