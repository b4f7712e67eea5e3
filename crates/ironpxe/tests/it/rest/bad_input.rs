//! Nonsense. Nothing a client sends makes the service fail, and nothing refused leaves a trace.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::recording::{Client, request};
use super::server;

const NODE: &str = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
const PORT: &str = "bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee";
const CONNECTOR: &str = "/v1/volume/connectors/cccccccc-bbbb-4ccc-8ddd-eeeeeeeeeeee";
const TARGET: &str = "/v1/volume/targets/dddddddd-bbbb-4ccc-8ddd-eeeeeeeeeeee";

/// Every place that takes a body.
const ENDPOINTS: [(&str, &str); 24] = [
    ("POST", "/v1/nodes"),
    ("PATCH", "/v1/nodes/n1"),
    ("PUT", "/v1/nodes/n1/maintenance"),
    ("PUT", "/v1/nodes/n1/states/provision"),
    ("PUT", "/v1/nodes/n1/states/power"),
    ("PUT", "/v1/nodes/n1/states/raid"),
    ("PUT", "/v1/nodes/n1/management/boot_device"),
    ("PUT", "/v1/nodes/n1/traits"),
    ("POST", "/v1/nodes/n1/vifs"),
    ("PUT", "/v1/nodes/n1/traits/CUSTOM_A"),
    ("POST", "/v1/nodes/n1/vendor_passthru?method=second_method"),
    ("POST", "/v1/ports"),
    ("PATCH", "/v1/ports/bbbbbbbb-bbbb-4ccc-8ddd-eeeeeeeeeeee"),
    (
        "POST",
        "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config",
    ),
    (
        "GET",
        "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config",
    ),
    ("POST", "/v1/volume/connectors"),
    ("PATCH", CONNECTOR),
    ("POST", "/v1/volume/targets"),
    ("PATCH", TARGET),
    ("POST", "/v1/portgroups"),
    ("POST", "/v1/allocations"),
    ("POST", "/v1/events"),
    ("POST", "/v1/heartbeat"),
    ("POST", "/v1/heartbeat/n1"),
];

fn bodies() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = [
        "{",
        "}",
        "[",
        "\"",
        "nul",
        "null",
        "true",
        "1",
        "-",
        "1e999",
        "[1]",
        "[[]]",
        "{}",
        "[{}]",
        "\"text\"",
        "\u{feff}{}",
        "{\"a\":1}",
        "{\"a\":1}x",
        "{\"driver\":}",
        "{\"driver\":1}",
        "{\"driver\":null}",
        "{\"driver\":[]}",
        "{\"driver\":{\"a\":{}}}",
        "{\"target\":1}",
        "{\"target\":\"\"}",
        "{\"target\":null}",
        "{\"target\":\"active\",\"configdrive\":1}",
        "{\"target\":\"clean\",\"clean_steps\":1}",
        "{\"target\":\"clean\",\"clean_steps\":[1]}",
        "{\"target\":\"power on\",\"timeout\":\"x\"}",
        "{\"target\":\"power on\",\"timeout\":-1}",
        "{\"target\":\"soft power off\",\"timeout\":99999999999999999999}",
        "{\"boot_device\":7}",
        "{\"boot_device\":\"zzz\"}",
        "{\"reason\":7}",
        "{\"reason\":[]}",
        "{\"traits\":7}",
        "{\"traits\":[7]}",
        "{\"traits\":[\"x\"]}",
        "{\"traits\":null}",
        "[{\"op\":\"add\"}]",
        "[{\"op\":1,\"path\":2}]",
        "[{\"op\":\"add\",\"path\":\"/extra/a\"}]",
        "[{\"op\":\"move\",\"path\":\"/extra\",\"from\":\"/name\"}]",
        "[{\"op\":\"replace\",\"path\":\"\",\"value\":{}}]",
        "[{\"op\":\"replace\",\"path\":\"/\",\"value\":{}}]",
        "[{\"op\":\"remove\",\"path\":\"/extra/9/8/7\"}]",
        "[{\"op\":\"add\",\"path\":\"/extra/~2\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/instance_uuid\",\"value\":{}}]",
        "[{\"op\":\"add\",\"path\":\"/properties\",\"value\":\"x\"}]",
        "[{\"op\":\"add\",\"path\":\"/address\",\"value\":7}]",
        "{\"node_uuid\":7,\"address\":8}",
        "{\"address\":\"zz\",\"node_uuid\":\"n1\"}",
        "{\"driver\":\"fake-hardware\",\"name\":\"a\\u0000b\"}",
        "{\"driver\":\"fake-hardware\",\"name\":\"a\\nb\"}",
        "{\"driver\":\"fake-hardware\",\"uuid\":\"{aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee}\"}",
        "{\"driver\":\"fake-hardware\",\"extra\":{\"n\":123456789012345678901234567890}}",
        "{\"driver\":\"fake-hardware\",\"extra\":{\"s\":\"\\ud800\"}}",
        "{\"driver\":\"fake-hardware\",\"maintenance\":\"perhaps\"}",
        "{\"driver\":\"fake-hardware\",\"conductor_group\":\"a b\"}",
        "{\"driver\":\"fake-hardware\",\"network_data\":{\"x\":1}}",
        "{\"driver\":\"fake-hardware\",\"boot_interface\":\"nosuch\"}",
        "{\"driver\":\"fake-hardware\",\"parent_node\":\"nosuch\"}",
        "{\"driver\":\"fake-hardware\",\"chassis_uuid\":\"aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\"}",
        "{\"driver\":\"nosuch\"}",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    bodies.push(vec![0xff, 0xfe, 0x00]);
    bodies.push(b"{\"driver\":\"\xff\"}".to_vec());
    bodies.push("[".repeat(500_000).into_bytes());
    for field in [
        "name",
        "owner",
        "lessee",
        "shard",
        "resource_class",
        "description",
        "driver",
    ] {
        let mut node = json!({ "driver": "fake-hardware" });
        node[field] = "x".repeat(5000).into();
        bodies.push(node.to_string().into_bytes());
    }
    bodies
}

