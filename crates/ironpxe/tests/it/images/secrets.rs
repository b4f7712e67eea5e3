//! Passwords and signatures in URLs go where they are meant for, and are shown nowhere else.

use anyhow::{Result, ensure};
use ironpxe_testkit::server::ServerOptions;
use serde_json::{Value, json};

use super::origins::{Origin, Says, http};
use super::{ImagesFixture, MAC, SOON, url_in};

/// Each is enough to get in. Plain, as it stands in the URL, and encoded as it is sent.
const SECRETS: [&str; 4] = ["Pa55w0rd", "T0ken5ig", "R00tPw", "aW1hZ2VzOlBhNTV3MHJk"];

fn secrets_in(text: &str) -> Vec<&'static str> {
    let found = SECRETS.into_iter().filter(|secret| text.contains(secret));
    found.collect()
}

#[test]
fn log_has_no_password_and_no_signature() -> Result<()> {
    let site = ImagesFixture::with(
        ServerOptions::default()
            .set("IRONPXE_LOG", "trace")
            .set("IRONPXE_IMAGES__RELAY", "always")
            .set("IRONPXE_IMAGES__RELAY_ALLOWED", "127.0.0.0/8"),
    )?;
    let origin = Origin::start()?;
    let path = "/kernel?X-Amz-Date=1&X-Amz-Signature=T0ken5ig";
    let body = http("200 OK\r\nContent-Length: 3\r\nConnection: close", b"abc");
    let with_password = |url: &str| url.replace("http://", "http://images:Pa55w0rd@");
    let good = with_password(&origin.says(path, Says::Bytes(body)));
    let moved = "302 Found\r\nLocation: /kernel?X-Amz-Date=1&X-Amz-Signature=T0ken5ig\r\n\
                 Content-Length: 0";
    let moved = with_password(&origin.says("/moved?sig=T0ken5ig", Says::Bytes(http(moved, b""))));
    let gone = "404 Not Found\r\nContent-Length: 0";
    let gone = with_password(&origin.says("/gone?sig=T0ken5ig", Says::Bytes(http(gone, b""))));
    let node = site.runs(MAC, &good, &good)?;
    site.ironic.patch(
        &format!("/v1/nodes/{node}"),
        &json!([{
            "op": "add",
            "path": "/instance_info/kernel_append_params",
            "value": "ipa-root-password=R00tPw quiet",
        }]),
    )?;

    let mut signatures = Vec::new();
    for (image, status) in [(&good, 200), (&moved, 200), (&gone, 404)] {
        site.set_kernel(&node, image)?;
        let path = site.path_of(MAC, "kernel")?;
        let got = site.get(&path)?;
        ensure!(got.status == status, "{}", got.head);
        ensure!(secrets_in(&got.text()).is_empty(), "{}", got.text());
        signatures.extend(path.split('/').nth(7).map(str::to_owned));
        // The response to a changed name does not contain it.
        ensure!(site.get(&format!("{path}x"))?.status == 403);
    }
    // A refusal, on the console and for the operator; a word that cannot be passed through.
    for kernel in [
        "http://images:Pa55w0rd@127.0.0.1:1/k ernel",
        "http://images:Pa55w0rd@10.0.0.1/k",
    ] {
        site.set_kernel(&node, kernel)?;
        let script = site.script(MAC)?;
        ensure!(
            !script.contains("\nkernel ") && secrets_in(&script).is_empty(),
            "{script}"
        );
    }
    site.set_kernel(&node, &good)?;
    for word in ["ipa-root-password=R00tPw${x}", "ipa-root-password=R00tPw\\"] {
        site.ironic.patch(
            &format!("/v1/nodes/{node}"),
            &json!([{
                "op": "add",
                "path": "/instance_info/kernel_append_params",
                "value": word,
            }]),
        )?;
        let script = site.script(MAC)?;
        ensure!(
            !script.contains("\nkernel ") && secrets_in(&script).is_empty(),
            "{script}"
        );
    }
    site.ironic.get(&format!("/v1/nodes/{node}"))?;
    site.ironic.get(&format!("/v1/nodes/{node}/validate"))?;
    site.ironic.get(&format!("/v1/nodes/{node}/boot_script"))?;
    site.server.wait_for_log("boot_script", SOON)?;

    ensure!(signatures.len() == 3, "{signatures:?}");
    let log = site.server.log_with("");
    ensure!(
        log.iter().any(|line| line.contains("TRACE")),
        "nothing is traced"
    );
    for line in &log {
        ensure!(secrets_in(line).is_empty(), "{line}");
        let told = signatures
            .iter()
            .find(|signature| line.contains(signature.as_str()));
        ensure!(told.is_none(), "{line}");
    }
    Ok(())
}

/// The password is for the server with the image, and for the machine that is sent there.
#[test]
fn passwords_of_image_urls_reach_only_their_server() -> Result<()> {
    let site = ImagesFixture::new()?;
    let image = "http://images:Pa55w0rd@127.0.0.1:1/kernel?sig=T0ken5ig";
    let node = site.runs(MAC, image, image)?;
    let patched = site.ironic.patch(
        &format!("/v1/nodes/{node}"),
        &json!([{
            "op": "add",
            "path": "/instance_info/kernel_append_params",
            "value": "ipa-root-password=R00tPw quiet",
        }]),
    )?;
    patched.expect_status(200)?;

    let script = site.script(MAC)?;
    ensure!(url_in(&script, "kernel")? == image, "{script}");
    ensure!(
        script.contains(" ipa-root-password=R00tPw quiet "),
        "{script}"
    );
    let console: Vec<&str> = script
        .lines()
        .filter(|line| line.starts_with("echo "))
        .collect();
    ensure!(secrets_in(&console.join("\n")).is_empty(), "{script}");
    ensure!(
        console.contains(&"echo http://******@127.0.0.1:1/kernel?sig=******"),
        "{script}"
    );

    let text = |reply: &Value| reply.to_string();
    let preview = site
        .ironic
        .get(&format!("/v1/nodes/{node}/boot_script"))?
        .expect_status(200)?;
    ensure!(preview.get("masked") == Some(&json!(true)), "{preview}");
    ensure!(secrets_in(&text(&preview)).is_empty(), "{preview}");
    ensure!(
        text(&preview).contains("ipa-root-password=****** quiet"),
        "{preview}"
    );
    let shown = site.ironic.node(&node)?;
    ensure!(secrets_in(&text(&shown)).is_empty(), "{shown}");

    // What is shown cannot be written back by mistake.
    let masked = shown
        .pointer("/instance_info/kernel")
        .cloned()
        .unwrap_or_default();
    let back = site.ironic.patch(
        &format!("/v1/nodes/{node}"),
        &json!([{"op": "replace", "path": "/instance_info/kernel", "value": masked}]),
    )?;
    ensure!(back.status == 400, "{back:?}");
    Ok(())
}
