//! Replays who may do what in real Ironic, as far as rules alone decide it.

use std::collections::BTreeMap;

use crate::policy::Rule as R;
use crate::policy::{Credentials, Policy, Target};

/// Lines of operation, target and an outcome for each of [`PERSONAS`]: `.` success, `b` 400, `3` 403,
/// `4` 404, `9` 409, `5` 500, `?` not recorded.
const RECORDED: &str = include_str!("matrix.txt");

/// In the order of the columns: name, role, scope.
const PERSONAS: &[(&str, &str, &str)] = &[
    ("sa", "admin", "system"),
    ("sm", "member", "system"),
    ("sg", "manager", "system"),
    ("sr", "reader", "system"),
    ("ss", "service", "system"),
    ("oa", "admin", "OWNER"),
    ("og", "manager", "OWNER"),
    ("om", "member", "OWNER"),
    ("or", "reader", "OWNER"),
    ("os", "service", "OWNER"),
    ("la", "admin", "LESSEE"),
    ("lg", "manager", "LESSEE"),
    ("lm", "member", "LESSEE"),
    ("lr", "reader", "LESSEE"),
    ("ls", "service", "LESSEE"),
    ("xa", "admin", "OTHER"),
    ("xm", "member", "OTHER"),
    ("sv", "service", "service"),
    // The same with elevated access.
    ("se", "service", "service"),
    ("da", "admin", "domain"),
    ("un", "", "none"),
];

fn credentials(role: &str, scope: &str) -> Credentials {
    let implied: &[&str] = match role {
        "admin" => &["admin", "manager", "member", "reader"],
        "manager" => &["manager", "member", "reader"],
        "member" => &["member", "reader"],
        "reader" => &["reader"],
        "service" => &["service"],
        _ => &[],
    };
    let is_project = !matches!(scope, "system" | "domain" | "none");
    let project = is_project.then(|| scope.to_owned());
    Credentials {
        roles: implied.iter().map(|&role| role.to_owned()).collect(),
        project_id: project.clone(),
        project_name: project,
        domain_id: (scope == "domain").then(|| "default".to_owned()),
        system_scope: (scope == "system").then(|| "all".to_owned()),
        is_admin_project: true,
        ..Credentials::default()
    }
}

