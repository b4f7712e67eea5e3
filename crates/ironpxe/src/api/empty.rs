//! Collections of Ironic's that this service does not keep. Clients list them as a matter of
//! course, and there are truly none; who wants to create one is told that it is not done here.

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use crate::api::AppState;
use crate::api::error::{ApiError, Result};
use crate::api::request::Call;

/// The URL, the name of the list, what one of it is called, and the minor version that brought it.
const COLLECTIONS: [(&str, &str, &str, u16); 6] = [
    ("allocations", "allocations", "Allocation", 52),
    ("chassis", "chassis", "Chassis", 1),
    (
        "deploy_templates",
        "deploy_templates",
        "Deploy template",
        55,
    ),
    (
        "inspection_rules",
        "inspection_rules",
        "Inspection rule",
        96,
    ),
    ("portgroups", "portgroups", "Portgroup", 23),
    ("runbooks", "runbooks", "Runbook", 92),
];

pub(super) fn routes() -> Router<AppState> {
    let mut router = Router::new();
    for (path, name, one, since) in COLLECTIONS {
        let list = move |call: Call| async move {
            call.exists_since(since)?;
            Ok::<_, ApiError>(Json(json!({ name: [] })))
        };
        let refuse = move |call: Call| async move {
            call.exists_since(since)?;
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
        router = router
            .route(&format!("/v1/{path}"), get(list).post(refuse))
            .route(&format!("/v1/{path}/detail"), get(list))
            .route(
                &format!("/v1/{path}/{{ident}}"),
                get(item).patch(item).delete(item),
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
