//! Column tables: each column's name, how it is read into its field, and how it is bound. `SELECT`,
//! `INSERT` and `UPDATE` are generated from them.

use std::fmt::Write as _;

/// Generates from a table of columns, in this order: a macro `$names!()` with the text of a
/// `SELECT` (`id` first, then `then` for what is not a field), `COLUMNS`, and the functions
/// `read` (the fields from a row) and `values` (in the order of `COLUMNS`). The macro can be used in
/// the module after `for`.
///
/// A row is `field: read => bind;`. A column of another name, or of another table, is given as
/// `field ["column" from "table.column"]: …`.
macro_rules! columns {
    (
        $names:ident of $resource:ident in $table:literal $(then $more:literal)?
        $(for $module:ident)?,
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
        $(pub(in crate::$module) use $names;)?

        /// The columns without `id`: name and selected expression.
        pub(super) const COLUMNS: &[(&str, &str)] = &[
            $((
                $crate::db::columns::column!($field $([$column])?),
                $crate::db::columns::selected!($table $field $([$column $(from $select)?])?)
            )),+
        ];

        pub(super) fn read($row: &mut Fields<'_>) -> Result<$resource, sqlx::Error> {
            $row.id()?;
            Ok($resource { $($field: $read),+ })
        }

        pub(super) fn values($it: &$resource) -> Vec<Value<'_>> {
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

/// The column that refers to the node; bound to the node's UUID.
const NODE: &str = "node_id";

/// An `INSERT`; `$1` is the first column.
pub(super) fn insert<'c>(table: &str, columns: impl Iterator<Item = &'c str> + Clone) -> String {
    let names: Vec<&str> = columns.clone().collect();
    let values: Vec<String> = columns.zip(1..).map(placeholder).collect();
    let (names, values) = (names.join(", "), values.join(", "));
    format!("INSERT INTO {table} ({names}) VALUES ({values})")
}

/// An `UPDATE` of all columns except the first, without `WHERE`.
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

/// The SQL expression to sort by, for a field with a column of the same name.
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
    fn statements_number_their_parameters_and_look_up_the_node() {
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
