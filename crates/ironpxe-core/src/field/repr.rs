//! JSON values as Python prints them.
//!
//! Ironic's error messages quote the offending value as Python's `repr()`; these match them.

use std::fmt::Write as _;

use serde_json::Value;

/// How many characters of a value a message quotes.
const QUOTED: usize = 1000;

/// `value` as Python's `repr()` prints it, cut after a thousand characters.
pub fn repr(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    shortened(text)
}

/// A text as Python's `repr()` prints it: in quotes, control characters escaped.
pub fn repr_str(text: &str) -> String {
    let mut out = String::new();
    write_str(&mut out, text);
    shortened(out)
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => write_str(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            for (index, (name, field)) in fields.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_str(out, name);
                out.push_str(": ");
                write_value(out, field);
            }
            out.push('}');
        }
    }
}

fn write_str(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            character if character == quote => {
                out.push('\\');
                out.push(quote);
            }
            character if u32::from(character) < 0x20 || u32::from(character) == 0x7f => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(character));
            }
            character => out.push(character),
        }
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_printed_like_python_repr() {
        let value = json!({"a": [1, true, null, "it's", "\"", "l\nm\u{1}"], "b": {}});
        assert_eq!(
            repr(&value),
            r#"{'a': [1, True, None, "it's", '"', 'l\nm\x01'], 'b': {}}"#
        );
        assert_eq!(repr_str(r"^(/[\w-]+)+$"), r"'^(/[\\w-]+)+$'");
        assert_eq!(repr_str("both ' and \""), r#"'both \' and "'"#);
    }

    #[test]
    fn long_value_is_truncated() {
        assert_eq!(repr(&json!("é".repeat(5000))).chars().count(), QUOTED + 1);
    }
}
