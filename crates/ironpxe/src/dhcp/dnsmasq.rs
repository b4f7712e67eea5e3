//! Configures dnsmasq by files: the tag of each NIC, and the options of each node.
//!
//! dnsmasq watches both directories (`dhcp-hostsdir`, `dhcp-optsdir`) and reads a new file
//! immediately, without a signal (dnsmasq 2.90 of Debian 12 crashes at the first request after a
//! SIGHUP when such files are in use). A file is created atomically by renaming; its temporary name
//! begins with a dot, which dnsmasq ignores.
//!
//! dnsmasq keeps the content of a deleted file. So an entry is first replaced by one that revokes
//! it; the file is deleted once dnsmasq must have read that.
//!
//! Source: Ironic's `dhcp/dnsmasq.py`, which has the same file names; dnsmasq(8).

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ironpxe_core::dhcp::{DhcpOption, IpVersion};
use ironpxe_core::id::NodeUuid;
use ironpxe_core::mac::MacAddress;
use ironpxe_core::node::Node;
use ironpxe_core::port::Port;
use serde_json::Value;

use super::DhcpError;

/// The key of the node's tag in `driver_internal_info`.
pub(super) const TAG: &str = "dnsmasq_tag";
/// The timeout for writing files: the directories may be on a file server.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The time in which dnsmasq reads a file.
const READ_DELAY: Duration = Duration::from_secs(2);

/// Configures a dnsmasq. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Dnsmasq(Arc<Folders>);

#[derive(Debug)]
struct Folders {
    hosts: PathBuf,
    opts: PathBuf,
    /// Held while files are written, to serialize changes.
    turn: Mutex<()>,
}

/// One of the two directories.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Hosts,
    Opts,
}

impl Dnsmasq {
    /// Uses these directories: `[dnsmasq]dhcp_hostsdir` and `dhcp_optsdir`.
    pub(crate) fn new(hosts: PathBuf, opts: PathBuf) -> Self {
        let turn = Mutex::default();
        Self(Arc::new(Folders { hosts, opts, turn }))
    }