/// How an operation is decided.
enum Decision {
    /// The rule of whoever sees the node, then these.
    Node(&'static [R]),
    /// These, about the node, but without looking whether it is visible.
    AboutNode(&'static [R]),
    /// `allocation:get`, then these.
    Allocation(&'static [R]),
    /// These, about the runbook.
    Runbook(&'static [R]),
    /// These, about nothing in particular.
    Bare(&'static [R]),
    /// Only those who pass `list_all` or are in a project.
    List(R, R),
    /// More than rules decides.
    Other,
}

fn decision(operation: &str, of: &str) -> Decision {
    use Decision as D;
    // Also `node.get.by_name` and the like.
    match operation {
        "nodes.list"
        | "nodes.list.detail"
        | "nodes.detail"
        | "nodes.list.fields"
        | "nodes.list.limit"
        | "nodes.list.chassis"
        | "nodes.list.owner=OWNER"
        | "nodes.list.owner=LESSEE"
        | "nodes.list.owner=OTHER"
        | "nodes.list.lessee=OWNER"
        | "nodes.list.lessee=LESSEE"
        | "nodes.list.lessee=OTHER" => D::List(R::NodeListAll, R::NodeList),
        "ports.list" | "ports.detail" | "ports.list.address" | "ports.list.node" => {
            D::List(R::PortListAll, R::PortList)
        }
        "portgroups.list" => D::List(R::PortgroupListAll, R::PortgroupList),
        "connectors.list" | "targets.list" | "targets.list.detail" => {
            D::List(R::VolumeListAll, R::VolumeList)
        }
        "runbooks.list" => D::List(R::RunbookListAll, R::RunbookList),
        "node.get"
        | "node.get.by_name"
        | "node.get.fields.info"
        | "node.get.fields.internal"
        | "node.children"
        | "node.ports"
        | "node.ports.detail"
        | "node.portgroups"
        | "portgroup.ports"
        | "node.volume.connectors"
        | "node.volume.targets" => D::Node(&[]),
        "node.volume" | "volume.root" => D::Bare(&[R::VolumeGet]),
        "node.validate" => D::Node(&[R::NodeValidate]),
        "node.states" => D::Node(&[R::NodeGetStates]),
        "node.boot_device.get" | "node.boot_device.supported" => D::Node(&[R::NodeGetBootDevice]),
        "node.indicators" | "node.indicator.get" => D::Node(&[R::NodeGetIndicatorState]),
        "node.traits.list" => D::Node(&[R::NodeTraitsList]),
        "node.vifs.list" => D::Node(&[R::NodeVifList]),
        "node.bios" | "node.bios.one" => D::Node(&[R::NodeBiosGet]),
        "node.firmware" => D::Node(&[R::NodeFirmwareGet]),
        "node.history" => D::Node(&[R::NodeHistoryGet]),
        "node.inventory" => D::Node(&[R::NodeInventoryGet]),
        "node.console.get" => D::Node(&[R::NodeGetConsole]),
        "node.vmedia.get" => D::Node(&[R::NodeVmediaGet]),
        "node.passthru.methods" | "node.passthru.call" => D::Node(&[R::NodeVendorPassthru]),
        "node.maintenance.set" => D::Node(&[R::NodeSetMaintenance]),
        "node.maintenance.clear" => D::Node(&[R::NodeClearMaintenance]),
        "node.power.on" | "node.power.reboot" => D::Node(&[R::NodeSetPowerState]),
        "node.boot_mode.set" => D::Node(&[R::NodeSetBootMode]),
        "node.secure_boot.set" => D::Node(&[R::NodeSetSecureBoot]),
        "node.raid.set" => D::Node(&[R::NodeSetRaidState]),
        "node.console.set" => D::Node(&[R::NodeSetConsoleState]),
        "node.boot_device.set" => D::Node(&[R::NodeSetBootDevice]),
        "node.nmi" => D::Node(&[R::NodeInjectNmi]),
        "node.indicator.set" => D::Node(&[R::NodeSetIndicatorState]),
        "node.traits.set" | "node.trait.add" => D::Node(&[R::NodeTraitsSet]),
        "node.trait.delete" | "node.traits.delete" => D::Node(&[R::NodeTraitsDelete]),
        "node.vif.attach" => D::Node(&[R::NodeVifAttach]),
        "node.vif.detach" => D::Node(&[R::NodeVifDetach]),
        "node.vmedia.attach" => D::Node(&[R::NodeVmediaAttach]),
        "node.vmedia.detach" => D::Node(&[R::NodeVmediaDetach]),
        "node.provision.clean" => {
            D::Node(&[R::NodeSetProvisionState, R::NodeSetProvisionStateCleanSteps])
        }
        "node.provision.service" => D::Node(&[
            R::NodeSetProvisionState,
            R::NodeSetProvisionStateServiceSteps,
        ]),
        _ if operation.starts_with("node.provision.") && !operation.ends_with(".runbook") => {
            D::Node(&[R::NodeSetProvisionState])
        }
        "node.patch.owner" | "node.patch.owner.remove" => D::Node(&[R::NodeUpdateOwner]),
        "node.patch.lessee" | "node.patch.lessee.remove" => D::Node(&[R::NodeUpdateLessee]),
        "node.patch.name" => D::Node(&[R::NodeUpdateName]),
        "node.patch.driver_info" => D::Node(&[R::NodeUpdateDriverInfo]),
        "node.patch.instance_info" | "node.patch.instance_name" => {
            D::Node(&[R::NodeUpdateInstanceInfo])
        }
        "node.patch.instance_uuid" => D::Node(&[R::NodeUpdateInstanceUuid]),
        "node.patch.properties" => D::Node(&[R::NodeUpdateProperties]),
        "node.patch.description"
        | "node.patch.resource_class"
        | "node.patch.protected"
        | "node.patch.automated_clean.true" => D::Node(&[R::NodeUpdate]),
        "node.patch.extra" => D::Node(&[R::NodeUpdateExtra]),
        "node.patch.driver" | "node.patch.boot_interface" => {
            D::Node(&[R::NodeUpdateDriverInterfaces])
        }
        "node.patch.network_data" => D::Node(&[R::NodeUpdateNetworkData]),
        "node.patch.conductor_group" => D::Node(&[R::NodeUpdateConductorGroup]),
        "node.patch.chassis_uuid" => D::Node(&[R::NodeUpdateChassisUuid]),
        "node.patch.retired" => D::Node(&[R::NodeUpdateRetired]),
        "node.patch.shard" => D::Node(&[R::NodeUpdateShard]),
        "node.patch.disable_power_off" => D::Node(&[R::NodeUpdateDisablePowerOff]),
        "node.patch.automated_clean.false" => D::Node(&[R::NodeDisableCleaning]),
        "node.patch.parent_node" => D::Node(&[R::NodeUpdateParentNode]),
        "node.patch.name+owner" => D::Node(&[R::NodeUpdateName, R::NodeUpdateOwner]),
        "node.patch.extra+description" => D::Node(&[R::NodeUpdateExtra, R::NodeUpdate]),
        "drivers.list" | "drivers.list.detail" | "driver.get" => D::Bare(&[R::DriverGet]),
        "driver.properties" => D::Bare(&[R::DriverGetProperties]),
        "driver.raid_properties" => D::Bare(&[R::DriverGetRaidLogicalDiskProperties]),
        "driver.passthru.methods" | "driver.passthru.call" => D::Bare(&[R::DriverVendorPassthru]),
        "conductors.list" | "conductor.get" => D::Bare(&[R::ConductorGet]),
        "shards" => D::Bare(&[R::ShardsGet]),
        "chassis.list" | "chassis.get" => D::Bare(&[R::ChassisGet]),
        "chassis.create" => D::Bare(&[R::ChassisCreate]),
        "chassis.patch" => D::Bare(&[R::ChassisUpdate]),
        "chassis.delete" => D::Bare(&[R::ChassisDelete]),
        "events.post" => D::Bare(&[R::EventsPost]),
        "port.get" => D::Node(&[R::PortGet]),
        "port.create" => D::AboutNode(&[R::PortCreate]),
        "port.patch" => D::Node(&[R::PortUpdate]),
        "port.delete" => D::Node(&[R::PortDelete]),
        "portgroup.get" => D::Node(&[R::PortgroupGet]),
        "portgroup.create" => D::AboutNode(&[R::PortgroupCreate]),
        "portgroup.patch" => D::Node(&[R::PortgroupUpdate]),
        "portgroup.delete" => D::Node(&[R::PortgroupDelete]),
        "connector.get" | "target.get" => D::Node(&[R::VolumeGet]),
        "connector.create" | "target.create" => D::AboutNode(&[R::VolumeCreate]),
        "connector.patch" | "target.patch" => D::Node(&[R::VolumeUpdate]),
        "connector.delete" | "target.delete" => D::Node(&[R::VolumeDelete]),
        "allocation.get" => D::Allocation(&[]),
        "allocation.patch" => D::Allocation(&[R::AllocationUpdate]),
        "allocation.delete" => D::Allocation(&[R::AllocationDelete]),
        "deploy_templates.list" | "deploy_template.get" => D::Bare(&[R::DeployTemplateGet]),
        "deploy_template.create" => D::Bare(&[R::DeployTemplateCreate]),
        "deploy_template.patch" => D::Bare(&[R::DeployTemplateUpdate]),
        "deploy_template.delete" => D::Bare(&[R::DeployTemplateDelete]),
        // Public ones are readable by everybody.
        "runbook.get" if of == "public" => D::Other,
        "runbook.get" | "runbook.traits" => D::Runbook(&[R::RunbookGet]),
        "runbook.create" => D::Bare(&[R::RunbookCreate]),
        "runbook.patch" => D::Runbook(&[R::RunbookUpdate]),
        "runbook.patch.public" => D::Runbook(&[R::RunbookUpdate, R::RunbookUpdatePublic]),
        "runbook.patch.owner" => D::Runbook(&[R::RunbookUpdate, R::RunbookUpdateOwner]),
        "runbook.delete" => D::Runbook(&[R::RunbookDelete]),
        "inspection_rules.list" | "inspection_rule.get" => D::Bare(&[R::InspectionRuleGet]),
        "inspection_rule.create" => D::Bare(&[R::InspectionRuleCreate]),
        "inspection_rule.patch" => D::Bare(&[R::InspectionRuleUpdate]),
        "inspection_rule.delete" => D::Bare(&[R::InspectionRuleDelete]),
        // The public routes, names that do not exist, creation of nodes and allocations, ...
        _ => D::Other,
    }
}

/// `.`, `3` or `4` by the rules.
fn outcome(policy: &Policy, operation: &str, of: &str, who: &Credentials) -> Option<char> {
    let (owner, lessee) = match of {
        "owner" | "held-owner" => (Some("OWNER"), None),
        "lessee" | "held-lessee" => (None, Some("LESSEE")),
        "both" => (Some("OWNER"), Some("LESSEE")),
        "OWNER" | "LESSEE" => (Some(of), None),
        _ => (None, None),
    };
    let node = Target::node(owner, lessee);
    let (gate, rules, target) = match decision(operation, of) {
        Decision::Node(rules) => (Some(R::NodeGet), rules, node),
        Decision::AboutNode(rules) => (None, rules, node),
        Decision::Allocation(rules) => (Some(R::AllocationGet), rules, Target::allocation(owner)),
        Decision::Runbook(rules) => (None, rules, Target::runbook(owner)),
        Decision::Bare(rules) => (None, rules, Target::NONE),
        Decision::List(all, own) => {
            let may = policy.allows(all, who, &Target::NONE)
                || (who.project_id.is_some() && policy.allows(own, who, &Target::NONE));
            return Some(if may { '.' } else { '3' });
        }
        Decision::Other => return None,
    };
    let allows = |rule: R| policy.allows(rule, who, &target);
    Some(match gate {
        Some(gate) if !allows(gate) => '4',
        _ if rules.iter().all(|&rule| allows(rule)) => '.',
        _ => '3',
    })
}

#[test]
fn rules_decide_as_in_ironic() {
    let (policy, elevated) = (
        Policy::defaults(),
        Policy::defaults().with_service_project(Some("service".to_owned())),
    );
    let (mut compared, mut operations) = (0, 0);
    let mut differences: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in RECORDED.lines() {
        let mut words = line.split(' ');
        let [operation, of, cells] = std::array::from_fn(|_| words.next().unwrap());
        operations += usize::from(!matches!(decision(operation, of), Decision::Other));
        for (&(name, role, scope), recorded) in PERSONAS.iter().zip(cells.chars()) {
            let policy = if name == "se" { &elevated } else { &policy };
            let Some(ours) = outcome(policy, operation, of, &credentials(role, scope)) else {
                continue;
            };
            let same = match recorded {
                '?' => continue,
                // 400 and 409 come after the rules, from the hardware and the state.
                '.' | 'b' | '9' => ours == '.',
                // The wrong scope.
                '5' => ours != '.',
                refused => ours == refused,
            };
            compared += 1;
            if !same {
                let key = format!("{name} {of} {recorded} not {ours}");
                differences
                    .entry(key)
                    .or_default()
                    .push(operation.to_owned());
            }
        }
    }
    let differences: Vec<_> = differences
        .iter()
        .map(|(key, operations)| format!("{key}: {}", operations.join(" ")))
        .collect();
    assert!(
        compared > 6000 && operations > 450,
        "{compared} cells, {operations} operations"
    );
    // All are of a null that equals nothing: see the documentation of `crate::policy`.
    insta::assert_snapshot!(differences.join("\n"));
}
