//! How large JSON is, counted without building it.
//!
//! A parsed document takes many times the memory of its text: an empty list is two bytes of text
//! and tens of bytes in memory. So whoever reads JSON from outside counts first.

use std::io::{self, Write};

use serde::Serialize;

/// About how much memory one value of a parsed document takes beside its text, in bytes.
pub const VALUE_BYTES: usize = 80;

/// How many values a JSON text holds: scalars, lists, objects and members. Of a text that is not
/// JSON, a number that is not smaller than what a parser would have built before it stopped.
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

/// How long a value is as JSON, in bytes.
pub fn serialized_len(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting does not fail.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
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
    fn the_length_is_that_of_the_text() {
        let value = json!({"a": [1, "x\"", null]});
        assert_eq!(serialized_len(&value), value.to_string().len());
    }
}
