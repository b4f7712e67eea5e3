//! Arguments of provision verbs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An argument of `PUT /v1/nodes/<node>/states/provision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// The config drive of the instance.
    ConfigDrive,
    /// Steps of a deployment.
    DeploySteps,
    /// Steps of a cleaning.
    CleanSteps,
    /// Steps of servicing.
    ServiceSteps,
    /// The password of the rescue ramdisk.
    RescuePassword,
    /// Whether the steps are executed without booting the ramdisk.
    DisableRamdisk,
}

impl Argument {
    /// The name in the request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConfigDrive => "configdrive",
            Self::DeploySteps => "deploy_steps",
            Self::CleanSteps => "clean_steps",
            Self::ServiceSteps => "service_steps",
            Self::RescuePassword => "rescue_password",
            Self::DisableRamdisk => "disable_ramdisk",
        }
    }

    /// Whether it is required by the verbs that accept it.
    pub fn is_required(self) -> bool {
        match self {
            Self::CleanSteps | Self::ServiceSteps | Self::RescuePassword => true,
            Self::ConfigDrive | Self::DeploySteps | Self::DisableRamdisk => false,
        }
    }
}

/// The arguments of a provision request.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ProvisionArgs {
    /// The target as the client spelled it, for messages (`active`, `deploy`, …).
    pub target: String,
    /// For deploy and rebuild: the config drive, as given.
    pub configdrive: Option<Value>,
    /// For deploy and rebuild.
    pub deploy_steps: Vec<Value>,
    /// For clean.
    pub clean_steps: Vec<Value>,
    /// For service.
    pub service_steps: Vec<Value>,
    /// For rescue.
    pub rescue_password: Option<String>,
    /// For clean and service: execute the steps without booting the ramdisk.
    pub disable_ramdisk: bool,
}
