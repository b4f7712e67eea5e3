//! The database as handlers read it: each node, and what belongs to it, only if the caller may see it.
//!
//! What the caller may not see is as if it did not exist. The field is private, so that no handler
//! reads past these functions.

use ironpxe_core::conductor::Conductor;
use ironpxe_core::error::Fault;
use ironpxe_core::id::{NodeHistoryUuid, NodeUuid, PortUuid};
use ironpxe_core::mac::MacAddress;
use ironpxe_core::node::Node;
use ironpxe_core::node_history::NodeHistory;
use ironpxe_core::policy::Rule;
use ironpxe_core::port::Port;
use ironpxe_core::volume::Volume;

use crate::api::access::{Visible, of_node};
use crate::api::call::Call;
use crate::api::error::Result;
use crate::db::{Child, Db, DbError, NodeFilter, NodeParts, Page, PortFilter};

/// Reads resources for callers.
#[derive(Clone)]
pub(crate) struct Store(Db);

impl Store {
    /// Reads from this database.
    pub(crate) const fn new(db: Db) -> Self {
        Self(db)
    }

    /// The node with this UUID.
    pub(super) async fn node(&self, call: &Call, uuid: NodeUuid) -> Result<Option<Node>> {
        Ok(visible(call, self.0.node_get(uuid).await?))
    }

    /// The node with this name.
    pub(super) async fn node_by_name(&self, call: &Call, name: &str) -> Result<Option<Node>> {
        Ok(visible(call, self.0.node_get_by_name(name).await?))
    }

    /// The node with a port of this address.
    pub(super) async fn node_by_address(
        &self,
        call: &Call,
        address: MacAddress,
    ) -> Result<Option<Node>> {
        let found = self.0.node_get_by_address(address).await?;
        Ok(visible(call, found.map(|(node, _)| node)))
    }

    /// Whether there is a node with this UUID, whose agent the conductor authenticates.
    pub(super) async fn agent_node(&self, uuid: NodeUuid) -> Result<Option<NodeUuid>> {
        Ok(self.0.node_get(uuid).await?.map(|node| node.uuid))
    }

    /// As [`Store::agent_node`], by name.
    pub(super) async fn agent_node_by_name(&self, name: &str) -> Result<Option<NodeUuid>> {
        Ok(self.0.node_get_by_name(name).await?.map(|node| node.uuid))
    }

    /// A page of the nodes that match.
    pub(super) async fn nodes(
        &self,
        filter: &VisibleNodes,
        page: &Page<NodeUuid>,
    ) -> Result<Vec<Node>> {
        Ok(self.0.node_list(&filter.0, page).await?)
    }

