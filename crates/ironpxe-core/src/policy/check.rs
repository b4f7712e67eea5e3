//! A check, as oslo.policy calls the right side of a rule: what it is, and whether it holds.

use std::fmt;

use super::credentials::Value;

/// A parsed check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// `@`, and the empty text: holds for everybody.
    Always,
    /// `!`: holds for nobody.
    Never,
    /// `role:X`: the token has the role, in whatever case.
    Role(Template),
    /// `rule:X`: another rule.
    Rule(Reference),
    /// `left:right`: the credential, or the constant, equals the right side.
    Equal(Left, Template),
    /// `not X`.
    Not(Box<Check>),
    /// All of at least two hold.
    And(Vec<Check>),
    /// One of at least two holds.
    Or(Vec<Check>),
}

/// A reference to another rule.
#[derive(Debug, Clone)]
pub struct Reference {
    /// Its name.
    pub name: String,
    /// Its place in the policy, once that is complete; `None` if it has no such rule.
    pub(super) index: Option<usize>,
}

/// By name: what it stands for depends on the rest of the policy.
impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Reference {}

/// The left side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Left {
    /// A constant: a quoted text, a whole number, `True`, `False` or `None`, as written.
    Constant(String),
    /// The name of a credential.
    Credential(String),
}

/// A text with gaps for values of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Template {
    /// A text without gaps.
    Text(String),
    /// `%(key)s` alone.
    Key(String),
    /// Several of both, in order; never two texts in succession.
    Parts(Vec<Part>),
}

/// A part of a [`Template`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text; printed with `%` doubled.
    Text(String),
    /// `%(key)s`.
    Key(String),
}

/// What a check is evaluated on.
pub(super) trait Context {
    /// The names of the roles.
    fn roles(&self) -> &[String];
    /// Whether a credential of this name has a value that satisfies `matches`.
    fn credential(&self, name: &str, matches: &mut dyn FnMut(Value<'_>) -> bool) -> bool;
    /// The value of a key of the target.
    fn target(&self, key: &str) -> Option<Value<'_>>;
    /// The check of a rule.
    fn rule(&self, reference: &Reference) -> Option<&Check>;
}

impl Check {
    /// Whether the check holds. It terminates, and its recursion is bounded, because a policy with
    /// circular or too deep rules is not loaded.
    pub(super) fn holds(&self, context: &dyn Context) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Role(template) => template.with(context, |role| match role {
                Value::Text(role) => context.roles().iter().any(|has| equals_any_case(has, role)),
                Value::Null | Value::Bool(_) => false,
            }),
            Self::Rule(reference) => context
                .rule(reference)
                .is_some_and(|check| check.holds(context)),
            Self::Equal(left, template) => template.with(context, |right| match left {
                Left::Constant(constant) => match unquoted(constant) {
                    Some(text) => equals(Value::Text(text), right),
                    None => equals_literal(right, constant),
                },
                Left::Credential(name) => context.credential(name, &mut |left| {
                    if template.is_text() {
                        matches!(right, Value::Text(text) if equals_literal(left, text))
                    } else {
                        equals(left, right)
                    }
                }),
            }),
            Self::Not(check) => !check.holds(context),
            Self::And(checks) => checks.iter().all(|check| check.holds(context)),
            Self::Or(checks) => checks.iter().any(|check| check.holds(context)),
        }
    }
}

impl Check {
    /// Sets what the references stand for.
    pub(super) fn resolve(&mut self, index: &mut dyn FnMut(&str) -> Option<usize>) {
        match self {
            Self::Rule(reference) => reference.index = index(&reference.name),
            Self::Not(check) => check.resolve(index),
            Self::And(checks) | Self::Or(checks) => {
                for check in checks {
                    check.resolve(index);
                }
            }
            Self::Always | Self::Never | Self::Role(_) | Self::Equal(..) => {}
        }
    }
}

impl Check {
    /// Calls `f` with this check and all in it.
    pub(super) fn visit<'a>(&'a self, f: &mut dyn FnMut(&'a Self)) {
        f(self);
        match self {
            Self::Not(check) => check.visit(f),
            Self::And(checks) | Self::Or(checks) => {
                for check in checks {
                    check.visit(f);
                }
            }
            Self::Always | Self::Never | Self::Role(_) | Self::Rule(_) | Self::Equal(..) => {}
        }
    }

