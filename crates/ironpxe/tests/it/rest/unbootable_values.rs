//! Values no machine could boot with: refused when the verb is asked for, with the field named;
//! shown by `validate`; and, if they come later, told by the machine's own console.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::fixture::RestFixture;
use super::recording::{Answer, request};

const MAC: &str = "52:54:00:aa:00:01";

/// A value that cannot be right, in one field.
struct Bad {
    field: &'static str,
    value: Value,
    /// What the refusal says besides the field.
    says: &'static str,
}

fn bad(field: &'static str, value: impl Into<Value>, says: &'static str) -> Bad {
    Bad {
        field,
        value: value.into(),
        says,
    }
}

/// What every boot of an agent's ramdisk reads. `RAMDISK` is the image of the verb.
fn for_agents(kernel: &'static str, ramdisk: &'static str) -> Vec<Bad> {
    let args = "driver_info.kernel_append_params";
    let of_node = "properties.capabilities";
    vec![
        bad(args, "quiet\nreboot", "a line feed"),
        bad(args, "a || reboot", "the end of the command"),
        bad(args, "x=${net0/mac}", "expand"),
        bad(args, "a=b ".repeat(750), "is 2047"),
        bad(args, 7, "must be a string"),
        bad(kernel, "http://h/a b", "a space"),
        bad(kernel, "http://h/${x}", "expand"),
        bad(ramdisk, "file:///srv/../etc/passwd", ".."),
        bad(ramdisk, Value::Null, "not set"),
        bad(of_node, "boot_mode:legacy", "not one of bios, uefi"),
        bad(of_node, "secure_boot:yes", "not one of true, false"),
        bad(of_node, "boot_option:sideways", "not one of local, netboot"),
        bad(
            "instance_info.capabilities",
            json!({"boot_mode": "bios"}),
            "contradicts",
        ),
    ]
}

/// What a deployment reads besides.
fn for_deployments() -> Vec<Bad> {
    let mut all = for_agents("driver_info.deploy_kernel", "driver_info.deploy_ramdisk");
    all.push(bad(
        "instance_info.boot_iso",
        "http://h/x.iso",
        "are both set",
    ));
    all.push(bad("instance_info.image_source", "", "not set"));
    all
}

/// What an instance of the `ramdisk` deploy interface reads.
fn for_ramdisks() -> Vec<Bad> {
    vec![
        bad("instance_info.ramdisk", Value::Null, "not set"),
        bad("instance_info.kernel", Value::Null, "not set"),
        bad("instance_info.kernel", "http://h/a b", "a space"),
        bad("instance_info.boot_iso", "http://h/${x}.iso", "expand"),
        bad(
            "instance_info.ramdisk_kernel_arguments",
            "a\nb",
            "a line feed",
        ),
        bad(
            "instance_info.ramdisk_kernel_arguments",
            "a=b ".repeat(750),
            "is 2047",
        ),
        bad(
            "driver_info.kernel_append_params",
            "a ; b",
            "the end of the command",
        ),
        bad(
            "instance_info.capabilities",
            json!({"secure_boot": "maybe"}),
            "not one of",
        ),
    ]
}

/// How a node gets where a verb can be asked for, and the verb.
struct Case {
    deploy_interface: &'static str,
    way: &'static [&'static str],
    verb: Value,
    /// The interface whose validation shows it.
    shown_by: &'static str,
    values: Vec<Bad>,
}

fn cases() -> Vec<Case> {
    let (kernel, ramdisk) = ("driver_info.deploy_kernel", "driver_info.deploy_ramdisk");
    let (rescue_kernel, rescue_ramdisk) =
        ("driver_info.rescue_kernel", "driver_info.rescue_ramdisk");
    let verb = |target: &str| json!({ "target": target });
    let steps = json!([{ "interface": "deploy", "step": "erase_devices" }]);
    let case = |deploy_interface, way, verb, shown_by, values| Case {
        deploy_interface,
        way,
        verb,
        shown_by,
        values,
    };
    vec![
        case(
            "direct",
            &["manage", "provide"],
            verb("active"),
            "deploy",
            for_deployments(),
        ),
        case(
            "direct",
            &["manage"],
            verb("inspect"),
            "inspect",
            for_agents(kernel, ramdisk),
        ),
        case(
            "direct",
            &["manage"],
            json!({ "target": "clean", "clean_steps": steps }),
            "boot",
            for_agents(kernel, ramdisk),
        ),
        case(
            "ramdisk",
            &["manage", "provide"],
            verb("active"),
            "deploy",
            for_ramdisks(),
        ),
        case(
            "ramdisk",
            &["manage"],
            verb("adopt"),
            "deploy",
            for_ramdisks(),
        ),
        case(
            "ramdisk",
            &["manage", "provide", "active"],
            verb("rebuild"),
            "deploy",
            for_ramdisks(),
        ),
        case(
            "ramdisk",
            &["manage", "adopt"],
            json!({ "target": "rescue", "rescue_password": "secret" }),
            "rescue",
            for_agents(rescue_kernel, rescue_ramdisk),
        ),
        case(
            "ramdisk",
            &["manage", "adopt"],
            json!({ "target": "service", "service_steps": steps }),
            "boot",
            for_agents(kernel, ramdisk),
        ),
    ]
}

