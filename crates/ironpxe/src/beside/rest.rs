//! Ironic's API.
//!
//! A machine takes two requests, one if its node is known, and two more if it boots from a volume.
//! Never `/v1/lookup`, which would use up the agent's token.
//!
//! An account that may not see all nodes is answered with an empty list, as if there were no such
//! port. So an empty list is only believed if the account may list conductors, which needs the same
//! right.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ironpxe_core::beside::{IronicMachine, rest};
use ironpxe_core::boot::boots_from_volume;
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::id::NodeUuid;
use ironpxe_core::port::Port;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::ListedNode;
use super::error::SourceError;
use crate::openstack::Ironic;

/// How many requests are sent at the same time.
pub(super) const MAX_REQUESTS: usize = 4;
/// How many machines may wait for their turn: so many that firmware does not give up meanwhile.
pub(super) const MAX_WAITING: usize = 64;
/// For how long the account's right to see all nodes is assumed.
const SCOPE_CHECKED_FOR: Duration = Duration::from_mins(1);
/// The length of a page of a list; `[api]max_limit` may make it shorter.
const PAGE: usize = 1000;

#[derive(Debug)]
pub(super) struct Rest {
    api: Ironic,
    /// When the account last proved that it may see all nodes.
    scope_checked: Mutex<Option<Instant>>,
}

impl Rest {
    pub(super) fn new(api: Ironic) -> Self {
        Self {
            api,
            scope_checked: Mutex::default(),
        }
    }

    pub(super) async fn machine(
        &self,
        ident: BootIdent,
    ) -> Result<Option<IronicMachine>, SourceError> {
        let (uuid, port) = match ident {
            BootIdent::Node(uuid) => (uuid, None),
            BootIdent::Address(mac) => {
                let asked = format!("for the port with address {mac}");
                let path = format!("/ports/detail?address={mac}");
                let port = rest::port(mac, &self.get(asked, path).await?)?;
                let Some(port) = port else {
                    self.check_scope().await?;
                    return Ok(None);
                };
                (port.node_uuid, Some(port))
            }
        };
        let of_port = port.is_some();
        let body = self.get(format!("for node {uuid}"), format!("/nodes/{uuid}"));
        let body = match body.await {
            Ok(body) => body,
            // Its port was there a moment ago, so nothing is certain about the machine.
            Err(SourceError::Api(error)) if error.is_not_found() && !of_port => {
                self.check_scope().await?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let machine = rest::machine(uuid, port, &body)?;
        if machine.unusable.is_some() || boots_from_volume(&machine.node).is_none() {
            return Ok(Some(machine));
        }
        let volumes = async |kind: &str| {
            let asked = format!("for the volume {kind} of node {uuid}");
            let path = format!("/volume/{kind}?node={uuid}&detail=true");
            self.get(asked, path).await
        };
        let (targets, connectors) = (volumes("targets").await?, volumes("connectors").await?);
        Ok(Some(rest::with_volumes(machine, &targets, &connectors)?))
    }

    pub(super) async fn node_by_name(&self, name: &str) -> Result<Option<NodeUuid>, SourceError> {
        // A path with a slash would be another resource.
        let path = utf8_percent_encode(name, NON_ALPHANUMERIC);
        let body = self.get(
            format!("for node {name:?}"),
            format!("/nodes/{path}?fields=uuid"),
        );
        match body.await {
            Ok(body) => Ok(Some(rest::node_uuid(&body)?)),
            Err(SourceError::Api(error)) if error.is_not_found() => {
                self.check_scope().await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) async fn ports(&self, node: NodeUuid) -> Result<Vec<Port>, SourceError> {
        let asked = format!("for the ports of node {node}");
        let path = format!("/ports/detail?node={node}");
        Ok(rest::ports(node, &self.get(asked, path).await?)?)
    }

    pub(super) async fn list(&self) -> Result<Vec<ListedNode>, SourceError> {
        self.check_scope().await?;
        let mut nodes = Vec::new();
        let mut ports = Vec::new();
        let mut marker = None;
        loop {
            let page = self.page("nodes", "uuid,name", marker).await?;
            let rest::Page { items, has_next } = rest::listed_nodes(&page)?;
            marker = items.last().map(|(uuid, _)| uuid.to_string());
            nodes.extend(items);
            if !has_next || marker.is_none() {
                break;
            }
        }
        marker = None;
        loop {
            let page = self.page("ports", "uuid,address,node_uuid", marker).await?;
            let rest::Page { items, has_next } = rest::listed_ports(&page)?;
            marker = items.last().map(|port| port.uuid.clone());
            ports.extend(items);
            if !has_next || marker.is_none() {
                break;
            }
        }
        let listed = nodes.into_iter().map(|(uuid, name)| {
            let own = ports.iter().filter(|port| port.node_uuid == uuid);
            let addresses = own.map(|port| port.address.clone()).collect();
            ListedNode {
                uuid,
                name,
                addresses,
            }
        });
        Ok(listed.collect())
    }

    /// Whether the API answers, and shows everything.
    pub(super) async fn ping(&self) -> Result<(), SourceError> {
        *self.checked() = None;
        self.check_scope().await
    }

    async fn page(
        &self,
        kind: &str,
        fields: &str,
        marker: Option<String>,
    ) -> Result<Vec<u8>, SourceError> {
        let marker = marker
            .map(|uuid| format!("&marker={uuid}"))
            .unwrap_or_default();
        let path = format!("/{kind}?fields={fields}&limit={PAGE}{marker}");
        self.get(format!("for the list of {kind}"), path).await
    }

    /// An error unless the account may see all nodes.
    async fn check_scope(&self) -> Result<(), SourceError> {
        if self
            .checked()
            .is_some_and(|at| at.elapsed() < SCOPE_CHECKED_FOR)
        {
            return Ok(());
        }
        let asked = "for the list of conductors".to_owned();
        match self.get(asked, "/conductors?limit=1".to_owned()).await {
            Ok(body) => {
                rest::conductors(&body)?;
                *self.checked() = Some(Instant::now());
                Ok(())
            }
            Err(SourceError::Api(error)) if error.is_forbidden() => Err(SourceError::Scope(error)),
            Err(error) => Err(error),
        }
    }

    fn checked(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.scope_checked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn get(&self, asked: String, path: String) -> Result<Vec<u8>, SourceError> {
        let answer = self.api.get(asked, path).await;
        answer.map_err(|error| {
            if error.is_not_found_elsewhere() {
                SourceError::NotIronic(error)
            } else {
                SourceError::Api(error)
            }
        })
    }
}
