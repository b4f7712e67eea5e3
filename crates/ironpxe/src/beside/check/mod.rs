//! `ironpxe beside check`: whether an existing Ironic can be used, and whether its machines boot
//! here what its own files boot. Only reads.
//!
//! `probes.rs` asks the source about itself, `web.rs` fetches Ironic's files and images.

mod grants;
mod probes;
mod web;

use ironpxe_core::beside::Difference;
use serde_json::{Value, json};

pub(crate) use self::web::{NotRead, WebServers};

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// It works, but something should be changed.
    Warning,
    /// Machines would not boot, or boot something else.
    Error,
}

impl Level {
    /// Its name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// What was found about Ironic, its database or its web servers. Without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// How serious it is.
    pub level: Level,
    /// What it is about.
    pub subject: &'static str,
    /// What was found.
    pub text: String,
    /// What to do.
    pub advice: Option<String>,
}

impl Finding {
    /// As it should be.
    pub(crate) fn ok(subject: &'static str, text: impl Into<String>) -> Self {
        Self {
            level: Level::Ok,
            subject,
            text: text.into(),
            advice: None,
        }
    }

    /// A warning, and what to do.
    pub(crate) fn warning(
        subject: &'static str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Warning,
            subject,
            text: text.into(),
            advice: Some(advice.into()),
        }
    }

    /// An error, and what to do.
    pub(crate) fn error(
        subject: &'static str,
        text: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Error,
            ..Self::warning(subject, text, advice)
        }
    }
}

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Ironic's file boots the same.
    Agrees,
    /// It boots something else.
    Differs(Vec<Difference>),
    /// It is not known what it boots.
    NotCompared(String),
}

/// Whether all of the differences have a known reason.
pub(crate) fn is_known(differences: &[Difference]) -> bool {
    differences.iter().all(|it| it.known.is_some())
}

/// A machine: a node by one of its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ComparedMachine {
    /// The node's name, or its UUID.
    pub node: String,
    /// The node's UUID.
    pub uuid: String,
    /// The port's address.
    pub address: String,
    /// The node's provision state.
    pub state: String,
    /// What it boots here.
    pub boots: String,
    /// In comparison with Ironic's file.
    pub outcome: Outcome,
}

/// How many machines of each outcome there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Machines.
    pub agree: usize,
    /// With at least one difference that has no known reason.
    pub differ: usize,
    /// All of whose differences have a known reason.
    pub known: usize,
    /// Machines that could not be compared.
    pub not_compared: usize,
}

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// About Ironic.
    pub findings: Vec<Finding>,
    /// About its machines.
    pub machines: Vec<ComparedMachine>,
}

impl Report {
    /// Adds a finding.
    pub(crate) fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// The number of machines by outcome.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for machine in &self.machines {
            let count = match &machine.outcome {
                Outcome::Agrees => &mut counts.agree,
                Outcome::Differs(all) if is_known(all) => &mut counts.known,
                Outcome::Differs(_) => &mut counts.differ,
                Outcome::NotCompared(_) => &mut counts.not_compared,
            };
            *count += 1;
        }
        counts
    }

    /// Whether there is no error, and every machine boots what Ironic's file boots; if not `strict`,
    /// but for differences with a known reason.
    pub(crate) fn passes(&self, strict: bool) -> bool {
        let Counts { agree, known, .. } = self.counts();
        let passed = if strict { agree } else { agree + known };
        passed == self.machines.len() && !self.has_errors()
    }

    /// Whether one of the findings is an error.
    pub(crate) fn has_errors(&self) -> bool {
        self.findings.iter().any(|it| it.level == Level::Error)
    }

    /// The report for machines.
    pub(crate) fn json(&self) -> Value {
        let findings = self.findings.iter().map(|finding| {
            json!({
                "level": finding.level.name(),
                "subject": finding.subject,
                "text": finding.text,
                "advice": finding.advice,
            })
        });
        let machines = self.machines.iter().map(|machine| {
            let (result, differences, why) = match &machine.outcome {
                Outcome::Agrees => ("agrees", &[][..], None),
                Outcome::Differs(differences) if is_known(differences) => {
                    ("known", differences.as_slice(), None)
                }
                Outcome::Differs(differences) => ("differs", differences.as_slice(), None),
                Outcome::NotCompared(why) => ("not compared", &[][..], Some(why)),
            };
            let differences = differences.iter().map(
                |it| json!({"topic": it.topic.to_string(), "text": it.text, "known": it.known}),
            );
            json!({
                "node": machine.node,
                "uuid": machine.uuid,
                "address": machine.address,
                "provision_state": machine.state,
                "boots": machine.boots,
                "result": result,
                "differences": differences.collect::<Vec<_>>(),
                "why": why,
            })
        });
        let counts = self.counts();
        json!({
            "findings": findings.collect::<Vec<_>>(),
            "machines": machines.collect::<Vec<_>>(),
            "summary": {
                "agree": counts.agree,
                "differ": counts.differ,
                "known": counts.known,
                "not_compared": counts.not_compared,
                "all_agree": self.passes(true),
            },
        })
    }
}
