//! The kernel command line, validated so that it reaches the kernel unchanged.

use std::fmt;

use super::text;
use crate::mask::mask_text;

/// The longest command line of an x86 kernel on BIOS, in bytes without the closing NUL. iPXE
/// silently truncates longer ones.
pub(super) const MAX_BYTES: usize = 2047;

/// A kernel command line that iPXE passes on unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KernelArgs {
    words: Vec<String>,
    /// The origin of the words: a field, and the index after its last word.
    origins: Vec<(String, usize)>,
}

/// Why a text cannot be part of a kernel command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgError {
    /// A word that iPXE would not pass on unchanged.
    #[error("{}: {problem}", shown(word))]
    Word {
        /// The word.
        word: String,
        /// What iPXE would do with it.
        problem: &'static str,
    },
    /// Consecutive blanks within double quotes.
    #[error("iPXE would collapse consecutive blanks within quotes")]
    QuotedBlanks,
    /// iPXE reads `mem=` anywhere in the line as the machine's memory limit.
    #[error(
        "iPXE would read \"mem=\" in {} as a memory limit below 16 MiB and fail to boot",
        shown(.0)
    )]
    MemoryLimit(String),
    /// The whole line is too long.
    #[error("the kernel command line is {0} bytes long; the limit of BIOS machines and x86 kernels is {max}", max = MAX_BYTES)]
    TooLong(usize),
}

/// A word for messages: quoted, masked and shortened. Invisible characters are shown by code point,
/// because a console shows no backslash and so no escapes.
fn shown(word: &str) -> String {
    let visible: String = mask_text(word)
        .chars()
        .map(|c| match c {
            '\n' => "<LF>".to_owned(),
            '\r' => "<CR>".to_owned(),
            '\t' => "<TAB>".to_owned(),
            '\0' => "<NUL>".to_owned(),
            c if c.is_control() => format!("<U+{:04X}>", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{}\"", text::abridged(&visible, 40))
}

impl KernelArgs {
    /// An empty command line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the words of a text. Leading and trailing white space is ignored: multi-line texts in
    /// YAML end with a line feed, which Ironic strips too (`common/kernel_parameters.py`).
    pub fn extend(&mut self, text: &str) -> Result<(), ArgError> {
        let text = text.trim_ascii();
        if has_run_of_blanks_in_quotes(text) {
            return Err(ArgError::QuotedBlanks);
        }
        // Not `char::is_whitespace`: a line feed is rejected, not a separator.
        for word in text.split([' ', '\t']).filter(|word| !word.is_empty()) {
            self.push(word)?;
        }
        Ok(())
    }

    /// Adds one word.
    pub fn push(&mut self, word: impl Into<String>) -> Result<(), ArgError> {
        let word = word.into();
        if let Some(problem) = text::word_problem(&word) {
            return Err(ArgError::Word { word, problem });
        }
        self.words.push(word);
        Ok(())
    }

    /// Records `field` as the origin of the words added since the last call.
    pub(super) fn set_origin(&mut self, field: &str) {
        self.origins.push((field.to_owned(), self.words.len()));
    }

    /// The field to correct for an error of the whole line: the one with the word in question, or
    /// the one with the longest part of the line.
    pub(super) fn field_to_correct(&self, error: &ArgError) -> Option<&str> {
        let mut start = 0;
        let parts = self.origins.iter().map(|(field, end)| {
            let words = self.words.get(start..*end).unwrap_or_default();
            start = *end;
            (field, words)
        });
        let part = match error {
            ArgError::MemoryLimit(word) => {
                let mut parts = parts;
                parts.find(|(_, words)| words.contains(word))
            }
            _ => parts.max_by_key(|(_, words)| words.iter().map(String::len).sum::<usize>()),
        };
        part.map(|(field, _)| field.as_str())
    }

    /// Whether some word sets `key`.
    pub fn sets(&self, key: &str) -> bool {
        self.words.iter().any(|word| {
            word.strip_prefix(key)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        })
    }

    /// The words, in order.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Checks the whole line. `more_bytes` is the length of what the script adds.
    pub fn check(&self, more_bytes: usize) -> Result<(), ArgError> {
        // iPXE only considers the first "mem=", wherever it is.
        let limit = self.words.iter().find(|word| word.contains("mem="));
        if let Some(word) = limit.filter(|word| memory_limit_is_tiny(word)) {
            return Err(ArgError::MemoryLimit(word.clone()));
        }
        let bytes = self.to_string().len() + more_bytes;
        if bytes > MAX_BYTES {
            return Err(ArgError::TooLong(bytes));
        }
        Ok(())
    }
}

impl fmt::Display for KernelArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for word in &self.words {
            write!(f, "{separator}{word}")?;
            separator = " ";
        }
        Ok(())
    }
}

/// Linux keeps blanks within double quotes; iPXE joins words with a single space.
fn has_run_of_blanks_in_quotes(text: &str) -> bool {
    let mut quoted = false;
    let mut before_is_blank = false;
    for c in text.chars() {
        let blank = c == ' ' || c == '\t';
        if quoted && blank && (before_is_blank || c == '\t') {
            return true;
        }
        if c == '"' {
            quoted = !quoted;
        }
        before_is_blank = blank;
    }
    false
}

