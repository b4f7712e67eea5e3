//! Images of Glance, and a Glance that misbehaves.

use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use ironpxe_testkit::openstack::faulty::{Fault, FaultyCloud, PASSWORD, USER};
use ironpxe_testkit::server::ServerOptions;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use super::wire::fetch;
use super::{ImagesFixture, MAC, SOON, content};

const KERNEL: &str = "11111111-1111-4111-8111-111111111111";
const RAMDISK: &str = "22222222-2222-4222-8222-222222222222";
const SYSTEM: &str = "33333333-3333-4333-8333-333333333333";

fn options(cloud: &FaultyCloud) -> ServerOptions {
    ServerOptions::default()
        .set("IRONPXE_GLANCE__AUTH_TYPE", "password")
        .set("IRONPXE_GLANCE__AUTH_URL", format!("{}/v3", cloud.url()))
        .set("IRONPXE_GLANCE__USERNAME", USER)
        .set("IRONPXE_GLANCE__PASSWORD", PASSWORD)
        .set("IRONPXE_GLANCE__USER_DOMAIN_NAME", "Default")
        .set("IRONPXE_GLANCE__PROJECT_NAME", "service")
        .set("IRONPXE_GLANCE__PROJECT_DOMAIN_NAME", "Default")
        .set("IRONPXE_GLANCE__REGION_NAME", "RegionOne")
        .set("IRONPXE_GLANCE__NUM_RETRIES", "0")
        .set("IRONPXE_GLANCE__TIMEOUT", "3")
        .set("IRONPXE_IMAGES__TIMEOUT", "3")
}

