//! The statements on Ironic's tables: those of the core, for several machines at once.

use std::sync::LazyLock;

use ironpxe_core::beside::sql;
use ironpxe_core::boot_ident::BootIdent;

/// The maximum number of machines per statement.
pub(super) const MAX_MACHINES: usize = 64;

/// The numbers of machines that a statement is prepared for; others repeat a machine.
const SIZES: [usize; 4] = [1, 4, 16, MAX_MACHINES];

/// What identifies the machines of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// The addresses of ports.
    Address,
    /// The UUIDs of nodes.
    Node,
}

/// A boot statement and its values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BootStatement {
    pub(super) key: Key,
    pub(super) text: &'static str,
    pub(super) values: Vec<String>,
}

/// A database's form of the boot statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    /// With the column `read_only` in a row that is always there.
    Mysql,
}

/// The name of a node's UUID.
pub(super) const NODE_BY_NAME: &str = "SELECT uuid FROM nodes WHERE name = ?";

/// The ports of a node.
pub(super) const PORTS: &str = "SELECT p.uuid AS port_uuid, p.address AS port_address, \
     p.pxe_enabled AS port_pxe_enabled FROM ports p JOIN nodes n ON n.id = p.node_id \
     WHERE n.uuid = ? ORDER BY p.id";

/// All nodes, each with all of its ports.
pub(super) const LIST: &str = "SELECT n.uuid, n.name, p.address AS port_address \
     FROM nodes n LEFT JOIN ports p ON p.node_id = n.id ORDER BY n.id, p.id";

impl Key {
    /// Of a machine, and its value as the database has it.
    fn of(ident: &BootIdent) -> (Self, String) {
        match ident {
            BootIdent::Address(mac) => (Self::Address, mac.to_string()),
            BootIdent::Node(uuid) => (Self::Node, uuid.to_string()),
        }
    }

    /// The column of a row that has the machine's value.
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Address => "port_address",
            Self::Node => "uuid",
        }
    }
}

/// The statements for these machines: one for the addresses, one for the nodes.
pub(super) fn boot(machines: &[BootIdent], dialect: Dialect) -> Vec<BootStatement> {
    let of = |key: Key| {
        let keys = machines.iter().map(Key::of);
        let mut values: Vec<String> = keys
            .filter(|(of, _)| *of == key)
            .map(|(_, value)| value)
            .collect();
        let last = values.last()?.clone();
        let sizes = SIZES.iter().position(|size| *size >= values.len());
        let size = sizes.unwrap_or(SIZES.len() - 1);
        values.resize(SIZES.get(size).copied().unwrap_or_default(), last);
        let text = text(key, dialect, size);
        Some(BootStatement { key, text, values })
    };
    [Key::Address, Key::Node]
        .into_iter()
        .filter_map(of)
        .collect()
}

/// The prepared texts live as long as the process.
fn text(key: Key, dialect: Dialect, size: usize) -> &'static str {
    static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
        let mut texts = Vec::new();
        for key in [Key::Address, Key::Node] {
            for dialect in [Dialect::Sqlite, Dialect::Mysql] {
                texts.extend(SIZES.iter().map(|size| assemble(key, dialect, *size)));
            }
        }
        texts
    });
    let key = usize::from(key == Key::Node);
    let dialect = usize::from(dialect == Dialect::Mysql);
    let index = (key * 2 + dialect) * SIZES.len() + size;
    TEXTS.get(index).map(String::as_str).unwrap_or_default()
}

fn assemble(key: Key, dialect: Dialect, size: usize) -> String {
    let one = match key {
        Key::Address => sql::BY_ADDRESS,
        Key::Node => sql::BY_NODE,
    };
    let marks = vec!["?"; size].join(", ");
    let all = one.replace("= ?", &format!("IN ({marks})"));
    match dialect {
        Dialect::Sqlite => all,
        // Whether the server is read-only must be known at the moment of the rows: a proxy or a
        // fail-over may change the server between two statements.
        Dialect::Mysql => {
            let (rows, order) = all.split_once("ORDER BY").unwrap_or((&all, ""));
            format!(
                "SELECT @@global.read_only AS read_only, m.* FROM (SELECT 1 AS one) o LEFT JOIN \
                 (\n{rows}) m ON 1 = 1 ORDER BY {}",
                order.trim()
            )
        }
    }
}
