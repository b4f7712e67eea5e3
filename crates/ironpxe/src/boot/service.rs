//! The boot service: request → cache → facts → decision → images → script → log.

use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;

use ironpxe_core::boot::{
    BootSettings, Kickstarts, Machine, Scripts, UnknownMachine, UnknownResponse, decide,
};
use ironpxe_core::boot_ident::BootIdent;
use ironpxe_core::error::{Fault, Result};
use tracing::warn;

use super::cache::{BootCache, Content, Interner, Lookup};
use super::facts::{BootFacts, MachineFacts};
use super::hardware_types::HardwareTypes;
use super::limiter::BootLimiter;
use super::refused_requests::{RefusalReason, RefusedRequests};
use super::rendered::{CachedScript, Outcome, Refusals, Rendered};
use super::request::BootRequest;
use super::response::{BootResponse, Client, ClientKind, NoScript};
use super::script_template::{is_standard_request_id, placeholder};
use super::selection::Selection;
use super::templates::Templates;
use super::tokens::{BootTokens, PresentedToken, TokenError};
use super::unknown_policy::UnknownPolicy;
use crate::clock;
use crate::images::Images;
use crate::lifecycle::Tasks;

/// The settings of the boot service.
#[derive(Debug, Clone)]
pub(crate) struct BootServiceSettings {
    /// The settings of boot decisions.
    pub boot: BootSettings,
    /// `[api]restrict_boot_config`: responses do not tell why a machine is not booted, unless it
    /// has a valid boot token.
    pub restrict_boot_config: bool,
    /// If set, scripts and kickstarts are only for requests with a valid token.
    pub tokens: Option<BootTokens>,
    /// What unknown machines get.
    pub unknown_machines: UnknownPolicy,
    /// `[api]max_boot_requests`: the limit of concurrent requests.
    pub max_requests: usize,
    /// `[pxe]boot_cache_size`: the capacity of the boot cache, in bytes.
    pub cache_bytes: usize,
    /// The current script templates.
    pub templates: Templates,
    /// Locates images.
    pub images: Images,
    /// Renders kickstarts.
    pub kickstarts: Arc<Kickstarts>,
    /// The hardware types that vendor passthru URLs may have.
    pub hardware_types: HardwareTypes,
    /// The machines that are booted from here; the others are left to Ironic.
    pub selection: Selection,
    /// What a machine gets whose boot is refused.
    pub refusals: Refusals,
}

/// Whether a client has proved to be the machine it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// It has not, and need not.
    None,
    /// By a valid boot token.
    Token,
}

/// The boot service of this process. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct BootService(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) settings: BootServiceSettings,
    pub(super) facts: BootFacts,
    cache: BootCache,
    interner: Interner,
    limiter: BootLimiter,
    unknown_machines: RefusedRequests,
    without_token: RefusedRequests,
    tasks: Tasks,
}

