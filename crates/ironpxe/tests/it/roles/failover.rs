//! Machines and operators while conductors come and go.

use super::*;

/// Takes the node to where it waits for its ramdisk.
fn deploy(client: &Ironic, node: &str) -> Result<()> {
    for (verb, state) in [
        ("manage", "manageable"),
        ("provide", "available"),
        ("active", "wait call-back"),
    ] {
        client.provision(node, verb)?;
        client.wait_state(node, state, SOON)?;
    }
    Ok(())
}

#[test]
fn machines_boot_whatever_happens_to_a_conductor() -> Result<()> {
    Site::for_each(conductors_come_and_go)
}

fn conductors_come_and_go(site: &Site) -> Result<()> {
    let mut one = site.conductor("one")?;
    let two = site.conductor("two")?;
    let (api, client) = site.api()?;
    let (node, mac) = enrol(&client, 1)?;
    deploy(&client, &node)?;
    let (idle, _) = enrol(&client, 2)?;

    let (boots, ()) = booting(&api, &mac, || {
        // Both are asked.
        eventually("both conductors answer machines", || {
            Ok(!one.log_with("wait call-back").is_empty()
                && !two.log_with("wait call-back").is_empty())
        })?;
        one.kill()?;
        // The operator is served, too, although the dead one still counts as alive.
        for _ in 0..4 {
            client
                .patch(
                    &format!("/v1/nodes/{idle}"),
                    &json!([{"op": "add", "path": "/extra/a", "value": 1}]),
                )?
                .expect_status(200)?;
        }
        one = site.conductor("one")?;
        eventually("the new one answers machines", || {
            Ok(!one.log_with("wait call-back").is_empty())
        })?;
        pause(site, &two)?;
        for _ in 0..4 {
            client
                .get(&format!("/v1/nodes/{node}/validate"))?
                .expect_status(200)?;
            client
                .put(
                    &format!("/v1/nodes/{idle}/maintenance"),
                    &json!({"reason": "x"}),
                )?
                .expect_status(202)?;
        }
        eventually("the one that hangs is taken for dead", || {
            Ok(!alive(&client, "two")?)
        })?;
        two.resume()?;
        eventually("it is back", || alive(&client, "two"))?;
        // The end in good order: known at once, and nothing is lost.
        ensure!(one.terminate()?.success(), "one did not end in good order");
        ensure!(!alive(&client, "one")?, "one is gone and counts as alive");
        Ok(())
    })?;
    ensure!(boots > 20, "only {boots} boots");
    Ok(())
}

#[test]
fn without_any_conductor_machines_come_back_and_operators_hear_why() -> Result<()> {
    Site::for_each(no_conductor)
}

fn no_conductor(site: &Site) -> Result<()> {
    let mut conductor = site.conductor("one")?;
    let (_api, client) = site.api()?;
    let (node, mac) = enrol(&client, 1)?;
    deploy(&client, &node)?;
    conductor.terminate()?;
    eventually("the list of conductors is read again", || {
        let answer = client.get_as_firmware(&format!("/v1/boot/{mac}/boot.ipxe"))?;
        Ok(answer.status == 503)
    })?;
    for door in [
        format!("/v1/boot/{mac}/boot.ipxe"),
        format!("{PASSTHRU}?port_address={mac}"),
    ] {
        let answer = client.get_as_firmware(&door)?;
        ensure!(
            (answer.status, answer.text.as_str()) == (503, ""),
            "{door}: {answer:?}"
        );
    }
    let refused = client.put(
        &format!("/v1/nodes/{node}/states/provision"),
        &json!({"target": "deleted"}),
    )?;
    ensure!(refused.status == 503, "{refused:?}");
    ensure!(
        refused
            .text
            .contains("No conductor is running, please retry in"),
        "{refused:?}"
    );
    // What the database knows is still there to read.
    ensure!(client.node(&node)?["provision_state"] == "wait call-back");
    ensure!(client.get("/v1/drivers")?.expect_status(200)?["drivers"] == json!([]));
    // And everything goes on as soon as there is one.
    let _conductor = site.conductor("one")?;
    eventually("machines boot again", || {
        let answer = client.get_as_firmware(&format!("/v1/boot/{mac}/boot.ipxe"))?;
        Ok(answer.status == 200)
    })
}

#[test]
fn operators_see_every_conductor_and_reach_its_methods() -> Result<()> {
    let site = Site::new()?;
    let one = site.conductor("one")?;
    let _two = Server::start(
        binary(),
        &site
            .options("conductor", "two")
            .set("IRONPXE_DEFAULT__ENABLED_HARDWARE_TYPES", "fake-hardware"),
    )?;
    let (_api, client) = site.api()?;
    // Nobody told it where the API is.
    let said = one.log_with("only a guess at where the API is");
    ensure!(
        said.len() == 1 && said[0].contains("[api]public_endpoint"),
        "{said:?}"
    );
    let drivers = client.get("/v1/drivers?detail=true")?.expect_status(200)?;
    let hosts: Vec<(&Value, &Value)> = drivers["drivers"]
        .as_array()
        .context("no list")?
        .iter()
        .map(|driver| (&driver["name"], &driver["hosts"]))
        .collect();
    ensure!(
        hosts
            == [
                (&json!("fake-hardware"), &json!(["one", "two"])),
                (&json!("manual-management"), &json!(["one"])),
            ],
        "{hosts:?}"
    );
    ensure!(drivers["drivers"][0]["default_boot_interface"] == "fake");
    let (node, _) = enrol(&client, 1)?;
    for _ in 0..4 {
        // Only one of them has it.
        let manual = client.create_node(&json!({"driver": "manual-management"}))?;
        ensure!(manual["driver"] == "manual-management");
        let methods = "/v1/drivers/manual-management/vendor_passthru/methods";
        let methods = client.get(methods)?.expect_status(200)?;
        ensure!(methods["ipxe_config"]["attach"] == true, "{methods}");
        let call = format!("/v1/nodes/{node}/vendor_passthru/third_method_sync");
        let answer = client.post(&call, &json!({"bar": "meow"}))?;
        ensure!(answer.expect_status(200)? == json!(true));
    }
    let unknown = client.get("/v1/drivers/nosuch/vendor_passthru/methods")?;
    ensure!(
        unknown.status == 404 && unknown.text.contains("nosuch"),
        "{unknown:?}"
    );
    Ok(())
}
