//! Rules for single steps, which a policy file can define.

use ironpxe_core::policy::{Policy, PolicyFile};
use serde_json::json;

use super::world::caller;
use crate::api::testing::TestApp;

#[tokio::test]
async fn step_is_limited_by_a_rule_of_its_own() {
    let file = "\"baremetal:step:execute:deploy.erase_devices\": \"role:admin\"";
    let file = PolicyFile::parse("policy.yaml", file).unwrap();
    let policy = Policy::with_files(&[file]).unwrap();
    let app = TestApp::builder().policy(policy).start().await;
    let admin = || caller(&["admin", "member", "reader"], Some("system"));
    let member = || caller(&["member", "reader"], Some("system"));
    let node = json!({"driver": "fake-hardware", "name": "n1"});
    let created = app.send_as(admin(), "POST", "/v1/nodes", Some(node)).await;
    assert_eq!(created.status, 201, "{}", created.body);
    app.db
        .sql("UPDATE nodes SET provision_state = 'manageable'")
        .await;

    let path = "/v1/nodes/n1/states/provision";
    let clean = |step: &str| {
        Some(json!({
            "target": "clean",
            "clean_steps": [{"interface": "deploy", "step": step}],
        }))
    };
    let refused = app
        .send_as(member(), "PUT", path, clean("erase_devices"))
        .await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let rule = "baremetal:step:execute:deploy.erase_devices";
    assert!(refused.body.contains(rule), "{}", refused.body);
    let state = app.send_as(member(), "GET", "/v1/nodes/n1", None).await;
    assert!(
        state.body.contains(r#""provision_state":"manageable""#),
        "{}",
        state.body
    );

    let other = app
        .send_as(member(), "PUT", path, clean("erase_devices_metadata"))
        .await;
    assert_ne!(other.status, 403, "{}", other.body);
    app.db
        .sql("UPDATE nodes SET provision_state = 'manageable', reservation = NULL")
        .await;
    let allowed = app
        .send_as(admin(), "PUT", path, clean("erase_devices"))
        .await;
    assert_ne!(allowed.status, 403, "{}", allowed.body);
}