impl BootService {
    /// Builds the service on this source of nodes.
    pub(crate) fn new(facts: BootFacts, settings: BootServiceSettings, tasks: &Tasks) -> Self {
        Self(Arc::new(Inner {
            cache: BootCache::new(&facts, tasks, settings.cache_bytes),
            facts,
            interner: Interner::new(),
            limiter: BootLimiter::new(settings.max_requests),
            unknown_machines: RefusedRequests::new(RefusalReason::UnknownMachine),
            without_token: RefusedRequests::new(RefusalReason::NoToken),
            tasks: tasks.clone(),
            settings,
        }))
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    /// The script for a request from this address, if it is available without waiting; `None`
    /// otherwise, without side effects.
    pub(crate) fn cached_script(
        &self,
        request_id: &str,
        address: IpAddr,
        request: &BootRequest<'_>,
    ) -> Option<String> {
        let inner = &*self.0;
        let ident = *request.machine.as_ref().ok()?;
        let proof = inner.verify(ident, request.token).ok()?;
        if let Some(driver) = request.driver
            && !inner.settings.hardware_types.has(driver)
        {
            return None;
        }
        let content = inner.cache.get_if_unchanged(ident)?;
        let cached = usable(request_id, &inner.settings.templates.current(), &content)?;
        let is_selected = cached.is_selected || inner.settings.selection.has_client(Some(address));
        if !is_selected || inner.is_hidden(cached.outcome(), proof) {
            return None;
        }
        Some(cached.fill_and_log(request_id))
    }

    /// Responds with the current script of the machine.
    pub(crate) async fn answer(
        &self,
        request_id: &str,
        client: Client,
        request: BootRequest<'_>,
    ) -> BootResponse {
        let tries_next = request.tries_next;
        let script = self.0.script(request_id, client, request);
        let result = self.0.limiter.run(script).await;
        self.respond(request_id, client.kind, tries_next, result)
    }

    /// Responds with the script that tries all NICs of a machine.
    pub(crate) fn nic_loop(&self, request_id: &str, client: Client) -> BootResponse {
        let settings = &self.0.settings;
        let actions = settings.unknown_machines.actions_of(client.address);
        let script = settings.templates.current().nic_loop(actions);
        let script = script.map_err(|error| Fault::Internal(error.to_string()).into());
        self.respond(request_id, client.kind, false, script)
    }

    /// Responds with a fault.
    pub(crate) fn refuse(
        &self,
        request_id: &str,
        client: ClientKind,
        fault: Fault,
    ) -> BootResponse {
        self.respond(request_id, client, false, Err(fault.into()))
    }

    /// Responds to firmware with a script that shows these lines and exits.
    pub(crate) fn show(&self, request_id: &str, lines: &[String; 2]) -> BootResponse {
        let scripts = self.0.settings.templates.current();
        BootResponse::refusal(&scripts, request_id, UnknownMachine::Other, lines)
    }

    /// Counts a request of an unknown machine. Returns whether it should be logged.
    pub(crate) fn note_unknown(&self, ident: BootIdent) -> bool {
        self.0.unknown_machines.note(&self.0.tasks, ident)
    }

    fn respond(
        &self,
        request_id: &str,
        client: ClientKind,
        tries_next: bool,
        result: Result<String, NoScript>,
    ) -> BootResponse {
        let scripts = self.0.settings.templates.current();
        BootResponse::new(&scripts, request_id, client, tries_next, result)
    }
}

impl Inner {
    /// The machine of a request for something else than its script, which counts as a boot request
    /// while the machine is looked up.
    pub(super) async fn machine(&self, ident: BootIdent) -> Result<Option<MachineFacts>> {
        // Boxed, because it is large.
        self.limiter.run(Box::pin(self.cache.machine(ident))).await
    }

    async fn script(
        &self,
        request_id: &str,
        client: Client,
        request: BootRequest<'_>,
    ) -> Result<String, NoScript> {
        // Before anything is read: a response without a token must not depend on the node.
        let proof = match request.machine {
            Ok(ident) => {
                let verified = self.verify(ident, request.token);
                verified.map_err(|why| {
                    self.refuse_without_token(request_id, client, ident, request.tries_next, why)
                })?
            }
            Err(_) => Proof::None,
        };
        if let Some(driver) = request.driver {
            self.settings.hardware_types.check(driver).await?;
        }
        let ident = request.machine?;
        let scripts = self.settings.templates.current();
        if let Some(content) = self.cache.get_if_unchanged(ident)
            && let Some(cached) = usable(request_id, &scripts, &content)
        {
            return self.fill_cached(request_id, client, cached, proof);
        }
        // Boxed, because it is much larger than the cached path.
        let script = self.script_uncached(request_id, client, &scripts, ident, proof);
        let script = Box::pin(script).await?;
        script.ok_or_else(|| self.unknown_machine(request_id, client, ident, request.tries_next))
    }

