//! Reads a check in the language of oslo.policy 6.

use super::check::{Check, Left, Part, Reference, Template};

/// How deep parentheses and `not` may be nested.
const MAX_DEPTH: usize = 32;

/// Why a text is not a check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// White space alone, which oslo.policy denies; the empty text allows.
    #[error("only white space (write \"@\" to allow everybody, \"!\" to allow nobody)")]
    Blank,
    /// Neither `left:right` nor `@` nor `!`.
    #[error("\"{0}\" is not a check such as \"role:admin\"")]
    NotACheck(String),
    /// An operand is missing before this word, or at the end.
    #[error("a check is missing before {0}")]
    Missing(String),
    /// Two checks without `and` or `or` between them.
    #[error("\"and\" or \"or\" is missing before {0}")]
    Unjoined(String),
    /// A parenthesis that is not closed.
    #[error("a \"(\" is not closed")]
    Unclosed,
    /// A parenthesis that was not opened.
    #[error("a \")\" closes nothing")]
    Unopened,
    /// Too deeply nested.
    #[error("more than {MAX_DEPTH} levels of parentheses and \"not\"")]
    TooDeep,
    /// A `%` that starts neither `%(key)s` nor `%%`.
    #[error("\"{0}\" has a % that starts neither %(key)s nor %%")]
    Percent(String),
    /// A remote check.
    #[error("\"{0}\": checks that ask a remote server are not supported")]
    Remote(String),
    /// A left side that is neither a name nor a constant.
    #[error("\"{0}\": the left side is neither the name of a credential nor a constant")]
    LeftSide(String),
}

impl std::str::FromStr for Check {
    type Err = CheckError;

    fn from_str(text: &str) -> Result<Self, CheckError> {
        if text.is_empty() {
            return Ok(Self::Always);
        }
        let mut parser = Parser {
            tokens: tokens(text),
            next: 0,
        };
        if parser.tokens.is_empty() {
            return Err(CheckError::Blank);
        }
        let check = parser.any(0)?;
        match parser.peek() {
            None => Ok(check),
            Some(Token::Close) => Err(CheckError::Unopened),
            Some(token) => Err(CheckError::Unjoined(token.to_string())),
        }
    }
}

impl Check {
    /// A check in oslo.policy's old form: one of the outer, all of an inner list. Each is a single
    /// comparison.
    pub(super) fn from_lists<'a>(
        lists: impl IntoIterator<Item = Vec<&'a str>>,
    ) -> Result<Self, CheckError> {
        let mut empty = true;
        let mut any = Vec::new();
        for inner in lists {
            empty = false;
            let all = inner.into_iter().map(atom).collect::<Result<Vec<_>, _>>()?;
            if !all.is_empty() {
                any.push(joined(all, Self::And));
            }
        }
        Ok(match (empty, any.is_empty()) {
            (true, _) => Self::Always,
            (false, true) => Self::Never,
            (false, false) => joined(any, Self::Or),
        })
    }
}

/// One check as it is, several in a list.
fn joined(mut checks: Vec<Check>, join: impl FnOnce(Vec<Check>) -> Check) -> Check {
    match checks.pop() {
        Some(only) if checks.is_empty() => only,
        Some(last) => {
            checks.push(last);
            join(checks)
        }
        None => Check::Never,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    And,
    Or,
    Not,
    Atom(&'a str),
}

impl std::fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match self {
            Self::Open => "(",
            Self::Close => ")",
            Self::And => "and",
            Self::Or => "or",
            Self::Not => "not",
            Self::Atom(text) => text,
        };
        write!(f, "\"{text}\"")
    }
}

