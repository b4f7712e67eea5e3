//! Renders a boot plan as an iPXE script.
//!
//! The templates are in `templates/`; `boot.ipxe` is the one for every known machine, which an
//! operator can replace (`operator.rs`). `environment.rs` and `commands.rs` check the text,
//! `variables.rs` defines the variables.

use minijinja::Environment;
use minijinja::value::Value;

use super::environment::{BOOT, NIC_LOOP, TemplateError, UNKNOWN_MACHINE, built_in, in_template};
use super::operator::{ActiveTemplate, BrokenTemplate, OperatorTemplates, Operators};
use super::plan::RenderContext;
use super::refusal::Refusal;
use super::resolved_plan::ResolvedPlan;
use super::settings::Downloads;
use super::unknown_machine::UnknownActions;
use super::variables::{self, UnknownMachine, VariableSet};
use crate::node::Node;

/// An operator's template that cannot be rendered for one machine.
#[derive(Debug)]
pub struct FailedTemplate {
    /// The refusal for the machine's console.
    pub refusal: Refusal,
    /// The error for the log; it may contain values.
    pub error: TemplateError,
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

    /// The built-in templates, and the operator's for known machines. Each is rendered for every
    /// sample (`samples.rs`); all broken ones are reported.
    pub fn with_operators(
        downloads: Downloads,
        templates: OperatorTemplates,
    ) -> Result<Self, Vec<BrokenTemplate>> {
        let operators = Some(Operators::load(templates)?);
        let built_in =
            Self::new(downloads).map_err(|error| vec![BrokenTemplate { arch: None, error }])?;
        Ok(Self {
            operators,
            ..built_in
        })
    }

    /// The operator's template for a node, if any.
    pub fn operators_template(&self, node: &Node) -> Option<&ActiveTemplate> {
        self.operators.as_ref()?.of(node)
    }

    /// Warnings about the operator's templates, for the log.
    pub fn notes(&self) -> &[String] {
        let operators = self.operators.as_ref();
        operators.map_or(&[], |operators| &operators.notes)
    }

    /// Renders the script for a plan.
    pub fn render(
        &self,
        plan: &ResolvedPlan,
        context: RenderContext<'_>,
    ) -> Result<String, TemplateError> {
        let values = |set| variables::of_machine(plan, context, self.downloads, set);
        if let Some(operators) = &self.operators
            && let Some(template) = operators.of(context.machine.node)
        {
            return operators.render(template, values(VariableSet::Operators));
        }
        self.write(BOOT, values(VariableSet::BuiltIn))
    }

    /// Renders the script for a plan; if the operator's template fails for this machine, a refusal
    /// that says so on its console.
    pub fn render_or_refuse(
        &self,
        plan: &ResolvedPlan,
        context: RenderContext<'_>,
    ) -> Result<(String, Option<FailedTemplate>), TemplateError> {
        let error = match self.render(plan, context) {
            Ok(script) => return Ok((script, None)),
            Err(error) => error,
        };
        let Some(template) = self.operators_template(context.machine.node) else {
            return Err(error);
        };
        let refusal = Refusal::BadValue {
            field: template.setting(),
            problem: "the template failed for this machine; see the log".to_owned(),
        };
        let plan = ResolvedPlan::refused(refusal.clone());
        let values = variables::of_machine(&plan, context, self.downloads, VariableSet::BuiltIn);
        let script = self.write(BOOT, values)?;
        Ok((script, Some(FailedTemplate { refusal, error })))
    }

    /// The script for an invalid request, or for one machine of several addresses of which the next
    /// may be known: it shows why there is nothing to boot, how to fix it, and exits.
    pub fn refuse_unknown_machine(
        &self,
        why: UnknownMachine,
        [problem, fix]: [&str; 2],
        request_id: &str,
    ) -> Result<String, TemplateError> {
        let refuse = UnknownActions::refuse();
        self.unknown_machine(why, [problem, fix], request_id, &refuse)
    }

    /// As above for an unknown machine, which does what is configured.
    pub fn unknown_machine(
        &self,
        why: UnknownMachine,
        [problem, fix]: [&str; 2],
        request_id: &str,
        actions: &UnknownActions,
    ) -> Result<String, TemplateError> {
        let texts = variables::UnknownTexts::of_machine(problem, fix, request_id);
        let values = variables::of_unknown_machine(why, texts, actions, self.downloads);
        self.write(UNKNOWN_MACHINE, values)
    }

    /// The script that tries all NICs of a machine: `/boot.ipxe`. If none is known, it does what is
    /// configured.
    pub fn nic_loop(&self, actions: &UnknownActions) -> Result<String, TemplateError> {
        let texts = variables::UnknownTexts::of_nic_loop();
        let why = UnknownMachine::Address;
        let values = variables::of_unknown_machine(why, texts, actions, self.downloads);
        self.write(NIC_LOOP, values)
    }

    fn write(&self, name: &'static str, values: Value) -> Result<String, TemplateError> {
        self.environment
            .get_template(name)
            .and_then(|template| template.render(values))
            .map_err(|error| in_template(name, &error, &self.environment))
    }
}
