//! A query for either database, with its values.
//!
//! The values are bound here by type, once for each database, so that the code of the resources is
//! independent of the database, and a query can be repeated.

use std::borrow::Cow;

use serde::Serialize;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Postgres, SqlSafeStr, SqlStr, Sqlite, postgres::PgArguments};
use time::OffsetDateTime;
use uuid::Uuid;

use super::row::{JsonText, Timestamp};

/// The same code for both query types, which share no trait.
macro_rules! bound {
    ($statement:expr) => {{
        let mut query = sqlx::query($statement.text.clone());
        for value in &$statement.values {
            query = match value {
                Value::Text(value) => query.bind(value.as_deref()),
                Value::Bool(value) => query.bind(*value),
                Value::Integer(value) => query.bind(*value),
                Value::Uuid(value) => query.bind(*value),
                Value::Time(value) => query.bind(value.map(Timestamp)),
                Value::Json(value) => query.bind(JsonText(value)),
            };
        }
        query
    }};
}
/// A query: its operation, its text with `$1`, `$2`, …, and their values.
#[derive(Debug)]
pub(super) struct Statement<'v> {
    /// The operation, as in "cannot …".
    pub(super) operation: &'static str,
    text: SqlStr,
    values: Vec<Value<'v>>,
}

/// A value of a query. `None` is NULL.
#[derive(Debug)]
pub(crate) enum Value<'v> {
    Text(Option<Cow<'v, str>>),
    Bool(Option<bool>),
    Integer(Option<i64>),
    Uuid(Option<Uuid>),
    Time(Option<OffsetDateTime>),
    Json(String),
}

impl<'v> Statement<'v> {
    pub(super) fn new(operation: &'static str, text: &'static str) -> Self {
        Self {
            operation,
            text: SqlStr::from_static(text),
            values: Vec::new(),
        }
    }

    /// A query with a dynamic text, which must not contain input.
    pub(super) fn assembled(operation: &'static str, text: String, values: Vec<Value<'v>>) -> Self {
        Self {
            operation,
            text: AssertSqlSafe(text).into_sql_str(),
            values,
        }
    }

    /// Adds the next value.
    pub(super) fn bind(mut self, value: impl Into<Value<'v>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Adds the next values.
    pub(super) fn bind_all(mut self, values: impl IntoIterator<Item = Value<'v>>) -> Self {
        self.values.extend(values);
        self
    }

    /// The query for `SQLite`.
    pub(super) fn for_sqlite(&self) -> Query<'static, Sqlite, SqliteArguments> {
        bound!(self)
    }

    /// The query for `PostgreSQL`.
    pub(super) fn for_postgres(&self) -> Query<'static, Postgres, PgArguments> {
        bound!(self)
    }
}

impl Value<'static> {
    /// A value whose serialization cannot fail: maps with text keys, lists, names.
    pub(super) fn json(value: &impl Serialize) -> Self {
        Self::Json(serde_json::to_string(value).unwrap_or_default())
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(value: &'v str) -> Self {
        Self::Text(Some(Cow::Borrowed(value)))
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(value: &'v String) -> Self {
        Self::from(value.as_str())
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(Some(Cow::Owned(value)))
    }
}

impl<'v> From<Option<&'v str>> for Value<'v> {
    fn from(value: Option<&'v str>) -> Self {
        Self::Text(value.map(Cow::Borrowed))
    }
}

impl<'v> From<&'v Option<String>> for Value<'v> {
    fn from(value: &'v Option<String>) -> Self {
        Self::from(value.as_deref())
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(Some(value))
    }
}

impl From<Option<bool>> for Value<'_> {
    fn from(value: Option<bool>) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(Some(value))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Integer(value)
    }
}

impl From<Uuid> for Value<'_> {
    fn from(value: Uuid) -> Self {
        Self::Uuid(Some(value))
    }
}

impl From<Option<Uuid>> for Value<'_> {
    fn from(value: Option<Uuid>) -> Self {
        Self::Uuid(value)
    }
}

impl From<OffsetDateTime> for Value<'_> {
    fn from(value: OffsetDateTime) -> Self {
        Self::Time(Some(value))
    }
}

impl From<Option<OffsetDateTime>> for Value<'_> {
    fn from(value: Option<OffsetDateTime>) -> Self {
        Self::Time(value)
    }
}
