//! Images that are passed on, where API and conductor are processes of their own: whatever API
//! signs, any API opens, and the bytes go through the APIs alone.

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::ironic::Ironic;
use ironpxe_testkit::server::Server;
use serde_json::json;

use super::RolesFixture;
use crate::app;

#[test]
fn any_api_relays_images_signed_by_another() -> Result<()> {
    let site = RolesFixture::new()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("kernel");
    std::fs::write(&file, "the kernel")?;
    let start = |role, host| -> Result<Server> {
        // No key is set: who is first makes one.
        let options = site
            .options(role, host)
            .set(
                "IRONPXE_CONDUCTOR__FILE_URL_ALLOWED_PATHS",
                folder.path().display().to_string(),
            )
            .set("IRONPXE_API__PUBLIC_ENDPOINT", "http://ironpxe.example");
        app::start(&options)
    };
    let _conductors = [start("conductor", "c1")?, start("conductor", "c2")?];
    let apis = [start("api", "a1")?, start("api", "a2")?];
    let client = Ironic::new(apis[0].base_url())?;
    let image = format!("file://{}", file.display());
    let node = json!({
        "driver": "fake-hardware",
        "boot_interface": "ipxe",
        "deploy_interface": "ramdisk",
        "instance_info": {"kernel": image, "ramdisk": image},
    });
    let node = client.enrol(&node, "52:54:00:aa:00:01")?;
    client.walk(&node, &[("manage", "manageable"), ("adopt", "active")])?;
    let script = client.get_as_firmware("/v1/boot/52:54:00:aa:00:01/boot.ipxe")?;
    let mut words = script.text.split_whitespace();
    let path = words.find_map(|word| word.strip_prefix("http://ironpxe.example/v1/images/"));
    let path = format!("/v1/images/{}", path.context("no image")?);
    for api in &apis {
        let client = Ironic::new(api.base_url())?;
        let got = client.get(&path)?;
        ensure!(
            (got.status, got.text.as_str()) == (200, "the kernel"),
            "{got:?}"
        );
        client
            .get(&path.replace("/kernel/", "/ramdisk/"))?
            .expect_status(403)?;
    }
    // What the node boots now is asked of the database each time.
    client.provision(&node, "deleted")?;
    client.get(&path)?.expect_status(404)?;
    Ok(())
}
