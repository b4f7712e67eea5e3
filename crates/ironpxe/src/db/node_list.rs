//! Lists of nodes.

use ironpxe_core::field;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::node::Node;
use ironpxe_core::node::fields::NODE_FIELDS;
use ironpxe_core::provision_state::ProvisionState;
use uuid::Uuid;

use super::list::{ListQuery, Order};
use super::node_row::{COLUMNS, node_columns, read};
use super::{Db, DbError, Page, columns};

/// A conjunction of conditions on nodes.
#[derive(Debug, Clone, Default)]
pub(crate) struct NodeFilter {
    /// By provision state.
    pub provision_state: Option<ProvisionState>,
    /// By hardware type.
    pub driver: Option<String>,
    /// By resource class.
    pub resource_class: Option<String>,
    /// In maintenance, or not.
    pub maintenance: Option<bool>,
    /// With an instance, or without.
    pub associated: Option<bool>,
    /// By instance.
    pub instance_uuid: Option<Uuid>,
    /// By instance name.
    pub instance_name: Option<String>,
    /// By chassis.
    pub chassis_uuid: Option<Uuid>,
    /// By fault.
    pub fault: Option<String>,
    /// By conductor group.
    pub conductor_group: Option<String>,
    /// By owner.
    pub owner: Option<String>,
    /// By lessee.
    pub lessee: Option<String>,
    /// By project: its owner or its lessee.
    pub project: Option<String>,
    /// Retired, or not.
    pub retired: Option<bool>,
    /// By shard: any of these.
    pub shard: Option<Vec<String>>,
    /// With a shard, or without.
    pub sharded: Option<bool>,
    /// The description contains this, ignoring ASCII case.
    pub description_contains: Option<String>,
    /// By parent node.
    pub parent_node: Option<Uuid>,
    /// With a parent, or without.
    pub has_parent: Option<bool>,
    /// By the conductor that has reserved the node.
    pub reserved_by: Option<String>,
}

impl Db {
    /// The nodes that match `filter`, sorted and paged.
    pub(crate) async fn node_list(
        &self,
        filter: &NodeFilter,
        page: &Page<NodeUuid>,
    ) -> Result<Vec<Node>, DbError> {
        let order = Order {
            table: "nodes",
            by: sort_expression(page.sort_key)?,
            direction: page.sort_dir,
        };
        let mut query = ListQuery::new(concat!("SELECT ", node_columns!(), " FROM nodes"));
        filter.require(&mut query);
        if let Some(marker) = page.marker {
            order.after(&mut query, marker.0);
        }
        let statement = query.finish("list nodes", order, page.limit);
        let nodes = self.all(statement, read).await?;
        // An empty page may also mean that the marker was deleted concurrently.
        if let (true, Some(marker)) = (nodes.is_empty(), page.marker) {
            self.node_get(marker)
                .await?
                .ok_or(DbError::NodeMissing(marker))?;
        }
        Ok(nodes)
    }
}

/// All nodes that a filter wants, read in parts: none is missed or given twice because another is
/// deleted meanwhile.
pub(crate) struct NodeParts<'d> {
    db: &'d Db,
    filter: &'d NodeFilter,
    /// Of a part; its marker is the node before the first part.
    page: Page<NodeUuid>,
    /// What was given.
    given: Vec<NodeUuid>,
    is_complete: bool,
}

impl Db {
    /// The nodes after the marker of `page`, as many at a time as its limit says.
    pub(crate) fn node_parts<'d>(
        &'d self,
        filter: &'d NodeFilter,
        page: Page<NodeUuid>,
    ) -> NodeParts<'d> {
        NodeParts {
            db: self,
            filter,
            page,
            given: Vec::new(),
            is_complete: false,
        }
    }
}

impl NodeParts<'_> {
    /// The next nodes; `None` when there are no more.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Node>>, DbError> {
        while !self.is_complete {
            let page = Page {
                marker: self.given.last().copied().or(self.page.marker),
                ..self.page.clone()
            };
            let nodes = match self.db.node_list(self.filter, &page).await {
                // The node that the last part ended with is deleted: go on after the one before it.
                Err(DbError::NodeMissing(_)) if self.given.pop().is_some() => continue,
                read => read?,
            };
            let limit = self.page.limit.map_or(usize::MAX, |limit| limit as usize);
            self.is_complete = nodes.len() < limit;
            self.given.extend(nodes.iter().map(|node| node.uuid));
            return Ok(Some(nodes));
        }
        Ok(None)
    }
}

