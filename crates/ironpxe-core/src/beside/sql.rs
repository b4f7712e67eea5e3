//! Machines from the rows of Ironic's database: `MariaDB`, Galera, `MySQL` or `SQLite`.
//!
//! One statement is one moment: node, port and volumes belong together. The statements name their
//! columns, which all releases since 17.0 have, so that a schema is checked when they are prepared.
//! `volume_targets` and `volume_connectors` make their product: a row for each pair, one where there
//! are none.

use serde_json::Value;

use super::IronicMachine;
use super::problem::Problem;
use super::record::{self, Record};
use crate::boot::boots_from_volume;
use crate::id::NodeUuid;
use crate::port::Port;
use crate::volume::Volumes;

/// The machine of a port's address, in lower case with colons: its rows, or none.
///
/// The config drive is big and boots nothing; it stays where it is. Broken JSON is given as it is.
pub const BY_ADDRESS: &str = include_str!("by_address.sql");

/// The machine of a node's UUID, in lower case with hyphens: its rows, or none; without a port.
pub const BY_NODE: &str = include_str!("by_node.sql");

/// A row of [`BY_ADDRESS`] or [`BY_NODE`], by the names of its columns. `None` is `NULL`; an error
/// says why a column is not of the type that it has in every release.
pub trait Row {
    /// A text, also one of JSON.
    fn text(&self, column: &str) -> Result<Option<&str>, String>;
    /// An integer, also one that Ironic uses as a boolean.
    fn integer(&self, column: &str) -> Result<Option<i64>, String>;
}

/// The machine of the rows; `None` if there are none.
pub fn machine(rows: &[impl Row]) -> Result<Option<IronicMachine>, Problem> {
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let columns = Columns::of(first, &NODES);
    let unexpected = |problem: String| Problem::Answer {
        from: "the boot statement".to_owned(),
        problem,
    };
    let uuid = columns.id("uuid");
    let uuid: NodeUuid = uuid.map_err(|problem| unexpected(problem.to_string()))?;
    for row in rows {
        let of = Columns::of(row, &NODES).id("uuid");
        if of != Ok(uuid) {
            let problem = format!("the answer has rows of other nodes beside those of node {uuid}");
            return Err(unexpected(problem));
        }
    }
    match usable(rows, first) {
        Ok(machine) => Ok(Some(machine)),
        Err(problem) => {
            let refusal = problem.into_refusal()?;
            let outline = record::outline(&columns, uuid);
            Ok(Some(IronicMachine::unusable(outline, refusal)))
        }
    }
}

fn usable<R: Row>(rows: &[R], first: &R) -> Result<IronicMachine, Problem> {
    let mut columns = Columns::of(first, &NODES);
    let node = record::node(&mut columns)?;
    let conductor = columns.text("conductor")?;
    let port = Columns::of(first, &PORTS);
    let port = port.is_there()?.then(|| record::port(&port, node.uuid));
    let port = port.transpose()?;
    let volumes = match boots_from_volume(&node) {
        Some(_) => Some(volumes(rows, node.uuid)?),
        None => None,
    };
    Ok(IronicMachine::new(node, conductor, port, volumes))
}

/// A port of the node, in a row with the columns of a port alone.
pub fn port(row: &impl Row, node: NodeUuid) -> Result<Port, Problem> {
    record::port(&Columns::of(row, &PORTS), node)
}

fn volumes(rows: &[impl Row], node: NodeUuid) -> Result<Volumes, Problem> {
    let mut volumes = Volumes::default();
    for row in rows {
        let mut target = Columns::of(row, &TARGETS);
        if target.is_there()? {
            push_new(&mut volumes.targets, record::target(&mut target, node)?);
        }
        let connector = Columns::of(row, &IQNS);
        if connector.is_there()? {
            push_new(
                &mut volumes.connectors,
                record::connector(&connector, node)?,
            );
        }
    }
    Ok(volumes)
}

fn push_new<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}

/// A table, and what is before its columns' names in the statement.
struct Table {
    name: &'static str,
    prefix: &'static str,
}

const NODES: Table = Table {
    name: "nodes",
    prefix: "",
};
const PORTS: Table = Table {
    name: "ports",
    prefix: "port_",
};
const TARGETS: Table = Table {
    name: "volume_targets",
    prefix: "target_",
};
const IQNS: Table = Table {
    name: "volume_connectors",
    prefix: "iqn_",
};

/// The columns of one table in a row.
struct Columns<'r, R> {
    row: &'r R,
    table: &'static Table,
}

impl<'r, R: Row> Columns<'r, R> {
    fn of(row: &'r R, table: &'static Table) -> Self {
        Self { row, table }
    }

    /// Whether the outer join found something.
    fn is_there(&self) -> Result<bool, Problem> {
        Ok(self.cell("uuid")?.is_some())
    }

    fn column(&self, field: &str) -> String {
        format!("{}{field}", self.table.prefix)
    }

    fn cell(&self, field: &'static str) -> Result<Option<&'r str>, Problem> {
        let cell = self.row.text(&self.column(field));
        cell.map_err(|problem| self.invalid(field, problem))
    }
}

impl<R: Row> Record for Columns<'_, R> {
    fn raw_text(&self, field: &'static str) -> Result<Option<String>, Problem> {
        Ok(self.cell(field)?.map(str::to_owned))
    }

    fn flag(&self, field: &'static str) -> Result<Option<bool>, Problem> {
        match self.number(field)? {
            None => Ok(None),
            Some(0) => Ok(Some(false)),
            Some(1) => Ok(Some(true)),
            Some(other) => Err(self.invalid(field, format!("{other} is neither 0 nor 1"))),
        }
    }

    fn number(&self, field: &'static str) -> Result<Option<i64>, Problem> {
        let cell = self.row.integer(&self.column(field));
        cell.map_err(|problem| self.invalid(field, problem))
    }

    fn json(&mut self, field: &'static str) -> Result<Option<Value>, Problem> {
        let text = self.cell(field)?;
        let value = text.map(serde_json::from_str).transpose();
        value.map_err(|error| self.invalid(field, format!("is not JSON: {error}")))
    }

    fn name(&self, field: &'static str) -> String {
        format!("{}.{field}", self.table.name)
    }

    fn node(&self) -> String {
        let cell = |column| self.row.text(column).ok().flatten();
        record::label(cell("name"), cell("uuid").unwrap_or_default())
    }
}
