//! The history of a node as a client reads it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::fixture::RestFixture;

const UNKNOWN: &str = "11111111-2222-4333-8444-555555555555";

/// A node whose manual cleaning failed `times` times: it was asked for a step that nothing can do.
async fn failed_node(lab: &RestFixture, name: &str, times: usize) -> Result<String> {
    let body = json!({ "driver": "fake-hardware", "name": name });
    let node = lab.node(body).await?;
    let path = format!("/v1/nodes/{node}/states/provision");
    let manage = json!({ "target": "manage" });
    lab.expect(202, "PUT", &path, Some(manage.clone())).await?;
    lab.client.wait_until_free(&node).await?;
    for _ in 0..times {
        let step = json!({ "interface": "deploy", "step": "nothing_can" });
        let clean = json!({ "target": "clean", "clean_steps": [step] });
        lab.expect(202, "PUT", &path, Some(clean)).await?;
        lab.client.wait_until_free(&node).await?;
        lab.expect(202, "PUT", &path, Some(manage.clone())).await?;
        lab.client.wait_until_free(&node).await?;
    }
    Ok(node)
}

fn uuids(list: &Value) -> Vec<String> {
    let list = list["history"].as_array().into_iter().flatten();
    list.filter_map(|one| one["uuid"].as_str().map(str::to_owned))
        .collect()
}

fn names(value: &Value) -> Vec<&str> {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(name, _)| name.as_str()).collect()
}

#[tokio::test]
async fn failures_are_in_the_history_of_the_node() -> Result<()> {
    let lab = RestFixture::new()?;
    let node = failed_node(&lab, "n1", 1).await?;
    let list = lab.get("/v1/nodes/n1/history").await?;
    ensure!(uuids(&list).len() == 1, "{list}");
    let short = &list["history"][0];
    let mut wanted = vec!["uuid", "created_at", "severity", "event", "links"];
    wanted.sort_unstable();
    let mut found = names(short);
    found.sort_unstable();
    ensure!(found == wanted, "{list}");
    ensure!(short["severity"] == "ERROR", "{list}");
    let href = short["links"][0]["href"].as_str().unwrap_or_default();
    let uuid = short["uuid"].as_str().context("no uuid")?;
    let path = format!("/v1/nodes/{node}/history/{uuid}");
    ensure!(href.ends_with(&path), "{list}");

    let one = lab.get(&path).await?;
    let detail = lab.get("/v1/nodes/n1/history?detail=True").await?;
    ensure!(detail["history"][0] == one, "{one} {detail}");
    ensure!(one["event_type"] == "cleaning", "{one}");
    ensure!(one["state"] == "cleaning", "{one}");
    ensure!(one["target_provision_state"] == "manageable", "{one}");
    ensure!(one["conductor"] == super::CONDUCTOR, "{one}");
    ensure!(one["user"].is_null() && one["project"].is_null(), "{one}");
    ensure!(one["duration_seconds"].is_u64(), "{one}");
    let event = one["event"].as_str().unwrap_or_default();
    ensure!(event.starts_with("Cannot clean node"), "{one}");

    // Each version has its fields, and before the first one there is nothing.
    for (version, there, fields) in [
        ("1.77", false, 0),
        ("1.78", true, 8),
        ("1.112", true, 8),
        ("1.113", true, 9),
        ("1.115", true, 12),
    ] {
        let answer = lab.at(version, "GET", &path).await?;
        ensure!((answer.status == 200) == there, "{version}: {answer:?}");
        if there {
            ensure!(names(&answer.json()).len() == fields, "{version}");
        } else {
            ensure!(answer.status == 404, "{version}: {answer:?}");
        }
        let list = format!("/v1/nodes/{node}/history");
        let answer = lab.at(version, "GET", &list).await?;
        ensure!((answer.status == 200) == there, "{version}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn history_is_paged() -> Result<()> {
    let lab = RestFixture::new()?;
    failed_node(&lab, "n1", 3).await?;
    let all = uuids(&lab.get("/v1/nodes/n1/history").await?);
    ensure!(all.len() == 3, "{all:?}");
    let first = lab.get("/v1/nodes/n1/history?limit=2&detail=True").await?;
    ensure!(uuids(&first) == all[..2], "{first}");
    let next = first["next"].as_str().context("no next page")?;
    let next = next.split_once("/v1/").context("no path")?.1;
    ensure!(next.contains("sort_key=created_at"), "{next}");
    let rest = lab.get(&format!("/v1/{next}")).await?;
    ensure!(uuids(&rest) == all[2..], "{rest}");
    ensure!(rest["history"][0]["event_type"] == "cleaning", "{rest}");
    let newest = lab
        .get("/v1/nodes/n1/history?sort_dir=desc&limit=1")
        .await?;
    ensure!(uuids(&newest) == all[2..], "{newest}");
    Ok(())
}

#[tokio::test]
async fn missing_history_records_get_404() -> Result<()> {
    let lab = RestFixture::new()?;
    let node = failed_node(&lab, "n1", 1).await?;
    let other = failed_node(&lab, "n2", 0).await?;
    let entry = uuids(&lab.get("/v1/nodes/n1/history").await?).remove(0);
    ensure!(uuids(&lab.get("/v1/nodes/n2/history").await?).is_empty());
    let missing = |entry: &str| format!("Node history record {entry} could not be found.");
    for (path, status, message) in [
        (format!("{node}/history/{UNKNOWN}"), 404, missing(UNKNOWN)),
        (format!("{other}/history/{entry}"), 404, missing(&entry)),
        (
            format!("{node}/history/some-name"),
            404,
            missing("some-name"),
        ),
        (
            format!("{node}/history?marker={UNKNOWN}"),
            404,
            missing(UNKNOWN),
        ),
        (
            format!("{node}/history?marker=x"),
            400,
            "Expected UUID for marker: x".to_owned(),
        ),
        (
            format!("{node}/history?fields=uuid"),
            400,
            "Unexpected arguments: fields".to_owned(),
        ),
        (
            format!("{node}/history?sort_key=zzz"),
            400,
            "The sort_key value \"zzz\" is an invalid field for sorting".to_owned(),
        ),
        (
            format!("{UNKNOWN}/history"),
            404,
            format!("Node {UNKNOWN} could not be found."),
        ),
    ] {
        let answer = lab.ask("GET", &format!("/v1/nodes/{path}"), None).await?;
        ensure!(answer.status == status, "{path}: {answer:?}");
        ensure!(answer.message() == message, "{path}: {answer:?}");
    }
    lab.expect(204, "DELETE", "/v1/nodes/n1", None).await?;
    let path = format!("/v1/nodes/{other}/history/{entry}");
    ensure!(lab.ask("GET", &path, None).await?.status == 404);
    Ok(())
}
