//! Hides secrets in what is shown: passwords and tokens by the name they stand under, and what a
//! URL lets its reader in with.
//!
//! There is one set of rules for everything: fields of nodes and volumes, previews, and messages.
//!
//! Source: `oslo_utils.strutils` (`mask_password`, `mask_dict_password`), which Ironic uses. Beyond
//! these, a name may go on behind the word (`password_file=`), a value is hidden up to its end
//! whatever quotation marks are in it, and the credentials in URLs are hidden too.

mod url;

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

pub use url::mask_urls;

/// What is shown in the place of a secret.
pub const STARS: &str = "******";

/// A value whose name holds one of these is a secret.
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
    // Ironic masks these two in driver_info only; no other field has use for them.
    "snmp_auth_key",
    "snmp_priv_key",
    // Anaconda's and others' kernel parameter for root's password.
    "rootpw",
];

/// Whether what has this name is a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    holds_secret_word(&name)
}

fn holds_secret_word(lower: &str) -> bool {
    SECRET_WORDS.iter().any(|word| lower.contains(word))
}

/// A text without the secrets in it: `password=X`, `--password X`, `"password": "X"` and the like,
/// and the credentials in URLs. What is no secret is as it was.
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

/// Whether a text has the mask where a secret would be hidden: somebody sends back what they were
/// shown.
pub fn holds_mask(text: &str) -> bool {
    // What [`mask_text`] hides is not there afterwards.
    const PROBE: &str = "0MASK0";
    if !text.contains(STARS) {
        return false;
    }
    let probe = text.replace(STARS, PROBE);
    let left = mask_text(&probe).matches(PROBE).count();
    left < probe.matches(PROBE).count()
}

/// A script without the secrets in it, for those who may know what is booted but not what it takes.
/// Line by line, so that nothing that is hidden takes the next line along.
pub(crate) fn mask_line(line: &str) -> Cow<'_, str> {
    match line.strip_suffix('\n') {
        Some(text) => match mask_text(text) {
            Cow::Borrowed(_) => Cow::Borrowed(line),
            Cow::Owned(masked) => Cow::Owned(masked + "\n"),
        },
        None => mask_text(line),
    }
}

/// How a secret may stand behind its name. In each, `name` is what stays before it, `value` what
/// is hidden.
static FORMS: LazyLock<[Regex; 7]> = LazyLock::new(forms);

fn forms() -> [Regex; 7] {
    // A quotation mark that is not closed hides the rest.
    const QUOTED: &str = r#"u?"(?:\\.|[^"\\])*"?|u?'(?:\\.|[^'\\])*'?"#;
    // Quotation marks inside of a word are part of it, and one at its end is not.
    const WORD: &str = r#"[^\s'"]+(?:['"]+[^\s'",;\]})]+)*"#;
    const TAIL: &str = r#"[^\s'"=,;:&{}\[\]()<>]*"#;
    let words = SECRET_WORDS.join("|");
    let form = |pattern: String| compiled(&format!("(?is){pattern}"));
    [
        // In JSON and Python.
        form(format!(
            r#"(?<name>["'][^"']*(?:{words})[^"']*["']\s*:\s*)(?<value>{QUOTED}|[^\s'",\[\]{{}}]+)"#
        )),
        // A flag, its own flag, and its value, as a list of Python.
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

/// The name, and stars in the quotation marks of the value.
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
