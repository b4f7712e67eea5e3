//! Images behind signed URLs.

use std::time::Duration;

use ironpxe_core::provision_state::ProvisionState;
use serde_json::json;

use super::{MAC, Service, StatusCode, TestApp};
use crate::images::{self, Images};

#[tokio::test]
async fn rejects_an_expired_signed_url() {
    let folder = tempfile::tempdir().unwrap();
    let kernel = folder.path().join("kernel");
    std::fs::write(&kernel, "a kernel").unwrap();
    for (url_lifetime, status, text) in [
        (Duration::from_mins(1), StatusCode::OK, "a kernel"),
        (Duration::ZERO, StatusCode::FORBIDDEN, "has expired"),
    ] {
        let images = Images::new(images::Settings {
            allowed_paths: vec![folder.path().to_owned()],
            url_lifetime,
            ..images::testing::settings()
        });
        let app = TestApp::builder().boot(|settings| settings.images = images.unwrap());
        let service = Service::with(ProvisionState::DeployWait, app).await;
        let url = format!("file://{}", kernel.display());
        let changed = service.db.node_change(service.node.uuid, |node| {
            node.driver_info.insert("deploy_kernel".into(), json!(url));
            Ok(())
        });
        changed.await.unwrap();
        let script = service
            .machine(&format!("/v1/boot/{MAC}/boot.ipxe"))
            .await
            .body;
        let line = script.lines().find(|line| line.starts_with("kernel "));
        let path = line.unwrap().split_once("http://127.0.0.1:6385").unwrap().1;
        let path = path.split(' ').next().unwrap();
        let answer = service.person(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.body.contains(text), "{}", answer.body);
    }
}
