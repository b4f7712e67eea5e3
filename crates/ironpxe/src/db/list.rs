//! What every list has in common: pages, order, and the words of their SQL.
//!
//! Pages are cut by key, not by offset: a page begins after the marker's place in the order, so
//! that what is created or deleted meanwhile neither repeats nor hides an entry. The row's `id`
//! breaks ties; rows without a value come first, as in a smallest-first list they do in `SQLite`.

use std::fmt::Write as _;

use uuid::Uuid;

use super::statement::{Statement, Value};

/// Which way a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortDirection {
    /// Smallest first.
    #[default]
    Ascending,
    /// Largest first.
    Descending,
}

/// Which page of a list is wanted.
#[derive(Debug, Clone)]
pub struct Page<Marker> {
    /// At most this many.
    pub limit: Option<u32>,
    /// Begin after this one.
    pub marker: Option<Marker>,
    /// The field to sort by; the order of creation when empty.
    pub sort_key: Option<&'static str>,
    /// Which way.
    pub sort_dir: SortDirection,
}

impl<Marker> Default for Page<Marker> {
    fn default() -> Self {
        Self {
            limit: None,
            marker: None,
            sort_key: None,
            sort_dir: SortDirection::default(),
        }
    }
}

/// The query of a list, being put together.
pub(super) struct ListQuery<'v> {
    text: String,
    values: Vec<Value<'v>>,
    conditions: usize,
}

impl<'v> ListQuery<'v> {
    /// Begins with the part before `WHERE`.
    pub(super) fn new(select: &str) -> Self {
        Self {
            text: select.to_owned(),
            values: Vec::new(),
            conditions: 0,
        }
    }

    /// Adds SQL.
    pub(super) fn push(&mut self, sql: &str) -> &mut Self {
        self.text.push_str(sql);
        self
    }

    /// Adds the place of a value.
    pub(super) fn push_bind(&mut self, value: impl Into<Value<'v>>) -> &mut Self {
        self.values.push(value.into());
        // Writing to a string cannot fail.
        let _ = write!(self.text, "${}", self.values.len());
        self
    }

    /// Begins one more condition, which must hold too.
    pub(super) fn and(&mut self) -> &mut Self {
        let word = if self.conditions == 0 {
            " WHERE "
        } else {
            " AND "
        };
        self.conditions += 1;
        self.push(word)
    }

    /// `column = value`, if a value is asked for.
    pub(super) fn equal<T: Into<Value<'v>>>(&mut self, column: &'static str, value: Option<T>) {
        if let Some(value) = value {
            self.and().push(column).push(" = ").push_bind(value);
        }
    }

    /// Whether the column has a value, if that is asked for.
    pub(super) fn present(&mut self, column: &'static str, wanted: Option<bool>) {
        if let Some(wanted) = wanted {
            let is = if wanted { " IS NOT NULL" } else { " IS NULL" };
            self.and().push(column).push(is);
        }
    }

    /// The query as it is, without an order.
    pub(super) fn assemble(self, operation: &'static str) -> Statement<'v> {
        Statement::assembled(operation, self.text, self.values)
    }

    /// The whole query.
    pub(super) fn finish(
        mut self,
        operation: &'static str,
        order: Order,
        limit: Option<u32>,
    ) -> Statement<'v> {
        order.append(&mut self, limit);
        Statement::assembled(operation, self.text, self.values)
    }
}

/// The order of a list, in SQL.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    /// Which table: its name.
    pub(super) table: &'static str,
    /// The expression to sort by, unless it is `id` alone.
    pub(super) by: Option<&'static str>,
    /// Which way.
    pub(super) direction: SortDirection,
}

impl Order {
    /// The condition that a row comes after the one whose UUID is `marker`.
    pub(super) fn after(self, query: &mut ListQuery<'_>, marker: Uuid) {
        let Self {
            table,
            by,
            direction,
        } = self;
        query.and();
        let beyond = match direction {
            SortDirection::Ascending => ">",
            SortDirection::Descending => "<",
        };
        let Some(by) = by else {
            query.push(&format!(
                "{table}.id {beyond} (SELECT id FROM {table} WHERE uuid = "
            ));
            query.push_bind(marker).push(")");
            return;
        };
        // The border between rows without a value and rows with one.
        let across = match direction {
            SortDirection::Ascending => format!("{by} IS NOT NULL AND marker.value IS NULL"),
            SortDirection::Descending => format!("{by} IS NULL AND marker.value IS NOT NULL"),
        };
        // `by` names the table: inside the inner SELECT that is the marker's row, outside of it
        // the row that is asked about.
        query.push(&format!(
            "EXISTS (SELECT 1 FROM (SELECT {by} AS value, {table}.id AS id FROM {table} \
             WHERE {table}.uuid = "
        ));
        query.push_bind(marker);
        query.push(&format!(
            ") AS marker WHERE {by} {beyond} marker.value OR ({across}) \
             OR ({by} IS NOT DISTINCT FROM marker.value AND {table}.id {beyond} marker.id))"
        ));
    }

    /// `ORDER BY … LIMIT …`.
    fn append(self, query: &mut ListQuery<'_>, limit: Option<u32>) {
        let Self {
            table,
            by,
            direction,
        } = self;
        let (word, nulls) = match direction {
            SortDirection::Ascending => ("ASC", "NULLS FIRST"),
            SortDirection::Descending => ("DESC", "NULLS LAST"),
        };
        query.push(" ORDER BY ");
        if let Some(by) = by {
            query.push(&format!("{by} {word} {nulls}, "));
        }
        query.push(&format!("{table}.id {word}"));
        if let Some(limit) = limit {
            query.push(" LIMIT ").push_bind(i64::from(limit));
        }
    }
}
