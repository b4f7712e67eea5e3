//! Access rules of application credentials: which requests a token is for.

use http::Method;

use crate::openstack::AccessRule;

/// Whether one of the rules allows the request. Without a configured service type none does.
///
/// Source: keystonemiddleware's `_validate_request_method_and_path`.
pub(super) fn allow(
    rules: &[AccessRule],
    service_type: Option<&str>,
    method: &Method,
    path: &str,
) -> bool {
    service_type.is_some_and(|service_type| {
        rules.iter().any(|rule| {
            rule.service == service_type
                && rule.method == method.as_str()
                && matches(&rule.path, path)
        })
    })
}

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// `*` or `{name}`: at least one character other than a slash.
    Segment,
    /// `**`: anything.
    Any,
    /// This byte.
    Literal(u8),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = pattern.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'*' => {
                if let Some(after) = after.strip_prefix(b"*") {
                    tokens.push(Token::Any);
                    after
                } else {
                    tokens.push(Token::Segment);
                    after
                }
            }
            b'{' => {
                if let Some(end) = after.iter().position(|it| *it == b'}') {
                    tokens.push(Token::Segment);
                    after.get(end + 1..).unwrap_or_default()
                } else {
                    tokens.push(Token::Literal(b'{'));
                    after
                }
            }
            byte => {
                tokens.push(Token::Literal(*byte));
                after
            }
        };
    }
    tokens
}

/// Takes time proportional to the product of both lengths, whatever the pattern.
fn matches(pattern: &str, path: &str) -> bool {
    let tokens = tokens(pattern);
    // Whether the tokens before this index match what was read. The next may have begun.
    let mut reached = vec![false; tokens.len() + 1];
    let skip_any = |reached: &mut Vec<bool>| {
        for (index, token) in tokens.iter().enumerate() {
            let is_here = reached.get(index).copied().unwrap_or_default();
            if is_here
                && *token == Token::Any
                && let Some(next) = reached.get_mut(index + 1)
            {
                *next = true;
            }
        }
    };
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    skip_any(&mut reached);
    for byte in path.bytes() {
        let mut next = vec![false; tokens.len() + 1];
        for (index, token) in tokens.iter().enumerate() {
            let before = reached.get(index).copied().unwrap_or_default();
            let (stays, goes_on) = match token {
                // What follows is added by `skip_any`.
                Token::Any => (before, false),
                Token::Segment => (before && byte != b'/', before && byte != b'/'),
                Token::Literal(literal) => (false, before && *literal == byte),
            };
            if let (true, Some(place)) = (stays, next.get_mut(index)) {
                *place = true;
            }
            if let (true, Some(place)) = (goes_on, next.get_mut(index + 1)) {
                *place = true;
            }
        }
        reached = next;
        skip_any(&mut reached);
    }
    reached.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_as_by_keystonemiddleware() {
        for (pattern, path, expected) in [
            ("/v1/nodes", "/v1/nodes", true),
            ("/v1/nodes", "/v1/nodes/", false),
            ("/v1/nodes", "/v1/nodesx", false),
            ("/v1/nodes/*", "/v1/nodes/n1", true),
            ("/v1/nodes/*", "/v1/nodes/", false),
            ("/v1/nodes/*", "/v1/nodes", false),
            ("/v1/nodes/*", "/v1/nodes/n1/states", false),
            ("/v1/*/n1", "/v1/nodes/n1", true),
            ("/v1/*/*/states", "/v1/nodes/n1/states", true),
            ("/v1/no*s/n1", "/v1/nodes/n1", true),
            ("/v1/nodes/{node}/states", "/v1/nodes/n1/states", true),
            ("/v1/nodes/{node}/states", "/v1/nodes//states", false),
            ("/v1/nodes/**", "/v1/nodes/n1/states", true),
            ("/v1/nodes/**", "/v1/nodes/", true),
            ("/v1/nodes/**", "/v1/nodes", false),
            ("/v1/**/power", "/v1/nodes/n1/states/power", true),
            ("/v1/**/power", "/v1/nodes/n1/states/provision", false),
            ("**", "/v1/nodes", true),
            ("**", "", true),
            ("", "", true),
            ("", "/", false),
            ("/v1/nodes.", "/v1/nodesx", false),
            ("/v1/{", "/v1/{", true),
            ("/V1/nodes", "/v1/nodes", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn pattern_of_many_wildcards_takes_no_exponential_time() {
        assert!(!matches(
            &"**a".repeat(40),
            &"a".repeat(2000).replace('a', "ab")
        ));
    }

    #[test]
    fn service_method_and_path_must_match() {
        let rules = [AccessRule {
            service: "baremetal".to_owned(),
            method: "GET".to_owned(),
            path: "/v1/nodes".to_owned(),
        }];
        let allowed = |service, method: &Method, path| allow(&rules, service, method, path);
        assert!(allowed(Some("baremetal"), &Method::GET, "/v1/nodes"));
        assert!(!allowed(None, &Method::GET, "/v1/nodes"));
        assert!(!allowed(Some("compute"), &Method::GET, "/v1/nodes"));
        assert!(!allowed(Some("baremetal"), &Method::HEAD, "/v1/nodes"));
        assert!(!allowed(Some("baremetal"), &Method::GET, "/v1/ports"));
        assert!(!allow(&[], Some("baremetal"), &Method::GET, "/v1/nodes"));
    }
}
