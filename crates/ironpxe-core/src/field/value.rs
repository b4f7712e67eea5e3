//! Validation of field values, with Ironic's messages.
//!
//! Source of the messages: Ironic's `common/args.py` and the `jsonschema` package it validates
//! with.

use serde_json::Value;
use uuid::Uuid;

use crate::JsonMap;
use crate::error::{Fault, Result};
use crate::field::repr::{repr, repr_str};
use crate::id::NodeUuid;
use crate::json_size::object_len;
use crate::mac::MacAddress;

/// The longest plain text in Ironic's database.
pub const MAX_TEXT: usize = 255;

/// The size limit of a free-form field (`extra`, `properties`, `driver_info`, …), in bytes of JSON.
/// Each change of a node reads and writes the whole field, so it must not grow with every patch.
/// (Ironic's columns are limited to 64 KiB on `MySQL`, and unlimited on other databases.)
pub const MAX_OBJECT: usize = 1024 * 1024;

/// A field being written.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The kind of request for messages: `node`, `port` or `patch`.
    pub resource: &'a str,
    /// The field's name.
    pub name: &'a str,
    /// The new value.
    pub value: &'a Value,
}

/// A schema error of `resource` in Ironic's wording.
pub fn schema_error(resource: &str, problem: &str) -> Fault {
    Fault::InvalidParameterValue(format!("Schema error for {resource}: {problem}"))
}

/// Parses a boolean.
///
/// Source: `oslo_utils.strutils.bool_from_string` in its strict form.
pub fn boolean(name: &str, value: &Value) -> Result<bool> {
    let text = match value {
        Value::Bool(flag) => return Ok(*flag),
        Value::String(text) => text.clone(),
        other => repr(other),
    };
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Ok(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Ok(false),
        _ => Err(Fault::InvalidParameterValue(format!(
            "Invalid {name}: Unrecognized value '{text}', acceptable values are: '0', '1', 'f', \
             'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'"
        ))),
    }
}

/// Parses a UUID, in any case.
pub fn uuid(name: &str, text: &str) -> Result<Uuid> {
    text.parse::<NodeUuid>()
        .map(|parsed| parsed.0)
        .map_err(|_| Fault::InvalidParameterValue(format!("Expected UUID for {name}: {text}")))
}

/// Parses a port's MAC address: six groups separated by colons.
pub fn mac(name: &str, text: &str) -> Result<MacAddress> {
    MacAddress::parse_colons(text).map_err(|_| {
        Fault::InvalidParameterValue(format!("Expected valid MAC address for {name}: {text}"))
    })
}

/// Whether `name` is a valid name of a node or port: RFC 3986's unreserved characters, at most 255.
pub fn is_logical_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_TEXT
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

impl Field<'_> {
    fn wrong_type(&self, expected: &str) -> Fault {
        schema_error(
            self.resource,
            &format!("{} is not of type {expected}", repr(self.value)),
        )
    }

    fn is_required(&self) -> Fault {
        schema_error(
            self.resource,
            &format!("'{}' is a required property", self.name),
        )
    }

    fn bounded(&self, text: &str, max: usize) -> Result<String> {
        if text.chars().count() > max {
            return Err(schema_error(
                self.resource,
                &format!("{} is too long", repr_str(text)),
            ));
        }
        if text.contains('\0') {
            return Err(schema_error(
                self.resource,
                &format!("{} holds a NUL character", repr_str(text)),
            ));
        }
        Ok(text.to_owned())
    }

    /// A required text.
    pub fn required_text(&self) -> Result<String> {
        match self.value {
            Value::String(text) => self.bounded(text, MAX_TEXT),
            Value::Null if self.resource == "patch" => Err(self.is_required()),
            _ => Err(self.wrong_type("'string'")),
        }
    }

    /// A text of at most `max` characters, or null.
    pub fn text_up_to(&self, max: usize) -> Result<Option<String>> {
        match self.value {
            Value::Null => Ok(None),
            Value::String(text) => self.bounded(text, max).map(Some),
            _ => Err(self.wrong_type("'string', 'null'")),
        }
    }

    /// A text of at most [`MAX_TEXT`] characters, or null.
    pub fn text(&self) -> Result<Option<String>> {
        self.text_up_to(MAX_TEXT)
    }

    /// A boolean, or null.
    pub fn flag(&self) -> Result<Option<bool>> {
        match self.value {
            Value::Null => Ok(None),
            Value::Bool(_) | Value::String(_) => boolean(self.name, self.value).map(Some),
            _ => Err(self.wrong_type("'string', 'boolean', 'null'")),
        }
    }

    /// A boolean; `default` if null.
    pub fn flag_or(&self, default: bool) -> Result<bool> {
        Ok(self.flag()?.unwrap_or(default))
    }

    /// A non-negative integer.
    pub fn index(&self) -> Result<i64> {
        match self.value {
            Value::Number(number) => match number.as_i64() {
                Some(index) if index >= 0 => Ok(index),
                Some(index) => Err(schema_error(
                    self.resource,
                    &format!("{index} is less than the minimum of 0"),
                )),
                None => Err(self.wrong_type("'integer'")),
            },
            Value::Null if self.resource == "patch" => Err(self.is_required()),
            _ => Err(self.wrong_type("'integer'")),
        }
    }

    /// A free-form object; empty if null.
    pub fn object(&self) -> Result<JsonMap> {
        let fields = self.unbounded_object()?;
        self.check_size(object_len(&fields))?;
        Ok(fields)
    }

    /// A free-form object without a size limit; empty if null.
    pub(crate) fn unbounded_object(&self) -> Result<JsonMap> {
        match self.value {
            Value::Null => Ok(JsonMap::new()),
            Value::Object(fields) => Ok(fields.clone()),
            _ => Err(self.wrong_type("'object', 'null'")),
        }
    }

    /// Rejects a free-form object of more than [`MAX_OBJECT`] bytes.
    pub(crate) fn check_size(&self, bytes: usize) -> Result<()> {
        if bytes <= MAX_OBJECT {
            return Ok(());
        }
        Err(schema_error(
            self.resource,
            &format!(
                "{} would have {bytes} bytes of JSON; at most {MAX_OBJECT} are allowed. Remove \
                 unneeded data, or store large data elsewhere and its URL here",
                self.name
            ),
        ))
    }

    /// A UUID, or null.
    pub fn uuid(&self) -> Result<Option<Uuid>> {
        self.text()?.map(|text| uuid(self.name, &text)).transpose()
    }
}
