//! The configuration as it may be shown: without the secrets that settings of any kind may hold.

/// A text without the users and passwords of URLs in it (`http://user:password@host`), and without
/// what is assigned to a name like `ipa-root-password=` among kernel parameters.
pub(super) fn masked(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut word_start = 0;
    for (at, _) in text.match_indices(ends_word) {
        shown.push_str(&masked_word(text.get(word_start..at).unwrap_or_default()));
        word_start = at;
    }
    shown.push_str(&masked_word(text.get(word_start..).unwrap_or_default()));
    shown
}

/// A message that may quote a value.
pub(super) fn masked_message(message: String) -> String {
    if message.contains(['@', '=']) {
        masked(&message)
    } else {
        message
    }
}

/// What a value in a message or in a TOML document ends at.
fn ends_word(c: char) -> bool {
    c.is_whitespace() || c == '"'
}

fn masked_word(word: &str) -> String {
    const HIDDEN: &str = "***";
    let word = match word.split_once("://") {
        Some((scheme, rest)) => match rest.get(user_info(rest)..) {
            Some(server) if server.len() < rest.len() => format!("{scheme}://{HIDDEN}{server}"),
            _ => word.to_owned(),
        },
        None => word.to_owned(),
    };
    for (at, _) in word.match_indices('=') {
        let (before, value) = word.split_at(at);
        let name = before
            .rsplit(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'))
            .next()
            .unwrap_or_default();
        if value.len() > 1 && is_secret(name) {
            return format!("{before}={HIDDEN}");
        }
    }
    word
}

/// Where the `@` stands that ends a user and a password, or 0.
///
/// A password should have its `/` encoded. One that has not is found by the port that is no number.
fn user_info(rest: &str) -> usize {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or(rest);
    if let Some(at) = authority.rfind('@') {
        return at;
    }
    let port = match authority.strip_prefix('[') {
        Some(_) => None,
        None => authority.split_once(':').map(|(_, port)| port),
    };
    match port {
        Some(port) if port.parse::<u16>().is_err() => rest.rfind('@').unwrap_or(0),
        _ => 0,
    }
}

/// Whether a kernel parameter or a URL's argument of this name holds a secret.
fn is_secret(name: &str) -> bool {
    const PARTS: [&str; 8] = [
        "password",
        "passwd",
        "passphrase",
        "rootpw",
        "secret",
        "token",
        "signature",
        "_sig",
    ];
    let name = name.to_ascii_lowercase();
    PARTS.into_iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown_and_all_else_is() {
        for (text, shown) in [
            ("http://u:p@h/k", "http://***@h/k"),
            ("http://u@h", "http://***@h"),
            ("http://u:p@x@h/k@v1", "http://***@h/k@v1"),
            ("http://u:p/w@h/k", "http://***@h/k"),
            ("http://h:80/k@v1", "http://h:80/k@v1"),
            ("http://[::1]:80/k@v1", "http://[::1]:80/k@v1"),
            ("http://h/k", "http://h/k"),
            (
                "{ a = \"http://u:p@h/k\", b = \"http://h/k\" }",
                "{ a = \"http://***@h/k\", b = \"http://h/k\" }",
            ),
            ("a ipa-root-password=x b", "a ipa-root-password=*** b"),
            ("\"rootpwd=$1$x\"", "\"rootpwd=***\""),
            ("inst.ks=http://u:p@h/ks?a=1", "inst.ks=http://***@h/ks?a=1"),
            ("http://h/k?token=abc&x=1", "http://h/k?token=***"),
            ("password = \"***\"", "password = \"***\""),
            ("set [api]x = true", "set [api]x = true"),
            (
                "console=ttyS0 sshkey=\"ssh-rsa A u@h\"",
                "console=ttyS0 sshkey=\"ssh-rsa A u@h\"",
            ),
            ("", ""),
            ("\u{fc}=\u{fc} \u{fc}", "\u{fc}=\u{fc} \u{fc}"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
        }
    }
}