fn hash(data: &[u8]) -> String {
    let mut digits = String::new();
    for byte in Sha512::digest(data) {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// Glance gets an image, which says that it is `described`.
fn add(cloud: &FaultyCloud, id: &str, data: &[u8], described: &[u8], more: &Value) {
    let mut image = json!({
        "id": id, "status": "active", "size": described.len(),
        "os_hash_algo": "sha512", "os_hash_value": hash(described),
    });
    if let (Some(image), Some(more)) = (image.as_object_mut(), more.as_object()) {
        image.extend(more.clone());
    }
    cloud.has_image(id, image, data);
}

#[test]
fn glance_image_is_relayed() -> Result<()> {
    let cloud = FaultyCloud::start()?;
    let (kernel, ramdisk) = (content(200_000), content(3));
    add(&cloud, KERNEL, &kernel, &kernel, &json!({}));
    add(&cloud, RAMDISK, &ramdisk, &ramdisk, &json!({}));
    let site = ImagesFixture::with(options(&cloud))?;
    let waits = site.waits_for(MAC, KERNEL, &format!("glance://{RAMDISK}"));
    waits.with_context(|| format!("{:?}", cloud.requests.entries()))?;
    let path = site.path_of(MAC, "kernel")?;
    let got = site.get(&path)?;
    ensure!(
        (got.status, got.body == kernel) == (200, true),
        "{}",
        got.head
    );
    ensure!(site.get(&site.path_of(MAC, "initrd")?)?.body == ramdisk);
    let base = site.server.base_url();
    let got = fetch(base, "GET", &path, &[("Range", "bytes=5-9")])?;
    ensure!(
        got.status == 206 && Some(got.body.as_slice()) == kernel.get(5..10),
        "{}",
        got.head
    );
    ensure!(
        got.header("Content-Range") == Some("bytes 5-9/200000"),
        "{}",
        got.head
    );
    let got = fetch(base, "GET", &path, &[("Range", "bytes=200000-")])?;
    ensure!(got.status == 416, "{}", got.head);
    let got = fetch(base, "HEAD", &path, &[])?;
    ensure!(
        got.header("Content-Length") == Some("200000"),
        "{}",
        got.head
    );
    // A token that was revoked is replaced without a failed request.
    cloud.revoke();
    ensure!(site.get(&path)?.body == kernel);
    // Many machines, few questions.
    for _ in 0..20 {
        site.script(MAC)?;
    }
    let asked = cloud
        .calls()
        .into_iter()
        .filter(|(_, path, _)| *path == format!("/image/v2/images/{KERNEL}"))
        .count();
    ensure!(
        asked < 10,
        "Glance was asked {asked} times about the kernel"
    );
    Ok(())
}

#[test]
fn damaged_image_never_arrives_completely() -> Result<()> {
    let cloud = FaultyCloud::start()?;
    let good = content(500_000);
    let mut bad = good.clone();
    *bad.last_mut().context("empty")? ^= 1;
    add(&cloud, KERNEL, &bad, &good, &json!({}));
    add(&cloud, RAMDISK, b"r", b"r", &json!({}));
    let site = ImagesFixture::with(options(&cloud))?;
    let node = site.waits_for(MAC, KERNEL, RAMDISK)?;
    let got = site.get(&site.path_of(MAC, "kernel")?)?;
    ensure!(got.status == 200 && !got.complete, "{}", got.head);
    ensure!(got.body.len() < bad.len(), "all of it arrived");
    let line = site
        .server
        .wait_for_log("kernel not served: its SHA-512 is", SOON)?;
    ensure!(
        line.contains(&node) && line.contains(KERNEL) && line.contains("corrupt"),
        "{line}"
    );
    // A small one is not begun.
    add(&cloud, KERNEL, b"bad", b"yes", &json!({}));
    let other = site.waits_for("52:54:00:aa:00:02", RAMDISK, KERNEL);
    ensure!(other.is_ok(), "{other:?}");
    Ok(())
}

#[test]
fn glance_faults_are_reported() -> Result<()> {
    let cloud = FaultyCloud::start()?;
    let kernel = content(1000);
    add(&cloud, KERNEL, &kernel, &kernel, &json!({}));
    add(&cloud, RAMDISK, b"r", b"r", &json!({}));
    let site = ImagesFixture::with(options(&cloud))?;
    let node = site.waits_for(MAC, KERNEL, RAMDISK)?;
    let path = site.path_of(MAC, "kernel")?;
    let data = format!("/image/v2/images/{KERNEL}/file");
    for (fault, status, cause) in [
        (Fault::Status(503, "too busy"), 503, "response status 503"),
        (
            Fault::Status(404, "no data"),
            404,
            "Glance has no such image",
        ),
        (Fault::HangUp, 503, "unreachable"),
        (Fault::Silence, 503, "no response within"),
        (Fault::Stall(10), 503, "instead of 1000"),
    ] {
        cloud.order(&data, [fault]);
        let got = site.get(&path)?;
        ensure!(got.status == status, "{cause}: {} {}", got.head, got.text());
        ensure!(
            got.header("Retry-After").is_some() == (status == 503),
            "{cause}"
        );
        let line = site.server.wait_for_log(cause, SOON)?;
        ensure!(
            line.contains(&node) && line.contains("kernel not served"),
            "{line}"
        );
    }
    cloud.order(&data, [Fault::Half]);
    let got = site.get(&path)?;
    ensure!((got.status, got.complete) == (200, false), "{}", got.head);
    site.server
        .wait_for_log("its server aborted the response", SOON)?;
    ensure!(site.get(&path)?.body == kernel, "it did not pass");
    Ok(())
}

/// The machine's console shows what is missing; what is temporarily unavailable is retried.
#[test]
fn refusal_names_the_fault_of_the_image() -> Result<()> {
    let cloud = FaultyCloud::start()?;
    let site = ImagesFixture::with(options(&cloud))?;
    let boot = format!("/v1/boot/{MAC}/boot.ipxe");
    let fields = json!({"driver_info": {"deploy_kernel": KERNEL, "deploy_ramdisk": RAMDISK}});
    let node = site.enrol(MAC, &fields)?;
    site.ironic.provision(&node, "manage")?;
    site.ironic.wait_state(&node, "manageable", SOON)?;
    // It is found out early: by validation, and when the ramdisk is needed.
    let report = site
        .ironic
        .get(&format!("/v1/nodes/{node}/validate"))?
        .expect_status(200)?;
    let reason = report["deploy"]["reason"].as_str().unwrap_or_default();
    ensure!(
        reason.contains(KERNEL) && reason.contains("Glance has no such image"),
        "{report}"
    );

    add(&cloud, RAMDISK, b"r", b"r", &json!({}));
    let cleaning = json!({"target": "clean", "clean_steps": [{"interface": "deploy", "step": "erase_devices"}]});
    let reply = site
        .ironic
        .put(&format!("/v1/nodes/{node}/states/provision"), &cleaning)?;
    ensure!(
        reply.status == 400 && reply.text.contains("no such image"),
        "{reply:?}"
    );

    add(&cloud, KERNEL, b"k", b"k", &json!({"status": "saving"}));
    let clean = || {
        let path = format!("/v1/nodes/{node}/states/provision");
        site.ironic.put(&path, &cleaning)
    };
    // Glance is asked again after two seconds at the latest.
    crate::app::eventually("503 while the image is being saved", || {
        let reply = clean()?;
        ensure!(
            reply.status != 503 || reply.text.contains("saving"),
            "{reply:?}"
        );
        Ok(reply.status == 503)
    })?;
    add(&cloud, KERNEL, b"k", b"k", &json!({}));
    crate::app::eventually("cleaning is accepted", || Ok(clean()?.status == 202))?;
    site.ironic.wait_state(&node, "clean wait", SOON)?;
    ensure!(
        site.ironic
            .get_as_firmware(&boot)?
            .text
            .contains("/v1/images/")
    );
    // And then it is deleted, while the node waits.
    add(&cloud, KERNEL, b"k", b"k", &json!({"status": "deleted"}));
    crate::app::eventually("the deleted image is not booted", || {
        let script = site.ironic.get_as_firmware(&boot)?.text;
        let refused = script.contains("not booted");
        ensure!(!refused || script.contains("\"deleted\""), "{script}");
        Ok(refused)
    })?;
    let line = site
        .server
        .wait_for_log("machine not booted: kernel", SOON)?;
    ensure!(line.contains(KERNEL) && line.contains(&node), "{line}");
    Ok(())
}

/// The kernel and ramdisk of a partition image are looked up when it is deployed.
#[test]
fn deployment_reads_the_image_properties() -> Result<()> {
    let cloud = FaultyCloud::start()?;
    for id in [KERNEL, RAMDISK] {
        add(&cloud, id, id.as_bytes(), id.as_bytes(), &json!({}));
    }
    let pair = json!({"kernel_id": KERNEL, "ramdisk_id": RAMDISK});
    add(&cloud, SYSTEM, b"s", b"s", &pair);
    let site = ImagesFixture::with(options(&cloud))?;
    let fields = json!({
        "deploy_interface": "ramdisk",
        "instance_info": {"image_source": SYSTEM},
    });
    let node = site.enrol(MAC, &fields)?;
    let way = [
        ("manage", "manageable"),
        ("provide", "available"),
        ("active", "active"),
    ];
    site.go(&node, &way)?;
    let found = site.ironic.node(&node)?;
    ensure!(found["instance_info"]["kernel"] == KERNEL, "{found}");
    ensure!(found["instance_info"]["ramdisk"] == RAMDISK, "{found}");
    ensure!(
        found["driver_internal_info"]["is_whole_disk_image"] == false,
        "{found}"
    );
    let got = site.get(&site.path_of(MAC, "kernel")?)?;
    ensure!(got.body == KERNEL.as_bytes(), "{}", got.head);

    site.ironic.provision(&node, "deleted")?;
    site.ironic.wait_state(&node, "available", SOON)?;
    let found = site.ironic.node(&node)?;
    ensure!(found["instance_info"] == json!({}), "{found}");
    Ok(())
}

#[test]
fn swift_temporary_urls_are_used_when_configured() -> Result<()> {
    let cloud = FaultyCloud::start()?;
    for id in [KERNEL, RAMDISK] {
        add(&cloud, id, id.as_bytes(), id.as_bytes(), &json!({}));
    }
    let options = options(&cloud)
        .set("IRONPXE_PXE__IPXE_USE_SWIFT", "true")
        .set("IRONPXE_GLANCE__SWIFT_TEMP_URL_KEY", "secret")
        .set(
            "IRONPXE_GLANCE__SWIFT_ENDPOINT_URL",
            "http://swift.example:8080",
        )
        .set("IRONPXE_GLANCE__SWIFT_ACCOUNT", "AUTH_images");
    let site = ImagesFixture::with(options)?;
    site.waits_for(MAC, KERNEL, RAMDISK)?;
    let script = site.script(MAC)?;
    let begin = format!(" http://swift.example:8080/v1/AUTH_images/glance/{KERNEL}?temp_url_sig=");
    ensure!(script.contains(&begin), "{script}");
    ensure!(!script.contains("/v1/images/"), "{script}");
    // Swift is not Glance: what was known to be there is still sent.
    cloud.order(
        &format!("/image/v2/images/{KERNEL}"),
        vec![Fault::HangUp; 3],
    );
    ensure!(site.script(MAC)?.contains(&begin));
    Ok(())
}
