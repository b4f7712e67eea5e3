//! Authentication of JSON-RPC.

use super::*;

/// `api` with the password `s3cret`, as `htpasswd` writes it.
const USERS: &str = "api:$2y$04$xkmi1XoqNRheBY6Ee3NzAulI627lfu5ewJfyoVdTxAsFF8YNY0hjW\n";

#[test]
fn http_basic_admits_only_callers_with_the_password() -> Result<()> {
    let site = RolesFixture::new()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("htpasswd");
    std::fs::write(&file, USERS)?;
    let guarded = |role, host| {
        site.options(role, host)
            .set("IRONPXE_JSON_RPC__AUTH_STRATEGY", "http_basic")
    };
    let file = file.to_string_lossy();
    let conductor =
        guarded("conductor", "one").set("IRONPXE_JSON_RPC__HTTP_BASIC_AUTH_USER_FILE", file);
    let conductor = app::start(&conductor)?;
    let api = |password: &str| {
        let options = guarded("api", "api")
            .set("IRONPXE_JSON_RPC__USERNAME", "api")
            .set("IRONPXE_JSON_RPC__PASSWORD", password)
            .set("IRONPXE_JSON_RPC__FIND_TIMEOUT", "2");
        app::start(&options)
    };
    let knows = api("s3cret")?;
    let node = Ironic::new(knows.base_url())?.create_node(&json!({"driver": "fake-hardware"}))?;
    let guesses = api("guess")?;
    let client = Ironic::new(guesses.base_url())?;
    let refused = client.create_node(&json!({"driver": "fake-hardware"}));
    let refused = format!("{:#}", refused.err().context("a guess was enough")?);
    ensure!(
        refused.contains("503") && refused.contains("No conductor responds"),
        "{refused}"
    );
    guesses.wait_for_log("compare [json_rpc] username and password", TIMEOUT)?;
    conductor.wait_for_log("request rejected: wrong user name or password", TIMEOUT)?;
    for server in [&knows, &guesses, &conductor] {
        ensure!(
            server.log_with("s3cret").is_empty(),
            "a password is in the log"
        );
    }
    // A caller without credentials, at the conductor itself.
    let anonymous = Ironic::new(conductor.base_url())?;
    let call = json!({"jsonrpc": "2.0", "method": "destroy_node", "id": "1",
        "params": {"node_id": node["uuid"]}});
    ensure!(anonymous.post("/", &call)?.status == 401);
    ensure!(client.node(node["uuid"].as_str().unwrap_or_default())?["uuid"] == node["uuid"]);
    Ok(())
}

#[test]
fn refuses_to_start_when_json_rpc_would_be_unauthenticated_or_unusable() -> Result<()> {
    let site = RolesFixture::new()?;
    let everywhere = || site.options("conductor", "one").listen("0.0.0.0:0");
    let said = app::start_refused(&everywhere())?;
    for part in [
        "--listen: [json_rpc]host_ip",
        "[json_rpc]auth_strategy = \"http_basic\"",
        "[json_rpc]allow_unauthenticated_access = true",
    ] {
        ensure!(said.contains(part), "{said}");
    }
    let on_request = everywhere().set("IRONPXE_JSON_RPC__ALLOW_UNAUTHENTICATED_ACCESS", "true");
    app::start(&on_request)?;

    let basic = |role| {
        site.options(role, "one")
            .set("IRONPXE_JSON_RPC__AUTH_STRATEGY", "http_basic")
    };
    let said = app::start_refused(&basic("conductor"))?;
    ensure!(
        said.contains("[json_rpc]http_basic_auth_user_file"),
        "{said}"
    );
    let missing = basic("conductor").set("IRONPXE_JSON_RPC__HTTP_BASIC_AUTH_USER_FILE", "/nosuch");
    let said = app::start_refused(&missing)?;
    ensure!(said.contains("cannot read the users of /nosuch"), "{said}");
    let said = app::start_refused(&basic("api"))?;
    ensure!(said.contains("[json_rpc]username and password"), "{said}");
    Ok(())
}
