//! What a test has: a server, images, and a node.

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::imageserver::ImageServer;
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::machine::{Hardware, Platform};
use ironpxe_testkit::server::{Server, ServerOptions};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use super::{ARGUMENTS, BOOT_PATH, KERNEL, MAC, NODE, RAMDISK};

/// The root file system of a partition image, as its agent found it out.
pub(super) const ROOT: &str = "5a1c3a9e-6d0c-4f0e-9c0b-3d6a1f7e2b11";

/// A server with images to boot, as machines and the operator see it.
pub(super) struct FirmwareFixture {
    pub(super) images: ImageServer,
    pub(super) server: Server,
    pub(super) ironic: Ironic,
}

impl FirmwareFixture {
    /// A server with these options, and no images yet.
    pub(super) fn start(options: &ServerOptions) -> Result<Self> {
        Self::start_beside(ImageServer::start()?, options)
    }

    /// The same with an image server whose URLs are in the options.
    pub(super) fn start_beside(images: ImageServer, options: &ServerOptions) -> Result<Self> {
        let server = crate::app::start(options)?;
        let ironic = Ironic::new(server.base_url())?;
        Ok(Self {
            images,
            server,
            ironic,
        })
    }

    /// A server with images for the deploy ramdisk.
    pub(super) fn with(kernel: &[u8], ramdisk: &[u8]) -> Result<Self> {
        let site = Self::start(&ServerOptions::for_machines())?;
        site.images.serve(KERNEL, kernel);
        site.images.serve(RAMDISK, ramdisk);
        Ok(site)
    }

    /// Creates a node with one port, and returns its UUID.
    pub(super) fn enrol(&self, mac: &str) -> Result<String> {
        self.enrol_with(mac, &json!({}))
    }

    /// The same, with these fields instead of or beside the usual ones.
    pub(super) fn enrol_with(&self, mac: &str, fields: &Value) -> Result<String> {
        let mut node = json!({
            "name": NODE,
            "driver": "fake-hardware",
            "boot_interface": "ipxe",
            "deploy_interface": "direct",
            "inspect_interface": "agent",
            "rescue_interface": "agent",
            "automated_clean": false,
            "driver_info": {
                "deploy_kernel": self.images.url(KERNEL),
                "deploy_ramdisk": self.images.url(RAMDISK),
                "kernel_append_params": ARGUMENTS,
            },
            "instance_info": {"image_source": self.images.url("/images/system.qcow2")},
        });
        merge(&mut node, fields);
        self.ironic.enrol(&node, mac)
    }

    /// Makes it an active node, as one that was deployed by other means.
    pub(super) fn adopt(&self, node: &str) -> Result<()> {
        self.drive(node, "manage", "manageable")?;
        self.drive(node, "adopt", "active")
    }

    /// Writes down where the root file system is, as an agent does that has written a partition
    /// image: no operator can say it, and no agent runs here.
    pub(super) fn wrote_the_partition(&self, node: &str) -> Result<()> {
        let found = json!({"root_uuid_or_disk_id": ROOT}).to_string();
        let statement = format!(
            "UPDATE nodes SET driver_internal_info = '{found}', revision = revision + 1 \
             WHERE name = '{NODE}'"
        );
        let file = self.server.state_dir().join("ironpxe.sqlite");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let changed = runtime.block_on(async {
            anyhow::Ok(if let Some(url) = self.server.database() {
                let mut database = sqlx::PgConnection::connect(url).await?;
                database
                    .execute(AssertSqlSafe(statement))
                    .await?
                    .rows_affected()
            } else {
                let options = SqliteConnectOptions::new().filename(file);
                let mut database = SqliteConnection::connect_with(&options).await?;
                database
                    .execute(AssertSqlSafe(statement))
                    .await?
                    .rows_affected()
            })
        })?;
        ensure!(changed == 1, "{changed} nodes are called {NODE}");
        let shown = self.ironic.node(node)?;
        let root = shown.pointer("/driver_internal_info/root_uuid_or_disk_id");
        ensure!(root == Some(&json!(ROOT)), "{shown}");
        Ok(())
    }

    pub(super) fn make_available(&self, node: &str) -> Result<()> {
        self.drive(node, "manage", "manageable")?;
        self.drive(node, "provide", "available")
    }

    /// Up to where the deploy ramdisk is waited for.
    pub(super) fn deploy(&self, node: &str) -> Result<()> {
        self.make_available(node)?;
        self.drive(node, "active", "wait call-back")
    }

    pub(super) fn drive(&self, node: &str, verb: &str, state: &str) -> Result<()> {
        self.ironic.walk(node, &[(verb, state)])
    }

    /// A machine whose DHCP server gives the boot URL with the address of the card that boots.
    pub(super) fn machine(&self, platform: Platform) -> Hardware {
        let url = format!(
            "{}{BOOT_PATH}?port_address=${{mac}}",
            self.server.url_for_machines()
        );
        Hardware::with_bootfile(MAC, &url).on(platform)
    }

    /// The kernel command line in the script that this machine would get now.
    pub(super) fn command_line(&self, mac: &str) -> Result<String> {
        let path = format!("{BOOT_PATH}?port_address={}", mac.replace(':', "%3A"));
        let script = self.ironic.get_as_firmware(&path)?;
        ensure!(script.status == 200, "{script:?}");
        ensure!(script.text.starts_with("#!ipxe\n"), "{}", script.text);
        let line = script
            .text
            .lines()
            .find_map(|line| line.strip_prefix("kernel "));
        let mut words = line.context("the script starts no kernel")?.split(' ');
        // `--timeout 60000` and the like, and the image's URL, are for iPXE.
        while words.next().is_some_and(|word| word.starts_with("--")) {
            words.next();
        }
        let words: Vec<&str> = words.take_while(|word| *word != "||").collect();
        let command_line = words
            .join(" ")
            .replace("${netX/mac}", mac)
            .replace("${mac}", mac);
        ensure!(
            !command_line.contains("${"),
            "not understood: {command_line}"
        );
        Ok(command_line)
    }
}

/// Puts `more` into `object`; objects are merged, `null` takes a field away.
fn merge(object: &mut Value, more: &Value) {
    let (Some(object), Some(more)) = (object.as_object_mut(), more.as_object()) else {
        *object = more.clone();
        return;
    };
    for (key, value) in more {
        if value.is_null() {
            object.remove(key);
        } else {
            merge(object.entry(key).or_insert(Value::Null), value);
        }
    }
}
