//! The enabled hardware types and their default interfaces.

use ironpxe_core::conductor::{DriverInterfaces, Hardware};
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::interface::{InterfaceKind, Interfaces};
use ironpxe_core::node::Node;

use super::hardware::HardwareType;

/// The enabled hardware types.
#[derive(Debug, Clone)]
pub(crate) struct Drivers {
    enabled: Vec<&'static HardwareType>,
    default_deploy_interface: Option<String>,
}

/// A configured name that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DriversError {
    /// No such hardware type.
    #[error("unknown hardware type {name:?} in [DEFAULT]enabled_hardware_types; expected {known}")]
    UnknownHardwareType {
        /// The name.
        name: String,
        /// The existing names.
        known: String,
    },
    /// An enabled hardware type does not support the deploy interface.
    #[error(
        "{hardware} does not support [DEFAULT]default_deploy_interface {name:?}; it supports {known}"
    )]
    UnknownDeployInterface {
        /// The name.
        name: String,
        /// The hardware type.
        hardware: &'static str,
        /// Its deploy interfaces.
        known: String,
    },
}

impl Drivers {
    /// Enables the named hardware types.
    pub(crate) fn new(
        enabled: &[String],
        default_deploy_interface: Option<&str>,
    ) -> Result<Self, DriversError> {
        let enabled = enabled
            .iter()
            .map(|name| {
                HardwareType::from_name(name).ok_or_else(|| DriversError::UnknownHardwareType {
                    name: name.clone(),
                    known: HardwareType::ALL.map(|hardware| hardware.name).join(", "),
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(name) = default_deploy_interface {
            for hardware in &enabled {
                let supported = hardware.supported(InterfaceKind::Deploy);
                if !supported.contains(&name) {
                    return Err(DriversError::UnknownDeployInterface {
                        name: name.to_owned(),
                        hardware: hardware.name,
                        known: supported.join(", "),
                    });
                }
            }
        }
        let default_deploy_interface = default_deploy_interface.map(str::to_owned);
        Ok(Self {
            enabled,
            default_deploy_interface,
        })
    }

    /// The names of the enabled hardware types.
    pub(crate) fn names(&self) -> Vec<String> {
        self.enabled
            .iter()
            .map(|hardware| hardware.name.to_owned())
            .collect()
    }

    /// The interfaces of each enabled hardware type.
    pub(crate) fn offers(&self) -> Vec<Hardware> {
        let offer = |hardware: &HardwareType, kind| DriverInterfaces {
            kind,
            default: self.default_interface(hardware, kind),
            enabled: hardware
                .supported(kind)
                .iter()
                .map(|&name| name.to_owned())
                .collect(),
        };
        self.enabled
            .iter()
            .map(|hardware| Hardware {
                name: hardware.name.to_owned(),
                interfaces: InterfaceKind::ALL
                    .iter()
                    .map(|&kind| offer(hardware, kind))
                    .collect(),
            })
            .collect()
    }

    /// The enabled hardware type called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&'static HardwareType> {
        self.enabled
            .iter()
            .copied()
            .find(|hardware| hardware.name == name)
    }

    /// The default implementation of `kind` for a new node of `hardware`.
    pub(crate) fn default_interface(&self, hardware: &HardwareType, kind: InterfaceKind) -> String {
        match (&self.default_deploy_interface, kind) {
            (Some(name), InterfaceKind::Deploy) => name.clone(),
            _ => hardware
                .supported(kind)
                .first()
                .copied()
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// Sets missing interfaces to their default, and checks that the hardware type supports the
    /// others.
    pub(crate) fn set_default_interfaces(&self, node: &mut Node) -> Result<()> {
        let hardware = self.get(&node.driver).ok_or_else(|| Fault::NoValidHost {
            driver: node.driver.clone(),
            group: node.conductor_group.clone(),
        })?;
        for &kind in InterfaceKind::ALL {
            let wanted = node.interfaces.get(kind);
            if wanted.is_empty() {
                node.interfaces
                    .set(kind, self.default_interface(hardware, kind));
                continue;
            }
            let supported = hardware.supported(kind);
            if !supported.contains(&wanted) {
                return Err(Fault::InterfaceNotFound {
                    kind: kind.name().into(),
                    name: wanted.to_owned(),
                    valid: supported.join(", "),
                });
            }
        }
        Ok(())
    }

    /// After a change of driver, resets the interfaces that equal those in `before`, which the
    /// change did not set.
    pub(crate) fn reset_interfaces(node: &mut Node, before: &Interfaces) {
        for &kind in InterfaceKind::ALL {
            if node.interfaces.get(kind) == before.get(kind) {
                node.interfaces.set(kind, "");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ironpxe_core::id::NodeUuid;

    use super::*;
    use crate::{clock, ident};

    fn drivers() -> Drivers {
        Drivers::new(&["fake-hardware".into(), "manual-management".into()], None).unwrap()
    }

    #[test]
    fn every_hardware_type_supports_an_implementation_of_every_interface() {
        for hardware in &HardwareType::ALL {
            for &kind in InterfaceKind::ALL {
                assert!(
                    !hardware.supported(kind).is_empty(),
                    "{} {kind:?}",
                    hardware.name
                );
            }
        }
    }

    #[test]
    fn node_gets_default_interfaces_and_keeps_chosen_ones() {
        let mut node = Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", clock::now());
        node.interfaces.set(InterfaceKind::Deploy, "ramdisk");
        drivers().set_default_interfaces(&mut node).unwrap();
        assert_eq!(node.interface(InterfaceKind::Deploy), "ramdisk");
        assert_eq!(node.interface(InterfaceKind::Boot), "fake");
    }

    /// Source: Ironic's `drivers/fake_hardware.py`; only its network interfaces have no `fake`.
    #[test]
    fn fake_hardware_has_fake_interfaces_by_default() {
        let mut node = Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", clock::now());
        drivers().set_default_interfaces(&mut node).unwrap();
        for &kind in InterfaceKind::ALL {
            let wanted = match kind {
                InterfaceKind::Network => "noop",
                _ => "fake",
            };
            assert_eq!(node.interface(kind), wanted, "{kind:?}");
        }
    }

    #[test]
    fn unsupported_interface_is_refused_with_the_supported_ones() {
        let mut node = Node::enroll(NodeUuid(ident::uuid()), "manual-management", clock::now());
        node.interfaces.set(InterfaceKind::Deploy, "fake");
        let fault = drivers()
            .set_default_interfaces(&mut node)
            .unwrap_err()
            .to_string();
        assert!(
            fault.contains("interfaces.deploy") && fault.contains("noop"),
            "{fault}"
        );
        node.driver = "redfish".into();
        assert!(matches!(
            drivers().set_default_interfaces(&mut node),
            Err(Fault::NoValidHost { .. })
        ));
    }

    #[test]
    fn invalid_driver_configuration_is_refused_with_the_available_names() {
        let error = Drivers::new(&["redfish".into()], None)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("redfish") && error.contains("fake-hardware"),
            "{error}"
        );
        let error = Drivers::new(&["fake-hardware".into()], Some("ansible")).unwrap_err();
        assert!(error.to_string().contains("custom-agent"), "{error}");
    }
}
