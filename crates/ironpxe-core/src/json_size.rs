//! Estimates the size of JSON without building it.
//!
//! A parsed document takes many times the memory of its text: an empty list is two bytes of text
//! and tens of bytes in memory. Code that parses JSON from outside counts its values first.

use std::fmt;

use serde_json::Value;

use crate::JsonMap;

/// The approximate memory per value of a parsed document, on top of its text, in bytes.
pub const VALUE_BYTES: usize = 80;

/// The number of values in a JSON text: scalars, lists, objects and members. For malformed JSON, an
/// upper bound of what a parser builds before it fails.
pub fn count_values(text: &[u8]) -> usize {
    let mut count = 1_usize;
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => skip_string(&mut rest),
            b',' | b'[' | b'{' => count = count.saturating_add(1),
            _ => {}
        }
    }
    count
}

fn skip_string(rest: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                rest.next();
            }
            _ => {}
        }
    }
}

/// The length of a value as JSON, in bytes.
pub fn value_len(value: &Value) -> usize {
    struct Count(usize);
    impl fmt::Write for Count {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = self.0.saturating_add(text.len());
            Ok(())
        }
    }
    let mut count = Count(0);
    // Writing to a counter cannot fail.
    let _ = fmt::Write::write_fmt(&mut count, format_args!("{value}"));
    count.0
}

/// The length of an object as JSON, in bytes.
pub fn object_len(object: &JsonMap) -> usize {
    let members = object.iter().map(|(name, value)| {
        let name = value_len(&Value::String(name.clone()));
        // Plus a colon, and a comma or a bracket.
        name.saturating_add(value_len(value)).saturating_add(2)
    });
    members.fold(2, usize::saturating_add) - usize::from(!object.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_counted_and_text_in_strings_is_not() {
        for (text, count) in [
            ("1", 1),
            (r#""a,[{\",[""#, 1),
            ("[]", 2),
            ("[1,2,3]", 4),
            (r#"{"a": 1, "b": [[], {}]}"#, 6),
        ] {
            assert!(count_values(text.as_bytes()) >= count, "{text}");
            assert!(count_values(text.as_bytes()) <= count + 2, "{text}");
        }
        assert_eq!(count_values("[[".repeat(1000).as_bytes()), 2001);
    }

    #[test]
    fn computed_length_equals_the_serialized_length() {
        for value in [
            json!({}),
            json!({"a\n": [1, "x\"", null]}),
            json!({"a": 1, "b": {"c": []}}),
        ] {
            let length = value.to_string().len();
            assert_eq!(value_len(&value), length);
            assert_eq!(value.as_object().map(object_len), Some(length));
        }
    }
}
