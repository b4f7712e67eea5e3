//! References of a value to others: `$name`, `${name}`, `${group.name}`.
//!
//! A name without group is one of the option's own group, else of `DEFAULT`. `$$` and `\$` are a
//! dollar sign, and so is a `$` before anything that cannot be a name. oslo.config knows every
//! option of its service, and no other; here, what is declared or set anywhere is known. It writes
//! a boolean or an integer as Python does (`True`).

use super::{Kind, Opt, OsloConfig, Problem, Value, ValueError};

/// The most bytes that the references of one value can come to, with one more for each.
pub(super) const MAX_EXPANSION: usize = 64 * 1024;

/// The most values between one that is asked for and one that it needs.
pub(super) const MAX_DEPTH: usize = 64;

/// How far one value is resolved.
#[derive(Debug, Default)]
pub(super) struct Resolution {
    /// The options whose values are being resolved, each needed by the one before.
    options: Vec<String>,
    /// What [`MAX_EXPANSION`] limits.
    expanded: usize,
}

impl OsloConfig<'_> {
    /// The option's value with its references replaced.
    pub(super) fn resolve(
        &self,
        opt: &Opt<'_>,
        so_far: &mut Resolution,
    ) -> Result<Option<Value>, ValueError> {
        let value = self.written(opt);
        let value = value.map(|value| self.interpolate(opt, value, so_far));
        value.transpose()
    }

    /// A value of the option with its references replaced.
    pub(super) fn interpolate(
        &self,
        opt: &Opt<'_>,
        value: Value,
        so_far: &mut Resolution,
    ) -> Result<Value, ValueError> {
        let option = format!("[{}]{}", opt.group, opt.name);
        let endless = so_far.options.contains(&option) || so_far.options.len() > MAX_DEPTH;
        so_far.options.push(option);
        if endless {
            let options = std::mem::take(&mut so_far.options);
            return Err(value.error(Problem::ReferenceLoop(options)));
        }
        let escaped = value.text.replace(r"\$", "$$");
        let mut text = String::new();
        let mut rest = escaped.as_str();
        while let Some((before, after)) = rest.split_once('$') {
            text.push_str(before);
            if let Some((name, after)) = reference(after) {
                let replacement = self.replacement(name, opt.group, &value, so_far)?;
                so_far.expanded += replacement.len() + 1;
                if so_far.expanded > MAX_EXPANSION {
                    return Err(value.error(Problem::TooLong(name.to_owned())));
                }
                text.push_str(&replacement);
                rest = after;
            } else {
                text.push('$');
                rest = after.strip_prefix('$').unwrap_or(after);
            }
        }
        text.push_str(rest);
        so_far.options.pop();
        Ok(Value { text, ..value })
    }

    /// What stands for `name` in `value`, which is one of an option of `group`.
    fn replacement(
        &self,
        name: &str,
        group: &str,
        value: &Value,
        so_far: &mut Resolution,
    ) -> Result<String, ValueError> {
        let opt = match name.split_once('.') {
            // For oslo.config, what is in no group is in none of this name.
            Some(("DEFAULT", _)) => None,
            Some((group, name)) => self.known(group, name),
            None => (self.known(group, name)).or_else(|| self.known("DEFAULT", name)),
        };
        let Some(opt) = opt else {
            return Err(value.error(Problem::UnknownReference(name.to_owned())));
        };
        let Some(found) = self.resolve(&opt, so_far)? else {
            return Ok(String::new());
        };
        Ok(match opt.kind {
            Kind::Str => found.text,
            Kind::Bool if found.boolean()? => "True".to_owned(),
            Kind::Bool => "False".to_owned(),
            Kind::Int => found
                .integer()?
                .map(|it| it.to_string())
                .unwrap_or_default(),
            Kind::List | Kind::Dict | Kind::MultiStr => {
                return Err(value.error(Problem::ReferenceToList(name.to_owned())));
            }
        })
    }

    fn known<'b>(&'b self, group: &'b str, name: &'b str) -> Option<Opt<'b>> {
        let opt = self.opt(group, name);
        let known = self.declared.contains(&opt) || self.written(&opt).is_some();
        known.then_some(opt)
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