    /// The nodes that match, as many at a time as the limit of `page` says.
    pub(super) fn node_parts<'a>(
        &'a self,
        filter: &'a VisibleNodes,
        page: Page<NodeUuid>,
    ) -> NodeParts<'a> {
        self.0.node_parts(&filter.0, page)
    }

    /// Whether a page can begin after this node.
    pub(super) async fn check_node_marker(
        &self,
        visible: &Visible,
        marker: NodeUuid,
    ) -> Result<()> {
        let found = self.0.node_get(marker).await?;
        match found.filter(|node| visible.includes(node)) {
            Some(_) => Ok(()),
            None => Err(Fault::NodeNotFound(marker.to_string()).into()),
        }
    }

    /// The shard of every node.
    pub(super) async fn shards(&self) -> Result<Vec<Option<String>>> {
        let (every, page) = (NodeFilter::default(), Page::default());
        let nodes = self.0.node_list(&every, &page).await?;
        Ok(nodes.into_iter().map(|node| node.shard).collect())
    }

    /// The port with this UUID, if the rule allows it for the port's node.
    pub(super) async fn port(
        &self,
        call: &Call,
        uuid: PortUuid,
        rule: Rule,
    ) -> Result<Option<Port>> {
        self.child(call, self.0.port_get(uuid).await?, rule).await
    }

    /// As [`Store::port`], by name.
    pub(super) async fn port_by_name(
        &self,
        call: &Call,
        name: &str,
        rule: Rule,
    ) -> Result<Option<Port>> {
        self.child(call, self.0.port_get_by_name(name).await?, rule)
            .await
    }

    /// A page of the ports that match.
    pub(super) async fn ports(
        &self,
        visible: &Visible,
        mut filter: PortFilter,
        page: &Page<PortUuid>,
    ) -> Result<Vec<Port>> {
        filter.project = visible.project().map(str::to_owned);
        Ok(self.0.port_list(&filter, page).await?)
    }

    /// Whether a page can begin after this port.
    pub(super) async fn check_port_marker(
        &self,
        visible: &Visible,
        marker: PortUuid,
    ) -> Result<()> {
        let found = self.0.port_get(marker).await?;
        if self.has_listed(visible, found.as_ref()).await? {
            return Ok(());
        }
        Err(Fault::PortNotFound(marker.to_string()).into())
    }

    /// All ports of a node.
    pub(super) async fn ports_of(&self, node: &Node) -> Result<Vec<Port>> {
        Ok(self.0.node_ports(node.uuid).await?)
    }

    /// The volume with this UUID, if the rule allows it for its node.
    pub(super) async fn volume<V: Volume + Child>(
        &self,
        call: &Call,
        uuid: V::Uuid,
        rule: Rule,
    ) -> Result<Option<V>> {
        self.child(call, self.0.volume_get(uuid).await?, rule).await
    }

    /// A page of the volumes, of all nodes or of one.
    pub(super) async fn volumes<V: Volume + Child>(
        &self,
        visible: &Visible,
        node: Option<NodeUuid>,
        page: &Page<V::Uuid>,
    ) -> Result<Vec<V>> {
        Ok(self.0.volume_list(visible.project(), node, page).await?)
    }

    /// Whether a page can begin after this volume.
    pub(super) async fn check_volume_marker<V: Volume + Child>(
        &self,
        visible: &Visible,
        marker: V::Uuid,
    ) -> Result<()> {
        let found: Option<V> = self.0.volume_get(marker).await?;
        if self.has_listed(visible, found.as_ref()).await? {
            return Ok(());
        }
        Err(V::not_found(marker).into())
    }

    /// An entry of a node's history.
    pub(super) async fn history_entry(
        &self,
        node: &Node,
        uuid: NodeHistoryUuid,
    ) -> Result<Option<NodeHistory>> {
        Ok(self.0.node_history_get(node.uuid, uuid).await?)
    }

    /// A page of a node's history.
    pub(super) async fn history(
        &self,
        node: &Node,
        page: &Page<NodeHistoryUuid>,
    ) -> Result<Vec<NodeHistory>> {
        Ok(self.0.node_history_list(node.uuid, page).await?)
    }

    /// All conductors.
    pub(super) async fn conductors(&self) -> Result<Vec<Conductor>, DbError> {
        self.0.conductor_list().await
    }

    /// The conductor with this name.
    pub(super) async fn conductor(&self, hostname: &str) -> Result<Option<Conductor>, DbError> {
        self.0.conductor_get(hostname).await
    }

    async fn child<C: Child>(
        &self,
        call: &Call,
        found: Option<C>,
        rule: Rule,
    ) -> Result<Option<C>> {
        let Some(child) = found else { return Ok(None) };
        if call.is_unrestricted() {
            call.audit.about(child.node());
            return Ok(Some(child));
        }
        // Of a node that is being deleted, nothing is left either.
        let Some(node) = self.node(call, child.node()).await? else {
            return Ok(None);
        };
        call.authorize_node(rule, &node)?;
        Ok(Some(child))
    }

    async fn has_listed<C: Child>(&self, visible: &Visible, child: Option<&C>) -> Result<bool> {
        let Some(child) = child else { return Ok(false) };
        if visible.project().is_none() {
            return Ok(true);
        }
        let node = self.0.node_get(child.node()).await?;
        Ok(node.is_some_and(|node| visible.includes(&node)))
    }
}

/// A filter of nodes that a caller sees.
pub(super) struct VisibleNodes(NodeFilter);

impl VisibleNodes {
    /// The nodes of `filter` that are visible.
    pub(super) fn of(visible: &Visible, mut filter: NodeFilter) -> Self {
        filter.project = visible.project().map(str::to_owned);
        Self(filter)
    }
}

/// The node, if the caller may see it.
fn visible(call: &Call, found: Option<Node>) -> Option<Node> {
    let node = found?;
    call.audit.about(node.uuid);
    if call.may(Rule::NodeGet, &of_node(&node)) {
        return Some(node);
    }
    call.audit.refused(Rule::NodeGet);
    None
}
