//! Who may speak to a conductor.

use ironpxe_testkit::server::ServerOptions;

use super::*;

/// `api` with the password `s3cret`, as `htpasswd` writes it.
const USERS: &str = "api:$2y$04$xkmi1XoqNRheBY6Ee3NzAulI627lfu5ewJfyoVdTxAsFF8YNY0hjW\n";

/// Starts something that must not start; gives what it said.
fn refused(options: &ServerOptions) -> Result<String> {
    match Server::start(binary(), options) {
        Ok(_) => anyhow::bail!("it started"),
        Err(error) => Ok(format!("{error:#}")),
    }
}

#[test]
fn with_passwords_only_who_knows_one_reaches_a_conductor() -> Result<()> {
    let site = Site::new()?;
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
    let conductor = Server::start(binary(), &conductor)?;
    let api = |password: &str| {
        let options = guarded("api", "api")
            .set("IRONPXE_JSON_RPC__USERNAME", "api")
            .set("IRONPXE_JSON_RPC__PASSWORD", password)
            .set("IRONPXE_JSON_RPC__BOOT_TIMEOUT", "2");
        Server::start(binary(), &options)
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
    guesses.wait_for_log("compare [json_rpc] username and password", SOON)?;
    conductor.wait_for_log("JSON-RPC request rejected", SOON)?;
    for server in [&knows, &guesses, &conductor] {
        ensure!(
            server.log_with("s3cret").is_empty(),
            "a password is in the log"
        );
    }
    // Whoever stands before the conductor itself.
    let anonymous = Ironic::new(conductor.base_url())?;
    let call = json!({"jsonrpc": "2.0", "method": "destroy_node", "id": "1",
        "params": {"node_id": node["uuid"]}});
    ensure!(anonymous.post("/", &call)?.status == 401);
    ensure!(client.node(node["uuid"].as_str().unwrap_or_default())?["uuid"] == node["uuid"]);
    Ok(())
}

#[test]
fn what_would_be_open_or_closed_to_everybody_does_not_start() -> Result<()> {
    let site = Site::new()?;
    let everywhere = || ServerOptions {
        listen: Some("0.0.0.0:0".to_owned()),
        ..site.options("conductor", "one")
    };
    let said = refused(&everywhere())?;
    for part in [
        "--listen: [json_rpc]host_ip",
        "[json_rpc]auth_strategy = \"http_basic\"",
        "[json_rpc]allow_unauthenticated_access = true",
    ] {
        ensure!(said.contains(part), "{said}");
    }
    let on_request = everywhere().set("IRONPXE_JSON_RPC__ALLOW_UNAUTHENTICATED_ACCESS", "true");
    Server::start(binary(), &on_request)?;

    let basic = |role| {
        site.options(role, "one")
            .set("IRONPXE_JSON_RPC__AUTH_STRATEGY", "http_basic")
    };
    let said = refused(&basic("conductor"))?;
    ensure!(
        said.contains("[json_rpc]http_basic_auth_user_file"),
        "{said}"
    );
    let missing = basic("conductor").set("IRONPXE_JSON_RPC__HTTP_BASIC_AUTH_USER_FILE", "/nosuch");
    let said = refused(&missing)?;
    ensure!(said.contains("cannot read the users of /nosuch"), "{said}");
    let said = refused(&basic("api"))?;
    ensure!(said.contains("[json_rpc]username and password"), "{said}");
    Ok(())
}