    /// `None`: the machine is unknown.
    async fn script_uncached(
        &self,
        request_id: &str,
        client: Client,
        scripts: &Arc<Scripts>,
        ident: BootIdent,
        proof: Proof,
    ) -> Result<Option<String>, NoScript> {
        let found = match self.cache.find(ident).await? {
            Lookup::Cached(content) => {
                if let Some(cached) = usable(request_id, scripts, &content) {
                    let script = self.fill_cached(request_id, client, cached, proof);
                    return script.map(Some);
                }
                if let Content::Facts(facts) = &*content {
                    let script = self.render(request_id, client, scripts, facts, proof).await;
                    return script.map(Some);
                }
                self.cache.read(ident).await?
            }
            found => found,
        };
        let Lookup::Read(facts, validator) = found else {
            return Ok(None);
        };
        if let Some(cached) = self.cacheable(request_id, scripts, facts.machine())? {
            let script = self.fill_cached(request_id, client, &cached, proof);
            let content = Content::Script(Arc::downgrade(scripts), cached);
            self.cache.put(ident, content, validator);
            return script.map(Some);
        }
        let script = self
            .render(request_id, client, scripts, &facts, proof)
            .await;
        self.cache.put(ident, Content::Facts(facts), validator);
        script.map(Some)
    }

    /// The script for the cache, if it depends only on rows, settings and templates: not if an
    /// image must be resolved, because its location changes, or if it has a boot token, which
    /// expires. Nor if it is an operator's template, which can do anything with the request ID.
    fn cacheable(
        &self,
        request_id: &str,
        scripts: &Scripts,
        machine: Machine<'_>,
    ) -> Result<Option<CachedScript>> {
        if scripts.operators_template(machine.node).is_some() || !is_standard_request_id(request_id)
        {
            return Ok(None);
        }
        let settings = &self.settings;
        let plan = decide(machine, &settings.boot, placeholder());
        if settings.boot.boot_tokens && plan.has_boot_token() {
            return Ok(None);
        }
        let Some(located) = settings.images.locate_fixed(plan) else {
            return Ok(None);
        };
        let refusals = settings.refusals;
        let rendered = Rendered::new(scripts, machine, &located, placeholder(), refusals)?;
        let is_selected = settings.selection.has_node(machine.node);
        let intern = |shared| self.interner.intern(shared);
        Ok(Some(CachedScript::new(
            rendered,
            machine,
            is_selected,
            intern,
        )))
    }

    /// Decides, resolves the images, and renders the script for one request.
    async fn render(
        &self,
        request_id: &str,
        client: Client,
        scripts: &Scripts,
        facts: &MachineFacts,
        proof: Proof,
    ) -> Result<String, NoScript> {
        let settings = &self.settings;
        let machine = self.with_token(facts.machine());
        self.check_selected(client, settings.selection.has_node(machine.node))?;
        let plan = decide(machine, &settings.boot, request_id);
        let located = self.locate(request_id, machine.node, plan).await?;
        let refusals = settings.refusals;
        let rendered = Rendered::new(scripts, machine, &located, request_id, refusals)?;
        rendered.log(machine, request_id);
        self.unless_hidden(rendered.script, rendered.outcome, proof)
    }

