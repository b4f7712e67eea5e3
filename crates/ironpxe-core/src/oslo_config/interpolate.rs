//! References of a value to others: `$name`, `${name}`, `${group.name}`.
//!
//! A name without group is one of the option's own group, else of `DEFAULT`. `$$` and `\$` are a
//! dollar sign, and so is a `$` before anything that cannot be a name. oslo.config knows every
//! option of its service, and no other; here, what is declared or set anywhere is known. It writes
//! a boolean or an integer as Python does (`True`).

use super::{Kind, Opt, OsloConfig, Value, ValueError};

/// The most bytes that the references of one value can come to, with one more for each.
const MAX_EXPANSION: usize = 256 * 1024;

/// The most values between one that is asked for and one that it needs.
const MAX_DEPTH: usize = 64;

/// A reference that cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// No option has the name.
    #[error(
        "${0} refers to an option that is neither set nor known: set it, or write $$ for a dollar \
         sign; ${{name}} is an option of the same group or [DEFAULT], ${{group.name}} of another"
    )]
    Unknown(String),
    /// The option's values are no text.
    #[error("${0} refers to an option that is a list or dict: write its values here")]
    NotText(String),
    /// The value needs itself, or the limit on nested references is reached.
    #[error("refers to itself, or over more than {MAX_DEPTH} other options: {}", .0.join(" -> "))]
    Loop(Vec<String>),
    /// The limit on the length is reached.
    #[error("${0} and the references before it come to more than {MAX_EXPANSION} bytes")]
    TooLong(String),
}

/// The options that are being resolved, each needed by the one before, and what is replaced so far.
#[derive(Debug, Default)]
pub(super) struct Trail {
    options: Vec<String>,
    expanded: usize,
}

impl OsloConfig<'_> {
    /// The option's value with its references replaced.
    pub(super) fn resolve(
        &self,
        opt: &Opt<'_>,
        trail: &mut Trail,
    ) -> Result<Option<Value>, ValueError> {
        let value = self.written(opt);
        value.map(|it| self.replaced(opt, it, trail)).transpose()
    }

    /// A value of the option with its references replaced.
    pub(super) fn replaced(
        &self,
        opt: &Opt<'_>,
        value: Value,
        trail: &mut Trail,
    ) -> Result<Value, ValueError> {
        let option = format!("[{}]{}", opt.group, opt.name);
        let again = trail.options.contains(&option) || trail.options.len() > MAX_DEPTH;
        trail.options.push(option);
        if again {
            let options = std::mem::take(&mut trail.options);
            return Err(value.error(ReferenceError::Loop(options)));
        }
        let text = value.text.replace(r"\$", "$$");
        let mut done = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('$') {
            done.push_str(before);
            if let Some((name, after)) = reference(after) {
                let text = self.referred(opt.group, name, &value, trail)?;
                trail.expanded += text.len() + 1;
                if trail.expanded > MAX_EXPANSION {
                    return Err(value.error(ReferenceError::TooLong(name.to_owned())));
                }
                done.push_str(&text);
                rest = after;
            } else {
                done.push('$');
                rest = after.strip_prefix('$').unwrap_or(after);
            }
        }
        done.push_str(rest);
        trail.options.pop();
        Ok(Value {
            text: done,
            ..value
        })
    }

    /// What stands for `name` in a value of the group.
    fn referred(
        &self,
        group: &str,
        name: &str,
        value: &Value,
        trail: &mut Trail,
    ) -> Result<String, ValueError> {
        let candidates = match name.split_once('.') {
            Some((group, name)) if group != "DEFAULT" => vec![(group, name)],
            Some(_) => vec![],
            None => vec![(group, name), ("DEFAULT", name)],
        };
        let mut opts = candidates
            .into_iter()
            .map(|(group, name)| self.opt(group, name));
        let known = |opt: &Opt<'_>| self.declared.contains(opt) || self.written(opt).is_some();
        let Some(opt) = opts.find(known) else {
            return Err(value.error(ReferenceError::Unknown(name.to_owned())));
        };
        let Some(found) = self.resolve(&opt, trail)? else {
            return Ok(String::new());
        };
        match opt.kind {
            Kind::Str => Ok(found.text),
            Kind::Bool if found.boolean()? => Ok("True".to_owned()),
            Kind::Bool => Ok("False".to_owned()),
            Kind::Int => Ok(found
                .integer()?
                .map_or_else(String::new, |it| it.to_string())),
            Kind::List | Kind::Dict | Kind::MultiStr => {
                Err(value.error(ReferenceError::NotText(name.to_owned())))
            }
        }
    }
}

/// The name after a dollar sign, in braces or not, and what follows.
fn reference(text: &str) -> Option<(&str, &str)> {
    let Some(braced) = text.strip_prefix('{') else {
        return name(text);
    };
    let (name, after) = name(braced)?;
    Some((name, after.strip_prefix('}')?))
}

fn name(text: &str) -> Option<(&str, &str)> {
    // Python's `[_a-z]` without regard to case has these four as well.
    let begins = |c: char| {
        c == '_' || c.is_ascii_alphabetic() || "\u{130}\u{131}\u{17f}\u{212a}".contains(c)
    };
    let ends = |c: char| !(begins(c) || c == '.' || c.is_ascii_digit());
    text.starts_with(begins)
        .then(|| text.split_at(text.find(ends).unwrap_or(text.len())))
}
