//! The nodes, and what belongs to them, that the matrix was recorded with; and its personas.

use std::sync::Arc;

use ironpxe_core::policy::{Credentials, Policy};
use serde_json::{Value, json};

use crate::api::testing::{Response, TestApp};
use crate::auth::Caller;

pub(super) const OWNER: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
pub(super) const LESSEE: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
pub(super) const OTHER: &str = "cccccccccccccccccccccccccccccccc";
const SERVICE: &str = "dddddddddddddddddddddddddddddddd";

/// The targets, in the order of their UUIDs, with owner and lessee.
pub(super) const NODES: [(&str, Option<&str>, Option<&str>); 6] = [
    ("owner", Some(OWNER), None),
    ("lessee", None, Some(LESSEE)),
    ("both", Some(OWNER), Some(LESSEE)),
    ("none", None, None),
    ("held-owner", Some(OWNER), None),
    ("held-lessee", None, Some(LESSEE)),
];

/// What is put back after a change.
const TABLES: [&str; 5] = [
    "nodes",
    "ports",
    "volume_connectors",
    "volume_targets",
    "node_history",
];

/// The UUID of a resource of a kind, by its target.
pub(super) fn uuid(kind: char, target: &str) -> String {
    let index = NODES.iter().position(|(name, ..)| *name == target);
    let index = index.map_or(9, |index| index + 1);
    format!("{kind}0000000-0000-4000-8000-00000000000{index}")
}

/// Everything a test needs.
pub(super) struct World {
    pub(super) app: TestApp,
}

impl World {
    /// With elevated access for the role `service` of the project `service`, or without.
    pub(super) async fn new(is_elevated: bool) -> Self {
        let service = is_elevated.then(|| "service".to_owned());
        let policy = Policy::defaults().with_service_project(service);
        let app = TestApp::builder().policy(policy).start().await;
        let world = Self { app };
        for (target, owner, lessee) in NODES {
            world.add(target, owner, lessee).await;
        }
        for table in TABLES {
            let sql = format!("CREATE TABLE was_{table} AS SELECT * FROM {table}");
            world.app.db.sql(&sql).await;
        }
        world
    }

    /// Puts everything back, once the conductor is done.
    pub(super) async fn restore(&self, is_changing: bool) {
        for (target, ..) in NODES.iter().filter(|_| is_changing) {
            let uuid = uuid('1', target).parse().unwrap();
            if self.app.db.node_get(uuid).await.unwrap().is_some() {
                self.app.settled(uuid).await;
            }
        }
        self.app.db.sql("DELETE FROM nodes").await;
        for table in TABLES {
            let sql = format!("INSERT INTO {table} SELECT * FROM was_{table}");
            self.app.db.sql(&sql).await;
        }
    }

    async fn add(&self, target: &str, owner: Option<&str>, lessee: Option<&str>) {
        let node = uuid('1', target);
        let is_held = target.starts_with("held");
        let number = node.chars().next_back().unwrap();
        self.create("/v1/nodes", json!({
            "uuid": node, "name": format!("n-{target}"), "driver": "fake-hardware",
            "resource_class": format!("rc-{target}"),
            "driver_info": {
                "username": "bmc-user", "power_password": "s3cret", "snmp_auth_key": "k3y",
                "deploy_kernel": "http://img.test/kernel", "deploy_ramdisk": "http://img.test/ramdisk",
            },
            "instance_info": {
                "image_source": "http://img.test/os.raw", "image_url": "http://img.test/temp?sig=1",
                "configdrive": "H4sIAA==", "root_password": "s3cret", "display_name": "vm",
                "kernel": "http://img.test/k", "ramdisk": "http://img.test/r", "image_type": "partition",
            },
            "properties": {"cpu_arch": "x86_64"}, "extra": {"rack": "r1"}, "description": "a node",
            "owner": owner, "lessee": lessee, "boot_interface": "fake",
        }))
        .await;
        let state = if is_held { "available" } else { "manageable" };
        let error = if is_held {
            "NULL"
        } else {
            "'boom on conductor-1'"
        };
        self.app
            .db
            .sql(&format!(
                "UPDATE nodes SET provision_state = '{state}', power_state = 'power off', \
                 last_error = {error}, traits = '[\"CUSTOM_GOLD\"]', driver_internal_info = \
                 '{{\"agent_url\": \"https://10.0.0.9:9999\", \"agent_secret_token\": \"{}\"}}' \
                 WHERE name = 'n-{target}'",
                "t".repeat(40)
            ))
            .await;
        if is_held {
            return;
        }
        self.create(
            "/v1/ports",
            json!({
                "uuid": uuid('2', target), "node_uuid": node, "extra": {"k": "v"},
                "address": format!("52:54:00:aa:00:0{number}"),
            }),
        )
        .await;
        self.create(
            "/v1/volume/connectors",
            json!({
                "uuid": uuid('4', target), "node_uuid": node, "type": "iqn",
                "connector_id": format!("iqn.2026-01.test:{target}"),
            }),
        )
        .await;
        self.create("/v1/volume/targets", json!({
            "uuid": uuid('5', target), "node_uuid": node, "volume_type": "iscsi", "boot_index": 0,
            "volume_id": format!("vol-{target}"),
            "properties": {"target_iqn": "iqn.t", "auth_username": "u", "auth_password": "s3cret"},
        }))
        .await;
        self.app
            .db
            .sql(&format!(
                "INSERT INTO node_history (uuid, node_id, created_at, severity, event_type, event) \
                 SELECT x'a000000{number}000040008000000000000001', id, created_at, 'ERROR', \
                 'provisioning', 'boom' FROM nodes WHERE name = 'n-{target}'"
            ))
            .await;
    }

    async fn create(&self, path: &str, body: Value) {
        let admin = caller(&["admin", "manager", "member", "reader"], Some("system"));
        let response = self.send(admin, "POST", path, Some(body)).await;
        assert_eq!(response.status, 201, "{path}: {}", response.body);
    }

    pub(super) async fn send(
        &self,
        caller: Caller,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Response {
        self.app.send_as(caller, method, path, body).await
    }
}

/// The bearer of a token with these roles, for `system`, `domain`, one of the projects, or nothing.
pub(super) fn caller(roles: &[&str], scope: Option<&str>) -> Caller {
    let project = match scope {
        None | Some("system" | "domain") => None,
        Some("service") => Some(SERVICE),
        Some(name) => Some(project(name)),
    };
    Caller::Keystone(Arc::new(Credentials {
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        user_id: Some("u".to_owned()),
        project_id: project.map(str::to_owned),
        project_name: project.and(scope).map(str::to_owned),
        domain_id: (scope == Some("domain")).then(|| "default".to_owned()),
        system_scope: (scope == Some("system")).then(|| "all".to_owned()),
        is_admin_project: true,
        ..Credentials::default()
    }))
}

/// The project with this name.
pub(super) fn project(name: &str) -> &'static str {
    match name {
        "LESSEE" => LESSEE,
        "OTHER" => OTHER,
        _ => OWNER,
    }
}
