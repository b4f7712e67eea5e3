//! Operators' templates that replace `boot.ipxe`.
//!
//! They are rendered for every sample when they are loaded, so that a broken one is rejected.
//! Printed values are checked as in built-in templates (`environment.rs`), and each finished script
//! once more for the position of its values (`commands.rs`), because that can depend on a node's
//! data, which samples cannot cover.

use std::collections::BTreeMap;

use minijinja::value::Value;
use minijinja::{Environment, Error, OutputSpan, OutputSpanKind};
use serde_json::json;

use super::commands;
use super::environment::{TemplateError, in_template, parts};
use super::fields::Fields;
use super::plan::BootPlan;
use super::resolved_plan::ResolvedPlan;
use super::samples::{Sample, samples};
use super::variables::{self, VariableSet};
use crate::node::Node;

/// The limit of operations per script: about a millisecond, and a hundred times what the built-in
/// templates need.
const FUEL: u64 = 50_000;
/// The limit of nested includes; each counts as ten.
const RECURSION: usize = 100;

/// A template read from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFile {
    /// The file's path.
    pub path: String,
    /// The file's content.
    pub text: String,
}

/// The configured templates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperatorTemplates {
    /// The template for all architectures (`[pxe]ipxe_config_template`).
    pub every: Option<TemplateFile>,
    /// By `properties.cpu_arch`, which takes precedence (`[pxe]ipxe_config_template_by_arch`).
    pub by_arch: BTreeMap<String, TemplateFile>,
}

/// An operator's template that is unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct BrokenTemplate {
    /// The architecture it is configured for, if any.
    pub arch: Option<String>,
    /// The error.
    pub error: TemplateError,
}

/// The template selected for a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveTemplate {
    /// Its file.
    pub path: String,
    /// The architecture it was selected by, if any.
    pub arch: Option<String>,
    /// Its name in the environment.
    name: String,
}

impl ActiveTemplate {
    /// The option that configures it.
    pub fn setting(&self) -> String {
        match &self.arch {
            None => "[pxe]ipxe_config_template".to_owned(),
            Some(arch) => format!("[pxe]ipxe_config_template_by_arch.{arch}"),
        }
    }
}

/// The operator's templates, parsed and validated.
#[derive(Debug)]
pub(super) struct Operators {
    environment: Environment<'static>,
    every: Option<ActiveTemplate>,
    by_arch: BTreeMap<String, ActiveTemplate>,
    pub(super) notes: Vec<String>,
}

impl Operators {
    /// Parses the templates, and renders each for every sample.
    pub(super) fn load(templates: OperatorTemplates) -> Result<Self, Vec<BrokenTemplate>> {
        let mut operators =
            Self::none().map_err(|error| vec![BrokenTemplate { arch: None, error }])?;
        let mut broken = Vec::new();
        let every = templates.every.into_iter().map(|file| (None, file));
        let by_arch = templates.by_arch.into_iter();
        let samples = samples();
        for (arch, file) in every.chain(by_arch.map(|(arch, file)| (Some(arch), file))) {
            let template = operators
                .parse(arch.clone(), file)
                .and_then(|template| operators.try_on(template, &samples));
            match (template, arch) {
                (Ok(template), Some(arch)) => drop(operators.by_arch.insert(arch, template)),
                (Ok(template), None) => operators.every = Some(template),
                (Err(error), arch) => broken.push(BrokenTemplate { arch, error }),
            }
        }
        if broken.is_empty() {
            Ok(operators)
        } else {
            Err(broken)
        }
    }

    fn none() -> Result<Self, TemplateError> {
        let mut environment = parts()?;
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(RECURSION);
        // Includes the names of variables in errors.
        environment.set_debug(true);
        Ok(Self {
            environment,
            every: None,
            by_arch: BTreeMap::new(),
            notes: Vec::new(),
        })
    }

    /// A template that is not validated, to test the checks at rendering.
    #[cfg(test)]
    pub(super) fn untried(file: TemplateFile) -> Result<Self, TemplateError> {
        let mut operators = Self::none()?;
        operators.every = Some(operators.parse(None, file)?);
        Ok(operators)
    }

    /// The template for a node, if one is configured.
    pub(super) fn of(&self, node: &Node) -> Option<&ActiveTemplate> {
        let arch = Fields::properties(node).string_if_any("cpu_arch");
        let arch = arch.unwrap_or_default();
        let by_arch = arch.and_then(|arch| self.by_arch.get(arch));
        by_arch.or(self.every.as_ref())
    }