    pub(super) async fn update(
        &self,
        node: &Node,
        ports: &[Port],
        options: &[DhcpOption],
    ) -> Result<(), DhcpError> {
        let tag = tag(node);
        let mut text = String::new();
        for option in options {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "tag:{tag},{}", line(option));
        }
        let uuid = node.uuid;
        let cards: Vec<(MacAddress, bool)> = ports
            .iter()
            .map(|port| (port.address, port.pxe_enabled))
            .collect();
        self.write(move |folders| {
            // The options must exist before a NIC gets the tag.
            folders.replace(Kind::Opts, &uuid.to_string(), &text)?;
            for (address, boots) in cards {
                if boots {
                    let line = format!("{address},set:{tag},set:ironic\n");
                    folders.replace(Kind::Hosts, &address.to_string(), &line)?;
                } else if folders.path(Kind::Hosts, &address.to_string()).exists() {
                    // It may have been bootable before.
                    folders.replace(Kind::Hosts, &address.to_string(), &ignored(address))?;
                }
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn clear(&self, node: &Node, ports: &[Port]) -> Result<(), DhcpError> {
        let uuid = node.uuid;
        let addresses = addresses(ports);
        self.write(move |folders| {
            for address in addresses {
                folders.replace(Kind::Hosts, &address.to_string(), &ignored(address))?;
            }
            // dnsmasq keeps the options, but no NIC has the tag any more.
            folders.remove(Kind::Opts, &uuid.to_string())
        })
        .await
    }

    /// Revokes the entries of the NICs and the node. Returns the NICs whose files can be
    /// [removed](Self::remove).
    pub(super) async fn forget(
        &self,
        node: Option<NodeUuid>,
        ports: &[Port],
    ) -> Result<Vec<MacAddress>, DhcpError> {
        let all = addresses(ports);
        self.write(move |folders| {
            let mut known = Vec::new();
            for address in all {
                let name = address.to_string();
                if folders.path(Kind::Hosts, &name).exists() {
                    folders.replace(Kind::Hosts, &name, &forgotten(address))?;
                    known.push(address);
                }
            }
            if let Some(node) = node {
                folders.remove(Kind::Opts, &node.to_string())?;
            }
            Ok(known)
        })
        .await
    }

    /// Removes the files of revoked NICs after dnsmasq must have read them.
    pub(super) async fn remove(&self, cards: Vec<MacAddress>) -> Result<(), DhcpError> {
        if cards.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(READ_DELAY).await;
        self.write(move |folders| {
            for address in cards {
                let name = address.to_string();
                let text = fs::read_to_string(folders.path(Kind::Hosts, &name));
                // Unless the NIC was assigned again meanwhile.
                if text.is_ok_and(|text| text == forgotten(address)) {
                    folders.remove(Kind::Hosts, &name)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// Runs a file operation on a blocking thread.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folders) -> Result<T, DhcpError> + Send + 'static,
    ) -> Result<T, DhcpError> {
        let folders = Arc::clone(&self.0);
        let working = tokio::task::spawn_blocking(move || {
            let _turn = folders.turn.lock().unwrap_or_else(PoisonError::into_inner);
            work(&folders)
        });
        match tokio::time::timeout(TIMEOUT, working).await {
            Ok(Ok(done)) => done,
            Ok(Err(panic)) => Err(DhcpError::Panicked(panic)),
            Err(_) => Err(DhcpError::TimedOut(TIMEOUT.as_secs())),
        }
    }
}

impl Folders {
    fn folder(&self, kind: Kind) -> &Path {
        match kind {
            Kind::Hosts => &self.hosts,
            Kind::Opts => &self.opts,
        }
    }

    fn path(&self, kind: Kind, name: &str) -> PathBuf {
        self.folder(kind).join(format!("ironic-{name}.conf"))
    }

    /// Creates or replaces a file atomically.
    fn replace(&self, kind: Kind, name: &str, text: &str) -> Result<(), DhcpError> {
        let path = self.path(kind, name);
        let unfinished = self.folder(kind).join(format!(".ironic-{name}.conf"));
        let write = || {
            let mut file = File::create(&unfinished)?;
            // dnsmasq runs as another user, whatever this process's umask.
            file.set_permissions(Permissions::from_mode(0o644))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)
        };
        write().map_err(|source| kind.error(path.clone(), source))
    }

    fn remove(&self, kind: Kind, name: &str) -> Result<(), DhcpError> {
        let path = self.path(kind, name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(kind.error(path, error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

impl Kind {
    fn error(self, path: PathBuf, source: io::Error) -> DhcpError {
        let setting = match self {
            Self::Hosts => "[dnsmasq]dhcp_hostsdir",
            Self::Opts => "[dnsmasq]dhcp_optsdir",
        };
        DhcpError::File {
            path,
            setting,
            source,
        }
    }
}

/// Whether the node has a tag.
pub(super) fn has_tag(node: &Node) -> bool {
    node.driver_internal_info.contains_key(TAG)
}

pub(super) fn set_tag(node: &mut Node) {
    let tag = Value::String(tag(node));
    node.driver_internal_info.insert(TAG.to_owned(), tag);
}

pub(super) fn remove_tag(node: &mut Node) {
    node.driver_internal_info.remove(TAG);
}

/// The tag of the node's NICs: the existing one, or else its UUID.
fn tag(node: &Node) -> String {
    let tag = node.driver_internal_info.get(TAG).and_then(Value::as_str);
    tag.map_or_else(|| node.uuid.to_string(), str::to_owned)
}

/// An option in dnsmasq's syntax, in which a bare number means IPv4 regardless of the intended
/// version.
fn line(option: &DhcpOption) -> String {
    let DhcpOption {
        opt_name,
        opt_value,
        ip_version,
    } = option;
    match (ip_version, opt_name.rsplit_once(',')) {
        (IpVersion::V4, _) => format!("{opt_name},{opt_value}"),
        (IpVersion::V6, Some((tags, number))) => format!("{tags},option6:{number},{opt_value}"),
        (IpVersion::V6, None) => format!("option6:{opt_name},{opt_value}"),
    }
}

fn addresses(ports: &[Port]) -> Vec<MacAddress> {
    ports.iter().map(|port| port.address).collect()
}

/// dnsmasq ignores this NIC.
fn ignored(address: MacAddress) -> String {
    format!("{address},ignore\n")
}

/// Revokes the entry of this NIC.
fn forgotten(address: MacAddress) -> String {
    format!("{address}\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ironpxe_core::id::PortUuid;
    use serde_json::json;
    use tempfile::TempDir;

    use super::*;
    use crate::{clock, ident};

    const ONE: &str = "52:54:00:aa:00:01";
    const TWO: &str = "52:54:00:aa:00:02";

    struct DnsmasqFixture {
        dnsmasq: Dnsmasq,
        node: Node,
        folder: TempDir,
    }

    impl DnsmasqFixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let (hosts, opts) = (folder.path().join("hosts"), folder.path().join("opts"));
            fs::create_dir(&hosts).unwrap();
            fs::create_dir(&opts).unwrap();
            let uuid = "0be38e83-f9f9-4d4c-8a30-5b5f5a5a5a01".parse().unwrap();
            Self {
                dnsmasq: Dnsmasq::new(hosts, opts),
                node: Node::enroll(uuid, "fake-hardware", clock::now()),
                folder,
            }
        }

        fn port(&self, address: &str) -> Port {
            let address = address.parse().unwrap();
            let uuid = PortUuid(ident::uuid());
            Port::new(uuid, self.node.uuid, address, clock::now())
        }

        async fn update(&self, ports: &[Port]) {
            let option = |name: &str, value: &str, ip_version| DhcpOption {
                opt_name: name.to_owned(),
                opt_value: value.to_owned(),
                ip_version,
            };
            let options = [
                option("tag:!ipxe,67", "snponly.efi", IpVersion::V4),
                option("66", "192.0.2.1", IpVersion::V4),
                option("tag:ipxe6,59", "http://h/s", IpVersion::V6),
                option("59", "tftp://h/l", IpVersion::V6),
            ];
            let told = self.dnsmasq.update(&self.node, ports, &options).await;
            told.unwrap();
        }

        /// Every file, by its path in the folder.
        fn files(&self) -> BTreeMap<String, String> {
            let mut files = BTreeMap::new();
            for kind in ["hosts", "opts"] {
                for entry in fs::read_dir(self.folder.path().join(kind)).unwrap() {
                    let path = entry.unwrap().path();
                    let name = path.file_name().unwrap().to_str().unwrap();
                    files.insert(format!("{kind}/{name}"), fs::read_to_string(&path).unwrap());
                }
            }
            files
        }
    }

    const OPTS: &str = "opts/ironic-0be38e83-f9f9-4d4c-8a30-5b5f5a5a5a01.conf";

    #[tokio::test]
    async fn node_has_an_options_file_and_each_nic_a_tags_file() {
        let mut stand = DnsmasqFixture::new();
        let mut second = stand.port(TWO);
        second.pxe_enabled = false;
        let ports = [stand.port(ONE), second];
        stand.update(&ports).await;
        let tag = stand.node.uuid.to_string();
        let expected = BTreeMap::from([
            (
                format!("hosts/ironic-{ONE}.conf"),
                format!("{ONE},set:{tag},set:ironic\n"),
            ),
            (
                OPTS.to_owned(),
                format!(
                    "tag:{tag},tag:!ipxe,67,snponly.efi\ntag:{tag},66,192.0.2.1\n\
                     tag:{tag},tag:ipxe6,option6:59,http://h/s\ntag:{tag},option6:59,tftp://h/l\n"
                ),
            ),
        ]);
        assert_eq!(stand.files(), expected);
        // A tag that it has, from Ironic, stays.
        stand
            .node
            .driver_internal_info
            .insert(TAG.to_owned(), json!("t1"));
        stand.update(&ports).await;
        let files = stand.files();
        assert_eq!(files.len(), 2);
        assert!(files[OPTS].starts_with("tag:t1,tag:!ipxe,67"), "{files:?}");
    }

    #[tokio::test]
    async fn nic_that_may_not_boot_is_ignored() {
        let stand = DnsmasqFixture::new();
        let mut ports = [stand.port(ONE)];
        stand.update(&ports).await;
        ports[0].pxe_enabled = false;
        stand.update(&ports).await;
        let files = stand.files();
        assert_eq!(
            files[&format!("hosts/ironic-{ONE}.conf")],
            format!("{ONE},ignore\n")
        );
    }

    #[tokio::test]
    async fn cleared_nic_is_ignored_and_forgotten_nic_has_no_file() {
        let stand = DnsmasqFixture::new();
        let ports = [stand.port(ONE), stand.port(TWO)];
        stand.update(&ports).await;
        stand.dnsmasq.clear(&stand.node, &ports).await.unwrap();
        let files = stand.files();
        assert_eq!(files.len(), 2);
        assert_eq!(
            files[&format!("hosts/ironic-{TWO}.conf")],
            format!("{TWO},ignore\n")
        );
        stand.update(&ports).await;
        assert_eq!(stand.files().len(), 3);
        let uuid = Some(stand.node.uuid);
        let left = stand.dnsmasq.forget(uuid, &ports).await.unwrap();
        let files = stand.files();
        assert_eq!(files.len(), 2);
        assert_eq!(
            files[&format!("hosts/ironic-{ONE}.conf")],
            format!("{ONE}\n")
        );
        stand.dnsmasq.remove(left).await.unwrap();
        assert_eq!(stand.files(), BTreeMap::new());
    }

    #[tokio::test]
    async fn reassigned_nic_keeps_its_file() {
        let stand = DnsmasqFixture::new();
        let ports = [stand.port(ONE)];
        stand.update(&ports).await;
        let left = stand.dnsmasq.forget(None, &ports).await.unwrap();
        stand.update(&ports).await;
        stand.dnsmasq.remove(left).await.unwrap();
        let files = stand.files();
        let text = &files[&format!("hosts/ironic-{ONE}.conf")];
        assert!(text.contains(",set:ironic"), "{text}");
    }

    #[tokio::test]
    async fn missing_folder_is_named_with_its_option() {
        let stand = DnsmasqFixture::new();
        let nowhere = Dnsmasq::new(stand.folder.path().join("hosts"), "/nowhere/opts".into());
        let error = nowhere.update(&stand.node, &[], &[]).await.unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("/nowhere/opts/ironic-") && error.contains("[dnsmasq]dhcp_optsdir"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn panic_is_not_reported_as_timeout() {
        let stand = DnsmasqFixture::new();
        let work = |_: &Folders| -> Result<(), DhcpError> { panic!("expected") };
        let failed = stand.dnsmasq.write(work).await;
        assert!(matches!(failed, Err(DhcpError::Panicked(_))), "{failed:?}");
        // The next write is not affected.
        stand.update(&[stand.port(ONE)]).await;
    }
}
