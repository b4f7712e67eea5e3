//! Ports.

use ironpxe_core::error::Fault;
use ironpxe_core::field;
use ironpxe_core::id::{NodeUuid, PortUuid};
use ironpxe_core::mac::MacAddress;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use ironpxe_core::port::fields::PORT_FIELDS;
use time::OffsetDateTime;
use uuid::Uuid;

use super::child::{Child, Operations};
use super::node_list::of_project;
use super::port_row::{self, port_columns};
use super::row::Fields;
use super::statement::{Statement, Value};
use super::{Db, DbError, Duplicate, Page, columns};

/// A conjunction of conditions on ports.
#[derive(Debug, Clone, Default)]
pub(crate) struct PortFilter {
    /// By node.
    pub node_uuid: Option<NodeUuid>,
    /// By MAC address.
    pub address: Option<MacAddress>,
    /// By the project of the node: its owner or its lessee.
    pub project: Option<String>,
}

/// A port and its node, to be followed by `WHERE`.
macro_rules! select_port {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            port_columns!(),
            " FROM ports JOIN nodes ON nodes.id = ports.node_id",
            $rest
        )
    };
}

impl Db {
    /// Stores a new port.
    pub(crate) async fn port_create(&self, port: &Port) -> Result<(), DbError> {
        self.child_create(port).await
    }

    /// The port with this UUID.
    pub(crate) async fn port_get(&self, uuid: PortUuid) -> Result<Option<Port>, DbError> {
        self.child_get(uuid.0).await
    }

    /// The port with this name.
    pub(crate) async fn port_get_by_name(&self, name: &str) -> Result<Option<Port>, DbError> {
        let text = select_port!(" WHERE ports.name = $1");
        let statement = Statement::new(Port::OPERATIONS.read, text).bind(name);
        self.first(statement, Port::read).await
    }

    /// The ports that match `filter`, sorted and paged.
    pub(crate) async fn port_list(
        &self,
        filter: &PortFilter,
        page: &Page<PortUuid>,
    ) -> Result<Vec<Port>, DbError> {
        let PortFilter {
            node_uuid,
            address,
            project,
        } = filter;
        self.child_list(page, |query| {
            query.equal("nodes.uuid", node_uuid.map(|uuid| uuid.0));
            query.equal("ports.address", address.map(|address| address.to_string()));
            of_project(query, project.as_deref());
        })
        .await
    }

    /// All ports of a node.
    pub(crate) async fn node_ports(&self, node: NodeUuid) -> Result<Vec<Port>, DbError> {
        let filter = PortFilter {
            node_uuid: Some(node),
            ..PortFilter::default()
        };
        self.port_list(&filter, &Page::default()).await
    }

    /// Applies `change` to the current port and saves it, with retries after concurrent changes.
    ///
    /// Returns the saved port and the result of `change`. `change` may run several times; a fault
    /// from it is final. Nothing is saved if nothing changes.
    pub(crate) async fn port_change<T>(
        &self,
        uuid: PortUuid,
        change: impl FnMut(&mut Port) -> Result<T, Fault> + Send,
    ) -> Result<(Port, T), Fault> {
        self.port_change_if(uuid, |_, _, _| Ok(()), change).await
    }

    /// As [`Db::port_change`], unless `allowed` rejects it: it gets the current node (and the new
    /// node, if that changes), and the port before and after.
    pub(crate) async fn port_change_if<T>(
        &self,
        uuid: PortUuid,
        allowed: impl Fn(&Node, &Port, &Port) -> Result<(), Fault> + Send,
        change: impl FnMut(&mut Port) -> Result<T, Fault> + Send,
    ) -> Result<(Port, T), Fault> {
        self.child_change(uuid.0, allowed, change).await
    }

    /// Deletes the port.
    pub(crate) async fn port_destroy(&self, uuid: PortUuid) -> Result<(), Fault> {
        let text = "DELETE FROM ports WHERE uuid = $1";
        let statement = Statement::new(Port::OPERATIONS.delete, text).bind(uuid.0);
        if self.execute(statement).await? == 0 {
            return Err(DbError::PortMissing(uuid).into());
        }
        Ok(())
    }
}

impl Child for Port {
    const TABLE: &'static str = "ports";
    const OPERATIONS: Operations = Operations {
        store: "store a port",
        read: "read a port",
        list: "list ports",
        change: "change a port",
        delete: "delete a port",
    };
    const SELECT: &'static str = select_port!("");
    const COLUMNS: &'static [(&'static str, &'static str)] = port_row::COLUMNS;

    fn read(fields: &mut Fields<'_>) -> Result<Self, sqlx::Error> {
        port_row::read(fields)
    }

    fn values(&self) -> Vec<Value<'_>> {
        port_row::values(self)
    }

    fn node(&self) -> NodeUuid {
        self.node_uuid
    }

    fn updated_at(&mut self) -> &mut Option<OffsetDateTime> {
        &mut self.updated_at
    }

    fn keep_identity(&mut self, before: &Self) {
        self.uuid = before.uuid;
        self.created_at = before.created_at;
        self.updated_at = before.updated_at;
    }

    fn missing(uuid: Uuid) -> DbError {
        DbError::PortMissing(PortUuid(uuid))
    }

    fn duplicate(&self, constraint: &str) -> Option<Duplicate> {
        match (constraint, &self.name) {
            ("ports_uuid_key", _) => Some(Duplicate::PortUuid(self.uuid)),
            ("ports_address_key", _) => Some(Duplicate::PortAddress(self.address)),
            ("ports_name_key", Some(name)) => Some(Duplicate::PortName(name.clone())),
            _ => None,
        }
    }

    fn sort_expression(key: &str) -> Option<&'static str> {
        if key == "node_uuid" {
            return Some("(SELECT nodes.uuid FROM nodes WHERE nodes.id = ports.node_id)");
        }
        let field = field::find(PORT_FIELDS, key)?;
        columns::sort_expression(Self::COLUMNS, key).filter(|_| field.is_sortable)
    }
}
