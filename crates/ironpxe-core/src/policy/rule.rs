//! Every rule: its name, the scopes whose tokens it accepts, its default check, and what it permits.
//!
//! Names, checks and scopes are Ironic's (`common/policy.py`, version 39), in its order. Rules of
//! ironpxe's own are last.

use super::credentials::Scope;

macro_rules! rules {
    ($($variant:ident = $name:literal, $scopes:ident, $check:expr, $description:literal;)*) => {
        /// One of the rules of the policy.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::VariantArray)]
        pub enum Rule {
            $(#[doc = concat!("`", $name, "`: ", $description)] $variant,)*
        }

        impl Rule {
            /// The definition of the rule.
            const fn definition(self) -> Definition {
                match self {
                    $(Self::$variant => Definition {
                        name: $name,
                        scopes: $scopes,
                        check: $check,
                        description: $description,
                    },)*
                }
            }
        }
    };
}

/// A row of the table.
struct Definition {
    name: &'static str,
    scopes: &'static [Scope],
    check: &'static str,
    description: &'static str,
}

impl Rule {
    /// Every rule, in the order of the table.
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name, as policy files and refusals have it.
    pub const fn name(self) -> &'static str {
        self.definition().name
    }

    /// The rule with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.name() == name)
    }

    /// The scopes whose tokens the rule accepts; empty if any. A policy file cannot change them.
    pub const fn scopes(self) -> &'static [Scope] {
        self.definition().scopes
    }

    /// Whether the rule accepts tokens of this scope.
    pub fn accepts_scope(self, scope: Scope) -> bool {
        let scopes = self.scopes();
        scopes.is_empty() || scopes.contains(&scope)
    }

    /// The default check, as text.
    pub const fn default_check(self) -> &'static str {
        self.definition().check
    }

    /// What the rule permits.
    pub const fn description(self) -> &'static str {
        self.definition().description
    }

    /// The rule whose check in a policy file is also this rule's, unless the file has this one too.
    ///
    /// As in Ironic, where this rule was a part of the other once: who restricted that, restricted
    /// this.
    pub const fn once_part_of(self) -> Option<Self> {
        match self {
            Self::NodeGetFilterThreshold
            | Self::NodeGetLastError
            | Self::NodeGetReservation
            | Self::NodeGetDriverInternalInfo
            | Self::NodeGetDriverInfo
            | Self::NodeHistoryGet
            | Self::NodeInventoryGet => Some(Self::NodeGet),
            Self::NodeUpdateDriverInfo
            | Self::NodeUpdateProperties
            | Self::NodeUpdateChassisUuid
            | Self::NodeUpdateInstanceUuid
            | Self::NodeUpdateLessee
            | Self::NodeUpdateOwner
            | Self::NodeUpdateDriverInterfaces
            | Self::NodeUpdateNetworkData
            | Self::NodeUpdateConductorGroup
            | Self::NodeUpdateName
            | Self::NodeUpdateRetired => Some(Self::NodeUpdate),
            Self::NodeSetBootDevice => Some(Self::NodeSetMaintenance),
            Self::NodeSetBootMode | Self::NodeSetSecureBoot => Some(Self::NodeSetPowerState),
            Self::PortgroupList | Self::PortgroupListAll => Some(Self::PortgroupGet),
            Self::VolumeListAll | Self::VolumeList => Some(Self::VolumeGet),
            Self::VolumeViewTargetProperties => Some(Self::VolumeUpdate),
            _ => None,
        }
    }

    /// Whether it is a rule of ironpxe's own, which Ironic does not have.
    pub const fn is_own(self) -> bool {
        matches!(self, Self::NodeBootScriptGet)
    }
}

const SYSTEM: &[Scope] = &[Scope::System];
const PROJECT: &[Scope] = &[Scope::Project];
const SYSTEM_PROJECT: &[Scope] = &[Scope::System, Scope::Project];
const ANY: &[Scope] = &[];

/// Admin of the system.
const SYSTEM_ADMIN: &str = "role:admin and system_scope:all";
/// Member of the system.
const SYSTEM_MEMBER: &str = "(role:member and system_scope:all) or rule:service_role";
/// Reader of the system, or a service in it.
const SYSTEM_READER: &str = "(role:reader and system_scope:all) or (role:service and system_scope:all) or \
    rule:service_role";
