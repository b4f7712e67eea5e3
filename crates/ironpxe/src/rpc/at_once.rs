//! Boot requests whose answer the conductor has at hand.
//!
//! They are most of what travels, and small; so they are read and answered without anything in
//! between. Only the form in which [`super::Remote`] sends them is known here. Whatever else there
//! is in a request, it is answered as any other, by [`super::server`]; what is answered here, that
//! would answer alike.

use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::passthru::{HttpMethod, PassthruReply};
use serde::{Deserialize, Deserializer};
use tracing::debug;

use super::envelope::{self, VERSION};
use super::{Conductor, Moment};

/// A boot request, and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call<'b> {
    jsonrpc: &'b str,
    method: &'b str,
    #[serde(borrow)]
    params: Params<'b>,
    id: &'b str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params<'b> {
    /// Of `boot_script`.
    ident: Option<BootIdent>,
    /// Of `driver_vendor_passthru`, as the following ones.
    driver_name: Option<&'b str>,
    driver_method: Option<&'b str>,
    http_method: Option<HttpMethod>,
    #[serde(borrow)]
    info: Option<Info<'b>>,
    context: Asker<'b>,
    #[serde(rename = "rpc.version")]
    version: &'b str,
}

/// The arguments of `ipxe_config`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Info<'b> {
    #[serde(default, borrow, deserialize_with = "not_null")]
    node_uuid: Option<&'b str>,
    #[serde(default, borrow, deserialize_with = "not_null")]
    port_address: Option<&'b str>,
}

/// An argument that is `null` is there, and wrong: the conductor says so.
fn not_null<'de: 'b, 'b, D: Deserializer<'de>>(value: D) -> Result<Option<&'b str>, D::Error> {
    <&str>::deserialize(value).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asker<'b> {
    request_id: &'b str,
}

/// The answer, if it is a boot request and the conductor has its script at hand. The `moment` must
/// be later than the request.
pub(super) fn answer(conductor: &dyn Conductor, moment: Moment, body: &[u8]) -> Option<Vec<u8>> {
    let call: Call<'_> = serde_json::from_slice(body).ok()?;
    let params = call.params;
    if call.jsonrpc != "2.0" || params.version != VERSION {
        return None;
    }
    let request_id = params.context.request_id;
    let script = |driver, ident| {
        let script = conductor.boot_script_at_once(moment, request_id, driver, ident)?;
        debug!(req.id = request_id, "{}", call.method);
        Some(script)
    };
    let answer = match (call.method, params) {
        (
            "boot_script",
            Params {
                ident: Some(ident),
                driver_name: None,
                driver_method: None,
                http_method: None,
                info: None,
                ..
            },
        ) => envelope::success(&call.id, &script(None, ident)?),
        (
            "driver_vendor_passthru",
            Params {
                ident: None,
                driver_name: Some(driver),
                driver_method: Some("ipxe_config"),
                http_method: Some(HttpMethod::Get),
                info: Some(info),
                ..
            },
        ) => {
            let script = script(Some(driver), info.ident()?)?;
            envelope::success(&call.id, &PassthruReply::text(script))
        }
        _ => return None,
    };
    answer.ok()
}

impl Info<'_> {
    /// Which machine; `None` if the conductor must say what is wrong.
    fn ident(&self) -> Option<BootIdent> {
        match (self.node_uuid, self.port_address) {
            (Some(uuid), None) => uuid.parse().ok().map(BootIdent::Node),
            (None, Some(mac)) => mac.parse().ok().map(BootIdent::Address),
            (None, None) | (Some(_), Some(_)) => None,
        }
    }
}
