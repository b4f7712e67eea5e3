//! Shared parts of the lists of connectors and targets.

use axum::Json;
use ironpxe_core::id::NodeUuid;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::error::{ApiError, Result};
use crate::api::paging::{self, Paging};
use crate::api::request::Call;
use crate::api::resolve;
use crate::api::volume::SINCE;
use crate::db::Page;

/// The names in one kind of list.
#[derive(Debug)]
pub(super) struct Shape {
    /// The name of the list, also the last part of its URL.
    pub(super) name: &'static str,
    /// The fields before the links, in Ironic's order. `node_uuid` comes after the links.
    pub(super) fields: &'static [&'static str],
    /// The fields of a short list.
    pub(super) summary: &'static [&'static str],
    /// The fields it can be sorted by, besides the order of creation.
    pub(super) sortable: &'static [&'static str],
}

impl Shape {
    /// Rejects unknown fields.
    pub(super) fn check_fields(&self, fields: Option<&[String]>) -> Result<()> {
        let unknown: Vec<&str> = fields
            .unwrap_or_default()
            .iter()
            .map(String::as_str)
            .filter(|name| !self.fields.contains(name) && !["links", "node_uuid"].contains(name))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(ApiError::invalid(format!(
            "Field(s) \"{}\" are not valid",
            unknown.join(", ")
        )))
    }

    /// A resource with all fields, or with `fields` and the links; `value` returns a field.
    pub(super) fn show(
        &self,
        call: &Call,
        uuid: &str,
        fields: Option<&[&str]>,
        value: impl Fn(&str) -> Value,
    ) -> Value {
        let wanted = |name: &str| fields.is_none_or(|fields| fields.contains(&name));
        let mut body = Map::new();
        for name in self.fields.iter().filter(|name| wanted(name)) {
            body.insert((*name).to_owned(), value(name));
        }
        let path = format!("volume/{}/{uuid}", self.name);
        body.insert("links".to_owned(), call.links.pair(&path));
        if wanted("node_uuid") {
            body.insert("node_uuid".to_owned(), value("node_uuid"));
        }
        Value::Object(body)
    }
}

/// The parameters of a list request.
#[derive(Debug)]
pub(super) struct Listing<'a> {
    shape: &'static Shape,
    call: &'a Call,
    args: &'a Args,
    path: String,
    fields: Option<Vec<String>>,
    paging: Paging,
    /// The resource that the page begins after.
    pub(super) marker: Option<Uuid>,
    /// Restricts the list to a node.
    pub(super) node: Option<NodeUuid>,
}

impl<'a> Listing<'a> {
    /// Parses the arguments; `of_node` is the node in the URL.
    pub(super) async fn read(
        state: &AppState,
        call: &'a Call,
        args: &'a Args,
        shape: &'static Shape,
        of_node: Option<NodeUuid>,
    ) -> Result<Self> {
        call.not_found_before(SINCE)?;
        let known: Vec<&str> = ["node", "detail", "fields"]
            .iter()
            .chain(&paging::ARGUMENTS)
            .copied()
            .collect();
        args.only(&known)?;
        let named = args.ident("node")?;
        let given = args.list("fields")?;
        let detail = args.flag("detail")? == Some(true);
        if given.is_some() && detail {
            return Err(ApiError::invalid(
                "Can't fetch a subset of fields with 'detail' set",
            ));
        }
        shape.check_fields(given.as_deref())?;
        let summary = || {
            shape
                .summary
                .iter()
                .map(|name| (*name).to_owned())
                .collect()
        };
        let paging = Paging::read(args, &state.settings, shape.sortable)?;
        let marker = args.uuid("marker")?;
        let node = match (of_node, named) {
            (Some(node), _) => Some(node),
            (None, Some(ident)) => Some(resolve::lookup(state, call, &ident).await?.uuid),
            (None, None) => None,
        };
        let parent = of_node.map(|node| format!("nodes/{node}/"));
        Ok(Self {
            shape,
            call,
            args,
            path: format!("{}volume/{}", parent.unwrap_or_default(), shape.name),
            fields: given.or_else(|| (!detail).then(summary)),
            paging,
            marker,
            node,
        })
    }

    /// The page for the database.
    pub(super) fn page<Marker>(&self, marker: impl FnOnce(Uuid) -> Marker) -> Page<Marker> {
        Page {
            limit: Some(self.paging.limit),
            marker: self.marker.map(marker),
            sort_key: self.paging.sort_key,
            sort_dir: self.paging.sort_dir,
        }
    }

    /// The response; `show` serializes a resource and returns its UUID.
    pub(super) fn answer<T>(
        &self,
        resources: &[T],
        show: impl Fn(&T, Option<&[&str]>) -> Value,
        uuid: impl Fn(&T) -> String,
    ) -> Json<Value> {
        let fields: Option<Vec<&str>> = self
            .fields
            .as_ref()
            .map(|fields| fields.iter().map(String::as_str).collect());
        let fields = fields.as_deref();
        let shown = resources.iter().map(|one| show(one, fields)).collect();
        let mut body = Map::from_iter([(self.shape.name.to_owned(), Value::Array(shown))]);
        let last = (resources.len(), resources.last().map(uuid));
        if let Some(next) = self
            .paging
            .next(self.call, &self.path, fields, self.args, last)
        {
            body.insert("next".to_owned(), Value::String(next));
        }
        Json(Value::Object(body))
    }
}
