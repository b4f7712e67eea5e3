//! `ironpxe serve`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{CliError, load};
use crate::app::{self, Role};
use crate::config::{Environment, Flag};
use crate::telemetry;

/// The number of tasks a thread polls before it checks for new I/O events. With a small number,
/// connections with new requests would overtake, in the thread's local queue, those that wait in the
/// global one: unfair if thousands of machines wait.
const EVENT_INTERVAL: u32 = 4096;

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The configuration file; `ironpxe config sample` prints all settings
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The state directory (`[DEFAULT]state_path`)
    #[arg(long, value_name = "DIR")]
    state_dir: Option<String>,
    /// The role of this process
    #[arg(long, value_enum, default_value_t)]
    pub(super) role: Role,
    /// Where to listen (`[api]host_ip` and `port`, or those of `[json_rpc]` with --role conductor);
    /// 0 picks a free port
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,
    /// Serve unauthenticated requests from any address
    /// (`[api]allow_unauthenticated_access`, or that of `[json_rpc]` with --role conductor)
    #[arg(long)]
    allow_unauthenticated: bool,
    /// Serve even with a policy by which nobody can use the API (`[oslo_policy]allow_lockout`)
    #[arg(long)]
    force: bool,
}

impl ServeArgs {
    /// The settings of these flags.
    pub(super) fn flags(&self) -> Vec<Flag> {
        let mut flags = Vec::new();
        let section = match self.role {
            Role::All | Role::Api => "api",
            Role::Conductor => "json_rpc",
        };
        let mut set = |name, section, key, value| {
            flags.push(Flag {
                name,
                section,
                key,
                value,
            });
        };
        if let Some(path) = &self.state_dir {
            set("--state-dir", "DEFAULT", "state_path", path.clone());
        }
        if let Some(address) = self.listen {
            set("--listen", section, "host_ip", address.ip().to_string());
            set("--listen", section, "port", address.port().to_string());
        }
        if self.allow_unauthenticated {
            set(
                "--allow-unauthenticated",
                section,
                "allow_unauthenticated_access",
                "true".to_owned(),
            );
        }
        if self.force {
            set("--force", "oslo_policy", "allow_lockout", "true".to_owned());
        }
        flags
    }

    /// The log filter of `IRONPXE_LOG`, if set.
    pub(super) fn log_filter(environment: &Environment) -> Option<String> {
        let filter = environment.variable("IRONPXE_LOG")?;
        Some(filter.to_string_lossy().into_owned())
    }
}

/// Runs the service until shutdown.
pub(super) fn run(args: &ServeArgs) -> Result<(), CliError> {
    let (config, environment) = load(args.config.as_deref(), &args.flags())?;
    let filter = ServeArgs::log_filter(&environment);
    // Until the end, so that messages after the last task are written, too.
    let _log = telemetry::start(config.general.debug, filter.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(EVENT_INTERVAL)
        .build()
        .map_err(CliError::Runtime)?;
    let done = runtime.block_on(app::serve(config, args.role));
    // Do not wait for aborted tasks.
    runtime.shutdown_background();
    Ok(done?)
}
