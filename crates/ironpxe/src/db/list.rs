//! What every list has in common: pages, order, and the words of their SQL.
//!
//! Pages are cut by key, not by offset: a page begins after the marker's place in the order, so
//! that what is created or deleted meanwhile neither repeats nor hides an entry. The row's `id`
//! breaks ties; rows without a value come first, as in a smallest-first list they do in `SQLite`.

use sqlx::{QueryBuilder, Sqlite};
use uuid::Uuid;

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

/// Adds what must hold, joined by `AND`.
pub(super) struct Conditions<'b> {
    sql: &'b mut QueryBuilder<Sqlite>,
    any: bool,
}

impl<'b> Conditions<'b> {
    pub(super) fn new(sql: &'b mut QueryBuilder<Sqlite>) -> Self {
        Self { sql, any: false }
    }

    /// The builder, ready for the text of one more condition.
    pub(super) fn and(&mut self) -> &mut QueryBuilder<Sqlite> {
        self.sql.push(if self.any { " AND " } else { " WHERE " });
        self.any = true;
        self.sql
    }

    /// `column = value`, if a value is asked for.
    pub(super) fn equal<'v, T>(&mut self, column: &'static str, value: Option<T>)
    where
        T: sqlx::Encode<'v, Sqlite> + sqlx::Type<Sqlite>,
    {
        if let Some(value) = value {
            self.and().push(column).push(" = ").push_bind(value);
        }
    }

    /// Whether the column has a value, if that is asked for.
    pub(super) fn present(&mut self, column: &'static str, wanted: Option<bool>) {
        if let Some(wanted) = wanted {
            self.and()
                .push(column)
                .push(if wanted { " IS NOT NULL" } else { " IS NULL" });
        }
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
    pub(super) fn after(self, conditions: &mut Conditions<'_>, marker: Uuid) {
        let Self {
            table,
            by,
            direction,
        } = self;
        let sql = conditions.and();
        let beyond = match direction {
            SortDirection::Ascending => ">",
            SortDirection::Descending => "<",
        };
        let Some(by) = by else {
            sql.push(format_args!(
                "{table}.id {beyond} (SELECT id FROM {table} WHERE uuid = "
            ));
            sql.push_bind(marker).push(")");
            return;
        };
        // The border between rows without a value and rows with one.
        let across = match direction {
            SortDirection::Ascending => format!("{by} IS NOT NULL AND marker.value IS NULL"),
            SortDirection::Descending => format!("{by} IS NULL AND marker.value IS NOT NULL"),
        };
        // `by` names the table: inside the inner SELECT that is the marker's row, outside of it
        // the row that is asked about.
        sql.push(format_args!(
            "EXISTS (SELECT 1 FROM (SELECT {by} AS value, {table}.id AS id FROM {table} \
             WHERE {table}.uuid = "
        ));
        sql.push_bind(marker);
        sql.push(format_args!(
            ") AS marker WHERE {by} {beyond} marker.value OR ({across}) \
             OR ({by} IS NOT DISTINCT FROM marker.value AND {table}.id {beyond} marker.id))"
        ));
    }

    /// `ORDER BY … LIMIT …`.
    pub(super) fn finish(self, sql: &mut QueryBuilder<Sqlite>, limit: Option<u32>) {
        let Self {
            table,
            by,
            direction,
        } = self;
        let (word, nulls) = match direction {
            SortDirection::Ascending => ("ASC", "NULLS FIRST"),
            SortDirection::Descending => ("DESC", "NULLS LAST"),
        };
        sql.push(" ORDER BY ");
        if let Some(by) = by {
            sql.push(format_args!("{by} {word} {nulls}, "));
        }
        sql.push(format_args!("{table}.id {word}"));
        if let Some(limit) = limit {
            sql.push(" LIMIT ").push_bind(i64::from(limit));
        }
    }
}
