//! `ironpxe serve`

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{CliError, load};
use ironpxe::config::Flag;
use ironpxe::{app, telemetry};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The configuration file; `ironpxe config sample` shows what it may hold
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The folder for everything the service keeps ([DEFAULT]`state_path`)
    #[arg(long, value_name = "DIR")]
    state_dir: Option<String>,
    /// Where to listen ([api]`host_ip` and port); port 0 takes any free one
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,
    /// Let everybody who reaches the API control every machine
    /// ([api]`allow_unauthenticated_access`)
    #[arg(long)]
    allow_unauthenticated: bool,
}

impl ServeArgs {
    /// The settings these flags make.
    fn flags(&self) -> Vec<Flag> {
        let mut flags = Vec::new();
        let mut set = |name, section, key, value| {
            flags.push(Flag {
                name,
                section,
                key,
                value,
            });
        };
        if let Some(folder) = &self.state_dir {
            set("--state-dir", "DEFAULT", "state_path", folder.clone());
        }
        if let Some(address) = self.listen {
            set("--listen", "api", "host_ip", address.ip().to_string());
            set("--listen", "api", "port", address.port().to_string());
        }
        if self.allow_unauthenticated {
            set(
                "--allow-unauthenticated",
                "api",
                "allow_unauthenticated_access",
                "true".to_owned(),
            );
        }
        flags
    }
}

/// Runs the service until it is told to stop.
pub(super) fn run(args: &ServeArgs) -> Result<(), CliError> {
    let (config, environment) = load(args.config.as_deref(), &args.flags())?;
    let filter = environment
        .variable("IRONPXE_LOG")
        .map(|filter| filter.to_string_lossy());
    telemetry::start(config.general.debug, filter.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    let done = runtime.block_on(app::serve(config));
    // What was cut off is not waited for.
    runtime.shutdown_background();
    Ok(done?)
}
