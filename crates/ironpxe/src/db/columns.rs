//! The columns of a table, a row for each: its name, how it is read into its field, and how it is
//! bound. What is selected, inserted and updated follows from it.

use std::fmt::Write as _;

/// Makes of a table of columns, in the order of these rows: a macro `$names!()` for the text of a
/// `SELECT` (the row's `id` first, `then` what is no field), `COLUMNS`, and the functions `read_fields` and `bind_fields`.
///
/// A row is `field: how it is read => how it is bound;`. A column of another name says so, and one
/// that is selected from another table: `field ["column" from "table.column"]: …`.
macro_rules! columns {
    (
        $names:ident of $resource:ident in $table:literal $(then $more:literal)?,
        |$row:ident, $it:ident|;
        $($field:ident $([$column:literal $(from $select:literal)?])?: $read:expr => $bind:expr;)+
    ) => {
        macro_rules! $names {
            () => {
                concat!(
                    $table, ".id"
                    $(, ", ", $crate::db::columns::selected!(
                        $table $field $([$column $(from $select)?])?
                    ))+
                    $(, ", ", $more)?
                )
            };
        }
        pub(super) use $names;

        /// The columns without `id`: of each its name, and what is selected.
        pub(super) const COLUMNS: &[(&str, &str)] = &[
            $((
                $crate::db::columns::column!($field $([$column])?),
                $crate::db::columns::selected!($table $field $([$column $(from $select)?])?)
            )),+
        ];

        fn read_fields($row: &mut Fields<'_>) -> Result<$resource, sqlx::Error> {
            $row.id()?;
            Ok($resource { $($field: $read),+ })
        }

        fn bind_fields($it: &$resource) -> Vec<Value<'_>> {
            vec![$($bind),+]
        }
    };
}
pub(super) use columns;

macro_rules! column {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident [$column:literal]) => {
        $column
    };
}
pub(super) use column;

macro_rules! selected {
    ($table:literal $field:ident) => {
        concat!($table, ".", stringify!($field))
    };
    ($table:literal $field:ident [$column:literal]) => {
        concat!($table, ".", $column)
    };
    ($table:literal $field:ident [$column:literal from $select:literal]) => {
        $select
    };
}
pub(super) use selected;

/// The column by which a resource refers to its node; it is bound to the node's UUID.
const NODE: &str = "node_id";

/// The text that stores a row, of which `$1` is the first column.
pub(super) fn insert<'c>(table: &str, columns: impl Iterator<Item = &'c str> + Clone) -> String {
    let names: Vec<&str> = columns.clone().collect();
    let values: Vec<String> = columns.zip(1..).map(placeholder).collect();
    let (names, values) = (names.join(", "), values.join(", "));
    format!("INSERT INTO {table} ({names}) VALUES ({values})")
}

/// The text that changes all columns but the first, as far as `WHERE`.
pub(super) fn update<'c>(table: &str, columns: impl Iterator<Item = &'c str>) -> String {
    let mut text = format!("UPDATE {table} SET ");
    for (column, number) in columns.zip(1..).skip(1) {
        let comma = if number == 2 { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{column} = {}", placeholder((column, number)));
    }
    text
}

fn placeholder((column, number): (&str, usize)) -> String {
    if column == NODE {
        format!("(SELECT id FROM nodes WHERE nodes.uuid = ${number})")
    } else {
        format!("${number}")
    }
}

/// What a list is sorted by for a field of the API that has a column of its name.
pub(super) fn sort_expression(
    columns: &'static [(&'static str, &'static str)],
    key: &str,
) -> Option<&'static str> {
    let column = columns.iter().find(|(name, _)| *name == key);
    column.map(|(_, select)| *select)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_number_the_columns_and_look_up_the_node() {
        let columns = ["uuid", "node_id", "extra", "revision"];
        assert_eq!(
            insert("ports", columns.into_iter()),
            "INSERT INTO ports (uuid, node_id, extra, revision) VALUES ($1, (SELECT id FROM nodes \
             WHERE nodes.uuid = $2), $3, $4)"
        );
        assert_eq!(
            update("ports", columns.into_iter()),
            "UPDATE ports SET node_id = (SELECT id FROM nodes WHERE nodes.uuid = $2), extra = $3, \
             revision = $4"
        );
    }
}
