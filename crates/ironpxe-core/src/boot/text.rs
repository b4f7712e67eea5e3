//! What the iPXE script language does to text, and how text gets through it unharmed.
//!
//! The language has no quoting. A line ends at a line feed; it is cut into words at blanks; the
//! words `;`, `&&` and `||` separate commands; a word that begins with `#` begins a comment; a
//! `\` at the end of a line joins it with the next; `${…}` is replaced by a setting wherever it
//! stands. Nothing can be escaped, so a value either does not contain such things or is refused.

/// What is wrong with one word; `None` if it reaches its command as it is.
pub(super) fn word_problem(word: &str) -> Option<&'static str> {
    if !word.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some("only printable ASCII characters can be passed through iPXE");
    }
    if word.contains("${") {
        return Some("iPXE would replace \"${\" by one of its settings");
    }
    if matches!(word, ";" | "&&" | "||") {
        return Some("iPXE would take it as the end of the command");
    }
    if word.starts_with('#') {
        return Some("iPXE would take it as a comment");
    }
    if word.ends_with('\\') {
        return Some("iPXE would join the line with the next one");
    }
    None
}

/// Text for the console: changed until iPXE prints it rather than acting upon it.
///
/// Never use it for what must arrive unchanged.
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
        if matches!(word, ";" | "&&" | "||") || word.starts_with('#') {
            line.push('\'');
        }
        line.push_str(word);
    }
    line
}

/// As [`for_console`], and no longer than `columns`.
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
    fn what_ipxe_would_act_upon_is_refused() {
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

    proptest! {
        #[test]
        fn the_console_gets_only_words_that_print(text in "(\\PC|[\\n\\r;&|#\\\\ ${}])*") {
            let line = for_console_line(&text, 79);
            prop_assert!(line.len() <= 79);
            for word in line.split(' ').filter(|word| !word.is_empty()) {
                prop_assert_eq!(word_problem(word), None, "{:?}", word);
            }
        }
    }
}