    /// Renders the script.
    pub(super) fn render(
        &self,
        template: &ActiveTemplate,
        values: Value,
    ) -> Result<String, TemplateError> {
        let rendered = self
            .environment
            .get_template(&template.name)
            .and_then(|parsed| parsed.render_with_spans(values));
        let (script, spans) = rendered.map_err(|error| self.in_template(template, &error))?;
        match commands::check(&script, &spans) {
            Ok(()) => Ok(script),
            Err(flaw) => {
                let place = place(&script, &spans, flaw.at);
                let own = place.filter(|(name, _)| *name == template.name);
                let message = match (own, place) {
                    (None, Some((name, line))) => {
                        format!("in {name}, line {line}: {}", flaw.message)
                    }
                    _ => flaw.message,
                };
                Err(TemplateError {
                    template: template.path.clone(),
                    line: own.map(|(_, line)| line),
                    message,
                })
            }
        }
    }

    fn parse(
        &mut self,
        arch: Option<String>,
        file: TemplateFile,
    ) -> Result<ActiveTemplate, TemplateError> {
        let name = match &arch {
            Some(arch) => format!("(operator's, {arch})"),
            None => "(operator's)".to_owned(),
        };
        let template = ActiveTemplate {
            path: file.path,
            arch,
            name: name.clone(),
        };
        let parsed = self.environment.add_template_owned(name, file.text);
        parsed.map_err(|error| self.in_template(&template, &error))?;
        Ok(template)
    }

    fn try_on(
        &mut self,
        template: ActiveTemplate,
        samples: &[Sample],
    ) -> Result<ActiveTemplate, TemplateError> {
        for sample in samples {
            let mut sample = sample.clone();
            if let Some(arch) = &template.arch {
                let properties = &mut sample.node.properties;
                properties.insert("cpu_arch".to_owned(), json!(arch));
            }
            self.try_on_one(&template, &sample).map_err(|error| {
                let message = format!("{} (in the sample: {})", error.message, sample.name);
                TemplateError { message, ..error }
            })?;
        }
        Ok(template)
    }

    fn try_on_one(
        &mut self,
        template: &ActiveTemplate,
        sample: &Sample,
    ) -> Result<(), TemplateError> {
        let values = variables::of_machine(
            &ResolvedPlan::direct(sample.plan.clone()),
            sample.context(),
            sample.downloads,
            VariableSet::Operators,
        );
        let script = self.render(template, values)?;
        if let Some(line) = shows_password(&sample.plan, &script) {
            return Err(TemplateError {
                template: template.path.clone(),
                line: None,
                message: format!(
                    "drives[].chap.password is only allowed in \"set password:hexraw\", where \
                     previews mask it, not in \"{line}\""
                ),
            });
        }
        if let Some(lack) = lack(sample, &script) {
            let path = &template.path;
            if !self
                .notes
                .iter()
                .any(|note| note.starts_with(path) && note.ends_with(lack))
            {
                let name = &sample.name;
                self.notes
                    .push(format!("{path}: the script for \"{name}\" {lack}"));
            }
        }
        Ok(())
    }

    fn in_template(&self, template: &ActiveTemplate, error: &Error) -> TemplateError {
        in_template(&template.path, error, &self.environment)
    }
}

/// The template and line that wrote what is at this offset of the script.
fn place<'s>(script: &str, spans: &'s [OutputSpan], at: usize) -> Option<(&'s str, usize)> {
    let wrote = |span: &&OutputSpan| span.output_range().contains(&at);
    let span = spans.iter().find(wrote).or(spans.last())?;
    let lines_before = match span.kind() {
        // Its text is the template's source, line by line.
        OutputSpanKind::Raw => {
            let before = script
                .get(span.output_range().start..at)
                .unwrap_or_default();
            before.matches('\n').count()
        }
        _ => 0,
    };
    Some((span.name(), span.line() + lines_before))
}

/// A line from which [`without_passwords`](super::without_passwords) would not remove the password.
fn shows_password<'s>(plan: &BootPlan, script: &'s str) -> Option<&'s str> {
    let BootPlan::Volume(volume) = plan else {
        return None;
    };
    let chap = volume.drives.iter().find_map(|drive| drive.chap.as_ref())?;
    let password = variables::hex(chap.password.expose().as_bytes());
    script
        .lines()
        .find(|line| line.contains(&password) && !super::explain::sets_password(line))
}

/// What the script should most likely do, but does not.
fn lack(sample: &Sample, script: &str) -> Option<&'static str> {
    let says = |text: &str| script.contains(text);
    let boots = match &sample.plan {
        BootPlan::Linux(linux) => says(linux.kernel.as_str()) && says(linux.ramdisk.as_str()),
        BootPlan::Volume(volume) => {
            let mut uris = volume.drives.iter().flat_map(|drive| &drive.uris);
            uris.all(|uri| says(uri))
        }
        BootPlan::Iso(iso) => says(iso.as_str()),
        BootPlan::LocalDisk(_) | BootPlan::Refuse(_) => true,
    };
    if !boots {
        Some("lacks something that the machine needs to boot")
    } else if !says(&sample.node.uuid.to_string()) {
        Some("does not identify the node: print node.uuid")
    } else if !says(sample.context().request_id) {
        Some("does not identify the request: print request_id")
    } else {
        None
    }
}
