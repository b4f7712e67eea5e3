//! Boot services for tests and fuzzing.

#![expect(clippy::unwrap_used, reason = "no part of the service")]
#![cfg_attr(
    not(test),
    expect(dead_code, reason = "fuzzing needs the settings alone")
)]

use std::sync::Arc;

use ironpxe_core::boot::{BootSettings, Kickstarts, Scripts, UnknownActions, UnknownResponse};
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::error::Result;

use super::tokens::PresentedToken;
use super::{
    BootBody, BootFacts, BootRequest, BootService, BootServiceSettings, Client, HardwareTypes,
    Refusals, Selection, Templates, UnknownPolicy, response,
};
use crate::db::Db;
use crate::lifecycle::Tasks;

/// With the hardware type `fake-hardware` and built-in templates.
pub(crate) fn settings() -> BootServiceSettings {
    let boot = BootSettings::default();
    BootServiceSettings {
        templates: Templates::new(Scripts::new(boot.downloads).unwrap()),
        boot,
        restrict_boot_config: false,
        tokens: None,
        unknown_machines: UnknownPolicy::new(
            UnknownResponse::Script(UnknownActions::refuse()),
            Vec::new(),
        ),
        max_requests: 1000,
        cache_bytes: 1 << 20,
        images: crate::images::testing::images(),
        kickstarts: Arc::new(Kickstarts::built_in().unwrap()),
        hardware_types: HardwareTypes::enabled(vec!["fake-hardware".to_owned()]),
        selection: Selection::default(),
        refusals: Refusals::default(),
    }
}

/// A service with these settings.
pub(crate) fn service(db: &Db) -> BootService {
    BootService::new(BootFacts::new(db), settings(), &Tasks::new())
}

impl BootService {
    /// The script of a machine, requested without a hardware type.
    pub(crate) async fn script(&self, request_id: &str, ident: BootIdent) -> Result<String> {
        let request = BootRequest {
            driver: None,
            machine: Ok(ident),
            tries_next: false,
            token: PresentedToken::Absent,
        };
        text(self.answer(request_id, Client::OTHER, request).await)
    }

    /// The kickstart of a node.
    pub(crate) async fn kickstart_text(&self, request_id: &str, node: &str) -> Result<String> {
        let serving = self.kickstart(request_id, None, node, PresentedToken::Absent);
        text(serving.await)
    }

    /// The templates in use.
    pub(crate) fn templates(&self) -> &Templates {
        &self.inner().settings.templates
    }
}

fn text(response: response::BootResponse) -> Result<String> {
    match response.body {
        BootBody::Script(text) | BootBody::Kickstart(text) => Ok(text),
        BootBody::Fault(fault) => Err(fault),
        BootBody::Empty => panic!("a response for firmware"),
    }
}
