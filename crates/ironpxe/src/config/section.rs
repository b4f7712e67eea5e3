//! The definition of configuration sections.
//!
//! [`section!`] generates from a struct with documented fields and defaults the struct, its parser
//! and its part of the sample file.

use toml::de::ValueDeserializer;

/// A section, independent of its type.
pub(super) trait Section {
    /// Its name in the file, without brackets.
    fn name(&self) -> &'static str;

    /// Its description: lines of text.
    fn about(&self) -> &'static [&'static str];

    /// Its keys with their current values, in the order of the sample.
    fn keys(&self) -> Vec<Key>;

    /// Sets a key; `None` if there is no such key.
    fn set(
        &mut self,
        key: &str,
        value: ValueDeserializer<'_>,
    ) -> Option<Result<(), toml::de::Error>>;
}

/// A key of a section.
pub(super) struct Key {
    pub(super) name: &'static str,
    /// Its documentation: lines of text.
    pub(super) doc: &'static [&'static str],
    /// Its value, if it has one.
    pub(super) value: Option<toml::Value>,
}

/// Declares a section:
///
/// ```ignore
/// section! {
///     /// What the section is about.
///     ["name"] pub struct Name {
///         /// What the key does.
///         pub key: u32 = 5, in 1..=10;
///     }
/// }
/// ```
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        [$section:literal] pub struct $Name:ident {
            $(
                $(#[doc = $doc:literal])*
                pub $key:ident: $type:ty = $default:expr $(, in $range:expr)?;
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub(crate) struct $Name {
            $(
                $(#[doc = $doc])*
                pub $key: $type,
            )*
        }

        impl Default for $Name {
            fn default() -> Self {
                Self { $($key: $default,)* }
            }
        }

        impl $crate::config::section::Section for $Name {
            fn name(&self) -> &'static str {
                $section
            }

            fn about(&self) -> &'static [&'static str] {
                &[$($about),*]
            }

            fn keys(&self) -> Vec<$crate::config::section::Key> {
                vec![$(
                    $crate::config::section::Key {
                        name: stringify!($key),
                        doc: &[$($doc),*],
                        value: toml::Value::try_from(&self.$key).ok(),
                    }
                ),*]
            }

            fn set(
                &mut self,
                key: &str,
                value: toml::de::ValueDeserializer<'_>,
            ) -> Option<Result<(), toml::de::Error>> {
                match key {
                    $(
                        stringify!($key) => {
                            let read: Result<$type, _> = serde::Deserialize::deserialize(value);
                            $(let read = $crate::config::section::within(read, $range);)?
                            Some(read.map(|value| self.$key = value))
                        }
                    )*
                    _ => None,
                }
            }
        }
    };
}
pub(super) use section;

/// Checks that the number is in the range.
pub(super) fn within<T: PartialOrd + std::fmt::Display>(
    number: Result<T, toml::de::Error>,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, toml::de::Error> {
    let number = number?;
    if range.contains(&number) {
        return Ok(number);
    }
    Err(serde::de::Error::custom(format_args!(
        "{number} is not between {} and {}",
        range.start(),
        range.end()
    )))
}