#[tokio::test]
async fn verb_is_refused_and_the_unbootable_field_named() -> Result<()> {
    let lab = RestFixture::new()?;
    for case in cases() {
        let uuid = good_node(&lab, case.deploy_interface).await?;
        let node = format!("/v1/nodes/{uuid}");
        let provision = format!("{node}/states/provision");
        for word in case.way {
            lab.expect(202, "PUT", &provision, Some(json!({ "target": word })))
                .await?;
            lab.client.wait_until_free(&uuid).await?;
        }
        let before = lab.get(&node).await?;
        for bad in &case.values {
            let value: String = bad.value.to_string().chars().take(60).collect();
            let place = format!("{} with {}={value}", case.verb, bad.field);
            write(&lab, &node, bad.field, &bad.value).await?;
            let said = lab
                .refused(400, "PUT", &provision, case.verb.clone())
                .await?;
            ensure!(
                said.contains(bad.field) && said.contains(bad.says),
                "{place}: {said}"
            );

            let validation = lab.get(&format!("{node}/validate")).await?;
            let shown = &validation[case.shown_by];
            let reason = shown["reason"].as_str().unwrap_or_default();
            ensure!(
                shown["result"] == false && reason.contains(bad.field) && reason.contains(bad.says),
                "{place}: {validation}"
            );

            let now = lab.get(&node).await?;
            ensure!(
                now["provision_state"] == before["provision_state"],
                "{place}: {now}"
            );
            ensure!(now["last_error"].is_null(), "{place}: {now}");
            let (map, key) = bad.field.split_once('.').unwrap_or_default();
            write(&lab, &node, bad.field, &before[map][key]).await?;
        }
        // With good values the verb is accepted.
        let validation = lab.get(&format!("{node}/validate")).await?;
        ensure!(validation[case.shown_by]["result"] == true, "{validation}");
        lab.expect(202, "PUT", &provision, Some(case.verb)).await?;
        lab.client.wait_until_free(&uuid).await?;
        lab.expect(202, "PUT", &format!("{node}/maintenance"), None)
            .await?;
        lab.expect(204, "DELETE", &node, None).await?;
    }
    Ok(())
}

/// A volume that cannot be attached, of a node that would boot from it.
#[tokio::test]
async fn unattachable_volume_is_refused_and_its_property_named() -> Result<()> {
    let lab = RestFixture::new()?;
    let uuid = good_node(&lab, "ramdisk").await?;
    let node = format!("/v1/nodes/{uuid}");
    let set = json!([{ "op": "add", "path": "/storage_interface", "value": "external" }]);
    lab.expect(200, "PATCH", &node, Some(set)).await?;
    for word in ["manage", "provide"] {
        let target = json!({ "target": word });
        lab.expect(
            202,
            "PUT",
            &format!("{node}/states/provision"),
            Some(target),
        )
        .await?;
        lab.client.wait_until_free(&uuid).await?;
    }
    let good = json!({
        "target_iqn": "iqn.2026-01.example:a", "target_portal": "192.0.2.1:3260", "target_lun": 1,
    });
    for (key, value, says) in [
        ("target_iqn", Value::Null, "not set"),
        ("target_iqn", json!("a b"), "a space"),
        ("target_portal", json!("h:x"), "HOST"),
        ("target_portal", Value::Null, "not set"),
        ("target_lun", json!("first"), "number"),
        ("auth_password", Value::Null, "not set"),
    ] {
        let mut properties = good.clone();
        if key == "auth_password" {
            properties["auth_username"] = json!("me");
        }
        properties[key] = value;
        let target = json!({
            "node_uuid": uuid, "volume_type": "iscsi", "boot_index": 0, "volume_id": "1",
            "properties": properties,
        });
        let target = lab
            .expect(201, "POST", "/v1/volume/targets", Some(target))
            .await?;
        let active = json!({ "target": "active" });
        let said = lab
            .refused(400, "PUT", &format!("{node}/states/provision"), active)
            .await?;
        ensure!(said.contains(key) && said.contains(says), "{key}: {said}");
        let validation = lab.get(&format!("{node}/validate")).await?;
        let reason = validation["deploy"]["reason"].as_str().unwrap_or_default();
        ensure!(
            reason.contains(key) && reason.contains(says),
            "{key}: {validation}"
        );
        let target = target["uuid"].as_str().unwrap_or_default();
        lab.expect(204, "DELETE", &format!("/v1/volume/targets/{target}"), None)
            .await?;
    }
    Ok(())
}

