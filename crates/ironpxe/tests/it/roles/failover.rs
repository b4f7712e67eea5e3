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
        client.wait_state(node, state, TIMEOUT)?;
    }
    Ok(())
}

#[test]
fn machines_boot_while_conductors_start_and_stop() -> Result<()> {
    RolesFixture::for_each(conductors_come_and_go)
}

fn conductors_come_and_go(site: &RolesFixture) -> Result<()> {
    let mut one = site.conductor("one")?;
    let two = site.conductor("two")?;
    let (api, client) = site.api()?;
    let (node, mac) = enrol(&client, 1)?;
    deploy(&client, &node)?;
    let (idle, _) = enrol(&client, 2)?;

    let (boots, ()) = booting(&api, &mac, || {
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
        eventually("the new one is alive", || alive(&client, "one"))?;
        pause(site, &two)?;
        // The API's list of conductors is up to a second old.
        eventually("the API has found the new one", || {
            let answer = client.get(&format!("/v1/nodes/{node}/validate"))?;
            Ok(answer.status == 200)
        })?;
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
    for conductor in [&one, &two] {
        let asked = conductor.log_with("machine boots");
        ensure!(asked.is_empty(), "a conductor was asked: {asked:?}");
    }
    Ok(())
}

#[test]
fn without_any_conductor_machines_boot_and_changes_answer_503() -> Result<()> {
    RolesFixture::for_each(no_conductor)
}

fn no_conductor(site: &RolesFixture) -> Result<()> {
    let mut conductor = site.conductor("one")?;
    let (_api, client) = site.api()?;
    let (node, mac) = enrol(&client, 1)?;
    deploy(&client, &node)?;
    conductor.kill()?;
    eventually("the conductor is taken for dead", || {
        Ok(!alive(&client, "one")?)
    })?;
    machines_boot(&client, &node, &mac)?;
    // Also at an API that has never seen a conductor alive.
    let (_other, newcomer) = site.api()?;
    machines_boot(&newcomer, &node, &mac)?;
    for client in [&client, &newcomer] {
        let ready = client.get("/readyz")?.expect_status(200)?;
        let problem = ready["problem"].as_str().unwrap_or_default();
        ensure!(problem.contains("no conductor is alive"), "{ready}");
    }
    let refused = client.put(
        &format!("/v1/nodes/{node}/states/provision"),
        &json!({"target": "deleted"}),
    )?;
    ensure!(refused.status == 503, "{refused:?}");
    ensure!(
        refused
            .text
            .contains("No conductor responds, please retry in"),
        "{refused:?}"
    );
    // What the database knows is still there to read.
    ensure!(client.node(&node)?["provision_state"] == "wait call-back");
    ensure!(client.get("/v1/drivers")?.expect_status(200)?["drivers"] == json!([]));
    // And everything goes on as soon as there is one; machines see it at once.
    let mut conductor = site.conductor("one")?;
    client.provision(&node, "deleted")?;
    client.wait_state(&node, "available", TIMEOUT)?;
    conductor.terminate()?;
    for client in [&client, &newcomer] {
        let script = client.get_as_firmware(&format!("/v1/boot/{mac}/boot.ipxe"))?;
        ensure!(
            script.status == 200 && script.text.contains("available"),
            "{script:?}"
        );
    }
    let refused = client.put(
        &format!("/v1/nodes/{node}/states/provision"),
        &json!({"target": "manage"}),
    )?;
    ensure!(
        refused.status == 503
            && refused
                .text
                .contains("No conductor is running, please retry in"),
        "{refused:?}"
    );
    Ok(())
}

/// At each endpoint for scripts, by address and by node; and what is wrong is refused as ever.
fn machines_boot(client: &Ironic, node: &str, mac: &str) -> Result<()> {
    for turn in 0..3 {
        boot(client, mac, turn)?;
    }
    let by_node = client.get_as_firmware(&format!("{PASSTHRU}?node_uuid={node}"))?;
    ensure!(
        by_node.status == 200 && by_node.text.contains("wait call-back -> deploy ramdisk"),
        "{by_node:?}"
    );
    for (target, status) in [
        (format!("{PASSTHRU}?port_address=52:54:00:00:00:ee"), 404),
        (format!("{PASSTHRU}?port_address=zz"), 400),
        (PASSTHRU.to_owned(), 400),
        (
            PASSTHRU.replace("fake-hardware", "nosuch") + "?port_address=" + mac,
            404,
        ),
        (format!("/v1/boot/{node}/ks.cfg"), 404),
    ] {
        let answer = client.get(&target)?;
        ensure!(answer.status == status, "{target}: {answer:?}");
    }
    let preview = client.get(&format!("/v1/nodes/{node}/boot_script"))?;
    let preview = preview.expect_status(200)?;
    ensure!(preview["plan"] == "deploy ramdisk", "{preview}");
    Ok(())
}

#[test]
fn every_conductor_is_listed_and_its_methods_can_be_called() -> Result<()> {
    let site = RolesFixture::new()?;
    let one = site.conductor("one")?;
    let _two = app::start(
        &site
            .options("conductor", "two")
            .set("IRONPXE_DEFAULT__ENABLED_HARDWARE_TYPES", "fake-hardware"),
    )?;
    let (_api, client) = site.api()?;
    // It was not configured where the API is.
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

/// The field `conductor` and the filter of that name agree at every API, and say who really
/// does the work.
#[test]
fn node_names_the_conductor_that_works_on_it() -> Result<()> {
    let site = RolesFixture::new()?;
    let of_rack = |host: &str| {
        let options = site.options("conductor", host);
        app::start(&options.set("IRONPXE_CONDUCTOR__CONDUCTOR_GROUP", "rack1"))
    };
    let _plain = site.conductor("plain")?;
    let mut rack = [of_rack("rack-a")?, of_rack("rack-b")?];
    let (_api, client) = site.api()?;
    for number in 0..12 {
        client.create_node(&json!({
            "uuid": format!("7a1f0c52-3d0e-4b6e-9d5c-0000000000{number:02}"),
            "driver": "fake-hardware",
            "conductor_group": if number == 0 { "" } else { "rack1" },
        }))?;
    }
    let conductors = || -> Result<Vec<(String, String)>> {
        let list = client.get("/v1/nodes?fields=uuid,conductor")?;
        let list = list.expect_status(200)?;
        let list = list["nodes"].as_array().context("no list")?;
        let pairs = list.iter().map(|node| {
            let text = |name: &str| node[name].as_str().unwrap_or("none").to_owned();
            (text("uuid"), text("conductor"))
        });
        Ok(pairs.collect())
    };
    let listed = conductors()?;
    ensure!(listed[0].1 == "plain", "{listed:?}");
    for name in ["rack-a", "rack-b"] {
        let mut own = listed.iter().filter(|(_, conductor)| conductor == name);
        ensure!(own.clone().count() >= 1, "{name}: {listed:?}");
        // The first page of one node, and the next one.
        let mut path = format!("/v1/nodes?fields=uuid&limit=1&conductor={name}");
        let mut found = Vec::new();
        while let Some(next) = {
            let page = client.get(&path)?.expect_status(200)?;
            found.extend(page["nodes"].as_array().cloned().unwrap_or_default());
            page["next"].as_str().map(str::to_owned)
        } {
            let (_, query) = next.split_once("/v1/").context("a link elsewhere")?;
            path = format!("/v1/{query}");
        }
        ensure!(
            found
                .iter()
                .all(|node| own.next().is_some_and(|(uuid, _)| node["uuid"] == **uuid)),
            "{name}: {found:?}"
        );
        ensure!(own.next().is_none(), "{name}: {found:?}");
    }
    for name in ["api", "nosuch"] {
        let none = client.get(&format!("/v1/nodes?conductor={name}"))?;
        ensure!(none.expect_status(200)?["nodes"] == json!([]));
    }
    for (uuid, conductor) in &listed {
        ensure!(client.node(uuid)?["conductor"] == **conductor);
        // It is the one that does the work.
        client.provision(uuid, "manage")?;
        client.wait_state(uuid, "manageable", TIMEOUT)?;
        let server = match conductor.as_str() {
            "rack-a" => &rack[0],
            "rack-b" => &rack[1],
            _ => continue,
        };
        ensure!(
            !server.log_with(uuid).is_empty(),
            "{conductor} did not work on {uuid}"
        );
    }
    // Who is gone has no nodes.
    rack[0].kill()?;
    eventually("the other one has all", || {
        let listed = conductors()?;
        Ok(listed[1..]
            .iter()
            .all(|(_, conductor)| conductor == "rack-b"))
    })
}
