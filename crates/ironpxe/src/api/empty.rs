//! Collections of Ironic's that this service does not keep. Clients list them as a matter of
//! course, and there are truly none; who wants to create one is told that it is not done here.

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use crate::api::AppState;
use crate::api::error::{ApiError, Result};
use crate::api::request::Call;

/// A collection.
struct Collection {
    /// The last part of its URL, and the name of the list.
    name: &'static str,
    /// What one of it is called.
    one: &'static str,
    /// The minor version that brought it.
    since: u16,
    /// What an older client is told that wants to change something.
    older: Older,
}

/// How Ironic hides a collection from clients that cannot know it.
#[derive(Clone, Copy)]
enum Older {
    /// There is no such URL.
    NotFound,
    /// There is one, which can only be read, and then is not there.
    MethodNotAllowed,
}

const fn collection(name: &'static str, one: &'static str, since: u16, older: Older) -> Collection {
    Collection {
        name,
        one,
        since,
        older,
    }
}

const COLLECTIONS: [Collection; 6] = [
    collection("allocations", "Allocation", 52, Older::MethodNotAllowed),
    collection("chassis", "Chassis", 1, Older::NotFound),
    collection(
        "deploy_templates",
        "Deploy template",
        55,
        Older::MethodNotAllowed,
    ),
    collection(
        "inspection_rules",
        "Inspection rule",
        96,
        Older::MethodNotAllowed,
    ),
    collection("portgroups", "Portgroup", 23, Older::NotFound),
    collection("runbooks", "Runbook", 92, Older::MethodNotAllowed),
];

pub(super) fn routes() -> Router<AppState> {
    let mut router = Router::new();
    for Collection {
        name,
        one,
        since,
        older,
    } in COLLECTIONS
    {
        let may_change = move |call: &Call| match older {
            Older::NotFound => call.exists_since(since),
            Older::MethodNotAllowed => call.allows_method_since(since),
        };
        let list = move |call: Call| async move {
            call.exists_since(since)?;
            Ok::<_, ApiError>(Json(json!({ name: [] })))
        };
        let refuse = move |call: Call| async move {
            may_change(&call)?;
            Err::<(), _>(ApiError::NotHere(format!(
                "This service does not keep {name}."
            )))
        };
        let item = move |call: Call, Path(ident): Path<String>| async move {
            call.exists_since(since)?;
            Err::<(), _>(ApiError::Missing(format!(
                "{one} {ident} could not be found."
            )))
        };
        let change_item = move |call: Call, ident: Path<String>| async move {
            may_change(&call)?;
            item(call, ident).await
        };
        router = router
            .route(&format!("/v1/{name}"), get(list).post(refuse))
            .route(&format!("/v1/{name}/detail"), get(list))
            .route(
                &format!("/v1/{name}/{{ident}}"),
                get(item).patch(change_item).delete(change_item),
            );
    }
    router.route("/v1/events", post(events))
}

/// `POST /v1/events`: what Neutron did to a node's networks. Nothing here waits for it.
async fn events(call: Call) -> Result<()> {
    call.exists_since(54)?;
    Err(ApiError::NotHere(
        "This service takes no events.".to_owned(),
    ))
}
