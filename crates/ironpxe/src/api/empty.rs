//! Collections of Ironic's that this service does not support. Clients list them routinely, and get
//! an empty list; creating one is answered with 501 and an alternative. `docs/compatibility.md` has
//! the table.

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Json, Router};
use ironpxe_core::policy::{Rule, Target};
use serde_json::json;

use crate::api::AppState;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};

/// An unsupported resource.
struct UnsupportedCollection {
    /// Its URL below `/v1/`, also the name of the list.
    path: &'static str,
    /// The name of a single resource in errors.
    one: &'static str,
    /// The minor version of the API that introduced it.
    since: u16,
    /// The response to a modification by an older client.
    older: Older,
    /// The rules of the list: to see everything, and what the own project has.
    list: [Rule; 2],
    /// The rule of creation.
    create: Rule,
    /// The rules to get, change and delete one, if they do not depend on its owner. (Otherwise none is
    /// visible, as there is none.)
    item: Option<[Rule; 3]>,
    /// The alternative.
    instead: &'static str,
}

/// How Ironic hides a collection from older clients.
#[derive(Clone, Copy)]
enum Older {
    /// The URL does not exist.
    NotFound,
    /// The URL exists, but only for GET, which then answers 404.
    MethodNotAllowed,
}

const COLLECTIONS: [UnsupportedCollection; 6] = [
    UnsupportedCollection {
        path: "allocations",
        list: [Rule::AllocationListAll, Rule::AllocationList],
        create: Rule::AllocationCreate,
        item: None,
        one: "Allocation",
        since: 52,
        older: Older::MethodNotAllowed,
        instead: "select a node yourself: GET /v1/nodes filters by provision_state, \
                  resource_class, owner and more, and the client that sets instance_uuid first has \
                  the node",
    },
    UnsupportedCollection {
        path: "chassis",
        list: [Rule::ChassisGet, Rule::ChassisGet],
        create: Rule::ChassisCreate,
        item: Some([Rule::ChassisGet, Rule::ChassisUpdate, Rule::ChassisDelete]),
        one: "Chassis",
        since: 1,
        older: Older::NotFound,
        instead: "record the machine's location in the node's description or extra",
    },
    UnsupportedCollection {
        path: "deploy_templates",
        list: [Rule::DeployTemplateGet, Rule::DeployTemplateGet],
        create: Rule::DeployTemplateCreate,
        item: Some([
            Rule::DeployTemplateGet,
            Rule::DeployTemplateUpdate,
            Rule::DeployTemplateDelete,
        ]),
        one: "Deploy template",
        since: 55,
        older: Older::MethodNotAllowed,
        instead: "pass deploy_steps in the deploy request",
    },
    UnsupportedCollection {
        path: "inspection_rules",
        list: [Rule::InspectionRuleGet, Rule::InspectionRuleGet],
        create: Rule::InspectionRuleCreate,
        item: Some([
            Rule::InspectionRuleGet,
            Rule::InspectionRuleUpdate,
            Rule::InspectionRuleDelete,
        ]),
        one: "Inspection rule",
        since: 96,
        older: Older::MethodNotAllowed,
        instead: "set the node's properties, traits and ports by separate requests",
    },
    UnsupportedCollection {
        path: "portgroups",
        list: [Rule::PortgroupListAll, Rule::PortgroupList],
        create: Rule::PortgroupCreate,
        item: None,
        one: "Portgroup",
        since: 23,
        older: Older::NotFound,
        instead: "create a port for each NIC, and configure bonding in the instance; the machine boots \
                  from any of its ports with pxe_enabled",
    },
    UnsupportedCollection {
        path: "runbooks",
        list: [Rule::RunbookListAll, Rule::RunbookList],
        create: Rule::RunbookCreate,
        item: None,
        one: "Runbook",
        since: 92,
        older: Older::MethodNotAllowed,
        instead: "pass clean_steps or service_steps in the request",
    },
];

pub(super) fn routes() -> Router<AppState> {
    let mut router = Router::new();
    for UnsupportedCollection {
        path,
        one,
        since,
        older,
        list: [all, own],
        create,
        item: rules,
        instead,
    } in COLLECTIONS
    {
        let authorize_item = move |call: &Call, rule: fn([Rule; 3]) -> Rule| match rules {
            Some(rules) => call.authorize(rule(rules), &Target::NONE),
            None => Ok(()),
        };
        let may_change = move |call: &Call| match older {
            Older::NotFound => call.not_found_before(since),
            Older::MethodNotAllowed => call.method_not_allowed_before(since),
        };
        let list = move |call: Call| async move {
            call.not_found_before(since)?;
            call.list(all, own, None)?;
            Ok::<_, ApiError>(Json(json!({ path: [] })))
        };
        let refuse = move |call: Call| async move {
            may_change(&call)?;
            call.authorize(create, &Target::NONE)?;
            Err::<(), _>(ApiError::NotImplemented(format!(
                "This service does not support {path}; {instead}."
            )))
        };
        let missing = move |ident: &str| {
            Err::<(), _>(ApiError::Missing(format!(
                "{one} {ident} could not be found."
            )))
        };
        let item = move |call: Call, Path(ident): Path<String>| async move {
            call.not_found_before(since)?;
            authorize_item(&call, |[get, ..]| get)?;
            missing(&ident)
        };
        let change_item = move |call: Call, Path(ident): Path<String>| async move {
            may_change(&call)?;
            authorize_item(&call, |[_, update, _]| update)?;
            missing(&ident)
        };
        let delete_item = move |call: Call, Path(ident): Path<String>| async move {
            may_change(&call)?;
            authorize_item(&call, |[.., delete]| delete)?;
            missing(&ident)
        };
        router = router
            .route(&format!("/v1/{path}"), get(list).post(refuse))
            .route(&format!("/v1/{path}/detail"), get(list))
            .route(
                &format!("/v1/{path}/{{ident}}"),
                get(item).patch(change_item).delete(delete_item),
            );
    }
    router.route("/v1/events", post(events))
}

/// `POST /v1/events`: Neutron's notifications about a node's networks; nothing waits for them.
async fn events(call: Call) -> Result<()> {
    call.not_found_before(54)?;
    call.authorize(Rule::EventsPost, &Target::NONE)?;
    Err(ApiError::NotImplemented(
        "This service does not support events and does not wait for any: do not send them."
            .to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use ironpxe_testkit::docs::Page;

    use super::*;

    #[test]
    fn docs_list_every_unimplemented_collection() -> anyhow::Result<()> {
        let mut table = String::from("| resource | instead |\n|---|---|\n");
        for UnsupportedCollection { path, instead, .. } in COLLECTIONS {
            writeln!(table, "| `/v1/{path}` | {instead} |").unwrap();
        }
        Page::open("compatibility.md")?
            .section("absent", &table)?
            .check()
    }
}
