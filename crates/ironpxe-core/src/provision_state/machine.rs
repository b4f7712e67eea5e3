//! The state machine as one table.

use super::{FsmEvent, Phase, ProvisionState, Task};

/// A change that is only allowed in some states. Most are always allowed in maintenance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Deleting the node.
    ///
    /// Source: Ironic's `DELETE_ALLOWED_STATES` and `[conductor]allow_deleting_available_nodes`.
    Delete,
    /// Updating the node although it has a target state, because it may be in this one for long.
    ///
    /// Source: Ironic's `UPDATE_ALLOWED_STATES`.
    Update,
    /// Setting its driver and interfaces.
    ///
    /// Source: Ironic's conductor (`update_node`).
    SetInterfaces,
    /// Setting how its ports are connected.
    ///
    /// Source: Ironic's conductor (`update_port`).
    Reconnect,
    /// Setting another resource class: no scheduler has placed an instance on the node.
    SetResourceClass,
    /// Setting `protected`.
    Protect,
    /// Removing volumes of a node that has power.
    RemoveVolumes,
}

/// One row of the state machine.
#[derive(Debug)]
pub struct StateRow {
    /// The state.
    pub state: ProvisionState,
    /// Its name in the API and in the database.
    pub name: &'static str,
    /// What a node in it is doing.
    pub phase: Phase,
    /// The changes that are allowed in it.
    pub allows: &'static [Change],
    /// The accepted events, and the states they lead to.
    pub events: &'static [(FsmEvent, ProvisionState)],
}

