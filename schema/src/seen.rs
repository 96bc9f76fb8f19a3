//! Characters that nobody sees, or that change the direction of others: a text may look like another one by them, or like none.

use serde_json::Value;
use unicode_normalization::UnicodeNormalization;

/// Whether a character is invisible by itself, changes the direction of what follows, or is none.
fn hidden(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
        | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}'
        | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{FDD0}'..='\u{FDEF}' | '\u{FFFE}' | '\u{FFFF}')
}

/// Whether a character joins others, or keeps them apart, in scripts and pictures that need it.
fn joins(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}')
}

/// The text as it looks: without what nobody sees, each letter written in one way. None: it is so already.
fn normal(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars().filter(|c| !hidden(*c)).peekable();
    while let Some(c) = rest.next() {
        // A joiner joins nothing beside letters that are never joined.
        let alone = |beside: Option<char>| beside.is_none_or(|c| c.is_ascii() || c.is_whitespace());
        if !(joins(c) && (alone(kept.chars().next_back()) || alone(rest.peek().copied()))) {
            kept.push(c);
        }
    }
    let normal: String = kept.nfc().collect();
    (normal != text).then_some(normal)
}

/// Normalizes every text of an input. Whether any changed.
pub fn plain(value: &mut Value) -> bool {
    match value {
        Value::String(text) => normal(text).map(|normal| *text = normal).is_some(),
        Value::Array(items) => items.iter_mut().fold(false, |changed, item| plain(item) | changed),
        Value::Object(fields) => fields.values_mut().fold(false, |changed, field| plain(field) | changed),
        _ => false,
    }
}

/// A name as somebody else's token says it, without what nobody sees. None: nothing is left.
pub fn shown(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !c.is_control()).collect();
    let kept = normal(&kept).unwrap_or(kept);
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_they_look() {
        for (text, looks) in [
            ("Casa Álvarez 家 \u{1F3E1}", "Casa Álvarez 家 \u{1F3E1}"),
            ("two\nlines", "two\nlines"),
            ("sa\u{200B}me", "same"),
            ("\u{3164}", ""),
            ("\u{FEFF}x", "x"),
            ("abc\u{202E}fdp.exe", "abcfdp.exe"),
            ("\u{2066}x", "x"),
            ("x\u{FFFF}", "x"),
            // One letter, or a letter and its accent.
            ("A\u{301}lvarez", "Álvarez"),
            // A family is several people in one picture; a word in Persian needs a gap without a space.
            ("\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}", "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}"),
            ("می\u{200C}خواهم", "می\u{200C}خواهم"),
            ("sa\u{200D}me", "same"),
            ("x\u{200D}", "x"),
        ] {
            let mut value = serde_json::json!({ "names": [text] });
            assert_eq!(plain(&mut value), text != looks, "{text:?}");
            assert_eq!(value["names"][0], looks);
        }
        assert_eq!(shown(" Ro\u{200B}bert\u{202E} Chen\n").as_deref(), Some("Robert Chen"));
        assert_eq!(shown("\u{3164}\u{200B}"), None);
    }
}