#[tokio::test]
async fn malformed_bodies_get_no_500_and_change_nothing() -> Result<()> {
    let server = server()?;
    let client = Client::new(server.base_url())?;
    enrol(&client).await?;
    let before = snapshot(&client).await?;
    let mut accepted = 0;
    for (method, path) in ENDPOINTS {
        for body in bodies() {
            let answer = client
                .ask_bytes(&request(method, path, None), body.clone())
                .await?;
            let shown: String = String::from_utf8_lossy(&body).chars().take(80).collect();
            let place = format!("{method} {path} {shown}: {} {}", answer.status, answer.text);
            ensure!(answer.status < 500 || answer.status == 501, "{place}");
            ensure!(
                answer.headers.contains_key("openstack-request-id"),
                "{place}"
            );
            if answer.status < 300 {
                accepted += 1;
                ensure!(is_harmless(method, path), "accepted: {place}");
                continue;
            }
            ensure!(!answer.message().is_empty(), "no reason: {place}");
            ensure!(
                answer.headers["content-type"] == "application/json",
                "{place}"
            );
        }
    }
    // The few that are no nonsense where they were sent (an empty patch; maintenance without a
    // reason) change nothing but what they say.
    ensure!(accepted > 0 && accepted < 60, "{accepted} were accepted");
    client
        .done("PUT", "/v1/nodes/n1/traits", &json!({ "traits": [] }), 204)
        .await?;
    let answer = client
        .ask(&request("DELETE", "/v1/nodes/n1/maintenance", None))
        .await?;
    ensure!(answer.status == 202, "{}", answer.text);
    let after = snapshot(&client).await?;
    ensure!(before == after, "before: {before}\nafter: {after}");
    ensure!(
        server.log_with("request failed").is_empty(),
        "{:?}",
        server.log_with("failed")
    );
    Ok(())
}

/// Where some of the bodies mean something.
fn is_harmless(method: &str, path: &str) -> bool {
    matches!(
        (method, path),
        (
            "PUT",
            "/v1/nodes/n1/maintenance" | "/v1/nodes/n1/traits/CUSTOM_A"
        )
    )
}

#[tokio::test]
async fn malformed_queries_and_paths_get_no_500() -> Result<()> {
    let server = server()?;
    let client = Client::new(server.base_url())?;
    enrol(&client).await?;
    let values = [
        "",
        "zzz",
        "-1",
        "0",
        "99999999999999999999",
        "%00",
        "%ff",
        "%F0%9F%98%80",
        "a,b,,c",
        "%27%20OR%201=1--",
        "true",
        "../../etc/passwd",
        "%7B%7D",
        "None",
    ];
    let arguments = [
        "limit",
        "marker",
        "sort_key",
        "sort_dir",
        "fields",
        "detail",
        "provision_state",
        "driver",
        "maintenance",
        "associated",
        "instance_uuid",
        "chassis_uuid",
        "fault",
        "conductor",
        "conductor_group",
        "owner",
        "lessee",
        "shard",
        "sharded",
        "retired",
        "parent_node",
        "include_children",
        "description_contains",
        "project",
        "instance_name",
        "address",
        "node",
        "node_uuid",
        "portgroup",
        "type",
        "method",
        "port_address",
        "zzz",
    ];
    let lists = [
        "/v1/nodes",
        "/v1/nodes/detail",
        "/v1/nodes/n1",
        "/v1/nodes/n1/ports",
        "/v1/nodes/n1/volume/targets",
        "/v1/ports",
        "/v1/ports/detail",
        "/v1/volume/connectors",
        "/v1/volume/targets",
        TARGET,
        "/v1/drivers",
        "/v1/drivers/fake-hardware",
        "/v1/conductors",
        "/v1/drivers/fake-hardware/vendor_passthru/ipxe_config",
    ];
    for path in lists {
        for argument in arguments {
            for value in values {
                fine(&client, "GET", &format!("{path}?{argument}={value}")).await?;
            }
            fine(&client, "GET", &format!("{path}?{argument}=a&{argument}=b")).await?;
            fine(&client, "GET", &format!("{path}?{argument}")).await?;
        }
    }
    for method in ["CONNECT", "TRACE"] {
        let answer = client.ask(&request(method, "/", None)).await?;
        ensure!(answer.status == 405, "{method}: {answer:?}");
    }
    let long = "x".repeat(10_000);
    for ident in values
        .iter()
        .copied()
        .chain(["..", "%2e%2e", "%2F", "a%20b", ";", long.as_str()])
    {
        for method in [
            "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "ZZZ",
        ] {
            for path in [
                "/",
                "/v1/",
                "/v1/ports/",
                "/v1/volume/",
                "/v1/volume/connectors/",
                "/v1/volume/targets/",
                "/v1/drivers/",
                "/v1/conductors/",
                "/v1/nodes/",
            ] {
                fine(&client, method, &format!("{path}{ident}")).await?;
            }
            fine(&client, method, &format!("/v1/nodes/{ident}/states/power")).await?;
            fine(
                &client,
                method,
                &format!("/v1/nodes/{ident}/vendor_passthru/{ident}"),
            )
            .await?;
        }
    }
    Ok(())
}

