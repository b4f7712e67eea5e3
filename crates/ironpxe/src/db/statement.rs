//! A query on its way to the database: one text for both, and its values.
//!
//! Values are bound by kind here, once for each database, so that the rooms of the resources need
//! not know which database there is, and a query can be sent again.

use std::borrow::Cow;

use serde::Serialize;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Postgres, SqlSafeStr, SqlStr, Sqlite, postgres::PgArguments};
use time::OffsetDateTime;
use uuid::Uuid;

use super::row::{JsonText, Timestamp};

/// The same words for two types of query that have nothing in common.
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
/// A query: what it is for, its text with `$1`, `$2`, …, and the values of these.
#[derive(Debug)]
pub(super) struct Statement<'v> {
    /// What is done, in words that complete "cannot …".
    pub(super) operation: &'static str,
    text: SqlStr,
    values: Vec<Value<'v>>,
}

/// A value of a query. `None` is SQL's NULL.
#[derive(Debug)]
pub(super) enum Value<'v> {
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

    /// A query whose text was put together. Only words of this program may be in it.
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

    /// The query as `SQLite` takes it.
    pub(super) fn for_sqlite(&self) -> Query<'static, Sqlite, SqliteArguments> {
        bound!(self)
    }

    /// The query as `PostgreSQL` takes it.
    pub(super) fn for_postgres(&self) -> Query<'static, Postgres, PgArguments> {
        bound!(self)
    }
}

impl Value<'static> {
    /// A value in which nothing can fail to become JSON: maps with text keys, lists, words.
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
