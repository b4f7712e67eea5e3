//! `/v1/drivers/<driver>/vendor_passthru` and its sibling of nodes, as Ironic's clients call them.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::fixture::{is, lab};
use super::recording::{Answer, request};

const FAKE: &str = "/v1/drivers/fake-hardware/vendor_passthru";

/// The form in Ironic's API reference, and the only one that openstacksdk sends.
#[tokio::test]
async fn driver_method_is_called_by_path_or_by_query() -> Result<()> {
    let (lab, uuid) = lab().await?;
    let ask = async |path: &str| lab.ask("GET", path, None).await;
    let by_path = ask(&format!("{FAKE}/ipxe_config?node_uuid={uuid}")).await?;
    let by_query = ask(&format!("{FAKE}?method=ipxe_config&node_uuid={uuid}")).await?;
    let without_id = |answer: &Answer| {
        let lines = answer.text.lines().filter(|line| !line.contains("req-"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for answer in [&by_path, &by_query] {
        ensure!(answer.status == 200, "{answer:?}");
        ensure!(answer.text.starts_with("#!ipxe\n"), "{answer:?}");
    }
    ensure!(
        without_id(&by_path) == without_id(&by_query),
        "{by_query:?}"
    );

    let missing = "Missing mandatory parameter: method";
    is(&ask(FAKE).await?, 400, missing)?;
    // Only the query names it.
    let body = Some(json!({ "method": "ipxe_config", "node_uuid": uuid }));
    is(&lab.ask("GET", FAKE, body).await?, 400, missing)?;
    for (method, path, words) in [
        ("POST", "?method=x", "No handler for method x"),
        (
            "GET",
            "?method=x&port_address=zz",
            "No handler for method x",
        ),
        (
            "PUT",
            "?method=ipxe_config",
            "The method ipxe_config does not support HTTP PUT",
        ),
        (
            "GET",
            "?method=ipxe_config",
            "needs one of node_uuid and port_address",
        ),
        ("GET", "?method=x&method=y", "Expected string for method"),
    ] {
        let answer = lab.ask(method, &format!("{FAKE}{path}"), None).await?;
        is(&answer, 400, words)?;
    }
    let unknown = ask("/v1/drivers/nosuch/vendor_passthru?method=ipxe_config").await?;
    is(&unknown, 404, "nosuch")?;
    let methods = lab.get(&format!("{FAKE}/methods")).await?;
    let by_name = "/v1/drivers/vendor_passthru/methods?driver_name=fake-hardware";
    ensure!(lab.get(by_name).await? == methods, "{methods}");

    // Firmware is shown a script, whatever is wrong.
    let mut firmware = request("GET", FAKE, None);
    firmware.headers = [("User-Agent".to_owned(), "iPXE/1.0.0".to_owned())].into();
    let answer = lab.client.ask(&firmware).await?;
    ensure!(answer.text.starts_with("#!ipxe\n"), "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn unknown_argument_of_a_passthru_method_is_refused() -> Result<()> {
    let (lab, uuid) = lab().await?;
    let node = format!("/v1/nodes/{uuid}/vendor_passthru");
    for (method, path) in [
        ("GET", format!("{FAKE}/methods?foo=1")),
        ("GET", format!("{FAKE}/echo?foo=1")),
        ("GET", format!("{FAKE}?method=echo&foo=1")),
        ("GET", format!("{FAKE}?foo=1")),
        ("GET", format!("{FAKE}/ipxe_config?node_uuid={uuid}&foo=1")),
        (
            "GET",
            format!("{FAKE}?method=ipxe_config&node_uuid={uuid}&foo=1"),
        ),
        ("GET", format!("{node}/methods?foo=1")),
        ("POST", format!("{node}?foo=1")),
        ("POST", format!("{node}?method=third_method_sync&foo=1")),
        ("POST", format!("{node}?method=nosuch&foo=1")),
        ("POST", format!("{node}/third_method_sync?foo=1")),
        ("POST", format!("{node}/log_passthrough?foo=1")),
    ] {
        let answer = lab.ask(method, &path, None).await?;
        is(&answer, 400, "Unexpected arguments: foo")?;
    }
    // What a method has declared is none of them, and a body may hold anything.
    for (path, body) in [
        (
            "?method=third_method_sync",
            json!({ "bar": "meow", "foo": 1 }),
        ),
        ("/third_method_sync", json!({ "bar": "meow" })),
        ("?method=third_method_sync&bar=meow", Value::Null),
    ] {
        let body = Some(body).filter(|body| !body.is_null());
        let answer = lab.ask("POST", &format!("{node}{path}"), body).await?;
        ensure!(answer.status == 200 && answer.text == "true", "{answer:?}");
    }
    for (method, status) in [
        ("second_method", 202),
        ("fourth_method_shared_lock", 202),
        ("log_passthrough", 202),
    ] {
        let body = Some(json!({ "bar": "x" }));
        let answer = lab.ask("POST", &format!("{node}/{method}"), body).await?;
        ensure!(
            answer.status == status && answer.text.is_empty(),
            "{answer:?}"
        );
    }
    let path = format!("{node}/second_method");
    let missing = lab.ask("POST", &path, Some(json!({ "bar": "" }))).await?;
    is(
        &missing,
        400,
        "Parameter 'bar' not passed to method 'second_method'.",
    )
}
