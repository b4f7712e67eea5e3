//! nginx, the way static boot configuration is served today: a file for each address.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
};

use anyhow::{Context, Result};
use nix::unistd::{Gid, Group, Uid, User};

use super::running::{self, Running};

pub(super) struct Nginx {
    pub(super) address: SocketAddr,
    pub(super) running: Running,
}

impl Nginx {
    /// Serves `files`; what it writes goes to `folder`. `logging` is what most installations do:
    /// a line for each request, written at once. On `cores` alone, if they are given.
    pub(super) fn start(
        program: &Path,
        folder: &Path,
        files: &Path,
        logging: bool,
        cores: Option<&str>,
    ) -> Result<Self> {
        let serves = format!("root {};", files.display());
        Self::start_serving(program, folder, &serves, logging, cores)
    }

    /// Passes on what another server sends, and keeps nothing of it on the disk.
    pub(super) fn proxy(program: &Path, folder: &Path, origin: SocketAddr) -> Result<Self> {
        let serves = format!(
            "location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_max_temp_file_size 0;
        }}
    }}
    upstream origin {{
        server {origin};
        keepalive 64;"
        );
        Self::start_serving(program, folder, &serves, false, None)
    }

    fn start_serving(
        program: &Path,
        folder: &Path,
        serves: &str,
        logging: bool,
        cores: Option<&str>,
    ) -> Result<Self> {
        fs::create_dir_all(folder).context("cannot create the folder for nginx")?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .context("cannot find a free port")?;
        let configuration = folder.join("nginx.conf");
        fs::write(&configuration, configured(address, serves, logging)?)
            .context("cannot write the configuration of nginx")?;
        let log = folder.join("nginx.log");
        let mut command = running::guarded(program, cores);
        command.arg("-p").arg(folder);
        command.arg("-c").arg(&configuration);
        command.arg("-e").arg(&log);
        command.stderr(File::create(folder.join("nginx.err")).context("cannot create the log")?);
        let mut running = Running::start("nginx", &mut command)?;
        running.wait_for(&log, || TcpStream::connect(address).ok())?;
        Ok(Self { address, running })
    }
}

/// At its best for this: files kept open, connections kept alive without end, and unless it is
/// asked for no log.
fn configured(address: SocketAddr, serves: &str, logging: bool) -> Result<String> {
    // Started as root, the workers would become `nobody` and not reach our private folder.
    let user = if Uid::effective().is_root() {
        let user = User::from_uid(Uid::effective())?
            .context("the user has no name")?
            .name;
        let group = Group::from_gid(Gid::effective())?
            .context("the group has no name")?
            .name;
        format!("user {user} {group};")
    } else {
        String::new()
    };
    let log = if logging { "access.log" } else { "off" };
    Ok(format!(
        "daemon off;
{user}
worker_processes auto;
worker_rlimit_nofile 131072;
pid nginx.pid;
events {{ worker_connections 16384; multi_accept on; }}
http {{
    access_log {log};
    sendfile on;
    tcp_nopush on;
    default_type text/plain;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    open_file_cache max=60000 inactive=1h;
    open_file_cache_valid 1h;
    client_body_temp_path tmp-body;
    proxy_temp_path tmp-proxy;
    fastcgi_temp_path tmp-fastcgi;
    uwsgi_temp_path tmp-uwsgi;
    scgi_temp_path tmp-scgi;
    server {{
        listen {address} backlog=4096;
        {serves}
    }}
}}
"
    ))
}
