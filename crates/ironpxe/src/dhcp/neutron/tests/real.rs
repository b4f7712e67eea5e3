//! Against Neutron itself.

use ironpxe_testkit::openstack::{self as real, Keystone, SERVICE_PASSWORD};
use serde_json::Value;

use super::*;
use crate::openstack::{Auth, Domain, Project, Scope, Secret};

const ME: &str = "ironic";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "needs the services of OpenStack, which `cargo xtask test --full` installs"]
async fn neutron_stores_and_removes_the_options() {
    let started = tokio::task::spawn_blocking(|| {
        let venv = real::venv().unwrap();
        let keystone = Keystone::start(&venv).unwrap();
        keystone.add_service_user(ME).unwrap();
        let neutron = real::Neutron::start(&venv, &keystone).unwrap();
        let network = neutron.add_network(&keystone, ME).unwrap();
        let vif = neutron.add_port(&keystone, ME, &network, MAC).unwrap();
        (keystone, neutron, vif)
    });
    let (keystone, server, vif) = started.await.unwrap();
    let domain = || Domain::Id("default".to_owned());
    let auth = Auth::Password {
        auth_url: keystone.url.clone(),
        username: ME.to_owned(),
        user_domain: domain(),
        password: Secret(SERVICE_PASSWORD.to_owned()),
        scope: Scope::Project(Project::Name("service".to_owned(), domain())),
    };
    let settings = Settings {
        valid_interfaces: vec!["internal".to_owned()],
        retries: 3,
        pause: Duration::from_millis(200),
        ..testing::settings(auth)
    };
    let client = openstack::Neutron::new(&settings).unwrap();
    let dhcp = Dhcp::Neutron(Neutron::new(client.clone(), Duration::ZERO));
    let node = Node::enroll(
        NodeUuid(crate::ident::uuid()),
        "fake-hardware",
        clock::now(),
    );
    let ports = [port_of(&node, 1, &[("tenant_vif_port_id", &vif)])];

    // What Neutron itself has, not what it answered.
    let (keystone, server) = (&keystone, &server);
    let kept = || {
        let port = tokio::task::block_in_place(|| server.port(keystone, ME, &vif)).unwrap();
        let mut kept: Vec<(String, u64)> = port["extra_dhcp_opts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| {
                let name = it["opt_name"].as_str().unwrap().to_owned();
                (name, it["ip_version"].as_u64().unwrap())
            })
            .collect();
        kept.sort();
        kept
    };
    let sorted = |names: &[(&str, u64)]| {
        let mut names = named(names);
        names.sort();
        names
    };
    dhcp.update(&node, &ports, &options()).await.unwrap();
    let all = [
        ("tag:!ipxe,67", 4),
        ("tag:ipxe,67", 4),
        ("66", 4),
        ("tag:ipxe6,59", 6),
    ];
    assert_eq!(kept(), sorted(&all));

    let others = ExtraDhcpOption {
        opt_name: "42".to_owned(),
        opt_value: Some("192.0.2.123".to_owned()),
        ip_version: 4,
    };
    client.set_extra_dhcp_opts(&vif, &[others]).await.unwrap();
    let fewer = [options().remove(1)];
    dhcp.update(&node, &ports, &fewer).await.unwrap();
    assert_eq!(kept(), sorted(&[("42", 4), ("tag:ipxe,67", 4)]));
    dhcp.clear(&node, &ports).await.unwrap();
    assert_eq!(kept(), sorted(&[("42", 4)]));

    let found = client.port(&vif).await.unwrap();
    assert_eq!(found.mac_address, MAC);
    assert_eq!(found.fixed_ips.len(), 2);
    let error = client
        .port("99999999-0000-4000-8000-000000000000")
        .await
        .unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(error.to_string().contains("could not be found"), "{error}");
    // The longest value that Neutron takes is the longest that is sent.
    let longest = [DhcpOption {
        opt_value: "x".repeat(255),
        ..options().remove(1)
    }];
    dhcp.update(&node, &ports, &longest).await.unwrap();
    let path = format!("/ports/{vif}");
    let gone = tokio::task::block_in_place(|| {
        server.ask(keystone, ME, reqwest::Method::DELETE, &path, &Value::Null)
    });
    gone.unwrap();
    dhcp.clear(&node, &ports).await.unwrap();
    let error = dhcp.update(&node, &ports, &options()).await.unwrap_err();
    assert!(error.to_string().contains("could not be found"), "{error}");
}
