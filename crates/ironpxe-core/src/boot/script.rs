//! A boot plan as iPXE text.
//!
//! The texts are the templates in `templates/`, with `boot.ipxe` as the one for every known
//! machine; an operator can have another in its place (`operator.rs`). What may stand in a text is
//! for `environment.rs` and `commands.rs` to say, what can be printed for `variables.rs`.

use minijinja::value::Value;
use minijinja::{Environment, context};

use super::environment::{BOOT, NIC_LOOP, TemplateError, UNKNOWN_MACHINE, built_in, in_template};
use super::located::Located;
use super::operator::{Broken, InUse, OperatorTemplates, Operators};
use super::plan::Machine;
use super::refusal::Refusal;
use super::settings::Downloads;
use super::variables::{self, Whose};
use crate::node::Node;

/// Who asks, when and why: what every script says on the console.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// The machine that asks.
    pub machine: Machine<'a>,
    /// `req-<uuid>`; the same id is in the log.
    pub request_id: &'a str,
}

/// An operator's template that cannot write the script of one machine.
#[derive(Debug)]
pub struct Unusable {
    /// What the machine is told.
    pub refusal: Refusal,
    /// What is wrong, for the log: it may tell of values.
    pub error: TemplateError,
}

/// Why a machine has no script of its own: what `/boot.ipxe` is told, which asks for one address
/// after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownMachine {
    /// The address was looked for, and is no port's: only then does it help to create one.
    Address,
    /// Anything else.
    Other,
}

/// The script templates, parsed once.
#[derive(Debug)]
pub struct Scripts {
    environment: Environment<'static>,
    operators: Option<Operators>,
    downloads: Downloads,
}

impl Scripts {
    /// The built-in templates.
    pub fn new(downloads: Downloads) -> Result<Self, TemplateError> {
        Ok(Self {
            environment: built_in()?,
            operators: None,
            downloads,
        })
    }

    /// The built-in templates, and an operator's for known machines. Each was tried on every
    /// sample (`samples.rs`); all that are broken are named.
    pub fn with_operators(
        downloads: Downloads,
        templates: OperatorTemplates,
    ) -> Result<Self, Vec<Broken>> {
        let operators = Some(Operators::load(templates)?);
        let built_in = Self::new(downloads).map_err(|error| vec![Broken { arch: None, error }])?;
        Ok(Self {
            operators,
            ..built_in
        })
    }

    /// The operator's template that writes a node's script, if one does.
    pub fn operators_template(&self, node: &Node) -> Option<&InUse> {
        self.operators.as_ref()?.of(node)
    }

    /// What operators' templates most likely should do, and do not; for the log.
    pub fn notes(&self) -> &[String] {
        let operators = self.operators.as_ref();
        operators.map_or(&[], |operators| &operators.notes)
    }

    /// The script that carries out `plan`.
    pub fn render(&self, plan: &Located, occasion: Occasion<'_>) -> Result<String, TemplateError> {
        let values = |whose| variables::of_machine(plan, occasion, self.downloads, whose);
        if let Some(operators) = &self.operators
            && let Some(template) = operators.of(occasion.machine.node)
        {
            return operators.render(template, values(Whose::Operators));
        }
        self.write(BOOT, values(Whose::BuiltIn))
    }

    /// The script that carries out `plan`; or else, where the operator's template cannot write it
    /// for this machine, the one that says so on its console.
    pub fn render_or_refuse(
        &self,
        plan: &Located,
        occasion: Occasion<'_>,
    ) -> Result<(String, Option<Unusable>), TemplateError> {
        let error = match self.render(plan, occasion) {
            Ok(script) => return Ok((script, None)),
            Err(error) => error,
        };
        let Some(template) = self.operators_template(occasion.machine.node) else {
            return Err(error);
        };
        let refusal = Refusal::BadValue {
            field: template.setting(),
            problem: "the template cannot be used for this machine; the log says why".to_owned(),
        };
        let plan = Located::refused(refusal.clone());
        let values = variables::of_machine(&plan, occasion, self.downloads, Whose::BuiltIn);
        let script = self.write(BOOT, values)?;
        Ok((script, Some(Unusable { refusal, error })))
    }

    /// The script for a machine that is no known node's, or whose request is not valid.
    pub fn refuse_unknown_machine(
        &self,
        why: UnknownMachine,
        lines: &[&str],
        request_id: &str,
    ) -> Result<String, TemplateError> {
        self.write(
            UNKNOWN_MACHINE,
            variables::of_unknown_machine(why, lines, request_id),
        )
    }

    /// The script that finds out by which NIC a machine is known: `/boot.ipxe`.
    pub fn nic_loop(&self) -> Result<String, TemplateError> {
        let timeout = variables::timeout(self.downloads);
        self.write(NIC_LOOP, context! { timeout })
    }

    fn write(&self, name: &'static str, values: Value) -> Result<String, TemplateError> {
        self.environment
            .get_template(name)
            .and_then(|template| template.render(values))
            .map_err(|error| in_template(name, &error, &self.environment))
    }
}
