//! Ironic's API, by a server that gives recorded answers, or worse ones.

use super::super::testing::{RecordedApi, api_at, recorded_nodes};
use super::*;

const WAITS: &str = "52:54:00:be:01:01";

#[tokio::test]
async fn every_recorded_machine_is_read_by_as_few_requests_as_possible() {
    let (server, ironic) = RecordedApi::serve().await;
    for (name, node) in recorded_nodes() {
        for mac in node["ports_detail"].as_object().unwrap().keys() {
            let found = machine(&ironic, by_address(mac)).await.unwrap();
            assert_eq!(
                found.node.name.as_deref(),
                node["node"]["name"].as_str(),
                "{name}"
            );
            let asked = server.asked();
            let expected = if found.volumes.is_some() { 4 } else { 2 };
            assert_eq!(asked.len(), expected, "{name}: {asked:?}");
            assert!(
                asked.iter().all(|path| !path.contains("lookup")),
                "{asked:?}"
            );
            let by_node = BootIdent::Node(found.node.uuid);
            assert_eq!(machine(&ironic, by_node).await.unwrap().node, found.node);
            assert_eq!(server.asked().len(), expected - 1, "{name}");
        }
    }
}

#[tokio::test]
async fn password_is_sent_with_each_request() {
    let (server, ironic) = RecordedApi::serve().await;
    machine(&ironic, by_address(WAITS)).await.unwrap();
    for (path, user) in server.users() {
        // ironpxe:secret
        assert_eq!(
            user.as_deref(),
            Some("Basic aXJvbnB4ZTpzZWNyZXQ="),
            "{path}"
        );
    }
}

#[tokio::test]
async fn empty_list_is_believed_only_of_an_account_that_may_see_everything() {
    let (server, ironic) = RecordedApi::serve().await;
    let nobody = by_address("52:54:00:00:00:01");
    server.set("/v1/conductors", 403, "{}");
    let error = ironic.machines(&[nobody]).await.unwrap_err();
    assert!(matches!(&error, SourceError::Scope(_)), "{error}");
    assert!(error.to_string().contains("scope system"), "{error}");
    server.clear();
    server.asked();
    for expected in [2, 1] {
        assert_eq!(machine(&ironic, nobody).await, None);
        assert_eq!(
            server.asked().len(),
            expected,
            "the right is checked once a minute"
        );
    }
    let node = BootIdent::Node(NodeUuid(uuid::Uuid::nil()));
    assert_eq!(machine(&ironic, node).await, None);
}

#[tokio::test]
async fn node_is_unknown_only_if_ironic_says_so() {
    let (server, ironic) = RecordedApi::serve().await;
    let node = BootIdent::Node(NodeUuid(uuid::Uuid::nil()));
    let page = "<html><body><h1>404 Not Found</h1></body></html>";
    for body in [page, "{}", r#"{"error_message": "no such route"}"#] {
        server.set_proxy("/v1/nodes/", 404, body);
        for error in [
            ironic.machines(&[node]).await.err(),
            ironic.node_by_name("rack-1").await.err(),
        ] {
            assert!(
                matches!(error, Some(SourceError::NotIronic(_))),
                "{error:?}"
            );
        }
    }
    server.set("/v1/nodes/", 404, "{}");
    assert_eq!(machine(&ironic, node).await, None);
    assert_eq!(ironic.node_by_name("rack-1").await, Ok(None));
    server.set_proxy("/v1/conductors", 404, page);
    let error = ironic.ping().await;
    assert!(matches!(error, Err(SourceError::NotIronic(_))), "{error:?}");
}

#[tokio::test]
async fn no_other_answer_is_an_unknown_machine() {
    let (server, ironic) = RecordedApi::serve().await;
    let page = "<!DOCTYPE html><html><body>Bad Gateway</body></html>";
    let ports = "/v1/ports/detail";
    for (path, status, body) in [
        (ports, 401, "{}"),
        (ports, 403, "{}"),
        (ports, 404, "{}"),
        (ports, 500, "{}"),
        (ports, 502, page),
        (ports, 200, page),
        (ports, 200, ""),
        (ports, 200, "{\"ports\": {}}"),
        (ports, 200, "{\"ports\": [{}]}"),
        ("/v1/nodes/", 401, "{}"),
        ("/v1/nodes/", 404, "{}"),
        ("/v1/nodes/", 406, "{}"),
        ("/v1/nodes/", 200, "{\"uuid\": null}"),
    ] {
        server.set(path, status, body);
        let error = ironic.machines(&[by_address(WAITS)]).await;
        let error = error.map(|_| ()).unwrap_err().to_string();
        assert!(!error.contains('\n') && error.len() < 500, "{error}");
        server.clear();
        assert!(machine(&ironic, by_address(WAITS)).await.is_some());
    }
}

#[tokio::test]
async fn api_that_is_away_is_an_error() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let error = api_at(address).ping().await.unwrap_err();
    assert!(matches!(&error, SourceError::Api(_)), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}
