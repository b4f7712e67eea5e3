//! The syntax of a file.
//!
//! `name = value` or `name: value` below a `[group]`. An indented line continues the value by a
//! line. A comment has a line of its own that starts with `#` or `;`, not indented. One pair of
//! quotation marks around a whole value is taken off.

use std::collections::BTreeMap;

use super::{Origin, ParseError, Syntax, Value, is_space};

/// Values by group and name, in the order of the file. Groups are in lower case, but for `DEFAULT`.
pub(super) type Sections = BTreeMap<String, BTreeMap<String, Vec<Value>>>;

pub(super) fn parse(path: &str, content: &[u8]) -> Result<Sections, ParseError> {
    let refused = |line, problem| ParseError {
        path: path.to_owned(),
        line,
        problem,
    };
    // Python's line ends.
    let lines = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
    let text = std::str::from_utf8(content).map_err(|error| {
        let before = content.get(..error.valid_up_to()).unwrap_or_default();
        let breaks = lines(&String::from_utf8_lossy(before))
            .matches('\n')
            .count();
        refused(1 + breaks, Syntax::Encoding)
    })?;
    if text.starts_with('\u{feff}') {
        return Err(refused(1, Syntax::ByteOrderMark));
    }
    let mut sections = Sections::new();
    let mut section: Option<String> = None;
    // The value that an indented line would continue.
    let mut open: Option<&mut Value> = None;
    for (index, line) in lines(text).split('\n').enumerate() {
        let number = index + 1;
        let line = line.trim_end_matches(is_space);
        let refused = |problem| Err(refused(number, problem));
        if line.starts_with([' ', '\t']) {
            let Some(value) = &mut open else {
                return refused(Syntax::Continuation);
            };
            value.text.push('\n');
            value.text.push_str(line.trim_start_matches(is_space));
            continue;
        }
        open = None;
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            section = match name.strip_suffix(']') {
                None => return refused(Syntax::SectionEnd),
                Some("") => return refused(Syntax::SectionName),
                Some("DEFAULT") => Some("DEFAULT".to_owned()),
                Some(name) => Some(name.to_lowercase()),
            };
            continue;
        }
        let Some((name, text)) = line.split_once(['=', ':']) else {
            return refused(Syntax::NoAssignment);
        };
        let name = name.trim_matches(is_space);
        if name.is_empty() {
            return refused(Syntax::NoName);
        }
        let Some(group) = &section else {
            return refused(Syntax::NoSection);
        };
        let value = Value {
            group: group.clone(),
            option: name.to_owned(),
            text: unquoted(text.trim_matches(is_space)).to_owned(),
            origin: Origin::File {
                path: path.to_owned(),
                line: number,
            },
        };
        let values = sections.entry(group.clone()).or_default();
        let values = values.entry(name.to_owned()).or_default();
        values.push(value);
        open = values.last_mut();
    }
    Ok(sections)
}

/// A single quotation mark is a pair of them, as oslo.config has it.
fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote)
            && text.ends_with(quote)
        {
            return rest.strip_suffix(quote).unwrap_or(rest);
        }
    }
    text
}