/// What came into the node after its verb is told where it matters: on the machine's console.
#[tokio::test]
async fn machine_shows_the_unbootable_field() -> Result<()> {
    let lab = RestFixture::new()?;
    let (kernel, ramdisk) = ("driver_info.deploy_kernel", "driver_info.deploy_ramdisk");
    let mut for_isos = for_ramdisks();
    for_isos.push(bad("instance_info.boot_iso", "http://h/a b.iso", "a space"));
    let cases = [
        (
            "direct",
            "inspect",
            "inspect wait",
            for_agents(kernel, ramdisk),
        ),
        ("ramdisk", "adopt", "active", for_isos),
    ];
    for (deploy_interface, verb, state, values) in cases {
        let uuid = good_node(&lab, deploy_interface).await?;
        let node = format!("/v1/nodes/{uuid}");
        for word in ["manage", verb] {
            let target = json!({ "target": word });
            lab.expect(
                202,
                "PUT",
                &format!("{node}/states/provision"),
                Some(target),
            )
            .await?;
            lab.client.wait_until_free(&uuid).await?;
        }
        let before = lab.get(&node).await?;
        ensure!(before["provision_state"] == state, "{before}");
        for bad in values {
            write(&lab, &node, bad.field, &bad.value).await?;
            let answer = boot(&lab).await?;
            let script = &answer.text;
            let place = format!("{state}, {}", bad.field);
            ensure!(
                answer.status == 200 && script.starts_with("#!ipxe\n"),
                "{answer:?}"
            );
            let fix = script.lines().find(|line| line.starts_with("echo Fix: "));
            ensure!(
                fix.is_some_and(|line| line.contains(bad.field)),
                "{place}: {script}"
            );
            ensure!(!script.contains("kernel --"), "{place}: {script}");
            let (map, key) = bad.field.split_once('.').unwrap_or_default();
            write(&lab, &node, bad.field, &before[map][key]).await?;
        }
        ensure!(
            boot(&lab).await?.text.contains("\nkernel --"),
            "it boots again"
        );
        lab.expect(202, "PUT", &format!("{node}/maintenance"), None)
            .await?;
        lab.expect(204, "DELETE", &node, None).await?;
    }
    Ok(())
}

