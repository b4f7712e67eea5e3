//! Text in iPXE scripts: what the language interprets, and how values are printed literally.
//!
//! The language has no quoting. A line feed ends a line; blanks separate words; `;`, `&&` and `||`
//! separate commands; a word that begins with `#` begins a comment; `\` at the end of a line joins
//! it with the next; `${…}` is expanded everywhere; commands, even `echo`, read words that begin
//! with `-` as options. There are no escapes, so a value with any of these is rejected.

use std::borrow::Cow;

/// A byte order mark, which some editors write at the beginning of a file (U+FEFF).
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

/// Why iPXE would not pass a word to its command unchanged; `None` if it would.
pub(super) fn word_problem(word: &str) -> Option<&'static str> {
    if let Some(odd) = word.chars().find(|c| !c.is_ascii_graphic()) {
        return Some(match odd {
            ' ' => "contains a space; iPXE would split it into two words",
            '\n' => "contains a line feed, which ends a command in iPXE",
            '\r' => "contains a carriage return, which ends a line in iPXE",
            '\t' => "contains a tab; iPXE would split it into two words",
            c if c.is_ascii_control() => {
                "contains a control character, which iPXE does not support"
            }
            _ => "only printable ASCII characters are supported by iPXE",
        });
    }
    if word.contains("${") {
        return Some("iPXE would expand \"${\" as a setting");
    }
    if matches!(word, ";" | "&&" | "||") {
        return Some("iPXE would read it as the end of the command");
    }
    if word.starts_with('#') {
        return Some("iPXE would read it as a comment");
    }
    if word.ends_with('\\') {
        return Some("iPXE would join the line with the next one");
    }
    None
}

/// Converts text for the console, so that iPXE prints it instead of interpreting it.
///
/// Never use it for text that must stay unchanged.
pub(super) fn for_console(text: &str) -> String {
    let printable: String = text
        .chars()
        .map(|c| match c {
            '\\' => '/',
            c if c.is_ascii_graphic() => c,
            c if c.is_whitespace() => ' ',
            _ => '?',
        })
        .collect();
    let mut line = String::with_capacity(printable.len());
    for word in printable
        .replace("${", "$ {")
        .split(' ')
        .filter(|word| !word.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        let begins = line.is_empty();
        let is_option = begins && word.starts_with('-');
        if matches!(word, ";" | "&&" | "||") || word.starts_with('#') || is_option {
            line.push('\'');
        }
        line.push_str(word);
    }
    line
}

/// As [`for_console`], wrapped at words into lines of `columns`; the last line marks omitted text.
/// A word longer than a line keeps its beginning and its end.
pub(super) fn for_console_lines(text: &str, columns: usize, lines: usize) -> Vec<String> {
    let mut broken: Vec<String> = Vec::new();
    let text = for_console(text);
    let mut words = unbroken(&text, columns).into_iter().peekable();
    while broken.len() + 1 < lines {
        let mut line = String::new();
        while let Some(word) = words.peek() {
            let separator = usize::from(!line.is_empty());
            if !line.is_empty() && line.len() + separator + word.len() > columns {
                break;
            }
            if separator == 1 {
                line.push(' ');
            }
            line.push_str(word);
            words.next();
        }
        if line.is_empty() {
            return broken;
        }
        broken.push(for_console_line(&line, columns));
    }
    let rest = words.collect::<Vec<_>>().join(" ");
    if !rest.is_empty() {
        broken.push(for_console_line(&rest, columns));
    }
    broken
}

/// The words of a text, each with the options that follow it (`UUID --fields`): a line must not
/// begin with an option, which `echo` would read as its own.
fn unbroken(text: &str, columns: usize) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let word = abridged(word, columns);
        match all.last_mut() {
            Some(last) if word.starts_with('-') && last.len() + 1 + word.len() <= columns => {
                last.push(' ');
                last.push_str(&word);
            }
            _ => all.push(word.into_owned()),
        }
    }
    all
}

/// Whether [`for_console_lines`] shows the entire text.
pub(super) fn fits_lines(text: &str, columns: usize, lines: usize) -> bool {
    for_console_lines(text, columns, lines).join(" ") == for_console(text)
}

/// A word shortened to `columns` characters by omitting its middle.
pub(super) fn abridged(word: &str, columns: usize) -> Cow<'_, str> {
    const GAP: &str = "...";
    let length = word.chars().count();
    if length <= columns {
        return Cow::Borrowed(word);
    }
    let kept = columns.saturating_sub(GAP.len());
    let head: String = word.chars().take(kept - kept / 2).collect();
    let tail: String = word.chars().skip(length - kept / 2).collect();
    Cow::Owned(format!("{head}{GAP}{tail}"))
}

/// As [`for_console`], truncated to `columns`.
pub(super) fn for_console_line(text: &str, columns: usize) -> String {
    let mut line = for_console(text);
    if line.len() > columns {
        line.truncate(columns.saturating_sub(3));
        line.truncate(line.trim_end().len());
        line.push_str("...");
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn word_that_ipxe_would_interpret_is_refused() {
        for word in [
            "a\nb", "a\rb", "a\0b", "ü", "a${mac}", ";", "&&", "||", "#x", "a\\", "a b",
        ] {
            assert!(word_problem(word).is_some(), "{word:?}");
        }
        for word in [
            "a;b", "c||d", "a#b", "$x", "{}", "\"q\"", "'", "`id`", "\\a", "a&&b", "$(x)",
        ] {
            assert_eq!(word_problem(word), None, "{word:?}");
        }
    }

    #[test]
    fn long_text_is_wrapped_between_words() {
        assert_eq!(for_console_lines("", 10, 2), Vec::<String>::new());
        assert_eq!(
            for_console_lines("one two three", 8, 2),
            ["one two", "three"]
        );
        assert_eq!(
            for_console_lines("one two three four", 8, 2),
            ["one two", "three..."]
        );
        assert_eq!(for_console_lines("one", 8, 2), ["one"]);
        assert_eq!(for_console_lines("a 0123456789", 8, 2), ["a", "012...89"]);
        // `echo` would take what begins a line for an option.
        assert_eq!(
            for_console_lines("one two --x y", 9, 2),
            ["one", "two --x y"]
        );
        assert_eq!(for_console("--fields x -y"), "'--fields x -y");
        assert!(fits_lines("one two  three", 8, 2) && !fits_lines("one two three four", 8, 2));
        assert!(!fits_lines("0123456789", 8, 2));
    }

    proptest! {
        #[test]
        fn wrapped_lines_have_only_printable_words(text in "(\\PC|[\\n\\r;&|#\\\\ ${}-]){0,300}") {
            let lines = for_console_lines(&text, 79, 2);
            prop_assert!(lines.len() <= 2);
            for line in &lines {
                prop_assert!(!line.is_empty() && line.len() <= 79, "{:?}", line);
                prop_assert!(!line.starts_with('-'), "{:?}", line);
                for word in line.split(' ').filter(|word| !word.is_empty()) {
                    prop_assert_eq!(word_problem(word), None, "{:?}", word);
                }
            }
        }

        #[test]
        fn console_line_has_only_printable_words(text in "(\\PC|[\\n\\r;&|#\\\\ ${}-])*") {
            let line = for_console_line(&text, 79);
            prop_assert!(line.len() <= 79);
            prop_assert!(!line.starts_with('-'), "{:?}", line);
            for word in line.split(' ').filter(|word| !word.is_empty()) {
                prop_assert_eq!(word_problem(word), None, "{:?}", word);
            }
        }
    }
}
