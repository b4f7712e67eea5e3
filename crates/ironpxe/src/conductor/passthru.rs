//! The vendor passthru framework and its methods.
//!
//! A method is declared once with its metadata; the same code lists, checks and calls all methods.
//! `ipxe_config` serves boot scripts.
//!
//! Source: Ironic's `drivers/base.py` and `conductor/manager.py` (`vendor_passthru`,
//! `driver_vendor_passthru`); ironic-specs `ipxe-dynamic-config`.

use ironpxe_core::JsonMap;
use ironpxe_core::error::{Fault, Result};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::interface::InterfaceKind;
use ironpxe_core::node::Node;
use ironpxe_core::passthru::{HttpMethod, MethodInfo, PassthruReply};
use serde_json::Value;
use tracing::info;

use super::LocalConductor;
use super::refuse_if_reserved;
use crate::boot::{BootBody, BootRequest, Client};
use crate::rpc::Context;

/// A passthru method of every hardware type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantArray)]
enum DriverMethod {
    IpxeConfig,
}

impl DriverMethod {
    const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    fn info(self) -> MethodInfo {
        match self {
            Self::IpxeConfig => MethodInfo {
                name: "ipxe_config".into(),
                http_methods: (&[HttpMethod::Get, HttpMethod::Head]).into(),
                is_async: false,
                attach: true,
                description: "A machine's iPXE boot script, by node_uuid or port_address".into(),
                require_exclusive_lock: None,
            },
        }
    }
}

/// A passthru method of a node, offered by the `fake` vendor interface to try the framework without
/// hardware. Source: Ironic's `drivers/modules/fake.py` (`FakeVendorB`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantArray)]
enum NodeMethod {
    Second,
    ThirdSync,
    FourthSharedLock,
    Log,
}

impl NodeMethod {
    const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    fn info(self) -> MethodInfo {
        let (name, description) = match self {
            Self::Second => (
                "second_method",
                "Whether bar is \"kazoo\", in the background",
            ),
            Self::ThirdSync => ("third_method_sync", "Whether bar is \"meow\""),
            Self::FourthSharedLock => (
                "fourth_method_shared_lock",
                "Whether bar is \"woof\", in the background, also while the node is reserved",
            ),
            Self::Log => ("log_passthrough", "Writes its arguments' names to the log"),
        };
        MethodInfo {
            name: name.into(),
            http_methods: (&[HttpMethod::Post]).into(),
            is_async: self != Self::ThirdSync,
            attach: false,
            description: description.into(),
            require_exclusive_lock: Some(self != Self::FourthSharedLock),
        }
    }
}

impl LocalConductor {
    pub(super) fn driver_methods(&self, driver: &str) -> Result<Vec<MethodInfo>> {
        self.drivers
            .get(driver)
            .ok_or_else(|| Fault::DriverUnknown(driver.to_owned()))?;
        Ok(DriverMethod::ALL.iter().map(|it| it.info()).collect())
    }

    pub(super) async fn call_driver_method(
        &self,
        ctx: &Context,
        driver: &str,
        name: &str,
        http_method: HttpMethod,
        info: JsonMap,
    ) -> Result<PassthruReply> {
        self.drivers
            .get(driver)
            .ok_or_else(|| Fault::DriverUnknown(driver.to_owned()))?;
        let (method, declared) = find(
            DriverMethod::ALL.iter().copied(),
            DriverMethod::info,
            name,
            http_method,
        )?;
        let value = match method {
            DriverMethod::IpxeConfig => {
                let request = BootRequest::by_arguments(driver, Ok(info));
                let answering = self.boot.answer(&ctx.request_id, Client::OTHER, request);
                match answering.await.body {
                    BootBody::Script(text) => Value::String(text),
                    BootBody::Fault(fault) => return Err(fault),
                    BootBody::Kickstart(_) | BootBody::Empty => {
                        return Err(Fault::Internal(
                            "a boot request without a script".to_owned(),
                        ));
                    }
                }
            }
        };
        Ok(PassthruReply {
            value,
            is_async: declared.is_async,
            attach: declared.attach,
        })
    }

    pub(super) async fn node_methods(&self, node: NodeUuid) -> Result<Vec<MethodInfo>> {
        let node = self.node(node).await?;
        Ok(methods_of(&node)
            .iter()
            .map(|method| method.info())
            .collect())
    }

    pub(super) async fn call_node_method(
        &self,
        ctx: &Context,
        uuid: NodeUuid,
        name: &str,
        http_method: HttpMethod,
        info: JsonMap,
    ) -> Result<PassthruReply> {
        let node = self.node(uuid).await?;
        let (method, declared) = find(
            methods_of(&node).iter().copied(),
            NodeMethod::info,
            name,
            http_method,
        )?;
        if declared.require_exclusive_lock == Some(true) {
            refuse_if_reserved(&node)?;
        }
        let bar = info
            .get("bar")
            .and_then(Value::as_str)
            .filter(|bar| !bar.is_empty());
        if bar.is_none() && method != NodeMethod::Log {
            return Err(Fault::MissingParameterValue(format!(
                "Parameter 'bar' not passed to method '{name}'."
            )));
        }
        let value = match method {
            NodeMethod::ThirdSync => Value::Bool(bar == Some("meow")),
            // The client already has the response.
            NodeMethod::Second | NodeMethod::FourthSharedLock | NodeMethod::Log => {
                let names: Vec<&str> = info.keys().map(String::as_str).collect();
                info!(req.id = ctx.request_id, node.uuid = %uuid, "{name}: {names:?}");
                Value::Null
            }
        };
        Ok(PassthruReply {
            value,
            is_async: declared.is_async,
            attach: declared.attach,
        })
    }
}

fn methods_of(node: &Node) -> &'static [NodeMethod] {
    match node.interface(InterfaceKind::Vendor) {
        "fake" => NodeMethod::ALL,
        _ => &[],
    }
}

fn find<M: Copy>(
    methods: impl IntoIterator<Item = M>,
    info: impl Fn(M) -> MethodInfo,
    name: &str,
    http_method: HttpMethod,
) -> Result<(M, MethodInfo)> {
    let (method, declared) = methods
        .into_iter()
        .map(|method| (method, info(method)))
        .find(|(_, declared)| declared.name == name)
        .ok_or_else(|| Fault::NoPassthruMethod(name.to_owned()))?;
    if !declared.http_methods.contains(&http_method) {
        return Err(Fault::PassthruHttpMethod {
            method: name.to_owned(),
            http_method: http_method.name().into(),
        });
    }
    Ok((method, declared))
}

#[cfg(test)]
mod tests {
    use ironpxe_core::passthru::arguments_in_query;

    use super::*;

    /// What stands in the table of arguments has a method here, and no method takes another's.
    #[test]
    fn every_method_declares_exactly_its_arguments() {
        let known = arguments_in_query("no such method");
        let drivers: Vec<MethodInfo> = DriverMethod::ALL.iter().map(|it| it.info()).collect();
        let nodes: Vec<MethodInfo> = NodeMethod::ALL.iter().map(|it| it.info()).collect();
        let mut declared = Vec::new();
        for info in drivers.iter().chain(&nodes) {
            let arguments = arguments_in_query(&info.name);
            if info.name == "log_passthrough" {
                assert!(arguments.is_empty(), "{arguments:?}");
            }
            declared.extend(arguments);
        }
        assert_eq!(declared, known);
    }
}
