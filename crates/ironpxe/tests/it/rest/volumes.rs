//! Volume connectors and targets as a client works with them, beyond what the recordings show.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::fixture::{RestFixture, drive, is, lab};

const UNKNOWN: &str = "11111111-2222-4333-8444-555555555555";

async fn node(lab: &RestFixture, name: &str) -> Result<String> {
    lab.node(json!({ "driver": "fake-hardware", "name": name }))
        .await
}

fn target(node: &str, boot_index: i64) -> Value {
    json!({
        "node_uuid": node, "volume_type": "iscsi", "boot_index": boot_index, "volume_id": "v",
        "properties": { "target_iqn": "iqn.t", "auth_password": "hush", "deep": { "secret": 1 } },
    })
}

#[tokio::test]
async fn volumes_are_listed_below_their_node_and_deleted_with_it() -> Result<()> {
    let lab = RestFixture::new()?;
    let (one, two) = (node(&lab, "n1").await?, node(&lab, "n2").await?);
    let connector = json!({ "node_uuid": one, "type": "iqn", "connector_id": "iqn.a:b" });
    let connector = lab
        .expect(201, "POST", "/v1/volume/connectors", Some(connector))
        .await?;
    let mut targets = Vec::new();
    for (node, index) in [(&one, 1), (&one, 0), (&two, 0)] {
        let body = Some(target(node, index));
        let made = lab.expect(201, "POST", "/v1/volume/targets", body).await?;
        targets.push(made["uuid"].as_str().context("no uuid")?.to_owned());
    }

    let links = lab.get("/v1/nodes/n1/volume").await?;
    let below = format!("/v1/nodes/{one}/volume/targets");
    let href = links["targets"][0]["href"].as_str().unwrap_or_default();
    ensure!(href.ends_with(&below), "{links}");
    let links = lab.get("/v1/volume").await?;
    let href = links["connectors"][0]["href"].as_str().unwrap_or_default();
    ensure!(href.ends_with("/v1/volume/connectors"), "{links}");

    let uuids = |list: &Value| -> Vec<String> {
        let list = list["targets"].as_array().into_iter().flatten();
        list.filter_map(|one| one["uuid"].as_str().map(str::to_owned))
            .collect()
    };
    for path in [
        below.as_str(),
        "/v1/nodes/n1/volume/targets",
        "/v1/volume/targets?node=n1",
        &format!("/v1/volume/targets?node={one}"),
    ] {
        ensure!(uuids(&lab.get(path).await?) == targets[..2], "{path}");
    }
    let all = lab.get("/v1/volume/targets").await?;
    ensure!(uuids(&all) == targets, "{all}");
    let short = json!([
        "uuid",
        "volume_id",
        "volume_type",
        "boot_index",
        "links",
        "node_uuid"
    ]);
    let mut names: Vec<&String> = all["targets"][0]
        .as_object()
        .context("no object")?
        .keys()
        .collect();
    names.sort();
    let mut wanted: Vec<&str> = short
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    wanted.sort_unstable();
    ensure!(names == wanted, "{all}");

    // In pages, by boot index, in the node's own list.
    let page = lab
        .get(&format!("{below}?limit=1&sort_key=boot_index&fields=uuid"))
        .await?;
    ensure!(uuids(&page) == targets[1..2], "{page}");
    let next = page["next"].as_str().context("no next page")?;
    let next = next.split_once("/v1/").context("no path")?.1;
    let page = lab.get(&format!("/v1/{next}")).await?;
    ensure!(uuids(&page) == targets[..1], "{page}");
    ensure!(page["targets"][0].get("boot_index").is_none(), "{page}");

    lab.expect(204, "DELETE", "/v1/nodes/n1", None).await?;
    ensure!(
        uuids(&lab.get("/v1/volume/targets").await?) == targets[2..],
        "still there"
    );
    let path = format!(
        "/v1/volume/connectors/{}",
        connector["uuid"].as_str().unwrap_or_default()
    );
    let gone = lab.ask("GET", &path, None).await?;
    ensure!(gone.status == 404, "{gone:?}");
    ensure!(gone.message().starts_with("Volume connector "), "{gone:?}");
    Ok(())
}

#[tokio::test]
async fn secrets_of_a_volume_are_not_returned() -> Result<()> {
    let lab = RestFixture::new()?;
    let one = node(&lab, "n1").await?;
    let masked = json!({
        "target_iqn": "iqn.t", "auth_password": "******", "deep": { "secret": "******" },
    });
    let made = lab
        .expect(201, "POST", "/v1/volume/targets", Some(target(&one, 0)))
        .await?;
    ensure!(made["properties"] == masked, "{made}");
    let path = format!(
        "/v1/volume/targets/{}",
        made["uuid"].as_str().unwrap_or_default()
    );
    let change = json!([{ "op": "add", "path": "/properties/auth_password", "value": "quiet" }]);
    let changed = lab.expect(200, "PATCH", &path, Some(change)).await?;
    ensure!(changed["properties"] == masked, "{changed}");
    ensure!(!changed["updated_at"].is_null(), "{changed}");
    ensure!(lab.get(&path).await?["properties"] == masked, "shown");
    for list in [
        "/v1/volume/targets?detail=true",
        "/v1/volume/targets?fields=properties",
        "/v1/nodes/n1/volume/targets?detail=true",
    ] {
        let seen = lab.get(list).await?;
        ensure!(seen["targets"][0]["properties"] == masked, "{list}: {seen}");
    }
    Ok(())
}

