//! One log line for each change that a client asks for: who, from where, what, and whether it was
//! allowed. `docs/policy.md` has its fields.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::{Method, StatusCode};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::policy::Rule;

use crate::api::request_log::masked_path;
use crate::auth::Caller;

/// What a request turned out to be about; empty for requests that change nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Audit(Option<Arc<Record>>);

#[derive(Debug, Default)]
struct Record {
    node: OnceLock<NodeUuid>,
    allowed: OnceLock<Rule>,
    refused: OnceLock<Rule>,
}

impl Audit {
    /// For a request with this method.
    pub(super) fn of(method: &Method) -> Self {
        let changes = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
        Self(changes.then(Arc::default))
    }

    /// The node that the request is about: the first that is found.
    pub(super) fn about(&self, node: NodeUuid) {
        if let Some(record) = &self.0 {
            // The first one stays.
            let _ = record.node.set(node);
        }
    }

    /// A rule allowed the request; the first one names the operation.
    pub(super) fn allowed(&self, rule: Rule) {
        if let Some(record) = &self.0 {
            let _ = record.allowed.set(rule);
        }
    }

    /// A rule refused the request.
    pub(super) fn refused(&self, rule: Rule) {
        if let Some(record) = &self.0 {
            let _ = record.refused.set(rule);
        }
    }

    /// Logs the change, if one was asked for by a caller who was authenticated.
    pub(super) fn log(&self, request: &Request<'_>, status: StatusCode) {
        let Some(record) = &self.0 else { return };
        let Some(caller) = request.caller else {
            return;
        };
        let (user, project, roles) = match caller {
            Caller::Public => return,
            Caller::Unrestricted { user } => (user.as_deref(), None, String::new()),
            Caller::Keystone(credentials) => (
                credentials.user_id.as_deref(),
                credentials
                    .project_id
                    .as_deref()
                    .or(credentials.system_scope.as_deref().map(|_| "system")),
                credentials.roles.join(","),
            ),
        };
        // A rule that refuses only decides if the request failed by it: some operations are allowed
        // by any of two rules.
        let is_refused = matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
            && record.refused.get().is_some();
        let rule = if is_refused {
            record.refused.get()
        } else {
            record.allowed.get()
        };
        tracing::info!(
            req.id = %request.id,
            user = user.unwrap_or_default(),
            project = project.unwrap_or_default(),
            roles,
            client = request.client.map(tracing::field::display),
            method = %request.method,
            path = &*masked_path(request.path),
            rule = rule.map_or("", |rule| rule.name()),
            node = record.node.get().map(tracing::field::display),
            outcome = if is_refused { "refused" } else { "allowed" },
            status = status.as_u16(),
            "audit"
        );
    }
}

/// The request, for its line.
pub(super) struct Request<'r> {
    pub(super) id: &'r str,
    pub(super) client: Option<IpAddr>,
    /// Unset if nobody was authenticated.
    pub(super) caller: Option<&'r Caller>,
    pub(super) method: &'r Method,
    pub(super) path: &'r str,
}