async fn fine(client: &Client, method: &str, path: &str) -> Result<()> {
    let answer = client.ask(&request(method, path, None)).await?;
    let shown: String = path.chars().take(120).collect();
    ensure!(
        answer.status < 500 || answer.status == 501,
        "{method} {shown}: {} {}",
        answer.status,
        answer.text
    );
    ensure!(
        answer.headers.contains_key("openstack-request-id"),
        "{method} {shown}"
    );
    Ok(())
}

#[tokio::test]
async fn oversized_bodies_are_refused() -> Result<()> {
    let server = server()?;
    let client = Client::new(server.base_url())?;
    enrol(&client).await?;
    // The refusal arrives although the client is still sending, whichever layer would have read the body.
    for size in [(1 << 20) + 1, 2 << 20, 12 << 20] {
        for (method, path) in [("POST", "/v1/nodes"), ("PUT", "/v1/nodes/n1/states/raid")] {
            let body = vec![b'x'; size];
            let answer = client.ask_bytes(&request(method, path, None), body).await?;
            ensure!(answer.status == 413, "{} {}", answer.status, answer.text);
            ensure!(answer.json()["faultcode"] == "Client", "{}", answer.text);
            ensure!(
                answer.message().starts_with("Request body is too large"),
                "{}",
                answer.text
            );
        }
    }

    // A config drive may be larger than anything else: this one is judged by what it is.
    let drive = json!({ "target": "active", "configdrive": "A".repeat(2 << 20) });
    let answer = client
        .ask(&request(
            "PUT",
            "/v1/nodes/n1/states/provision",
            Some(drive),
        ))
        .await?;
    ensure!(answer.status == 400, "{} {}", answer.status, answer.text);
    ensure!(
        answer.message().contains("while it is in state"),
        "{}",
        answer.text
    );

    // Whatever the client calls it, JSON is read as JSON.
    let mut ask = request(
        "POST",
        "/v1/nodes",
        Some(json!({ "driver": "fake-hardware" })),
    );
    for kind in ["text/plain", "application/x-www-form-urlencoded", "zzz"] {
        ask.headers
            .insert("Content-Type".to_owned(), kind.to_owned());
        let answer = client.ask(&ask).await?;
        ensure!(
            answer.status == 201,
            "{kind}: {} {}",
            answer.status,
            answer.text
        );
    }
    Ok(())
}

async fn enrol(client: &Client) -> Result<()> {
    let node = json!({ "driver": "fake-hardware", "uuid": NODE, "name": "n1" });
    client.done("POST", "/v1/nodes", &node, 201).await?;
    let port = json!({ "node_uuid": NODE, "uuid": PORT, "address": "52:54:00:aa:00:01" });
    client.done("POST", "/v1/ports", &port, 201).await?;
    let uuid = |path: &str| path.rsplit('/').next().map(str::to_owned);
    let connector = json!({
        "node_uuid": NODE, "uuid": uuid(CONNECTOR), "type": "iqn", "connector_id": "iqn.a:b",
    });
    client
        .done("POST", "/v1/volume/connectors", &connector, 201)
        .await?;
    let target = json!({
        "node_uuid": NODE, "uuid": uuid(TARGET), "volume_type": "iscsi", "boot_index": 0,
        "volume_id": "1",
    });
    client
        .done("POST", "/v1/volume/targets", &target, 201)
        .await?;
    Ok(())
}

/// Everything there is, but for the times.
async fn snapshot(client: &Client) -> Result<Value> {
    let mut all = Vec::new();
    for path in [
        "/v1/nodes/detail",
        "/v1/ports/detail",
        "/v1/volume/connectors?detail=true",
        "/v1/volume/targets?detail=true",
    ] {
        let answer = client.ask(&request("GET", path, None)).await?;
        let mut body = answer.json();
        for list in ["nodes", "ports", "connectors", "targets"] {
            for item in body[list].as_array_mut().into_iter().flatten() {
                item["updated_at"] = Value::Null;
            }
        }
        all.push(body);
    }
    Ok(Value::Array(all))
}
