//! Ironic itself, from its packages on `PyPI`: API and conductor in one process, SQLite, nobody
//! needs to prove who they are, and nodes that only pretend to be machines.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};

use super::{
    api,
    changes::Service,
    ironpxe,
    running::{self, Running},
};
use crate::{shell, venv};

pub(super) struct RealIronic {
    pub(super) service: Service,
    // Ends when this is dropped.
    _running: Running,
}

impl RealIronic {
    /// Installs it, if that has not been done, and starts it with everything it keeps in `folder`.
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let programs = venv::ensure_ironic()?.join("bin");
        fs::create_dir_all(folder).context("cannot create a folder for Ironic")?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .context("cannot find a free port")?;
        let configuration = folder.join("ironic.conf");
        fs::write(&configuration, configured(folder, address))
            .context("cannot write the configuration of Ironic")?;
        for folder_of_its_own in ["state", "tmp", "lock", "http", "tftp", "images", "master"] {
            fs::create_dir_all(folder.join(folder_of_its_own)).context("cannot create a folder")?;
        }
        let mut create = Command::new(programs.join("ironic-dbsync"));
        create.arg("--config-file").arg(&configuration);
        create.arg("create_schema").env("PYTHONWARNINGS", "ignore");
        shell::run_quiet(&mut create)?;
        let log = folder.join("ironic.log");
        let mut command = running::guarded(&programs.join("ironic"), None);
        command.arg("--config-file").arg(&configuration);
        command.env("PYTHONWARNINGS", "ignore");
        command.stderr(File::create(folder.join("ironic.err")).context("cannot create the log")?);
        let mut running = Running::start("ironic", &mut command)?;
        // Its conductor must know the hardware type: until then nodes are refused.
        running.wait_for(&log, || {
            TcpStream::connect(address).ok()?;
            let drivers = api::call(address, "GET", "/v1/drivers", None).ok()?;
            drivers.to_string().contains("fake-hardware").then_some(())
        })?;
        let pid = running.pid();
        let python = ironpxe::version(&programs.join("python"), "--version");
        let package = requirement();
        Ok(Self {
            service: Service {
                name: format!("{package} on {python}, SQLite"),
                address,
                processes: vec![("ironic", pid)],
                database: None,
            },
            _running: running,
        })
    }
}

/// The version that is pinned, in words.
fn requirement() -> String {
    let pins = include_str!("../../requirements-ironic.txt");
    let pin = pins.lines().find_map(|it| it.strip_prefix("ironic=="));
    format!("Ironic {}", pin.unwrap_or_default())
}

fn configured(folder: &Path, address: SocketAddr) -> String {
    let folder = folder.display();
    let (ip, port) = (address.ip(), address.port());
    format!(
        "[DEFAULT]
auth_strategy = noauth
rpc_transport = none
host = bench
my_ip = 127.0.0.1
log_file = {folder}/ironic.log
state_path = {folder}/state
tempdir = {folder}/tmp
enabled_hardware_types = fake-hardware
enabled_power_interfaces = fake
enabled_management_interfaces = fake
enabled_boot_interfaces = ipxe,fake
default_boot_interface = ipxe
enabled_deploy_interfaces = direct,fake
default_deploy_interface = direct
enabled_network_interfaces = noop
default_network_interface = noop
enabled_inspect_interfaces = no-inspect
enabled_bios_interfaces = no-bios
enabled_raid_interfaces = no-raid
enabled_vendor_interfaces = no-vendor
enabled_firmware_interfaces = no-firmware
enabled_console_interfaces = no-console
enabled_rescue_interfaces = no-rescue
enabled_storage_interfaces = noop
[database]
connection = sqlite:///{folder}/ironic.sqlite
[api]
host_ip = {ip}
port = {port}
[conductor]
automated_clean = false
[service_catalog]
auth_type = none
endpoint_override = http://{address}
[deploy]
http_url = http://127.0.0.1:1
http_root = {folder}/http
[dhcp]
dhcp_provider = none
[pxe]
tftp_root = {folder}/tftp
tftp_master_path = {folder}/master
images_path = {folder}/images
instance_master_path = {folder}/images
[oslo_concurrency]
lock_path = {folder}/lock
[oslo_messaging_notifications]
driver = noop
[sensor_data]
send_sensor_data = false
"
    )
}
