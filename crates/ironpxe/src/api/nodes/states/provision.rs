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
use ironpxe_core::provision::{Argument, RefusedBy, Verb};
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
    Argument::ConfigDrive.name(),
    Argument::CleanSteps.name(),
    Argument::DeploySteps.name(),
    Argument::RescuePassword.name(),
    Argument::DisableRamdisk.name(),
    Argument::ServiceSteps.name(),
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
    if let Some((verb, since)) = known {
        call.not_acceptable_before(since)?;
        // Under its oldest word a deployment is refused before the state is looked at, as in Ironic.
        for refused_by in verb.row().refused_by {
            if let RefusedBy::Maintenance(operation) = *refused_by
                && (node.maintenance && target == verb.name())
            {
                return Err(Fault::NodeInMaintenance {
                    operation: operation.into(),
                    node: node.uuid,
                }
                .into());
            }
        }
        let state = node.provision_state.known();
        if state.and_then(|state| state.on(verb.row().event)).is_some() {
            return Ok(verb);
        }
    }
    match &node.reservation {
        // A conductor works on the node; its state may be another one in a moment.
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
        return Err(ApiError::NotImplemented(
            "This service has no runbooks; give the steps themselves.".to_owned(),
        ));
    }
    if args.flag("disable_ramdisk")?.is_some() {
        let Some(since) = verb.takes(Argument::DisableRamdisk) else {
            return Err(ApiError::invalid(
                "disable_ramdisk is supported only with manual cleaning or servicing",
            ));
        };
        call.not_acceptable_before(since)?;
    }
    lists.check(call, verb)?;
    lists.parse_into(wanted)?;
    let takes_password = verb.takes(Argument::RescuePassword);
    if wanted.rescue_password.is_some() && takes_password.is_none() {
        return Err(not_taken(Argument::RescuePassword));
    }
    let given = wanted.rescue_password.as_deref().unwrap_or_default();
    if takes_password.is_some() && given.trim().is_empty() {
        return Err(ApiError::invalid(
            "A non-empty \"rescue_password\" is required when setting target provision state to \
             rescue",
        ));
    }
    let state = node.provision_state.known();
    for (later, since) in verb.row().since_in {
        if state == Some(*later) {
            call.not_acceptable_before(*since)?;
        }
    }
    Ok(())
}

/// The argument came with a verb that does not take it.
fn not_taken(argument: Argument) -> ApiError {
    ApiError::invalid(format!(
        "\"{}\" is only valid when setting target provision state to {}",
        argument.name(),
        argument.taken_by(u16::MAX).join(" or ")
    ))
}
