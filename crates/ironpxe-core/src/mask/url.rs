//! Masks credentials in URLs: `user:password@`, and the signature or token of a signed URL.

use std::borrow::Cow;

use super::STARS;

/// Masks the credentials of all URLs in a text.
pub fn mask_urls(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        masked.push_str(before);
        masked.push_str("://");
        // A password may contain quotation marks, but mostly they end a URL that a message quotes.
        let end = after.find(is_end).unwrap_or(after.len());
        let (url, behind) = after.split_at_checked(end).unwrap_or((after, ""));
        mask_one(&mut masked, url);
        rest = behind;
    }
    masked.push_str(rest);
    if masked == text {
        return Cow::Borrowed(text);
    }
    Cow::Owned(masked)
}

fn is_end(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || matches!(letter, '"' | '<' | '>')
}

/// Appends the masked remainder after `scheme://`.
fn mask_one(masked: &mut String, url: &str) {
    let server = match user_info(url) {
        Some(at) => {
            masked.push_str(STARS);
            url.get(at..).unwrap_or_default()
        }
        None => url,
    };
    let end = server.find(['/', '?', '#']).unwrap_or(server.len());
    let (host, path) = server.split_at_checked(end).unwrap_or((server, ""));
    masked.push_str(host);
    let Some((path, query)) = path.split_once('?') else {
        masked.push_str(path);
        return;
    };
    masked.push_str(path);
    let mut separator = '?';
    for part in query.split_inclusive(['&', ';']) {
        masked.push(separator);
        let (part, next) = match part.strip_suffix(['&', ';']) {
            Some(bare) => (bare, part.chars().next_back().unwrap_or('&')),
            None => (part, '&'),
        };
        separator = next;
        match part.split_once('=') {
            Some((name, value)) if !value.is_empty() && is_credential(name) => {
                masked.push_str(name);
                masked.push('=');
                masked.push_str(STARS);
            }
            _ => masked.push_str(part),
        }
    }
    if query.ends_with(['&', ';']) {
        masked.push(separator);
    }
}

/// The index of the `@` that ends user and password: the last one of the authority, as in RFC 3986
/// and in practice.
///
/// A `/` in a password should be encoded. An unencoded one is recognized by a port that is not a
/// number.
fn user_info(url: &str) -> Option<usize> {
    let end = url.find(['/', '?', '#']).unwrap_or(url.len());
    let authority = url.get(..end).unwrap_or(url);
    if let Some(at) = authority.rfind('@') {
        return Some(at);
    }
    if authority.starts_with('[') {
        return None;
    }
    let (_, port) = authority.split_once(':')?;
    if port.is_empty() || port.parse::<u16>().is_ok() {
        return None;
    }
    url.rfind('@')
}

/// Whether the query parameter of this name authorizes the URL: `temp_url_sig` (Swift),
/// `X-Amz-Signature`, `X-Amz-Security-Token`, `AWSAccessKeyId` (S3), `X-Goog-Signature`,
/// `Signature` (Google, `CloudFront`), `sig` (Azure), and passwords and tokens in general.
fn is_credential(name: &str) -> bool {
    const WORDS: [&str; 9] = [
        "signature",
        "credential",
        "token",
        "secret",
        "passw",
        "passphrase",
        "apikey",
        "api_key",
        "accesskey",
    ];
    let name = name.to_ascii_lowercase().replace('-', "_");
    let name = name.replace("%5f", "_").replace("%2d", "_");
    WORDS.iter().any(|word| name.contains(word))
        || name.contains("access_key")
        || name
            .split('_')
            .any(|part| matches!(part, "sig" | "auth" | "pwd" | "pass"))
}
