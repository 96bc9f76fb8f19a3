//! Characters that nobody sees, or that change the direction of others: a text may look like another one by them, or like none.

/// The longest text that is one line: a name, a title, a number.
const LINE: usize = 200;

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

/// The problem with a text of at most so many characters, if it has one.
fn problem(text: &str, most: usize) -> Option<(&'static str, &'static str)> {
    let control = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if text.chars().any(control) {
        return Some(("CONTROL_CHARACTER", "must not contain control characters"));
    }
    if most <= LINE && text.chars().any(|c| matches!(c, '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}')) {
        return Some(("LINE_BREAK", "must be one line"));
    }
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let alone = |beside: Option<char>| beside.is_none_or(|c| c.is_ascii() || c.is_whitespace());
        if hidden(c) || (joins(c) && (alone(before) || alone(rest.peek().copied()))) {
            return Some(("INVISIBLE_CHARACTER", "must not contain invisible characters, or such that change the direction"));
        }
        before = Some(c);
    }
    None
}

/// A name as somebody else's token says it, without what nobody sees. None: nothing is left.
pub fn shown(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !hidden(*c) && !c.is_control()).collect();
    let kept = kept.trim();
    // Joiners stay where a script needs them.
    let plain: String = kept.chars().filter(|c| !joins(*c)).collect();
    let kept = if problem(kept, LINE).is_some() { plain.trim() } else { kept };
    (!kept.is_empty()).then(|| kept.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_as_they_look() {
        for (text, most, code) in [
            ("Casa Álvarez 家 \u{1F3E1}", 100, None),
            ("two\nlines", 1_000, None),
            ("two\nlines", 100, Some("LINE_BREAK")),
            ("sa\u{200B}me", 1_000, Some("INVISIBLE_CHARACTER")),
            ("\u{3164}", 100, Some("INVISIBLE_CHARACTER")),
            ("\u{FEFF}x", 100, Some("INVISIBLE_CHARACTER")),
            ("abc\u{202E}fdp.exe", 10_000, Some("INVISIBLE_CHARACTER")),
            ("\u{2066}x", 100, Some("INVISIBLE_CHARACTER")),
            ("x\u{FFFF}", 100, Some("INVISIBLE_CHARACTER")),
            ("bell\u{7}", 10_000, Some("CONTROL_CHARACTER")),
            // A family is several people in one picture; a word in Persian needs a gap without a space.
            ("\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}", 100, None),
            ("می\u{200C}خواهم", 100, None),
            ("sa\u{200D}me", 100, Some("INVISIBLE_CHARACTER")),
            ("x\u{200D}", 100, Some("INVISIBLE_CHARACTER")),
        ] {
            assert_eq!(problem(text, most).map(|(code, _)| code), code, "{text:?}");
        }
        assert_eq!(shown(" Ro\u{200B}bert\u{202E} Chen\n").as_deref(), Some("Robert Chen"));
        assert_eq!(shown("\u{3164}\u{200B}"), None);
    }
}