/// Whether iPXE would read `mem=<number><suffix>` as a limit too low for any image.
fn memory_limit_is_tiny(word: &str) -> bool {
    const ENOUGH: u64 = 16 << 20;
    let Some((_, value)) = word.split_once("mem=") else {
        return false;
    };
    let (digits, radix) = match value
        .strip_prefix("0x")
        .or_else(|| value.strip_prefix("0X"))
    {
        Some(hex) => (hex, 16),
        None if value.starts_with('0') => (value, 8),
        None => (value, 10),
    };
    let end = digits
        .find(|c: char| !c.is_digit(radix))
        .unwrap_or(digits.len());
    let (number, suffix) = digits.split_at(end);
    let number = u64::from_str_radix(number, radix).unwrap_or(0);
    let shift = match suffix.chars().next() {
        None => 0,
        Some('K' | 'k') => 10,
        Some('M' | 'm') => 20,
        Some('G' | 'g') => 30,
        // iPXE ignores a limit with any other suffix.
        Some(_) => return false,
    };
    number.saturating_mul(1 << shift) < ENOUGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn args(text: &str) -> Result<KernelArgs, ArgError> {
        let mut args = KernelArgs::new();
        args.extend(text)?;
        args.check(0)?;
        Ok(args)
    }

    #[test]
    fn repeated_blanks_between_words_are_ignored() {
        assert_eq!(args("  a \t b=c  ").unwrap().to_string(), "a b=c");
    }

    #[test]
    fn leading_and_trailing_white_space_is_ignored() {
        for text in [
            "console=ttyS0\n",
            "console=ttyS0\r\n",
            "\n\t console=ttyS0 \t\r\n\n",
            "\x0cconsole=ttyS0",
        ] {
            assert_eq!(args(text).unwrap().to_string(), "console=ttyS0", "{text:?}");
        }
        assert_eq!(args("\n").unwrap().to_string(), "");
    }

    #[test]
    fn line_feed_between_words_is_refused_and_named() {
        for (text, says) in [
            ("a\nb", "\"a<LF>b\": contains a line feed"),
            ("a \n b", "\"<LF>\": contains a line feed"),
            ("a\r\nb", "\"a<CR><LF>b\": contains a carriage return"),
            ("a\0b", "\"a<NUL>b\": contains a control character"),
            ("a\u{1b}b", "\"a<U+001B>b\": contains a control character"),
            ("\u{fc}", "\"\u{fc}\": only printable ASCII characters"),
            ("a\u{a0}", "\"a\u{a0}\": only printable ASCII characters"),
        ] {
            let said = args(text).unwrap_err().to_string();
            assert!(said.starts_with(says), "{text:?}: {said}");
        }
    }

    #[test]
    fn quoted_text_is_kept_and_repeated_blanks_in_it_are_refused() {
        assert_eq!(args("x=\"a b\" c").unwrap().to_string(), "x=\"a b\" c");
        assert_eq!(args("x=\"a  b\""), Err(ArgError::QuotedBlanks));
        assert_eq!(args("x=\"a\tb\""), Err(ArgError::QuotedBlanks));
    }

    #[test]
    fn memory_limit_is_accepted_only_in_the_form_ipxe_parses() {
        assert!(args("mem=4G").is_ok());
        assert!(args("dom0_mem=512M").is_ok());
        assert!(args("mem=nopentium").is_ok());
        assert_eq!(
            args("foo-mem=1"),
            Err(ArgError::MemoryLimit("foo-mem=1".into()))
        );
        assert_eq!(
            args("mem=0x10"),
            Err(ArgError::MemoryLimit("mem=0x10".into()))
        );
    }

    #[test]
    fn line_longer_than_the_bios_limit_is_refused() {
        assert!(args(&"x".repeat(MAX_BYTES)).is_ok());
        assert_eq!(
            args(&"x".repeat(MAX_BYTES + 1)),
            Err(ArgError::TooLong(MAX_BYTES + 1))
        );
    }

    #[test]
    fn key_lookup_matches_whole_keys_only() {
        let args = args("ipa-debugger quiet ipa-debug=1").unwrap();
        assert!(args.sets("ipa-debug") && args.sets("quiet") && !args.sets("ipa"));
    }

    #[test]
    fn error_names_the_field_with_the_bad_word_or_the_longest_text() {
        let mut args = KernelArgs::new();
        for (field, text) in [("a", "quiet"), ("b", "x mem=1"), ("c", "long long long")] {
            args.extend(text).unwrap();
            args.set_origin(field);
        }
        let limit = ArgError::MemoryLimit("mem=1".into());
        assert_eq!(args.field_to_correct(&limit), Some("b"));
        assert_eq!(args.field_to_correct(&ArgError::TooLong(1)), Some("c"));
        assert_eq!(KernelArgs::new().field_to_correct(&limit), None);
    }

    proptest! {
        #[test]
        fn accepted_text_gives_one_line_of_the_same_words(text in "(\\PC|[\\n\\r\\t;&|#\\\\ ${}\"])*") {
            if let Ok(args) = args(&text) {
                let line = args.to_string();
                prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
                let expands = line.contains("${");
                prop_assert!(!expands, "{}", line);
                let theirs = text.trim_ascii().split([' ', '\t']);
                let theirs: Vec<&str> = theirs.filter(|w| !w.is_empty()).collect();
                let ours: Vec<&str> = line.split(' ').filter(|w| !w.is_empty()).collect();
                prop_assert_eq!(theirs, ours);
            }
        }
    }
}
