//! A value as oslo.config's types read it.

use std::collections::BTreeMap;

use super::{Problem, Value, ValueError, is_space};

impl Value {
    /// `types.Boolean`: in upper or lower case.
    pub fn boolean(&self) -> Result<bool, ValueError> {
        match self.text.to_ascii_lowercase().as_str() {
            "true" | "1" | "on" | "yes" => Ok(true),
            "false" | "0" | "off" | "no" => Ok(false),
            _ => Err(self.error(Problem::Boolean(self.text.clone()))),
        }
    }

    /// `types.Integer`: `None` if the value is empty. Digits can be grouped as in `1_000`.
    pub fn integer(&self) -> Result<Option<i64>, ValueError> {
        let text = self.text.trim_matches(is_space);
        if text.is_empty() {
            return Ok(None);
        }
        let mut groups = text.strip_prefix(['+', '-']).unwrap_or(text).split('_');
        let digits = groups.all(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()));
        let number = text.replace('_', "").parse().ok().filter(|_| digits);
        let error = || self.error(Problem::Integer(self.text.clone()));
        number.map(Some).ok_or_else(error)
    }

    /// `types.List`: split at commas, which nothing can quote. Commas at the end are left out.
    pub fn list(&self) -> Vec<String> {
        let text = self.text.trim_matches(is_space).trim_end_matches(',');
        let parts = text.split(',').filter(|_| !text.is_empty());
        let parts = parts.map(|part| part.trim_matches(is_space).to_owned());
        parts.collect()
    }

    /// `types.Dict`: pairs split at commas, a pair at its first colon. A part without colon belongs
    /// to the key of the next pair, comma included.
    pub fn dict(&self) -> Result<BTreeMap<String, String>, ValueError> {
        let mut dict = BTreeMap::new();
        let text = self.text.trim_matches(is_space);
        if text.is_empty() {
            return Ok(dict);
        }
        let mut rest = Some(text);
        while let Some(text) = rest {
            let Some((key, after)) = text.split_once(':') else {
                return Err(self.error(Problem::NoPair(text.to_owned())));
            };
            let (value, after) = match after.split_once(',') {
                Some((value, after)) => (value, Some(after)),
                None => (after, None),
            };
            let key = key.trim_matches(is_space);
            if key.is_empty() {
                return Err(self.error(Problem::NoKey(text.to_owned())));
            }
            let value = value.trim_matches(is_space).to_owned();
            if dict.insert(key.to_owned(), value).is_some() {
                return Err(self.error(Problem::DuplicateKey(key.to_owned())));
            }
            rest = after;
        }
        Ok(dict)
    }
}
