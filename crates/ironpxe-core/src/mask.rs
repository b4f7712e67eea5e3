//! Masks secrets in what is shown: passwords and tokens by their names, and credentials in URLs.
//!
//! The same rules apply everywhere: fields of nodes and volumes, previews, and messages.
//!
//! Source: `oslo_utils.strutils` (`mask_password`, `mask_dict_password`), which Ironic uses. In
//! addition, a name may continue after the secret word (`password_file=`), a value is masked to its
//! end whatever quotation marks it has, and credentials in URLs are masked.

mod url;

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::Value;

use crate::JsonMap;

pub use url::mask_urls;

/// What replaces a secret.
pub const STARS: &str = "******";

/// A value whose name contains one of these is a secret.
const SECRET_WORDS: [&str; 32] = [
    "adminpass",
    "admin_pass",
    "password",
    "new_pass",
    "secret",
    "sys_pswd",
    "token",
    "configdrive",
    "encrypted_key",
    "private_key",
    "fernetkey",
    "sslkey",
    "passphrase",
    "cephclusterfsid",
    "octaviaheartbeatkey",
    "rabbitcookie",
    "cephmanilaclientkey",
    "pacemakerremoteauthkey",
    "designaterndckey",
    "cephadminkey",
    "heatauthencryptionkey",
    "cephclientkey",
    "keystonecredential",
    "barbicansimplecryptokek",
    "cephrgwkey",
    "swifthashsuffix",
    "migrationsshkey",
    "cephmdskey",
    "cephmonkey",
    // Ironic masks these two in driver_info only; no other field uses them.
    "snmp_auth_key",
    "snmp_priv_key",
    // The kernel parameter for root's password of Anaconda and others.
    "rootpw",
];

/// Whether a value of this name is a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    holds_secret_word(&name)
}

fn holds_secret_word(lower: &str) -> bool {
    SECRET_WORDS.iter().any(|word| lower.contains(word))
}

/// Masks the secrets in a text: `password=X`, `--password X`, `"password": "X"` and the like, and
/// credentials in URLs. The rest of the text stays unchanged.
pub fn mask_text(text: &str) -> Cow<'_, str> {
    let masked = mask_urls(text);
    if !holds_secret_word(&masked.to_lowercase()) {
        return masked;
    }
    let mut masked = masked.into_owned();
    for form in FORMS.iter() {
        if let Cow::Owned(more) = form.replace_all(&masked, hidden) {
            masked = more;
        }
    }
    if masked == text {
        return Cow::Borrowed(text);
    }
    Cow::Owned(masked)
}

/// Whether a text has the mask in the place of a secret, as when a client sends back a masked
/// value.
pub fn holds_mask(text: &str) -> bool {
    // [`mask_text`] removes whatever is in the place of a secret.
    const PROBE: &str = "0MASK0";
    if !text.contains(STARS) {
        return false;
    }
    let probe = text.replace(STARS, PROBE);
    let left = mask_text(&probe).matches(PROBE).count();
    left < probe.matches(PROBE).count()
}

/// Whether a value, or a part of it, was hidden by an API that masks secrets as Ironic's does: it
/// contains [`STARS`], or is redacted as a whole.
pub(crate) fn is_hidden(value: &Value) -> bool {
    match value {
        Value::String(text) => is_hidden_text(text),
        Value::Array(values) => values.iter().any(is_hidden),
        Value::Object(map) => is_redacted(map) || map.values().any(is_hidden),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// As [`is_hidden`], of a text.
pub(crate) fn is_hidden_text(text: &str) -> bool {
    text.contains(STARS) || is_redaction(text)
}

/// Whether an object stands for one that the caller may not see.
pub(crate) fn is_redacted(map: &JsonMap) -> bool {
    let content = map.get("content").and_then(Value::as_str);
    map.len() == 1 && content.is_some_and(is_redaction)
}

/// `** Redacted - requires baremetal:node:get:driver_info permission. **`, `** Value Redacted ...`
fn is_redaction(text: &str) -> bool {
    text.starts_with("** ") && text.contains("Redacted")
}

/// Masks the secrets in one line of a script, so that no match spans two lines.
pub(crate) fn mask_line(line: &str) -> Cow<'_, str> {
    match line.strip_suffix('\n') {
        Some(text) => match mask_text(text) {
            Cow::Borrowed(_) => Cow::Borrowed(line),
            Cow::Owned(masked) => Cow::Owned(masked + "\n"),
        },
        None => mask_text(line),
    }
}

/// The forms in which a value follows its name. In each, the group `name` is kept and `value` is
/// masked.
static FORMS: LazyLock<[Regex; 7]> = LazyLock::new(forms);

fn forms() -> [Regex; 7] {
    // An unclosed quotation mark masks the rest.
    const QUOTED: &str = r#"u?"(?:\\.|[^"\\])*"?|u?'(?:\\.|[^'\\])*'?"#;
    // Quotation marks inside a word are part of it; one at its end is not.
    const WORD: &str = r#"[^\s'"]+(?:['"]+[^\s'",;\]})]+)*"#;
    const TAIL: &str = r#"[^\s'"=,;:&{}\[\]()<>]*"#;
    let words = SECRET_WORDS.join("|");
    let form = |pattern: String| compiled(&format!("(?is){pattern}"));
    [
        // In JSON and Python.
        form(format!(
            r#"(?<name>["'][^"']*(?:{words})[^"']*["']\s*:\s*)(?<value>{QUOTED}|[^\s'",\[\]{{}}]+)"#
        )),
        // A flag and its value as separate elements of a Python list.
        form(format!(
            r#"(?<name>["'][^"']*(?:{words})\d*["']\s*,\s*'--?[a-z]+'\s*,\s*)(?<value>{QUOTED})"#
        )),
        form(format!(
            r"(?<name><[^<>]*(?:{words})[^<>]*>)(?<value>[^<]+)"
        )),
        form(format!(
            r#"(?<name>(?:{words}){TAIL}\s+)(?<value>u?"(?:\\.|[^"\\])*"|u?'(?:\\.|[^'\\])*')"#
        )),
        form(format!(
            r#"(?<name>--[\w-]*(?:{words})[\w-]*\s+)(?<value>[^\s'"=]+)"#
        )),
        form(format!(
            r#"(?<name>(?:{words})\d*\s*--?[a-z]+\s*)(?<value>[^\s'"]\S*)"#
        )),
        form(format!(
            r#"(?<name>(?:{words}){TAIL}["']?\s*=\s*)(?<value>{QUOTED}|{WORD})"#
        )),
    ]
}

#[expect(
    clippy::expect_used,
    reason = "constant patterns, which every test of this file compiles"
)]
fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern compiles")
}

/// The name, and the mask within the value's quotation marks.
fn hidden(found: &Captures<'_>) -> String {
    let part = |name| found.name(name).map_or("", |part| part.as_str());
    let (name, value) = (part("name"), part("value"));
    let quotes: String = value
        .strip_prefix('u')
        .filter(|rest| rest.starts_with(['"', '\'']))
        .unwrap_or(value)
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))
        .into_iter()
        .collect();
    format!("{name}{quotes}{STARS}{quotes}")
}

#[cfg(test)]
mod tests;