/// Admin of the system, or a service in it.
const SYSTEM_ADMIN_OR_SERVICE: &str =
    "(role:admin and system_scope:all) or (role:service and system_scope:all)";
/// Reader or service, of any project or of the system.
const ANY_READER_OR_SERVICE: &str = "(role:reader) or (role:service)";
/// Admin or service, of any project or of the system.
const ANY_ADMIN_OR_SERVICE: &str = "(role:admin) or (role:service)";
/// Denies every token.
const NEVER: &str = "!";
/// Allows every token.
const ALWAYS: &str = "";
/// Admin of the owner's project.
const OWNER_ADMIN: &str = "role:admin and project_id:%(node.owner)s";
/// Reader of the system, of the owner's or of the lessee's project.
const SYSTEM_OR_PROJECT_READER: &str = "((role:reader and system_scope:all) or (role:service and system_scope:all) or \
    rule:service_role) or (role:reader and (project_id:%(node.owner)s or \
    project_id:%(node.lessee)s)) or (role:service and project_id:%(node.owner)s)";
/// Reader of the system or of the owner's project.
const SYSTEM_OR_OWNER_READER: &str = "((role:reader and system_scope:all) or (role:service and system_scope:all) or \
    rule:service_role) or (role:service and system_scope:all) or (role:reader and \
    project_id:%(node.owner)s) or (role:service and project_id:%(node.owner)s)";
/// Member of the system or of the owner's project.
const SYSTEM_OR_OWNER_MEMBER: &str = "((role:member and system_scope:all) or rule:service_role) or (role:service and \
    system_scope:all) or (role:member and project_id:%(node.owner)s) or (role:service and \
    project_id:%(node.owner)s)";
/// Member of the system, or manager of the owner's project.
const SYSTEM_OR_OWNER_MANAGER: &str = "((role:member and system_scope:all) or rule:service_role) or (role:service and \
    system_scope:all) or (role:admin and project_id:%(node.owner)s) or (role:manager and \
    project_id:%(node.owner)s) or (role:service and project_id:%(node.owner)s)";
/// Member of the system, of the owner's or of the lessee's project.
const SYSTEM_OR_PROJECT_MEMBER: &str = "((role:member and system_scope:all) or rule:service_role) or (role:member and \
    (project_id:%(node.owner)s or project_id:%(node.lessee)s)) or (role:service and \
    system_scope:all)";
/// Member of the system or of the owner's project, or manager of the lessee's.
const SYSTEM_OR_OWNER_MEMBER_OR_LESSEE_MANAGER: &str = "((role:member and system_scope:all) or rule:service_role) or (role:service and \
    system_scope:all) or (role:member and project_id:%(node.owner)s) or (role:admin and \
    project_id:%(node.lessee)s) or (role:manager and project_id:%(node.lessee)s) or \
    (role:service and project_id:%(node.owner)s)";
/// Member of the system, or manager of the owner's or of the lessee's project.
const SYSTEM_OR_OWNER_MANAGER_OR_LESSEE_MANAGER: &str = "((role:member and system_scope:all) or rule:service_role) or (role:service and \
    system_scope:all) or (role:admin and project_id:%(node.owner)s) or (role:manager and \
    project_id:%(node.owner)s) or (role:admin and project_id:%(node.lessee)s) or \
    (role:manager and project_id:%(node.lessee)s) or (role:service and \
    project_id:%(node.owner)s)";
/// Admin of the system, or manager of the owner's project.
const SYSTEM_ADMIN_OR_OWNER_MANAGER: &str = "(role:admin and system_scope:all) or (role:service and system_scope:all) or (role:admin \
    and project_id:%(node.owner)s) or (role:manager and project_id:%(node.owner)s) or \
    (role:service and project_id:%(node.owner)s)";
/// Reader of the system, or admin of any project.
const SYSTEM_READER_OR_ANY_ADMIN: &str = "((role:reader and system_scope:all) or (role:service and system_scope:all) or \
    rule:service_role) or (role:admin)";