/// Splits at white space, and parentheses from the ends of words, as oslo.policy does: `%(key)s`
/// keeps its own.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for word in text.split_whitespace() {
        let without_open = word.trim_start_matches('(');
        tokens.extend((without_open.len()..word.len()).map(|_| Token::Open));
        let bare = without_open.trim_end_matches(')');
        tokens.extend(match bare {
            "" => None,
            _ if bare.eq_ignore_ascii_case("and") => Some(Token::And),
            _ if bare.eq_ignore_ascii_case("or") => Some(Token::Or),
            _ if bare.eq_ignore_ascii_case("not") => Some(Token::Not),
            _ => Some(Token::Atom(bare)),
        });
        tokens.extend((bare.len()..without_open.len()).map(|_| Token::Close));
    }
    tokens
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.next).copied()
    }

    fn take(&mut self, token: Token<'_>) -> bool {
        let found = self.peek() == Some(token);
        self.next += usize::from(found);
        found
    }

    /// Checks with `or` between them.
    fn any(&mut self, depth: usize) -> Result<Check, CheckError> {
        let mut checks = vec![self.all(depth)?];
        while self.take(Token::Or) {
            checks.push(self.all(depth)?);
        }
        Ok(joined(checks, Check::Or))
    }

    /// Checks with `and` between them.
    fn all(&mut self, depth: usize) -> Result<Check, CheckError> {
        let mut checks = vec![self.one(depth)?];
        while self.take(Token::And) {
            checks.push(self.one(depth)?);
        }
        Ok(joined(checks, Check::And))
    }

    fn one(&mut self, depth: usize) -> Result<Check, CheckError> {
        if depth > MAX_DEPTH {
            return Err(CheckError::TooDeep);
        }
        let token = self.peek();
        self.next += 1;
        match token {
            Some(Token::Not) => Ok(Check::Not(Box::new(self.one(depth + 1)?))),
            Some(Token::Open) => {
                let check = self.any(depth + 1)?;
                if self.take(Token::Close) {
                    Ok(check)
                } else if let Some(token) = self.peek() {
                    Err(CheckError::Unjoined(token.to_string()))
                } else {
                    Err(CheckError::Unclosed)
                }
            }
            Some(Token::Atom(text)) => atom(text),
            Some(token) => Err(CheckError::Missing(token.to_string())),
            None => Err(CheckError::Missing("the end".to_owned())),
        }
    }
}

/// A single comparison.
fn atom(text: &str) -> Result<Check, CheckError> {
    match text {
        "@" => return Ok(Check::Always),
        "!" => return Ok(Check::Never),
        _ => {}
    }
    let not_a_check = || CheckError::NotACheck(text.to_owned());
    if text.contains(char::is_whitespace) || text.starts_with('(') || text.ends_with(')') {
        return Err(not_a_check());
    }
    let (left, right) = text.split_once(':').ok_or_else(not_a_check)?;
    match left {
        "role" => Ok(Check::Role(template(right)?)),
        "rule" => Ok(Check::Rule(Reference {
            name: right.to_owned(),
            index: None,
        })),
        "http" | "https" => Err(CheckError::Remote(text.to_owned())),
        _ => Ok(Check::Equal(left_side(left, text)?, template(right)?)),
    }
}

fn left_side(left: &str, text: &str) -> Result<Left, CheckError> {
    let is_name = |part: &str| {
        part.chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == '-')
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && !part.is_empty()
    };
    let is_quoted = ['\'', '"'].into_iter().any(|quote| {
        left.strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
            .is_some_and(|inner| !inner.contains([quote, '\\']))
    });
    let is_number = left
        .parse::<i64>()
        .is_ok_and(|number| number.to_string() == left);
    if is_quoted || is_number || matches!(left, "True" | "False" | "None") {
        Ok(Left::Constant(left.to_owned()))
    } else if left.split('.').all(is_name) {
        Ok(Left::Credential(left.to_owned()))
    } else {
        Err(CheckError::LeftSide(text.to_owned()))
    }
}

/// A right side: text with `%(key)s` and `%%`, as Python's formatting with a dictionary.
fn template(text: &str) -> Result<Template, CheckError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        literal.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            literal.push('%');
            rest = after;
        } else {
            let (key, after) = after
                .strip_prefix('(')
                .and_then(|after| after.split_once(")s"))
                .filter(|(key, _)| !key.contains(['(', ')', '%']))
                .ok_or_else(|| CheckError::Percent(text.to_owned()))?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Key(key.to_owned()));
            rest = after;
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    Ok(match parts.pop() {
        None => Template::Text(String::new()),
        Some(Part::Text(text)) if parts.is_empty() => Template::Text(text),
        Some(Part::Key(key)) if parts.is_empty() => Template::Key(key),
        Some(last) => {
            parts.push(last);
            Template::Parts(parts)
        }
    })
}
