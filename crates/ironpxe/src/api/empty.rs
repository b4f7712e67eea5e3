//! Collections of Ironic's that this service does not have. Clients list them as a matter of course,
//! and get an empty list; a request to create one is answered 501, with what to do instead.
//! `docs/compatibility.md` shows the table.

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use crate::api::AppState;
use crate::api::error::{ApiError, Result};
use crate::api::request::Call;

/// A resource that Ironic has and this service has not.
struct Absent {
    /// Its URL below `/v1/`, which is also the name of the list.
    path: &'static str,
    /// What one of it is called in an error.
    one: &'static str,
    /// The minor version of the API that brought it.
    since: u16,
    /// What an older client is told that wants to change something.
    older: Older,
    /// How to do without.
    instead: &'static str,
}

/// How Ironic hides a collection from clients that cannot know it.
#[derive(Clone, Copy)]
enum Older {
    /// There is no such URL.
    NotFound,
    /// There is one, which can only be read, and then is not there.
    MethodNotAllowed,
}

const COLLECTIONS: [Absent; 6] = [
    Absent {
        path: "allocations",
        one: "Allocation",
        since: 52,
        older: Older::MethodNotAllowed,
        instead: "choose among the nodes yourself: GET /v1/nodes takes provision_state, \
                  resource_class, owner and more, and the client that sets instance_uuid first has \
                  the node",
    },
    Absent {
        path: "chassis",
        one: "Chassis",
        since: 1,
        older: Older::NotFound,
        instead: "say in the node's description or extra where the machine stands",
    },
    Absent {
        path: "deploy_templates",
        one: "Deploy template",
        since: 55,
        older: Older::MethodNotAllowed,
        instead: "give deploy_steps with the request to deploy",
    },
    Absent {
        path: "inspection_rules",
        one: "Inspection rule",
        since: 96,
        older: Older::MethodNotAllowed,
        instead: "set properties, traits and ports of the node by requests of your own",
    },
    Absent {
        path: "portgroups",
        one: "Portgroup",
        since: 23,
        older: Older::NotFound,
        instead: "create a port for each network card, and let the instance bond them; the machine \
                  boots by any of its ports with pxe_enabled",
    },
    Absent {
        path: "runbooks",
        one: "Runbook",
        since: 92,
        older: Older::MethodNotAllowed,
        instead: "give clean_steps or service_steps with the request",
    },
];

pub(super) fn routes() -> Router<AppState> {
    let mut router = Router::new();
    for Absent {
        path,
        one,
        since,
        older,
        instead,
    } in COLLECTIONS
    {
        let may_change = move |call: &Call| match older {
            Older::NotFound => call.not_found_before(since),
            Older::MethodNotAllowed => call.method_not_allowed_before(since),
        };
        let list = move |call: Call| async move {
            call.not_found_before(since)?;
            Ok::<_, ApiError>(Json(json!({ path: [] })))
        };
        let refuse = move |call: Call| async move {
            may_change(&call)?;
            Err::<(), _>(ApiError::NotImplemented(format!(
                "This service does not have {path}; {instead}."
            )))
        };
        let item = move |call: Call, Path(ident): Path<String>| async move {
            call.not_found_before(since)?;
            Err::<(), _>(ApiError::Missing(format!(
                "{one} {ident} could not be found."
            )))
        };
        let change_item = move |call: Call, ident: Path<String>| async move {
            may_change(&call)?;
            item(call, ident).await
        };
        router = router
            .route(&format!("/v1/{path}"), get(list).post(refuse))
            .route(&format!("/v1/{path}/detail"), get(list))
            .route(
                &format!("/v1/{path}/{{ident}}"),
                get(item).patch(change_item).delete(change_item),
            );
    }
    router.route("/v1/events", post(events))
}

/// `POST /v1/events`: what Neutron did to a node's networks. Nothing here waits for it.
async fn events(call: Call) -> Result<()> {
    call.not_found_before(54)?;
    Err(ApiError::NotImplemented(
        "This service takes no events, and waits for none: leave them out.".to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use ironpxe_testkit::docs::Page;

    use super::*;

    #[test]
    fn docs_list_every_collection_that_is_not_implemented() -> anyhow::Result<()> {
        let mut table = String::from("| resource | instead |\n|---|---|\n");
        for Absent { path, instead, .. } in COLLECTIONS {
            writeln!(table, "| `/v1/{path}` | {instead} |").unwrap();
        }
        Page::open("compatibility.md")?
            .section("absent", &table)?
            .check()
    }
}