#[tokio::test]
async fn unbootable_and_duplicate_volumes_are_refused() -> Result<()> {
    let lab = RestFixture::new()?;
    let (one, two) = (node(&lab, "n1").await?, node(&lab, "n2").await?);
    let with = |name: &str, value: Value| {
        let mut body = target(&one, 0);
        body[name] = value;
        body
    };
    let mut without = target(&one, 0);
    without
        .as_object_mut()
        .context("no object")?
        .remove("boot_index");
    for (body, words) in [
        (
            without,
            "Schema error for target: 'boot_index' is a required property",
        ),
        (
            with("boot_index", json!("0")),
            "Schema error for target: '0' is not of type 'integer'",
        ),
        (
            with("boot_index", json!(-1)),
            "Schema error for target: -1 is less than the minimum of 0",
        ),
        (
            with("boot_index", json!(1.5)),
            "Schema error for target: 1.5 is not of type 'integer'",
        ),
        (
            with("boot_index", json!(null)),
            "Schema error for target: None is not of type 'integer'",
        ),
        (
            with("properties", json!([1])),
            "Schema error for target: [1] is not of type 'object', 'null'",
        ),
        (
            with("volume_id", json!(7)),
            "Schema error for target: 7 is not of type 'string'",
        ),
        (
            with("zzz", json!(7)),
            "Schema error for target: Additional properties are not allowed ('zzz' was unexpected)",
        ),
        (with("uuid", json!("zzz")), "Expected UUID for uuid: zzz"),
        (
            with("node_uuid", json!("n1")),
            "Expected UUID for node_uuid: n1",
        ),
        (
            with("node_uuid", json!(UNKNOWN)),
            &format!(
                "Invalid input for field/attribute node_uuid. Value: '{UNKNOWN}'. Node {UNKNOWN} could not be found."
            ),
        ),
    ] {
        let message = lab.refused(400, "POST", "/v1/volume/targets", body).await?;
        ensure!(message == words, "{message}");
    }
    let made = lab
        .expect(201, "POST", "/v1/volume/targets", Some(target(&one, 0)))
        .await?;
    let uuid = made["uuid"].as_str().context("no uuid")?;
    let mut same = target(&two, 0);
    same["uuid"] = json!(uuid);
    let message = lab.refused(409, "POST", "/v1/volume/targets", same).await?;
    ensure!(
        message == format!("A volume target with UUID {uuid} already exists."),
        "{message}"
    );

    let connector = json!({ "node_uuid": one, "type": "iqn" });
    let message = lab
        .refused(400, "POST", "/v1/volume/connectors", connector)
        .await?;
    ensure!(
        message == "Schema error for connector: 'connector_id' is a required property",
        "{message}"
    );

    let path = format!("/v1/volume/targets/{uuid}");
    for (name, value, words) in [
        (
            "node_uuid",
            json!("n2"),
            "Expected a UUID for node_uuid, but received n2.",
        ),
        (
            "node_uuid",
            json!(UNKNOWN),
            &format!(
                "Unable to apply the requested node_uuid '{UNKNOWN}'. Requested value was invalid."
            ),
        ),
        (
            "boot_index",
            json!(-1),
            "Schema error for patch: -1 is less than the minimum of 0",
        ),
        (
            "properties",
            json!("x"),
            "Schema error for patch: 'x' is not of type 'object', 'null'",
        ),
        (
            "uuid",
            json!(UNKNOWN),
            "Cannot patch /uuid. Only the following can be updated: boot_index, extra, node_uuid, properties, volume_id, volume_type",
        ),
    ] {
        let change = json!([{ "op": "replace", "path": format!("/{name}"), "value": value }]);
        let message = lab.refused(400, "PATCH", &path, change).await?;
        ensure!(message == words, "{message}");
    }
    let moved = json!([{ "op": "replace", "path": "/node_uuid", "value": two }]);
    let moved = lab.expect(200, "PATCH", &path, Some(moved)).await?;
    ensure!(moved["node_uuid"] == json!(two), "{moved}");

    for (path, words) in [
        (
            "/v1/volume/targets?fields=uuid&detail=true",
            "Can't fetch a subset of fields with 'detail' set",
        ),
        (
            "/v1/volume/targets?fields=uuid,zzz",
            "Field(s) \"zzz\" are not valid",
        ),
        (
            "/v1/volume/targets?sort_key=properties",
            "The sort_key value \"properties\" is an invalid field for sorting",
        ),
        (
            "/v1/volume/targets/zzz",
            "Expected UUID for target_uuid: zzz",
        ),
        (
            "/v1/volume/connectors/zzz",
            "Expected UUID for connector_uuid: zzz",
        ),
    ] {
        let answer = lab.ask("GET", path, None).await?;
        ensure!(
            answer.status == 400 && answer.message() == words,
            "{path}: {answer:?}"
        );
    }
    for path in [
        format!("/v1/volume/targets?marker={UNKNOWN}"),
        format!("/v1/volume/targets/{UNKNOWN}"),
    ] {
        let answer = lab.ask("GET", &path, None).await?;
        let words = format!("Volume target {UNKNOWN} could not be found.");
        ensure!(
            answer.status == 404 && answer.message() == words,
            "{path}: {answer:?}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn volumes_of_a_running_machine_cannot_be_changed() -> Result<()> {
    let lab = RestFixture::new()?;
    let one = node(&lab, "n1").await?;
    let made = lab
        .expect(201, "POST", "/v1/volume/targets", Some(target(&one, 0)))
        .await?;
    let path = format!(
        "/v1/volume/targets/{}",
        made["uuid"].as_str().unwrap_or_default()
    );
    // A node that is only described may lose what it has.
    for verb in ["manage", "provide"] {
        let path = "/v1/nodes/n1/states/provision";
        lab.expect(202, "PUT", path, Some(json!({ "target": verb })))
            .await?;
        lab.client.wait_until_free("n1").await?;
    }
    let power = "/v1/nodes/n1/states/power";
    lab.expect(202, "PUT", power, Some(json!({ "target": "power on" })))
        .await?;
    let change = json!([{ "op": "replace", "path": "/volume_id", "value": "w" }]);
    let message = lab.refused(400, "PATCH", &path, change.clone()).await?;
    ensure!(message.contains(&one), "{message}");
    lab.expect(400, "DELETE", &path, None).await?;
    lab.expect(202, "PUT", power, Some(json!({ "target": "power off" })))
        .await?;
    let changed = lab.expect(200, "PATCH", &path, Some(change)).await?;
    ensure!(changed["volume_id"] == "w", "{changed}");
    lab.expect(204, "DELETE", &path, None).await?;
    lab.expect(404, "DELETE", &path, None).await?;
    Ok(())
}

#[tokio::test]
async fn volumes_are_hidden_from_older_clients() -> Result<()> {
    let lab = RestFixture::new()?;
    node(&lab, "n1").await?;
    for path in [
        "/v1/volume",
        "/v1/volume/connectors",
        "/v1/volume/targets",
        "/v1/nodes/n1/volume",
        "/v1/nodes/n1/volume/connectors",
        "/v1/nodes/n1/volume/targets",
    ] {
        let answer = lab.at("1.31", "GET", path).await?;
        ensure!(answer.status == 404, "{path}: {answer:?}");
        let answer = lab.at("1.32", "GET", path).await?;
        ensure!(answer.status == 200, "{path}: {answer:?}");
    }
    for path in ["connectors", "targets"] {
        for method in ["GET", "DELETE"] {
            let path = format!("/v1/volume/{path}/{UNKNOWN}");
            let answer = lab.at("1.31", method, &path).await?;
            ensure!(
                answer.status == 404 && !answer.message().contains(UNKNOWN),
                "{answer:?}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn volumes_of_a_powered_on_node_are_kept_except_in_enroll() -> Result<()> {
    let (lab, uuid) = lab().await?;
    let mut paths = Vec::new();
    for number in 0..2 {
        let body =
            json!({ "node_uuid": uuid, "type": "iqn", "connector_id": format!("iqn.{number}") });
        let made = lab
            .expect(201, "POST", "/v1/volume/connectors", Some(body))
            .await?;
        let connector = made["uuid"].as_str().context("no uuid")?;
        paths.push(format!("/v1/volume/connectors/{connector}"));
    }
    let on = Some(json!({ "target": "power on" }));
    lab.expect(202, "PUT", "/v1/nodes/n1/states/power", on)
        .await?;
    lab.client.wait_until_free("n1").await?;
    let change = json!([{ "op": "add", "path": "/extra/a", "value": 1 }]);
    let said = lab.refused(400, "PATCH", &paths[0], change).await?;
    let wanted = format!(
        "The requested action \"volume connector update\" can not be performed on node \"{uuid}\" \
         while it is in state \"power on\"."
    );
    ensure!(said == wanted, "{said}");
    lab.expect(204, "DELETE", &paths[0], None).await?;
    drive(&lab, json!({ "target": "manage" })).await?;
    drive(&lab, json!({ "target": "provide" })).await?;
    let kept = lab.ask("DELETE", &paths[1], None).await?;
    is(
        &kept,
        400,
        "The requested action \"volume connector deletion\" can not be performed",
    )
}
