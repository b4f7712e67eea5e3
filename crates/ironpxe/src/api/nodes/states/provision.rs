//! `PUT /v1/nodes/<node>/states/provision`: asking for another state.
//!
//! Here the request is judged by what it says and by the state the node is in now. The conductor
//! judges the state again when it has the node for itself; that one counts. What may be large (the
//! config drive, the steps) is parsed only when the node and the verb are known to take it.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use ironpxe_core::error::Fault;
use ironpxe_core::node::Node;
use ironpxe_core::provision_state::{ProvisionState, Verb};
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::error::{ApiError, Result};
use crate::api::lazy_args::LazyArgs;
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

/// Those of them that are parsed whatever they are.
const SHORT: [&str; 4] = ["target", "rescue_password", "disable_ramdisk", "runbook"];

pub(in crate::api::nodes) async fn put(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    sent: LazyArgs,
) -> Result<Response> {
    super::super::ident(&ident)?;
    sent.only(&ARGUMENTS)?;
    let args = sent.short(&SHORT)?;
    let mut wanted = read(&args)?;
    check_drive(&sent)?;
    let lists = steps::Lists::read(&sent)?;
    let node = find(&state, &call, &ident).await?;
    let verb = verb(&call, &node, &wanted.target)?;
    wanted.configdrive = drive(&call, verb, &sent)?;
    check(&call, &node, verb, &args, &lists, &mut wanted)?;
    state
        .conductor
        .provision(&call.ctx, node.uuid, verb, wanted)
        .await?;
    let location = call.links.v1(&format!("nodes/{ident}/states"));
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)]).into_response())
}

/// The config drive is of a type that there is.
fn check_drive(sent: &LazyArgs) -> Result<()> {
    match sent.first_byte("configdrive") {
        None | Some(b'n' | b'{' | b'"') => Ok(()),
        Some(_) => Err(ApiError::invalid(
            "Expected types <class 'NoneType'>, <class 'dict'>, <class 'str'> for configdrive",
        )),
    }
}

/// The config drive, if there is one; an empty one is none.
fn drive(call: &Call, verb: Verb, sent: &LazyArgs) -> Result<Option<Value>> {
    if sent.is_empty("configdrive") {
        return Ok(None);
    }
    configdrive::is_taken(call, verb)?;
    let drive = sent.value("configdrive")?;
    if let Some(drive) = &drive {
        configdrive::check(call, drive)?;
    }
    Ok(drive)
}

/// What was sent besides the config drive and the steps, of the right types.
fn read(args: &Args) -> Result<ProvisionArgs> {
    Ok(ProvisionArgs {
        target: args.required_text("target")?,
        configdrive: None,
        deploy_steps: Vec::new(),
        clean_steps: Vec::new(),
        service_steps: Vec::new(),
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
fn check(
    call: &Call,
    node: &Node,
    verb: Verb,
    args: &Args,
    lists: &steps::Lists<'_>,
    wanted: &mut ProvisionArgs,
) -> Result<()> {
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
    lists.check(call, verb)?;
    lists.parse_into(wanted)?;
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
