//! Rows of either database: their cells by column, a digest, and the machines that they make.

use std::collections::HashMap;
use std::sync::Arc;

use ironpxe_core::beside::{Problem, sql};
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::port::Port;
use sha2::{Digest as _, Sha256};

use super::error::SourceError;
use super::statements::Key;
use super::{Answer, Found, ListedNode};
use crate::db::CommitVersion;

/// Identifies the content of a machine's rows: half of their SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digest([u8; 16]);

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Text(String),
    Integer(i64),
    /// Of another type, which no release of Ironic has in a column that is read.
    Other(String),
}

/// A row. All rows of a statement share their columns.
#[derive(Debug, Clone)]
pub(super) struct CellRow {
    columns: Arc<[Box<str>]>,
    cells: Vec<Cell>,
}

/// The rows of a statement by machine, and the version of the database that they are of.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) version: Option<CommitVersion>,
    pub(super) by_machine: HashMap<BootIdent, Vec<CellRow>>,
}

impl CellRow {
    pub(super) fn new(columns: Arc<[Box<str>]>, cells: Vec<Cell>) -> Self {
        Self { columns, cells }
    }

    pub(super) fn cell(&self, column: &str) -> Option<&Cell> {
        let index = self.columns.iter().position(|it| **it == *column)?;
        self.cells.get(index)
    }

    /// The value of a column as text, or of the first column.
    pub(super) fn shown(&self, column: Option<&str>) -> Option<String> {
        let cell = match column {
            Some(column) => self.cell(column),
            None => self.cells.first(),
        };
        match cell? {
            Cell::Text(text) => Some(text.clone()),
            Cell::Integer(number) => Some(number.to_string()),
            Cell::Null | Cell::Other(_) => None,
        }
    }

    fn required(&self, column: &str) -> Result<&Cell, String> {
        let missing = || "is missing in the answer".to_owned();
        self.cell(column).ok_or_else(missing)
    }
}

impl sql::Row for CellRow {
    fn text(&self, column: &str) -> Result<Option<&str>, String> {
        match self.required(column)? {
            Cell::Null => Ok(None),
            Cell::Text(text) => Ok(Some(text)),
            Cell::Integer(number) => Err(format!("{number} is not a text")),
            Cell::Other(kind) => Err(format!("{kind} is not a text")),
        }
    }

    fn integer(&self, column: &str) -> Result<Option<i64>, String> {
        match self.required(column)? {
            Cell::Null => Ok(None),
            Cell::Integer(number) => Ok(Some(*number)),
            Cell::Text(_) => Err("a text is not an integer".to_owned()),
            Cell::Other(kind) => Err(format!("{kind} is not an integer")),
        }
    }
}

impl Rows {
    /// Adds the rows of a statement with this key.
    pub(super) fn add(
        &mut self,
        key: Key,
        rows: Vec<CellRow>,
        asked: &[BootIdent],
    ) -> Result<(), SourceError> {
        for row in rows {
            let Ok(Some(value)) = sql::Row::text(&row, key.column()) else {
                // The row that MariaDB's statement has for unknown machines.
                continue;
            };
            let ident = match key {
                Key::Address => value.parse().ok().map(BootIdent::Address),
                Key::Node => value.parse().ok().map(BootIdent::Node),
            };
            let ident =
                ident
                    .filter(|ident| asked.contains(ident))
                    .ok_or_else(|| Problem::Answer {
                        from: "the boot statement".to_owned(),
                        problem: format!("the answer has {value:?}, which was not asked for"),
                    })?;
            self.by_machine.entry(ident).or_default().push(row);
        }
        Ok(())
    }
}

/// The machines of the rows.
pub(super) fn machines(rows: Rows) -> Result<Answer<Found>, SourceError> {
    let mut found = HashMap::with_capacity(rows.by_machine.len());
    for (ident, rows) in rows.by_machine {
        if let Some(machine) = sql::machine(&rows)? {
            let machine = Arc::new(machine);
            let digest = Some(digest(&rows));
            found.insert(ident, Found { machine, digest });
        }
    }
    Ok(Answer {
        version: rows.version,
        found,
    })
}

/// The digests of the rows.
pub(super) fn digests(rows: Rows) -> Answer<Digest> {
    let found = rows.by_machine.into_iter();
    Answer {
        version: rows.version,
        found: found.map(|(ident, rows)| (ident, digest(&rows))).collect(),
    }
}

fn digest(rows: &[CellRow]) -> Digest {
    let mut sha = Sha256::new();
    for cell in rows.iter().flat_map(|row| &row.cells) {
        // Lengths keep neighbouring values apart.
        match cell {
            Cell::Null => sha.update([0]),
            Cell::Text(text) => {
                sha.update([1]);
                sha.update(text.len().to_le_bytes());
                sha.update(text);
            }
            Cell::Integer(number) => {
                sha.update([2]);
                sha.update(number.to_le_bytes());
            }
            Cell::Other(kind) => {
                sha.update([3]);
                sha.update(kind.len().to_le_bytes());
                sha.update(kind);
            }
        }
    }
    let whole: [u8; 32] = sha.finalize().into();
    let mut half = [0; 16];
    for (byte, of) in half.iter_mut().zip(whole) {
        *byte = of;
    }
    Digest(half)
}

/// The node of a row that has its UUID alone.
pub(super) fn node_uuid(rows: &[CellRow]) -> Result<Option<NodeUuid>, SourceError> {
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    Ok(Some(uuid_of(row)?))
}

/// The ports of a node.
pub(super) fn ports(node: NodeUuid, rows: &[CellRow]) -> Result<Vec<Port>, SourceError> {
    let ports = rows.iter().map(|row| sql::port(row, node));
    Ok(ports.collect::<Result<_, _>>()?)
}

/// All nodes of the list.
pub(super) fn list(rows: &[CellRow]) -> Result<Vec<ListedNode>, SourceError> {
    let mut nodes: Vec<ListedNode> = Vec::new();
    for row in rows {
        let uuid = uuid_of(row)?;
        let text = |column| {
            let text = sql::Row::text(row, column);
            let text = text.map_err(|problem| unreadable(&format!("{column}: {problem}")))?;
            Ok::<_, SourceError>(text.map(str::to_owned))
        };
        let address = text("port_address")?;
        match nodes.last_mut() {
            Some(last) if last.uuid == uuid => last.addresses.extend(address),
            _ => nodes.push(ListedNode {
                uuid,
                name: text("name")?,
                addresses: address.into_iter().collect(),
            }),
        }
    }
    Ok(nodes)
}

fn uuid_of(row: &CellRow) -> Result<NodeUuid, SourceError> {
    let text = sql::Row::text(row, "uuid").ok().flatten();
    let uuid = text.and_then(|text| text.parse().ok());
    uuid.ok_or_else(|| unreadable("a row of nodes without a valid uuid"))
}

fn unreadable(problem: &str) -> SourceError {
    SourceError::Answer(Problem::Answer {
        from: "Ironic's database".to_owned(),
        problem: problem.to_owned(),
    })
}