impl NodeFilter {
    fn require<'v>(&'v self, query: &mut ListQuery<'v>) {
        let Self {
            provision_state,
            driver,
            resource_class,
            maintenance,
            associated,
            instance_uuid,
            instance_name,
            chassis_uuid,
            fault,
            conductor_group,
            owner,
            lessee,
            project,
            retired,
            shard,
            sharded,
            description_contains,
            parent_node,
            has_parent,
            reserved_by,
        } = self;
        query.equal(
            "nodes.provision_state",
            provision_state.map(ProvisionState::name),
        );
        query.equal("nodes.driver", driver.as_deref());
        query.equal("nodes.resource_class", resource_class.as_deref());
        query.equal("nodes.maintenance", *maintenance);
        query.present("nodes.instance_uuid", *associated);
        query.equal("nodes.instance_uuid", *instance_uuid);
        query.equal("nodes.instance_name", instance_name.as_deref());
        query.equal("nodes.chassis_uuid", *chassis_uuid);
        query.equal("nodes.fault", fault.as_deref());
        query.equal("nodes.conductor_group", conductor_group.as_deref());
        query.equal("nodes.owner", owner.as_deref());
        query.equal("nodes.lessee", lessee.as_deref());
        of_project(query, project.as_deref());
        query.equal("nodes.retired", *retired);
        query.present("nodes.shard", *sharded);
        query.equal("nodes.parent_node", *parent_node);
        query.present("nodes.parent_node", *has_parent);
        query.equal("nodes.reservation", reserved_by.as_deref());
        if let Some(shards) = shard {
            any_shard(query.and(), shards);
        }
        if let Some(text) = description_contains {
            query
                .and()
                .push("LOWER(nodes.description) LIKE LOWER(")
                .push_bind(containing(text))
                .push(") ESCAPE '\\'");
        }
    }
}

/// Only nodes of this project, if one is given, and what belongs to them.
pub(super) fn of_project<'v>(query: &mut ListQuery<'v>, project: Option<&'v str>) {
    if let Some(project) = project {
        query.and().push("(nodes.owner = ").push_bind(project);
        query
            .push(" OR nodes.lessee = ")
            .push_bind(project)
            .push(")");
    }
}

fn any_shard<'v>(query: &mut ListQuery<'v>, shards: &'v [String]) {
    if shards.is_empty() {
        query.push("1 = 0");
        return;
    }
    query.push("nodes.shard IN (");
    for (index, shard) in shards.iter().enumerate() {
        query
            .push(if index == 0 { "" } else { ", " })
            .push_bind(shard);
    }
    query.push(")");
}

/// A `LIKE` pattern for texts that contain `text` literally.
fn containing(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    format!("%{escaped}%")
}

/// An interface of a node as an expression that sorts bytewise, as columns do.
fn interface(kind: &str) -> Option<&'static str> {
    macro_rules! expression {
        ($($name:literal)+) => {
            match kind {
                $($name => Some(concat!("(nodes.interfaces ->> '", $name, "') COLLATE \"C\"")),)+
                _ => None,
            }
        };
    }
    expression!(
        "bios" "boot" "console" "deploy" "firmware" "inspect" "management" "network" "power"
        "raid" "rescue" "storage" "vendor"
    )
}

/// The SQL expression to sort by, for a field of the API.
fn sort_expression(key: Option<&'static str>) -> Result<Option<&'static str>, DbError> {
    let key = match key {
        None | Some("id") => return Ok(None),
        Some(key) => key,
    };
    let is_sortable = field::find(NODE_FIELDS, key).is_some_and(|field| field.is_sortable);
    let expression = match key.strip_suffix("_interface") {
        Some(kind) => interface(kind),
        None => columns::sort_expression(COLUMNS, key),
    };
    expression
        .filter(|_| is_sortable)
        .map(Some)
        .ok_or(DbError::SortKey(key))
}