    /// Whether the check could hold, and whether it could fail to, for whoever asks about whatever.
    pub(super) fn outcomes<'a>(
        &'a self,
        rule: &dyn Fn(&Reference) -> Option<&'a Self>,
    ) -> (bool, bool) {
        match self {
            Self::Always => (true, false),
            Self::Never => (false, true),
            Self::Role(_) | Self::Equal(..) => (true, true),
            Self::Rule(reference) => rule(reference).map_or((false, true), |it| it.outcomes(rule)),
            Self::Not(check) => {
                let (holds, fails) = check.outcomes(rule);
                (fails, holds)
            }
            Self::And(checks) => checks.iter().fold((true, false), |(holds, fails), check| {
                let one = check.outcomes(rule);
                (holds && one.0, fails || one.1)
            }),
            Self::Or(checks) => checks.iter().fold((false, true), |(holds, fails), check| {
                let one = check.outcomes(rule);
                (holds || one.0, fails && one.1)
            }),
        }
    }

    /// The keys of the target that it needs, if it is a comparison.
    pub(super) fn keys(&self) -> Vec<&str> {
        match self {
            Self::Role(Template::Key(key)) | Self::Equal(_, Template::Key(key)) => vec![key],
            Self::Role(Template::Parts(parts)) | Self::Equal(_, Template::Parts(parts)) => parts
                .iter()
                .filter_map(|part| match part {
                    Part::Key(key) => Some(key.as_str()),
                    Part::Text(_) => None,
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}

impl Template {
    fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Calls `f` with the filled template; false if the target has no such key.
    fn with(&self, context: &dyn Context, f: impl FnOnce(Value<'_>) -> bool) -> bool {
        match self {
            Self::Text(text) => f(Value::Text(text)),
            Self::Key(key) => context.target(key).is_some_and(f),
            Self::Parts(parts) => {
                let mut filled = String::new();
                for part in parts {
                    match part {
                        Part::Text(text) => filled.push_str(text),
                        Part::Key(key) => match context.target(key) {
                            Some(Value::Text(text)) => filled.push_str(text),
                            Some(Value::Bool(value)) => filled.push_str(name_of(value)),
                            // A null is not the text "None": it matches nothing.
                            Some(Value::Null) | None => return false,
                        },
                    }
                }
                f(Value::Text(&filled))
            }
        }
    }
}

/// Whether a credential equals a value of the target. A null equals nothing, not even a null.
fn equals(left: Value<'_>, right: Value<'_>) -> bool {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => left == right,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Text(text), Value::Bool(value)) | (Value::Bool(value), Value::Text(text)) => {
            text == name_of(value)
        }
        (Value::Null, _) | (_, Value::Null) => false,
    }
}

/// Whether a value equals what the check has in so many words. There, `None` means a null.
fn equals_literal(value: Value<'_>, literal: &str) -> bool {
    match value {
        Value::Null => literal == "None",
        Value::Text(text) => text == literal && literal != "None",
        Value::Bool(value) => literal == name_of(value),
    }
}

fn name_of(value: bool) -> &'static str {
    if value { "True" } else { "False" }
}

/// The text of a quoted constant.
fn unquoted(constant: &str) -> Option<&str> {
    ['\'', '"']
        .into_iter()
        .find_map(|quote| constant.strip_prefix(quote)?.strip_suffix(quote))
}

/// Whether two names of roles are the same, in whatever case, as Keystone compares them.
fn equals_any_case(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
        || (!left.is_ascii()
            && left
                .chars()
                .flat_map(char::to_lowercase)
                .eq(right.chars().flat_map(char::to_lowercase)))
}

/// As text that parses to the same check; `and`, `or` in parentheses, as oslo.policy prints them.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("@"),
            Self::Never => f.write_str("!"),
            Self::Role(template) => write!(f, "role:{template}"),
            Self::Rule(reference) => write!(f, "rule:{}", reference.name),
            Self::Equal(Left::Constant(left) | Left::Credential(left), right) => {
                write!(f, "{left}:{right}")
            }
            Self::Not(check) => write!(f, "not {check}"),
            Self::And(checks) => write_joined(f, checks, " and "),
            Self::Or(checks) => write_joined(f, checks, " or "),
        }
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, checks: &[Check], between: &str) -> fmt::Result {
    f.write_str("(")?;
    for (index, check) in checks.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        write!(f, "{check}")?;
    }
    f.write_str(")")
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write_text(f, text),
            Self::Key(key) => write!(f, "%({key})s"),
            Self::Parts(parts) => parts.iter().try_for_each(|part| match part {
                Part::Text(text) => write_text(f, text),
                Part::Key(key) => write!(f, "%({key})s"),
            }),
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str(&text.replace('%', "%%"))
}