/// Reader of the system or of the allocation's project.
const SYSTEM_OR_ALLOCATION_READER: &str = "((role:reader and system_scope:all) or (role:service and system_scope:all) or \
    rule:service_role) or (role:reader and project_id:%(allocation.owner)s)";
/// Member of the system or of the allocation's project.
const SYSTEM_OR_ALLOCATION_MEMBER: &str = "((role:member and system_scope:all) or rule:service_role) or (role:member and \
    project_id:%(allocation.owner)s)";
/// Reader of the system or of the runbook's project, or any service.
const SYSTEM_OR_RUNBOOK_READER: &str = "((role:reader and system_scope:all) or (role:service and system_scope:all) or \
    rule:service_role) or (role:reader and project_id:%(runbook.owner)s) or role:service";
/// Member of the system, manager of the runbook's project, or any service.
const SYSTEM_OR_RUNBOOK_MANAGER: &str = "((role:member and system_scope:all) or rule:service_role) or (role:manager and \
    project_id:%(runbook.owner)s) or role:service";

rules! {
    AdminApi = "admin_api", ANY, "role:admin or role:administrator",
        "Old cloud admin test, used only by old defaults.";
    PublicApi = "public_api", ANY, "is_public_api:True",
        "True when the request came by a public route.";
    ShowPassword = "show_password", ANY, NEVER,
        "Who may see driver_info and driver_internal_info secrets: nobody.";
    ShowInstanceSecrets = "show_instance_secrets", ANY, NEVER,
        "Who may see instance_info secrets: nobody.";
    ServiceRole = "service_role", ANY, "role:service and project_name:%(config.service_project_name)s",
        "Service role in the service project; inert unless elevated access is on.";
    IsMember = "is_member", ANY, "(project_domain_id:default or project_domain_id:None) and (project_name:demo or project_name:baremetal)",
        "Old test: member of project demo or baremetal.";
    IsObserver = "is_observer", ANY, "rule:is_member and (role:observer or role:baremetal_observer)",
        "Old read-only persona.";
    IsAdmin = "is_admin", ANY, "rule:admin_api or (rule:is_member and role:baremetal_admin)",
        "Old full-access persona.";
    IsNodeOwner = "is_node_owner", ANY, "project_id:%(node.owner)s",
        "Caller's project owns the node (old alias).";
    IsNodeLessee = "is_node_lessee", ANY, "project_id:%(node.lessee)s",
        "Caller's project leases the node (old alias).";
    IsAllocationOwner = "is_allocation_owner", ANY, "project_id:%(allocation.owner)s",
        "Caller's project owns the allocation (old alias).";
    NodeCreate = "baremetal:node:create", SYSTEM_PROJECT, SYSTEM_ADMIN_OR_SERVICE,
        "Enrol a node with any owner.";
    NodeCreateSelfOwnedNode = "baremetal:node:create:self_owned_node", SYSTEM_PROJECT, ANY_ADMIN_OR_SERVICE,
        "Enrol a node that the caller's project then owns.";
    NodeList = "baremetal:node:list", SYSTEM_PROJECT, ANY_READER_OR_SERVICE,
        "List nodes the caller's project owns or leases.";
    NodeListAll = "baremetal:node:list_all", SYSTEM_PROJECT, SYSTEM_READER,
        "List every node.";
    NodeGet = "baremetal:node:get", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_READER,
        "See one node; the visibility gate before other node rules.";
    NodeGetFilterThreshold = "baremetal:node:get:filter_threshold", SYSTEM_PROJECT, SYSTEM_READER,
        "Callers who pass skip the per-field redaction.";
    NodeGetLastError = "baremetal:node:get:last_error", SYSTEM_PROJECT, SYSTEM_OR_OWNER_READER,
        "See last_error.";
    NodeGetReservation = "baremetal:node:get:reservation", SYSTEM_PROJECT, SYSTEM_OR_OWNER_READER,
        "See which conductor holds the lock.";
    NodeGetDriverInternalInfo = "baremetal:node:get:driver_internal_info", SYSTEM_PROJECT, SYSTEM_OR_OWNER_READER,
        "See driver_internal_info.";
    NodeGetDriverInfo = "baremetal:node:get:driver_info", SYSTEM_PROJECT, SYSTEM_OR_OWNER_READER,
        "See driver_info.";
    NodeUpdateDriverInfo = "baremetal:node:update:driver_info", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER,
        "Patch driver_info.";
    NodeUpdateProperties = "baremetal:node:update:properties", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER,
        "Patch properties.";
    NodeUpdateChassisUuid = "baremetal:node:update:chassis_uuid", SYSTEM_PROJECT, SYSTEM_ADMIN,
        "Move a node to another chassis.";
    NodeUpdateInstanceUuid = "baremetal:node:update:instance_uuid", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER,
        "Patch instance_uuid.";
    NodeUpdateLessee = "baremetal:node:update:lessee", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER,
        "Patch lessee.";
    NodeUpdateOwner = "baremetal:node:update:owner", SYSTEM_PROJECT, SYSTEM_MEMBER,
        "Patch owner.";
    NodeUpdateDriverInterfaces = "baremetal:node:update:driver_interfaces", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MANAGER,
        "Patch driver or any *_interface.";
    NodeUpdateNetworkData = "baremetal:node:update:network_data", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER,
        "Patch network_data.";
    NodeUpdateConductorGroup = "baremetal:node:update:conductor_group", SYSTEM_PROJECT, SYSTEM_MEMBER,
        "Patch conductor_group.";
    NodeUpdateName = "baremetal:node:update:name", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER,
        "Patch name.";
    NodeUpdateRetired = "baremetal:node:update:retired", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER,
        "Patch retired and retired_reason.";
    NodeUpdate = "baremetal:node:update", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_MEMBER,
        "Patch any field without a rule of its own.";
    NodeUpdateExtra = "baremetal:node:update_extra", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_MEMBER,
        "Patch extra.";
    NodeUpdateInstanceInfo = "baremetal:node:update_instance_info", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER_OR_LESSEE_MANAGER,
        "Patch instance_info or instance_name.";
    NodeUpdateOwnerProvisioned = "baremetal:node:update_owner_provisioned", SYSTEM, SYSTEM_ADMIN,
        "Patch owner while the node is active.";
    NodeDelete = "baremetal:node:delete", SYSTEM_PROJECT, SYSTEM_ADMIN,
        "Delete any node.";
    NodeDeleteSelfOwnedNode = "baremetal:node:delete:self_owned_node", SYSTEM_PROJECT, OWNER_ADMIN,
        "Delete a node the caller's project owns.";
    NodeValidate = "baremetal:node:validate", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER_OR_LESSEE_MANAGER,
        "Ask drivers whether the node is ready.";
    NodeSetMaintenance = "baremetal:node:set_maintenance", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER_OR_LESSEE_MANAGER,
        "Switch maintenance on.";
    NodeClearMaintenance = "baremetal:node:clear_maintenance", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER_OR_LESSEE_MANAGER,
        "Switch maintenance off.";
    NodeGetBootDevice = "baremetal:node:get_boot_device", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MANAGER,
        "Read current and supported boot devices.";
    NodeSetBootDevice = "baremetal:node:set_boot_device", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MANAGER,
        "Set the boot device.";
    NodeGetIndicatorState = "baremetal:node:get_indicator_state", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_READER,
        "Read indicator lights.";
    NodeSetIndicatorState = "baremetal:node:set_indicator_state", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER,
        "Set an indicator light.";
    NodeInjectNmi = "baremetal:node:inject_nmi", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MANAGER,
        "Send an NMI.";
    NodeGetStates = "baremetal:node:get_states", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_READER,
        "Read power and provision state.";
    NodeSetPowerState = "baremetal:node:set_power_state", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_MEMBER,
        "Power on, off, reboot.";
    NodeSetBootMode = "baremetal:node:set_boot_mode", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_MEMBER,
        "Set BIOS or UEFI.";
    NodeSetSecureBoot = "baremetal:node:set_secure_boot", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_MEMBER,
        "Switch secure boot.";
    NodeSetProvisionState = "baremetal:node:set_provision_state", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER_OR_LESSEE_MANAGER,
        "Any provision verb.";
    NodeSetProvisionStateCleanSteps = "baremetal:node:set_provision_state:clean_steps", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER_OR_LESSEE_MANAGER,
        "Also needed when clean_steps are given.";
    NodeSetProvisionStateServiceSteps = "baremetal:node:set_provision_state:service_steps", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER_OR_LESSEE_MANAGER,
        "Also needed when service_steps are given.";
    NodeSetRaidState = "baremetal:node:set_raid_state", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER,
        "Set target RAID layout.";
    NodeGetConsole = "baremetal:node:get_console", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER,
        "Read console connection.";
    NodeSetConsoleState = "baremetal:node:set_console_state", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER,
        "Start or stop the console.";
    NodeVifList = "baremetal:node:vif:list", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_READER,
        "List attached VIFs.";
    NodeVifAttach = "baremetal:node:vif:attach", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER_OR_LESSEE_MANAGER,
        "Attach a VIF.";
    NodeVifDetach = "baremetal:node:vif:detach", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER_OR_LESSEE_MANAGER,
        "Detach a VIF.";
    NodeTraitsList = "baremetal:node:traits:list", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_READER,
        "List traits.";
    NodeTraitsSet = "baremetal:node:traits:set", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MANAGER,
        "Add or replace traits.";
    NodeTraitsDelete = "baremetal:node:traits:delete", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MANAGER,
        "Remove traits.";
    NodeBiosGet = "baremetal:node:bios:get", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_READER,
        "Read BIOS settings.";
    NodeDisableCleaning = "baremetal:node:disable_cleaning", SYSTEM_PROJECT, SYSTEM_ADMIN,
        "Patch automated_clean to false.";
    NodeHistoryGet = "baremetal:node:history:get", SYSTEM_PROJECT, SYSTEM_OR_OWNER_READER,
        "Read history events.";
    NodeInventoryGet = "baremetal:node:inventory:get", SYSTEM_PROJECT, SYSTEM_OR_OWNER_READER,
        "Read inspection inventory.";
    NodeUpdateShard = "baremetal:node:update:shard", SYSTEM_PROJECT, SYSTEM_ADMIN,
        "Patch shard.";
    ShardsGet = "baremetal:shards:get", SYSTEM_PROJECT, SYSTEM_READER,
        "List shards.";
    NodeUpdateParentNode = "baremetal:node:update:parent_node", SYSTEM_PROJECT, SYSTEM_MEMBER,
        "Patch parent_node.";
    NodeUpdateDisablePowerOff = "baremetal:node:update:disable_power_off", SYSTEM_PROJECT, SYSTEM_ADMIN,
        "Patch disable_power_off.";
    NodeFirmwareGet = "baremetal:node:firmware:get", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_READER,
        "Read firmware components.";
    NodeVmediaAttach = "baremetal:node:vmedia:attach", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_MEMBER,
        "Attach virtual media.";
    NodeVmediaDetach = "baremetal:node:vmedia:detach", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_MEMBER,
        "Detach virtual media.";
    NodeVmediaGet = "baremetal:node:vmedia:get", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_READER,
        "Read virtual media.";
    PortGet = "baremetal:port:get", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_READER,
        "See one port.";
    PortList = "baremetal:port:list", SYSTEM_PROJECT, ANY_READER_OR_SERVICE,
        "List ports of owned or leased nodes.";
    PortListAll = "baremetal:port:list_all", SYSTEM_PROJECT, SYSTEM_READER,
        "List every port.";
    PortCreate = "baremetal:port:create", SYSTEM_PROJECT, SYSTEM_ADMIN_OR_OWNER_MANAGER,
        "Create a port on a node.";
    PortDelete = "baremetal:port:delete", SYSTEM_PROJECT, SYSTEM_ADMIN_OR_OWNER_MANAGER,
        "Delete a port.";
    PortUpdate = "baremetal:port:update", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MANAGER,
        "Patch a port.";
    PortgroupGet = "baremetal:portgroup:get", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_READER,
        "See one port group.";
    PortgroupCreate = "baremetal:portgroup:create", SYSTEM_PROJECT, SYSTEM_ADMIN_OR_OWNER_MANAGER,
        "Create a port group.";
    PortgroupDelete = "baremetal:portgroup:delete", SYSTEM_PROJECT, SYSTEM_ADMIN_OR_OWNER_MANAGER,
        "Delete a port group.";
    PortgroupUpdate = "baremetal:portgroup:update", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MANAGER,
        "Patch a port group.";
    PortgroupList = "baremetal:portgroup:list", SYSTEM_PROJECT, ANY_READER_OR_SERVICE,
        "List port groups of owned or leased nodes.";
    PortgroupListAll = "baremetal:portgroup:list_all", SYSTEM_PROJECT, SYSTEM_READER,
        "List every port group.";
    ChassisGet = "baremetal:chassis:get", SYSTEM, SYSTEM_READER,
        "Read chassis.";
    ChassisCreate = "baremetal:chassis:create", SYSTEM, SYSTEM_ADMIN,
        "Create a chassis.";
    ChassisDelete = "baremetal:chassis:delete", SYSTEM, SYSTEM_ADMIN,
        "Delete a chassis.";
    ChassisUpdate = "baremetal:chassis:update", SYSTEM, SYSTEM_MEMBER,
        "Patch a chassis.";
    DriverGet = "baremetal:driver:get", SYSTEM, SYSTEM_READER,
        "List drivers, see one.";
    DriverGetProperties = "baremetal:driver:get_properties", SYSTEM, SYSTEM_READER,
        "Read a driver's property help.";
    DriverGetRaidLogicalDiskProperties = "baremetal:driver:get_raid_logical_disk_properties", SYSTEM, SYSTEM_READER,
        "Read a driver's RAID property help.";
    NodeVendorPassthru = "baremetal:node:vendor_passthru", SYSTEM_PROJECT, SYSTEM_ADMIN,
        "Call or list node passthru methods.";
    DriverVendorPassthru = "baremetal:driver:vendor_passthru", SYSTEM, SYSTEM_ADMIN,
        "Call or list driver passthru methods.";
    NodeIpaHeartbeat = "baremetal:node:ipa_heartbeat", ANY, ALWAYS,
        "Agent heartbeat; anyone, the agent token decides.";
    DriverIpaLookup = "baremetal:driver:ipa_lookup", ANY, ALWAYS,
        "Agent lookup; anyone.";
    DriverIpaContinueInspection = "baremetal:driver:ipa_continue_inspection", ANY, ALWAYS,
        "Agent posts inspection data; anyone.";
    VolumeListAll = "baremetal:volume:list_all", SYSTEM_PROJECT, SYSTEM_READER,
        "List every connector and target.";
    VolumeList = "baremetal:volume:list", SYSTEM_PROJECT, ANY_READER_OR_SERVICE,
        "List connectors and targets of owned or leased nodes.";
    VolumeGet = "baremetal:volume:get", SYSTEM_PROJECT, SYSTEM_OR_PROJECT_READER,
        "See one connector or target, or the volume root.";
    VolumeCreate = "baremetal:volume:create", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MANAGER_OR_LESSEE_MANAGER,
        "Create a connector or target.";
    VolumeDelete = "baremetal:volume:delete", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MANAGER_OR_LESSEE_MANAGER,
        "Delete a connector or target.";
    VolumeUpdate = "baremetal:volume:update", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MEMBER_OR_LESSEE_MANAGER,
        "Patch a connector or target.";
    VolumeViewTargetProperties = "baremetal:volume:view_target_properties", SYSTEM_PROJECT, SYSTEM_READER_OR_ANY_ADMIN,
        "See a target's properties (still masked).";
    ConductorGet = "baremetal:conductor:get", SYSTEM_PROJECT, SYSTEM_READER,
        "List conductors, see one.";
    AllocationGet = "baremetal:allocation:get", SYSTEM_PROJECT, SYSTEM_OR_ALLOCATION_READER,
        "See one allocation.";
    AllocationList = "baremetal:allocation:list", SYSTEM_PROJECT, ANY_READER_OR_SERVICE,
        "List allocations of the caller's project.";
    AllocationListAll = "baremetal:allocation:list_all", SYSTEM_PROJECT, SYSTEM_READER,
        "List every allocation.";
    AllocationCreate = "baremetal:allocation:create", SYSTEM_PROJECT, "((role:member and system_scope:all) or rule:service_role) or (role:member)",
        "Create an allocation.";
    AllocationCreateRestricted = "baremetal:allocation:create_restricted", SYSTEM_PROJECT, SYSTEM_MEMBER,
        "Create an allocation for another project.";
    AllocationDelete = "baremetal:allocation:delete", SYSTEM_PROJECT, SYSTEM_OR_ALLOCATION_MEMBER,
        "Delete an allocation.";
    AllocationUpdate = "baremetal:allocation:update", SYSTEM_PROJECT, SYSTEM_OR_ALLOCATION_MEMBER,
        "Patch an allocation.";
    AllocationCreatePreRbac = "baremetal:allocation:create_pre_rbac", PROJECT, "(rule:is_member and role:baremetal_admin) or (is_admin_project:True and role:admin)",
        "Brake on allocations while old defaults are on.";
    EventsPost = "baremetal:events:post", SYSTEM, SYSTEM_ADMIN,
        "Post network events.";
    DeployTemplateGet = "baremetal:deploy_template:get", SYSTEM_PROJECT, SYSTEM_READER,
        "Read deploy templates.";
    DeployTemplateCreate = "baremetal:deploy_template:create", SYSTEM_PROJECT, SYSTEM_ADMIN,
        "Create a deploy template.";
    DeployTemplateDelete = "baremetal:deploy_template:delete", SYSTEM_PROJECT, SYSTEM_ADMIN,
        "Delete a deploy template.";
    DeployTemplateUpdate = "baremetal:deploy_template:update", SYSTEM_PROJECT, SYSTEM_ADMIN,
        "Patch a deploy template.";
    RunbookGet = "baremetal:runbook:get", SYSTEM_PROJECT, SYSTEM_OR_RUNBOOK_READER,
        "See one runbook.";
    RunbookList = "baremetal:runbook:list", SYSTEM_PROJECT, ANY_READER_OR_SERVICE,
        "List own and public runbooks.";
    RunbookListAll = "baremetal:runbook:list_all", SYSTEM_PROJECT, SYSTEM_READER,
        "List every runbook.";
    RunbookCreate = "baremetal:runbook:create", SYSTEM_PROJECT, "((role:member and system_scope:all) or rule:service_role) or role:manager or role:service",
        "Create a runbook.";
    RunbookDelete = "baremetal:runbook:delete", SYSTEM_PROJECT, SYSTEM_OR_RUNBOOK_MANAGER,
        "Delete a runbook.";
    RunbookUpdate = "baremetal:runbook:update", SYSTEM_PROJECT, SYSTEM_OR_RUNBOOK_MANAGER,
        "Patch a runbook.";
    RunbookUpdatePublic = "baremetal:runbook:update:public", SYSTEM_PROJECT, SYSTEM_MEMBER,
        "Make a runbook public or not.";
    RunbookUpdateOwner = "baremetal:runbook:update:owner", SYSTEM_PROJECT, SYSTEM_MEMBER,
        "Give a runbook away.";
    RunbookUse = "baremetal:runbook:use", SYSTEM_PROJECT, SYSTEM_OR_RUNBOOK_MANAGER,
        "Run a runbook on a node.";
    InspectionRuleGet = "baremetal:inspection_rule:get", SYSTEM_PROJECT, SYSTEM_READER,
        "Read inspection rules.";
    InspectionRuleListAll = "baremetal:inspection_rule:list_all", SYSTEM_PROJECT, SYSTEM_READER,
        "List inspection rules (unused by the API code).";
    InspectionRuleCreate = "baremetal:inspection_rule:create", SYSTEM_PROJECT, SYSTEM_ADMIN,
        "Create an inspection rule.";
    InspectionRuleUpdate = "baremetal:inspection_rule:update", SYSTEM_PROJECT, SYSTEM_ADMIN,
        "Patch an inspection rule.";
    InspectionRuleDelete = "baremetal:inspection_rule:delete", SYSTEM_PROJECT, SYSTEM_ADMIN,
        "Delete inspection rules.";

    // ironpxe's own.
    NodeBootScriptGet = "baremetal:node:boot_script:get", SYSTEM_PROJECT, SYSTEM_OR_OWNER_MANAGER,
        "Read the boot script of a node, with the secrets that it may contain.";
}
