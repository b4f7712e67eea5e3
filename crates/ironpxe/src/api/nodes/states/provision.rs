//! `PUT /v1/nodes/<node>/states/provision`: provision verbs.
//!
//! The request is validated here against the node's current state. The conductor validates it again
//! when it reserves the node, which is authoritative. Large arguments (config drive, steps) are
//! only parsed once it is known that the node and the verb accept them.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use ironpxe_core::error::Fault;
use ironpxe_core::node::Node;
use ironpxe_core::policy::{Rule, Target};
use ironpxe_core::provision::{Argument, RefusedBy, Verb};
use serde_json::Value;

use crate::api::AppState;
use crate::api::args::Args;
use crate::api::call::Call;
use crate::api::error::{ApiError, Result};
use crate::api::lazy_args::LazyArgs;
use crate::api::resolve::{check_ident, find};
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

/// The arguments that are always parsed.
const SHORT: [&str; 4] = ["target", "rescue_password", "disable_ramdisk", "runbook"];

pub(in crate::api::nodes) async fn put(
    State(state): State<AppState>,
    call: Call,
    Path(ident): Path<String>,
    sent: LazyArgs,
) -> Result<Response> {
    check_ident(&ident)?;
    sent.only(&ARGUMENTS)?;
    let args = sent.short(&SHORT)?;
    let mut wanted = read(&args)?;
    check_drive(&sent)?;
    let lists = steps::StepLists::read(&sent)?;
    let node = find(&state, &call, &ident, Rule::NodeSetProvisionState).await?;
    lists.authorize(&call, &node)?;
    if args.text("runbook")?.is_some() {
        call.authorize(Rule::RunbookUse, &Target::NONE)?;
    }
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

/// Checks the type of the config drive.
fn check_drive(sent: &LazyArgs) -> Result<()> {
    match sent.first_byte("configdrive") {
        None | Some(b'n' | b'{' | b'"') => Ok(()),
        Some(_) => Err(ApiError::invalid(
            "Expected types <class 'NoneType'>, <class 'dict'>, <class 'str'> for configdrive",
        )),
    }
}

/// The config drive; an empty one counts as absent.
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

/// The arguments other than the config drive and steps.
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

/// The verb of this name, if the node's state accepts it.
fn verb(call: &Call, node: &Node, target: &str) -> Result<Verb> {
    let known = Verb::from_word(target);
    if let Some((verb, since)) = known {
        call.not_acceptable_before(since)?;
        // As in Ironic, a deployment by its oldest name is refused before the state is checked.
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
        // A conductor has reserved the node; its state may change any moment.
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

/// Checks that the verb accepts the arguments and has the required ones.
fn check(
    call: &Call,
    node: &Node,
    verb: Verb,
    args: &Args,
    lists: &steps::StepLists<'_>,
    wanted: &mut ProvisionArgs,
) -> Result<()> {
    if args.text("runbook")?.is_some() {
        return Err(ApiError::NotImplemented(
            "This service does not support runbooks; pass the steps themselves.".to_owned(),
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
    for steps in [
        &wanted.clean_steps,
        &wanted.service_steps,
        &wanted.deploy_steps,
    ] {
        call.authorize_steps(steps, node)?;
    }
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

/// The error for an argument that the verb does not accept.
fn not_taken(argument: Argument) -> ApiError {
    ApiError::invalid(format!(
        "\"{}\" is only valid when setting target provision state to {}",
        argument.name(),
        argument.taken_by(u16::MAX).join(" or ")
    ))
}
