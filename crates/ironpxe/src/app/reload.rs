//! Reloads the operator's script templates on SIGHUP, and the policy when its files change.
//!
//! If the new ones are invalid or incomplete, an error is logged and the old ones stay.

use std::time::Duration;

use tracing::{error, info};

use super::noted;
use crate::boot::Templates;
use crate::config::Config;
use crate::lifecycle::{Sighup, Tasks};
use crate::policy::{CurrentPolicy, PolicyFiles, PolicyFilesVersion, PolicyReload};

/// How often the policy files are looked at.
const POLICY_INTERVAL: Duration = Duration::from_secs(1);

/// Reloads the templates on every SIGHUP, until shutdown.
pub(super) fn start(tasks: &Tasks, mut sighup: Sighup, config: Config, templates: Templates) {
    let stopping = tasks.stopping();
    tasks.spawn("template reload", async move {
        while stopping.run_until_cancelled(sighup.next()).await.is_some() {
            let (config, templates) = (config.clone(), templates.clone());
            // Reading and validating templates blocks.
            let reloading = tokio::task::spawn_blocking(move || reload(&config, &templates));
            if let Err(problem) = reloading.await {
                error!("cannot reload script templates, keeping the previous ones: {problem}");
            }
        }
    });
}

/// Reloads the policy when its files change, until shutdown.
pub(super) fn watch_policy(
    tasks: &Tasks,
    files: PolicyFiles,
    version: PolicyFilesVersion,
    policy: CurrentPolicy,
) {
    let stopping = tasks.stopping();
    tasks.spawn("policy reload", async move {
        let mut reload = PolicyReload::new(files, policy, version);
        let wait = || tokio::time::sleep(POLICY_INTERVAL);
        while stopping.run_until_cancelled(wait()).await.is_some() {
            // Reading files blocks.
            let looking = tokio::task::spawn_blocking(move || {
                reload.look();
                reload
            });
            reload = match looking.await {
                Ok(reload) => reload,
                Err(problem) => {
                    error!("changes of the policy files are no longer noticed: {problem}");
                    return;
                }
            };
        }
    });
}

fn reload(config: &Config, templates: &Templates) {
    if !config.has_templates() {
        info!("SIGHUP: nothing to reload, because [pxe]ipxe_config_template is not set");
        return;
    }
    match config.scripts() {
        Ok(new) => {
            templates.replace(noted(new));
            info!("SIGHUP: script templates reloaded");
        }
        Err(problems) => {
            for problem in problems.problems {
                error!(
                    "SIGHUP: script templates not reloaded, keeping the previous ones: {problem}"
                );
            }
        }
    }
}
