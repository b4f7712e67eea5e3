//! `PUT /v1/nodes/<node>/states/provision`: asking for another state.
//!
//! Here the request is judged by what it says and by the state the node is in now. The conductor
//! judges the state again when it has the node for itself; that one counts.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use ironpxe_core::error::Fault;
use ironpxe_core::node::Node;
use ironpxe_core::provision_state::{ProvisionState, Verb};
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::{Args, BodyArgs};
use crate::api::error::{ApiError, Result};
use crate::api::nodes::find;
use crate::api::request::Call;
use crate::rpc::ProvisionArgs;

mod configdrive;
mod steps;

const ARGUMENTS: [&str; 8] = [
    "target",
    "configdrive",
    "clean_steps",
    "deploy_steps",
    "rescue_password",
    "disable_ramdisk",
    "service_steps",
    "runbook",
];

pub(in crate::api::nodes) async fn put(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    BodyArgs(args): BodyArgs,
) -> Result<Response> {
    super::super::ident(&ident)?;
    args.only(&ARGUMENTS)?;
    let wanted = read(&args)?;
    let node = find(&state, &call, &ident).await?;
    let verb = verb(&call, &node, &wanted.target)?;
    check(&call, &node, verb, &args, &wanted)?;
    state
        .conductor
        .provision(&call.ctx, node.uuid, verb, wanted)
        .await?;
    let location = call.links.v1(&format!("nodes/{ident}/states"));
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)]).into_response())
}

/// What was sent, of the right types.
fn read(args: &Args) -> Result<ProvisionArgs> {
    let target = args.required_text("target")?;
    let configdrive = match args.0.get("configdrive") {
        None | Some(Value::Null) => None,
        Some(drive @ (Value::Object(_) | Value::String(_))) => Some(drive.clone()),
        Some(_) => {
            return Err(ApiError::invalid(
                "Expected types <class 'NoneType'>, <class 'dict'>, <class 'str'> for configdrive",
            ));
        }
    };
    // An empty drive is none.
    let configdrive = configdrive.filter(|drive| {
        drive.as_str() != Some("") && drive.as_object().is_none_or(|o| !o.is_empty())
    });
    Ok(ProvisionArgs {
        target,
        configdrive,
        deploy_steps: args.items("deploy_steps")?,
        clean_steps: args.items("clean_steps")?,
        service_steps: args.items("service_steps")?,
        rescue_password: args.text("rescue_password")?,
        disable_ramdisk: args.flag("disable_ramdisk")?.unwrap_or(false),
    })
}

/// The verb a word stands for, if the node's state accepts it.
fn verb(call: &Call, node: &Node, target: &str) -> Result<Verb> {
    let known = Verb::from_word(target);
    if let Some((_, since)) = known {
        call.accept(since)?;
    }
    if matches!(target, "active" | "rebuild") && node.maintenance {
        return Err(Fault::NodeInMaintenance {
            operation: "provisioning".into(),
            node: node.uuid,
        }
        .into());
    }
    let state = node.provision_state.known();
    match known {
        Some((verb, _)) if state.and_then(|state| state.on(verb.event())).is_some() => Ok(verb),
        _ => match &node.reservation {
            // Somebody is at it; the state may be another one in a moment.
            Some(host) => Err(Fault::NodeLocked {
                node: node.uuid,
                host: host.clone(),
            }
            .into()),
            None => Err(Fault::InvalidStateRequested {
                action: target.to_owned(),
                node: node.uuid,
                state: node.provision_state.name().to_owned(),
            }
            .into()),
        },
    }
}

/// Whether the verb takes what was sent with it, and has what it needs.
fn check(call: &Call, node: &Node, verb: Verb, args: &Args, wanted: &ProvisionArgs) -> Result<()> {
    if let Some(drive) = &wanted.configdrive {
        configdrive::check(call, verb, drive)?;
    }
    if args.text("runbook")?.is_some() {
        return Err(ApiError::NotHere(
            "This service has no runbooks; give the steps themselves.".to_owned(),
        ));
    }
    if args.flag("disable_ramdisk")?.is_some() {
        let since = match verb {
            Verb::Clean => 70,
            Verb::Service => 108,
            _ => {
                return Err(ApiError::invalid(
                    "disable_ramdisk is supported only with manual cleaning or servicing",
                ));
            }
        };
        call.accept(since)?;
    }
    steps::check(call, verb, wanted)?;
    match &wanted.rescue_password {
        Some(_) if verb != Verb::Rescue => {
            return Err(ApiError::invalid(
                "\"rescue_password\" is only valid when setting target provision state to rescue",
            ));
        }
        None if verb == Verb::Rescue => return Err(no_rescue_password()),
        Some(password) if password.trim().is_empty() => return Err(no_rescue_password()),
        _ => {}
    }
    if verb == Verb::Abort {
        match node.provision_state.known() {
            Some(ProvisionState::InspectWait) => call.accept(41)?,
            Some(ProvisionState::DeployWait) => call.accept(110)?,
            _ => {}
        }
    }
    Ok(())
}

fn no_rescue_password() -> ApiError {
    ApiError::invalid(
        "A non-empty \"rescue_password\" is required when setting target provision state to rescue",
    )
}
