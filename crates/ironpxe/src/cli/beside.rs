//! `ironpxe beside`: an existing Ironic, and what its machines would boot here.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::explanation::printable;
use super::{CliError, load, offline_flags};
use crate::app::{self, CheckOptions, ComparedMachine, Counts, Finding, Outcome, Report, is_known};

#[derive(Debug, Subcommand)]
pub(super) enum BesideCommand {
    /// Check Ironic, and compare what each machine would boot with the file that Ironic wrote for it;
    /// changes nothing, exits with 1 if something differs without a known reason
    Check(Check),
}

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The configuration file of the service
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only compare these nodes, by name or UUID
    #[arg(long, value_name = "NODE", num_args = 1..)]
    node: Vec<String>,
    /// Download kernels and ramdisks, and compare their content
    #[arg(long)]
    digests: bool,
    /// Exit with 1 also if something differs for a known reason
    #[arg(long)]
    strict: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &BesideCommand) -> Result<(), CliError> {
    let BesideCommand::Check(check) = command;
    let (config, _) = load(check.config.as_deref(), &offline_flags("(beside)", None))?;
    let scripts = config.scripts()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    let options = CheckOptions {
        nodes: check.node.clone(),
        digests: check.digests,
    };
    let report = runtime.block_on(app::check_beside(&config, &scripts, &options))?;
    let text = if check.json {
        format!("{:#}\n", report.json())
    } else {
        text(&report)
    };
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(CliError::Output)?;
    if report.passes(check.strict) {
        Ok(())
    } else {
        Err(CliError::Differs)
    }
}

/// The report for people.
fn text(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        of_finding(&mut text, finding);
    }
    if !report.machines.is_empty() {
        text.push('\n');
    }
    let length = |of: fn(&ComparedMachine) -> &String| {
        let lengths = report.machines.iter().map(|it| of(it).chars().count());
        lengths.max().unwrap_or_default()
    };
    let (node, state) = (length(|it| &it.node), length(|it| &it.state));
    for machine in &report.machines {
        of_machine(&mut text, machine, node, state);
    }
    let Counts {
        agree,
        differ,
        known,
        not_compared,
    } = report.counts();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "\n{agree} agree, {differ} differ, {known} differ for a known reason, {not_compared} not compared"
    );
    text
}

fn of_finding(text: &mut String, finding: &Finding) {
    let level = finding.level.name();
    let said = printable(&finding.text);
    let _ = writeln!(text, "{level:6}{:12}{said}", finding.subject);
    if let Some(advice) = &finding.advice {
        let _ = writeln!(text, "{:18}fix: {}", "", printable(advice));
    }
}

fn of_machine(text: &mut String, machine: &ComparedMachine, node: usize, state: usize) {
    let result = match &machine.outcome {
        Outcome::Agrees => "agrees",
        Outcome::Differs(all) if is_known(all) => "known",
        Outcome::Differs(_) => "DIFFERS",
        Outcome::NotCompared(_) => "-",
    };
    let _ = writeln!(
        text,
        "{result:8}{:node$}  {:17}  {:state$}  {}",
        printable(&machine.node),
        printable(&machine.address),
        printable(&machine.state),
        printable(&machine.boots),
    );
    match &machine.outcome {
        Outcome::Agrees => {}
        Outcome::NotCompared(why) => {
            let _ = writeln!(text, "{:8}not compared: {}", "", printable(why));
        }
        Outcome::Differs(differences) => {
            for difference in differences {
                let said = printable(&difference.text);
                let _ = writeln!(text, "{:8}{}: {said}", "", difference.topic);
                if let Some(known) = difference.known {
                    let _ = writeln!(text, "{:8}known: {known}", "");
                }
            }
        }
    }
}
