//! The state machine as one table.

use super::{FsmEvent, Phase, ProvisionState, Task};

/// One row of the state machine.
#[derive(Debug)]
pub struct StateRow {
    /// The state this row is about.
    pub state: ProvisionState,
    /// Its name in the API and in the database.
    pub name: &'static str,
    /// Where a node in this state is heading unless the request said otherwise.
    pub target: Option<ProvisionState>,
    /// A stable state is left only on request.
    pub stable: bool,
    /// What is going on in it.
    pub phase: Phase,
    /// Which events are accepted, and where they lead.
    pub events: &'static [(FsmEvent, ProvisionState)],
}

/// The whole machine, one row per state, in alphabetical order of the names.
pub const MACHINE: [StateRow; 30] = {
    use FsmEvent as E;
    use Phase as P;
    use ProvisionState as S;
    [
        StateRow {
            state: S::Active,
            name: "active",
            target: None,
            stable: true,
            phase: P::Idle,
            events: &[
                (E::Delete, S::Deleting),
                (E::Rebuild, S::Deploying),
                (E::Rescue, S::Rescuing),
                (E::Service, S::Servicing),
            ],
        },
        StateRow {
            state: S::AdoptFailed,
            name: "adopt failed",
            target: Some(S::Active),
            stable: false,
            phase: P::Failed(Task::Adopt),
            events: &[(E::Adopt, S::Adopting), (E::Manage, S::Manageable)],
        },
        StateRow {
            state: S::Adopting,
            name: "adopting",
            target: Some(S::Active),
            stable: false,
            phase: P::Working(Task::Adopt),
            events: &[(E::Done, S::Active), (E::Fail, S::AdoptFailed)],
        },
        StateRow {
            state: S::Available,
            name: "available",
            target: None,
            stable: true,
            phase: P::Idle,
            events: &[(E::Deploy, S::Deploying), (E::Manage, S::Manageable)],
        },
        StateRow {
            state: S::CleanFailed,
            name: "clean failed",
            target: Some(S::Available),
            stable: false,
            phase: P::Failed(Task::Clean),
            events: &[(E::Manage, S::Manageable)],
        },
        StateRow {
            state: S::CleanHold,
            name: "clean hold",
            target: Some(S::Available),
            stable: false,
            phase: P::Held(Task::Clean),
            events: &[(E::Abort, S::CleanFailed), (E::Unhold, S::CleanWait)],
        },
        StateRow {
            state: S::CleanWait,
            name: "clean wait",
            target: Some(S::Available),
            stable: false,
            phase: P::Waiting(Task::Clean),
            events: &[
                (E::Abort, S::CleanFailed),
                (E::Fail, S::CleanFailed),
                (E::Hold, S::CleanHold),
                (E::Resume, S::Cleaning),
            ],
        },
        StateRow {
            state: S::Cleaning,
            name: "cleaning",
            target: Some(S::Available),
            stable: false,
            phase: P::Working(Task::Clean),
            events: &[
                (E::Done, S::Available),
                (E::Fail, S::CleanFailed),
                (E::Hold, S::CleanHold),
                (E::Manage, S::Manageable),
                (E::Wait, S::CleanWait),
            ],
        },
        StateRow {
            state: S::Deleting,
            name: "deleting",
            target: Some(S::Available),
            stable: false,
            phase: P::Working(Task::TearDown),
            events: &[(E::Clean, S::Cleaning), (E::Fail, S::Error)],
        },
        StateRow {
            state: S::DeployFailed,
            name: "deploy failed",
            target: Some(S::Active),
            stable: false,
            phase: P::Failed(Task::Deploy),
            events: &[
                (E::Delete, S::Deleting),
                (E::Deploy, S::Deploying),
                (E::Rebuild, S::Deploying),
            ],
        },
        StateRow {
            state: S::DeployHold,
            name: "deploy hold",
            target: Some(S::Active),
            stable: false,
            phase: P::Held(Task::Deploy),
            events: &[(E::Abort, S::DeployFailed), (E::Unhold, S::DeployWait)],
        },
        StateRow {
            state: S::Deploying,
            name: "deploying",
            target: Some(S::Active),
            stable: false,
            phase: P::Working(Task::Deploy),
            events: &[
                (E::Done, S::Active),
                (E::Fail, S::DeployFailed),
                (E::Hold, S::DeployHold),
                (E::Wait, S::DeployWait),
            ],
        },
        StateRow {
            state: S::Enroll,
            name: "enroll",
            target: None,
            stable: true,
            phase: P::Idle,
            events: &[(E::Manage, S::Verifying)],
        },
        StateRow {
            state: S::Error,
            name: "error",
            target: None,
            stable: true,
            phase: P::Failed(Task::TearDown),
            events: &[(E::Delete, S::Deleting), (E::Rebuild, S::Deploying)],
        },
        StateRow {
            state: S::InspectFailed,
            name: "inspect failed",
            target: Some(S::Manageable),
            stable: false,
            phase: P::Failed(Task::Inspect),
            events: &[(E::Inspect, S::Inspecting), (E::Manage, S::Manageable)],
        },
        StateRow {
            state: S::InspectWait,
            name: "inspect wait",
            target: Some(S::Manageable),
            stable: false,
            phase: P::Waiting(Task::Inspect),
            events: &[
                (E::Abort, S::InspectFailed),
                (E::Done, S::Manageable),
                (E::Fail, S::InspectFailed),
                (E::Resume, S::Inspecting),
            ],
        },
        StateRow {
            state: S::Inspecting,
            name: "inspecting",
            target: Some(S::Manageable),
            stable: false,
            phase: P::Working(Task::Inspect),
            events: &[
                (E::Done, S::Manageable),
                (E::Fail, S::InspectFailed),
                (E::Wait, S::InspectWait),
            ],
        },
        StateRow {
            state: S::Manageable,
            name: "manageable",
            target: None,
            stable: true,
            phase: P::Idle,
            events: &[
                (E::Adopt, S::Adopting),
                (E::Clean, S::Cleaning),
                (E::Inspect, S::Inspecting),
                (E::Provide, S::Cleaning),
            ],
        },
        StateRow {
            state: S::Rescue,
            name: "rescue",
            target: None,
            stable: true,
            phase: P::Idle,
            events: &[
                (E::Delete, S::Deleting),
                (E::Rescue, S::Rescuing),
                (E::Unrescue, S::Unrescuing),
            ],
        },
        StateRow {
            state: S::RescueFailed,
            name: "rescue failed",
            target: Some(S::Rescue),
            stable: false,
            phase: P::Failed(Task::Rescue),
            events: &[
                (E::Delete, S::Deleting),
                (E::Rescue, S::Rescuing),
                (E::Unrescue, S::Unrescuing),
            ],
        },
        StateRow {
            state: S::RescueWait,
            name: "rescue wait",
            target: Some(S::Rescue),
            stable: false,
            phase: P::Waiting(Task::Rescue),
            events: &[
                (E::Abort, S::RescueFailed),
                (E::Delete, S::Deleting),
                (E::Fail, S::RescueFailed),
                (E::Resume, S::Rescuing),
            ],
        },
        StateRow {
            state: S::Rescuing,
            name: "rescuing",
            target: Some(S::Rescue),
            stable: false,
            phase: P::Working(Task::Rescue),
            events: &[
                (E::Done, S::Rescue),
                (E::Fail, S::RescueFailed),
                (E::Wait, S::RescueWait),
            ],
        },
        StateRow {
            state: S::ServiceFailed,
            name: "service failed",
            target: Some(S::Active),
            stable: false,
            phase: P::Failed(Task::Service),
            events: &[
                (E::Abort, S::Active),
                (E::Delete, S::Deleting),
                (E::Hold, S::ServiceHold),
                (E::Rescue, S::Rescuing),
                (E::Service, S::Servicing),
                (E::Wait, S::ServiceWait),
            ],
        },
        StateRow {
            state: S::ServiceHold,
            name: "service hold",
            target: Some(S::Active),
            stable: false,
            phase: P::Held(Task::Service),
            events: &[
                (E::Abort, S::ServiceFailed),
                (E::Fail, S::ServiceFailed),
                (E::Service, S::Servicing),
                (E::Unhold, S::ServiceWait),
            ],
        },
        StateRow {
            state: S::ServiceWait,
            name: "service wait",
            target: Some(S::Active),
            stable: false,
            phase: P::Waiting(Task::Service),
            events: &[
                (E::Abort, S::ServiceFailed),
                (E::Delete, S::Deleting),
                (E::Fail, S::ServiceFailed),
                (E::Hold, S::ServiceHold),
                (E::Resume, S::Servicing),
            ],
        },
        StateRow {
            state: S::Servicing,
            name: "servicing",
            target: Some(S::Active),
            stable: false,
            phase: P::Working(Task::Service),
            events: &[
                (E::Done, S::Active),
                (E::Fail, S::ServiceFailed),
                (E::Hold, S::ServiceHold),
                (E::Wait, S::ServiceWait),
            ],
        },
        StateRow {
            state: S::UnrescueFailed,
            name: "unrescue failed",
            target: Some(S::Active),
            stable: false,
            phase: P::Failed(Task::Unrescue),
            events: &[
                (E::Delete, S::Deleting),
                (E::Rescue, S::Rescuing),
                (E::Unrescue, S::Unrescuing),
            ],
        },
        StateRow {
            state: S::Unrescuing,
            name: "unrescuing",
            target: Some(S::Active),
            stable: false,
            phase: P::Working(Task::Unrescue),
            events: &[(E::Done, S::Active), (E::Fail, S::UnrescueFailed)],
        },
        StateRow {
            state: S::Verifying,
            name: "verifying",
            target: Some(S::Manageable),
            stable: false,
            phase: P::Working(Task::Verify),
            events: &[(E::Done, S::Manageable), (E::Fail, S::Enroll)],
        },
        StateRow {
            state: S::DeployWait,
            name: "wait call-back",
            target: Some(S::Active),
            stable: false,
            phase: P::Waiting(Task::Deploy),
            events: &[
                (E::Abort, S::DeployFailed),
                (E::Delete, S::Deleting),
                (E::Fail, S::DeployFailed),
                (E::Hold, S::DeployHold),
                (E::Resume, S::Deploying),
            ],
        },
    ]
};