/// The state machine, one row per state, in alphabetical order of the names.
#[rustfmt::skip]
pub const MACHINE: [StateRow; 30] = {
    use Change as C;
    use FsmEvent as E;
    use Phase as P;
    use ProvisionState as S;
    use Task as T;
    [
        StateRow { state: S::Active, name: "active", phase: P::Idle, allows: &[C::Protect], events: &[
            (E::Delete, S::Deleting), (E::Rebuild, S::Deploying), (E::Rescue, S::Rescuing),
            (E::Service, S::Servicing)] },
        StateRow { state: S::AdoptFailed, name: "adopt failed", phase: P::Failed(T::Adopt), allows: &[C::Delete, C::Update, C::RemoveVolumes], events: &[
            (E::Adopt, S::Adopting), (E::Manage, S::Manageable)] },
        StateRow { state: S::Adopting, name: "adopting", phase: P::Working(T::Adopt), allows: &[], events: &[
            (E::Done, S::Active), (E::Fail, S::AdoptFailed)] },
        StateRow { state: S::Available, name: "available", phase: P::Idle, allows: &[C::Delete, C::SetInterfaces, C::SetResourceClass], events: &[
            (E::Deploy, S::Deploying), (E::Manage, S::Manageable)] },
        StateRow { state: S::CleanFailed, name: "clean failed", phase: P::Failed(T::Clean), allows: &[C::Update], events: &[
            (E::Manage, S::Manageable)] },
        StateRow { state: S::CleanHold, name: "clean hold", phase: P::Held(T::Clean), allows: &[], events: &[
            (E::Abort, S::CleanFailed), (E::Unhold, S::CleanWait)] },
        StateRow { state: S::CleanWait, name: "clean wait", phase: P::Waiting(T::Clean), allows: &[], events: &[
            (E::Abort, S::CleanFailed), (E::Fail, S::CleanFailed), (E::Hold, S::CleanHold),
            (E::Resume, S::Cleaning)] },
        StateRow { state: S::Cleaning, name: "cleaning", phase: P::Working(T::Clean), allows: &[], events: &[
            (E::Done, S::Available), (E::Fail, S::CleanFailed), (E::Hold, S::CleanHold),
            (E::Manage, S::Manageable), (E::Wait, S::CleanWait)] },
        StateRow { state: S::Deleting, name: "deleting", phase: P::Working(T::TearDown), allows: &[], events: &[
            (E::Clean, S::Cleaning), (E::Fail, S::Error)] },
        StateRow { state: S::DeployFailed, name: "deploy failed", phase: P::Failed(T::Deploy), allows: &[C::Update], events: &[
            (E::Delete, S::Deleting), (E::Deploy, S::Deploying), (E::Rebuild, S::Deploying)] },
        StateRow { state: S::DeployHold, name: "deploy hold", phase: P::Held(T::Deploy), allows: &[], events: &[
            (E::Abort, S::DeployFailed), (E::Unhold, S::DeployWait)] },
        StateRow { state: S::Deploying, name: "deploying", phase: P::Working(T::Deploy), allows: &[], events: &[
            (E::Done, S::Active), (E::Fail, S::DeployFailed), (E::Hold, S::DeployHold),
            (E::Wait, S::DeployWait)] },
        StateRow { state: S::Enroll, name: "enroll", phase: P::Idle, allows: &[C::Delete, C::SetInterfaces, C::Reconnect, C::RemoveVolumes, C::SetResourceClass], events: &[
            (E::Manage, S::Verifying)] },
        StateRow { state: S::Error, name: "error", phase: P::Failed(T::TearDown), allows: &[C::Update], events: &[
            (E::Delete, S::Deleting), (E::Rebuild, S::Deploying)] },
        StateRow { state: S::InspectFailed, name: "inspect failed", phase: P::Failed(T::Inspect), allows: &[C::Update], events: &[
            (E::Inspect, S::Inspecting), (E::Manage, S::Manageable)] },
        StateRow { state: S::InspectWait, name: "inspect wait", phase: P::Waiting(T::Inspect), allows: &[C::Update, C::SetInterfaces, C::Reconnect, C::SetResourceClass], events: &[
            (E::Abort, S::InspectFailed), (E::Done, S::Manageable),
            (E::Fail, S::InspectFailed), (E::Resume, S::Inspecting)] },
        StateRow { state: S::Inspecting, name: "inspecting", phase: P::Working(T::Inspect), allows: &[C::Update, C::SetInterfaces, C::Reconnect, C::SetResourceClass], events: &[
            (E::Done, S::Manageable), (E::Fail, S::InspectFailed), (E::Wait, S::InspectWait)] },
        StateRow { state: S::Manageable, name: "manageable", phase: P::Idle, allows: &[C::Delete, C::SetInterfaces, C::Reconnect, C::RemoveVolumes, C::SetResourceClass], events: &[
            (E::Adopt, S::Adopting), (E::Clean, S::Cleaning), (E::Inspect, S::Inspecting),
            (E::Provide, S::Cleaning)] },
        StateRow { state: S::Rescue, name: "rescue", phase: P::Idle, allows: &[C::Protect], events: &[
            (E::Delete, S::Deleting), (E::Rescue, S::Rescuing), (E::Unrescue, S::Unrescuing)] },
        StateRow { state: S::RescueFailed, name: "rescue failed", phase: P::Failed(T::Rescue), allows: &[C::Update], events: &[
            (E::Delete, S::Deleting), (E::Rescue, S::Rescuing), (E::Unrescue, S::Unrescuing)] },
        StateRow { state: S::RescueWait, name: "rescue wait", phase: P::Waiting(T::Rescue), allows: &[], events: &[
            (E::Abort, S::RescueFailed), (E::Delete, S::Deleting),
            (E::Fail, S::RescueFailed), (E::Resume, S::Rescuing)] },
        StateRow { state: S::Rescuing, name: "rescuing", phase: P::Working(T::Rescue), allows: &[], events: &[
            (E::Done, S::Rescue), (E::Fail, S::RescueFailed), (E::Wait, S::RescueWait)] },
        StateRow { state: S::ServiceFailed, name: "service failed", phase: P::Failed(T::Service), allows: &[C::Update], events: &[
            (E::Abort, S::Active), (E::Delete, S::Deleting), (E::Hold, S::ServiceHold),
            (E::Rescue, S::Rescuing), (E::Service, S::Servicing), (E::Wait, S::ServiceWait)] },
        StateRow { state: S::ServiceHold, name: "service hold", phase: P::Held(T::Service), allows: &[C::Update], events: &[
            (E::Abort, S::ServiceFailed), (E::Fail, S::ServiceFailed),
            (E::Service, S::Servicing), (E::Unhold, S::ServiceWait)] },
        StateRow { state: S::ServiceWait, name: "service wait", phase: P::Waiting(T::Service), allows: &[], events: &[
            (E::Abort, S::ServiceFailed), (E::Delete, S::Deleting),
            (E::Fail, S::ServiceFailed), (E::Hold, S::ServiceHold), (E::Resume, S::Servicing)] },
        StateRow { state: S::Servicing, name: "servicing", phase: P::Working(T::Service), allows: &[], events: &[
            (E::Done, S::Active), (E::Fail, S::ServiceFailed), (E::Hold, S::ServiceHold),
            (E::Wait, S::ServiceWait)] },
        StateRow { state: S::UnrescueFailed, name: "unrescue failed", phase: P::Failed(T::Unrescue), allows: &[C::Update], events: &[
            (E::Delete, S::Deleting), (E::Rescue, S::Rescuing), (E::Unrescue, S::Unrescuing)] },
        StateRow { state: S::Unrescuing, name: "unrescuing", phase: P::Working(T::Unrescue), allows: &[], events: &[
            (E::Done, S::Active), (E::Fail, S::UnrescueFailed)] },
        StateRow { state: S::Verifying, name: "verifying", phase: P::Working(T::Verify), allows: &[C::Update], events: &[
            (E::Done, S::Manageable), (E::Fail, S::Enroll)] },
        StateRow { state: S::DeployWait, name: "wait call-back", phase: P::Waiting(T::Deploy), allows: &[], events: &[
            (E::Abort, S::DeployFailed), (E::Delete, S::Deleting),
            (E::Fail, S::DeployFailed), (E::Hold, S::DeployHold), (E::Resume, S::Deploying)] },
    ]
};