    /// With a boot token for the URLs in its script, if it needs one.
    fn with_token<'m>(&self, machine: Machine<'m>) -> Machine<'m> {
        match &self.settings.tokens {
            Some(tokens) => Machine {
                boot_token: tokens.sign(machine.node.uuid, clock::now()),
                ..machine
            },
            None => machine,
        }
    }

    /// Whether a request has the token that it needs.
    pub(super) fn verify(
        &self,
        ident: BootIdent,
        token: PresentedToken,
    ) -> Result<Proof, TokenError> {
        match &self.settings.tokens {
            None => Ok(Proof::None),
            Some(tokens) => {
                tokens.verify(ident, token, clock::now())?;
                Ok(Proof::Token)
            }
        }
    }

    /// Logs a request without a valid token, for what `what` names.
    pub(super) fn log_without_token(
        &self,
        request_id: &str,
        what: &str,
        address: Option<IpAddr>,
        ident: BootIdent,
        why: TokenError,
    ) {
        let client = address.map_or_else(|| "unknown".to_owned(), |address| address.to_string());
        if !self.without_token.note(&self.tasks, &client) {
            return;
        }
        match ident {
            BootIdent::Node(uuid) => warn!(
                req.id = request_id,
                client,
                node.uuid = %uuid,
                "{what}: requested {why}"
            ),
            BootIdent::Address(mac) => warn!(
                req.id = request_id,
                client,
                port.mac = %mac,
                "{what}: requested {why}"
            ),
        }
    }

    /// The response without a valid token: what an unknown machine gets, whether there is such a
    /// node or not.
    fn refuse_without_token(
        &self,
        request_id: &str,
        client: Client,
        ident: BootIdent,
        tries_next: bool,
        why: TokenError,
    ) -> NoScript {
        let response = self.settings.unknown_machines.of(client.address);
        let what = match (tries_next, client.kind) {
            (true, _) => "machine not booted, it is told to try its next address",
            (false, ClientKind::Firmware) => "machine not booted, it gets what unknown machines do",
            (false, ClientKind::Other) => "machine not booted, it gets 404",
        };
        self.log_without_token(request_id, what, client.address, ident, why);
        match response {
            UnknownResponse::NotFound => NoScript::NotMine(Fault::NotFound),
            UnknownResponse::Script(actions) => NoScript::Unknown(Fault::NotFound, actions.clone()),
        }
    }

    fn fill_cached(
        &self,
        request_id: &str,
        client: Client,
        cached: &CachedScript,
        proof: Proof,
    ) -> Result<String, NoScript> {
        self.check_selected(client, cached.is_selected)?;
        let script = cached.fill_and_log(request_id);
        self.unless_hidden(script, cached.outcome(), proof)
    }

    /// Leaves machines to Ironic that are selected neither by their node nor by their address.
    fn check_selected(&self, client: Client, has_node: bool) -> Result<(), NoScript> {
        if has_node || self.settings.selection.has_client(client.address) {
            return Ok(());
        }
        Err(NoScript::LeftToIronic)
    }

    fn unless_hidden(
        &self,
        script: String,
        outcome: Outcome,
        proof: Proof,
    ) -> Result<String, NoScript> {
        if outcome == Outcome::LeftToIronic {
            return Err(NoScript::LeftToIronic);
        }
        if self.is_hidden(outcome, proof) {
            return Err(Fault::NotFound.into());
        }
        Ok(script)
    }

    /// Whether the response must not tell why a machine does not boot.
    fn is_hidden(&self, outcome: Outcome, proof: Proof) -> bool {
        match outcome {
            Outcome::Boots => false,
            Outcome::LeftToIronic => true,
            Outcome::Refused | Outcome::Unusable => {
                self.settings.restrict_boot_config && proof == Proof::None
            }
        }
    }

    fn unknown_machine(
        &self,
        request_id: &str,
        client: Client,
        ident: BootIdent,
        tries_next: bool,
    ) -> NoScript {
        if let Err(left) = self.check_selected(client, false) {
            return left;
        }
        let response = self.settings.unknown_machines.of(client.address);
        let has_line = self.unknown_machines.note(&self.tasks, ident);
        if has_line {
            let done: &dyn Display = match (tries_next, client.kind) {
                (true, _) => &"is told to try its next address",
                (false, ClientKind::Firmware) => response,
                (false, ClientKind::Other) => &"gets 404",
            };
            match ident {
                BootIdent::Node(uuid) => warn!(
                    req.id = request_id,
                    node.uuid = %uuid,
                    "machine not booted: no node has this UUID; it {done}"
                ),
                BootIdent::Address(mac) => warn!(
                    req.id = request_id,
                    port.mac = %mac,
                    "machine not booted: no port has this address; it {done}"
                ),
            }
        }
        let fault = match ident {
            _ if self.settings.restrict_boot_config => Fault::NotFound,
            BootIdent::Node(uuid) => Fault::NodeNotFound(uuid.to_string()),
            BootIdent::Address(mac) => Fault::PortNotFound(mac.to_string()),
        };
        match response {
            UnknownResponse::NotFound => NoScript::NotMine(fault),
            UnknownResponse::Script(actions) => NoScript::Unknown(fault, actions.clone()),
        }
    }
}

/// The cached script, if it fits the request.
fn usable<'c>(
    request_id: &str,
    scripts: &Arc<Scripts>,
    content: &'c Content,
) -> Option<&'c CachedScript> {
    match content {
        Content::Script(of, cached)
            if of.as_ptr() == Arc::as_ptr(scripts) && is_standard_request_id(request_id) =>
        {
            Some(cached)
        }
        Content::Script(..) | Content::Facts(_) => None,
    }
}
