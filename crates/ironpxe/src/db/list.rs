//! Paging and sorting of lists.
//!
//! Keyset pagination: a page begins after the marker's position in the order, so that concurrent
//! creations and deletions neither repeat nor hide entries. The row's `id` breaks ties; NULLs sort
//! first in ascending order, as in `SQLite`.

use std::fmt::Write as _;

use uuid::Uuid;

use super::statement::{Statement, Value};

/// The sort direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum SortDirection {
    /// Ascending.
    #[default]
    Ascending,
    /// Descending.
    Descending,
}

/// The requested page of a list.
#[derive(Debug, Clone)]
pub(crate) struct Page<Marker> {
    /// The maximum number of entries.
    pub limit: Option<u32>,
    /// Begin after this entry.
    pub marker: Option<Marker>,
    /// The field to sort by; by default the order of creation.
    pub sort_key: Option<&'static str>,
    /// The direction.
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

/// Builds the query of a list.
pub(super) struct ListQuery<'v> {
    text: String,
    values: Vec<Value<'v>>,
    conditions: usize,
}

impl<'v> ListQuery<'v> {
    /// Begins with the text before `WHERE`.
    pub(super) fn new(select: &str) -> Self {
        Self {
            text: select.to_owned(),
            values: Vec::new(),
            conditions: 0,
        }
    }

    /// Appends SQL.
    pub(super) fn push(&mut self, sql: &str) -> &mut Self {
        self.text.push_str(sql);
        self
    }

    /// Appends the placeholder of a value.
    pub(super) fn push_bind(&mut self, value: impl Into<Value<'v>>) -> &mut Self {
        self.values.push(value.into());
        // Writing to a string cannot fail.
        let _ = write!(self.text, "${}", self.values.len());
        self
    }

    /// Begins another condition of a conjunction.
    pub(super) fn and(&mut self) -> &mut Self {
        let word = if self.conditions == 0 {
            " WHERE "
        } else {
            " AND "
        };
        self.conditions += 1;
        self.push(word)
    }

    /// `column = value`, if a value is given.
    pub(super) fn equal<T: Into<Value<'v>>>(&mut self, column: &'static str, value: Option<T>) {
        if let Some(value) = value {
            self.and().push(column).push(" = ").push_bind(value);
        }
    }

    /// `IS NULL` or `IS NOT NULL`, if given.
    pub(super) fn present(&mut self, column: &'static str, wanted: Option<bool>) {
        if let Some(wanted) = wanted {
            let is = if wanted { " IS NOT NULL" } else { " IS NULL" };
            self.and().push(column).push(is);
        }
    }

    /// The query without sorting.
    pub(super) fn assemble(self, operation: &'static str) -> Statement<'v> {
        Statement::assembled(operation, self.text, self.values)
    }

    /// The complete query.
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

/// The order of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order {
    /// The table's name.
    pub(super) table: &'static str,
    /// The expression to sort by, in addition to `id`.
    pub(super) by: Option<&'static str>,
    /// The direction.
    pub(super) direction: SortDirection,
}

impl Order {
    /// The condition for rows after the marker's row.
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
        // The boundary between NULLs and values.
        let across = match direction {
            SortDirection::Ascending => format!("{by} IS NOT NULL AND marker.value IS NULL"),
            SortDirection::Descending => format!("{by} IS NULL AND marker.value IS NOT NULL"),
        };
        // `by` names the table: in the inner SELECT it is the marker's row, outside the row being
        // tested.
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
