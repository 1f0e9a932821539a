//! Half characters in JSON text: an escaped surrogate without its other half, which JavaScript writes for a
//! text that was cut within an emoji. Other formats have no form for it.

/// What takes the place of half a character: the escape of U+FFFD.
const REPLACEMENT: &str = "\\ufffd";

/// The length of an escape such as `\ud83d`.
const ESCAPE: usize = 6;

/// JSON text with U+FFFD in the place of every half character; `None` where it has none. The text has to be
/// JSON, apart from those.
pub(crate) fn without_halves(text: &str) -> Option<String> {
    let (mut whole, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('\\')) {
        at += found;
        match (unit(text, at), unit(text, at + ESCAPE)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 2 * ESCAPE,
            (Some(0xd800..=0xdfff), _) => {
                whole.push_str(&text[copied..at]);
                whole.push_str(REPLACEMENT);
                at += ESCAPE;
                copied = at;
            }
            // Another escape: what follows the backslash is no beginning of one.
            _ => at += 2,
        }
    }
    (copied > 0).then(|| whole + &text[copied..])
}

/// The code unit of an escape that begins there.
fn unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + ESCAPE)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_half_a_character_is_replaced() {
        for whole in [
            "",
            "null",
            r#""plain 😀""#,
            r#""\ud83d\ude00""#,
            r#""\uD83D\uDE00\ud83d\ude00""#,
            r#""\\ud83d""#,
            r#""\\\\ud83d \n\u0000\"""#,
            r#""\ufffd\ue000\ud7ff""#,
        ] {
            assert_eq!(without_halves(whole), None, "{whole}");
        }
        for (text, whole) in [
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""a\uDE00b""#, r#""a\ufffdb""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ude00\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\n""#, r#""\ufffd\n""#),
            (r#""\\\ud83d\\ud83d""#, r#""\\\ufffd\\ud83d""#),
            (r#"{"\udbff":["é\udc00é"]}"#, r#"{"\ufffd":["é\ufffdé"]}"#),
        ] {
            assert_eq!(without_halves(text).as_deref(), Some(whole), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics_and_what_comes_out_has_no_halves_left(text in r#"(\\|u|d8|dc|3d|00|é|"|[a-f0-9]){0,40}"#) {
            if let Some(whole) = without_halves(&text) {
                assert_eq!(without_halves(&whole), None);
            }
        }
    }
}
