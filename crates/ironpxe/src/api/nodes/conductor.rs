//! The field `conductor` of nodes, and its filter.

use ironpxe_core::conductor::{Conductor, conductor_of};
use ironpxe_core::field;
use ironpxe_core::node::Node;
use ironpxe_core::node::fields::NODE_FIELDS;

use crate::api::AppState;
use crate::api::call::Call;
use crate::api::error::Result;

/// The conductors, to determine which one manages a node.
#[derive(Debug, Default)]
pub(super) struct Conductors(Vec<Conductor>);

impl Conductors {
    /// The registered conductors.
    pub(super) async fn read(state: &AppState) -> Result<Self> {
        Ok(Self(state.store.conductors().await?))
    }

    /// The registered conductors if the field is shown; otherwise none.
    pub(super) async fn shown(
        state: &AppState,
        call: &Call,
        fields: Option<&[&str]>,
    ) -> Result<Self> {
        const FIELD: &str = "conductor";
        let is_wanted = fields.is_none_or(|fields| fields.contains(&FIELD));
        if is_wanted && call.has(field::since(NODE_FIELDS, FIELD)) {
            Self::read(state).await
        } else {
            Ok(Self::default())
        }
    }

    /// The name of the conductor that manages the node.
    pub(super) fn of<'a>(&'a self, node: &'a Node) -> Option<&'a str> {
        conductor_of(&self.0, node)
    }
}