/// A client that sends back what it was shown would lose the secret.
#[tokio::test]
async fn mask_of_a_secret_is_refused_as_a_value() -> Result<()> {
    const SAYS: &str = "the value is the mask shown instead of the secret; leave the field out";
    let lab = RestFixture::new()?;
    let uuid = good_node(&lab, "direct").await?;
    let node = format!("/v1/nodes/{uuid}");
    let add = |path: &str, value: Value| json!([{ "op": "add", "path": path, "value": value }]);
    let set = add("/driver_info/redfish_password", json!("hidden"));
    lab.expect(200, "PATCH", &node, Some(set)).await?;
    let shown = lab.get(&node).await?;
    ensure!(
        shown["driver_info"]["redfish_password"] == "******",
        "{shown}"
    );
    for (patch, field) in [
        (
            add("/driver_info", shown["driver_info"].clone()),
            "driver_info.redfish_password",
        ),
        (
            add("/driver_info/redfish_password", json!("******")),
            "driver_info.redfish_password",
        ),
        (
            json!([{ "op": "replace", "path": "/driver_info/redfish_password", "value": "******" }]),
            "driver_info.redfish_password",
        ),
        (
            add(
                "/driver_info/kernel_append_params",
                json!("ipa-password=******"),
            ),
            "driver_info.kernel_append_params",
        ),
        (
            add("/instance_info/image_url", json!("******")),
            "instance_info.image_url",
        ),
        (
            add("/instance_info/configdrive", json!("******")),
            "instance_info.configdrive",
        ),
    ] {
        let said = lab.refused(400, "PATCH", &node, patch).await?;
        ensure!(said == format!("{field}: {SAYS}"), "{said}");
    }
    let again =
        json!({ "driver": "fake-hardware", "driver_info": { "redfish_password": "******" } });
    let said = lab.refused(400, "POST", "/v1/nodes", again).await?;
    ensure!(
        said == format!("driver_info.redfish_password: {SAYS}"),
        "{said}"
    );
    let after = lab.get(&node).await?;
    ensure!(after == shown, "{after}");

    let mut target = json!({
        "node_uuid": uuid, "volume_type": "iscsi", "boot_index": 0, "volume_id": "1",
        "properties": { "auth_username": "me", "auth_password": "******" },
    });
    let said = lab
        .refused(400, "POST", "/v1/volume/targets", target.clone())
        .await?;
    ensure!(
        said == format!("properties.auth_password: {SAYS}"),
        "{said}"
    );
    target["properties"]["auth_password"] = json!("hidden");
    let target = lab
        .expect(201, "POST", "/v1/volume/targets", Some(target))
        .await?;
    let path = format!(
        "/v1/volume/targets/{}",
        target["uuid"].as_str().unwrap_or_default()
    );
    for patch in [
        add("/properties", target["properties"].clone()),
        add("/properties/auth_password", json!("******")),
    ] {
        let said = lab.refused(400, "PATCH", &path, patch).await?;
        ensure!(
            said == format!("properties.auth_password: {SAYS}"),
            "{said}"
        );
    }
    // The rest of it may be changed.
    let other = add("/properties/target_lun", json!(2));
    lab.expect(200, "PATCH", &path, Some(other)).await?;
    Ok(())
}

/// A node, and its port, with all that every verb needs.
async fn good_node(lab: &RestFixture, deploy_interface: &str) -> Result<String> {
    let image = |name: &str| json!(format!("http://images.example/{name}"));
    let mut instance_info = json!({});
    if deploy_interface == "ramdisk" {
        instance_info["kernel"] = image("kernel");
        instance_info["ramdisk"] = image("ramdisk");
    } else {
        instance_info["image_source"] = image("image");
    }
    let uuid = lab
        .node(json!({
            "driver": "fake-hardware", "boot_interface": "ipxe",
            "deploy_interface": deploy_interface,
            "inspect_interface": "agent", "rescue_interface": "agent", "automated_clean": false,
            "properties": { "capabilities": "boot_mode:uefi" },
            "driver_info": {
                "deploy_kernel": image("deploy.kernel"),
                "deploy_ramdisk": image("deploy.initramfs"),
                "rescue_kernel": image("rescue.kernel"),
                "rescue_ramdisk": image("rescue.initramfs"),
            },
            "instance_info": instance_info,
        }))
        .await?;
    let port = json!({ "node_uuid": uuid, "address": MAC });
    lab.expect(201, "POST", "/v1/ports", Some(port)).await?;
    Ok(uuid)
}

/// Writes one field; nothing takes it away.
async fn write(lab: &RestFixture, node: &str, field: &str, value: &Value) -> Result<()> {
    let path = format!("/{}", field.replace('.', "/"));
    // There must be something to take away.
    let mut patch = vec![json!({ "op": "add", "path": path, "value": value })];
    if value.is_null() {
        patch.push(json!({ "op": "remove", "path": path }));
    }
    lab.expect(200, "PATCH", node, Some(json!(patch))).await?;
    Ok(())
}

/// What the machine is told.
async fn boot(lab: &RestFixture) -> Result<Answer> {
    let path = format!("/v1/boot/{MAC}/boot.ipxe");
    let mut ask = request("GET", &path, None);
    ask.headers
        .insert("User-Agent".to_owned(), "iPXE/1.21.1".to_owned());
    lab.client.ask(&ask).await
}
