//! `/v1/boot/<node>/ks.cfg`.

use super::*;

/// The installer's endpoint: a text that is no script, and only while the node is being installed.
#[tokio::test]
async fn kickstart_is_served_only_while_its_installer_runs() {
    let service = Service::new(ProvisionState::DeployWait, false).await;
    let endpoint = format!("/v1/boot/{}/ks.cfg", service.node.uuid);
    // Being deployed, but by an agent.
    assert_eq!(
        service.person(&endpoint).await.status,
        StatusCode::NOT_FOUND
    );

    let token = "0123456789abcdef0123456789abcdef";
    let install = |node: &mut Node| {
        node.interfaces
            .set(ironpxe_core::interface::InterfaceKind::Deploy, "anaconda");
        for key in ["image_source", "kernel", "ramdisk", "stage2"] {
            let url = json!(format!("http://h/{key}"));
            node.instance_info.insert(key.into(), url);
        }
        node.driver_internal_info
            .insert("agent_secret_token".into(), json!(token));
        Ok(())
    };
    service
        .db
        .node_change(service.node.uuid, install)
        .await
        .unwrap();
    for path in [
        endpoint.clone(),
        endpoint.replace("/v1/", "//v1//"),
        endpoint
            .to_uppercase()
            .replace("/V1/BOOT", "/v1/boot")
            .replace("KS.CFG", "ks.cfg"),
    ] {
        let answer = service.person(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(
            answer.headers[header::CONTENT_TYPE],
            "text/plain; charset=utf-8"
        );
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(
            answer.headers[header::CONTENT_LENGTH],
            answer.body.len().to_string().as_str()
        );
        assert!(answer.body.contains(token));
        // Firmware would run it as machine code: to that, only `#!ipxe` begins a script.
        let firmware = service.ask("GET", &path, "iPXE/1.21.1").await;
        assert!(firmware.body.starts_with("#!ipxe\n"), "{}", firmware.body);
        assert!(!firmware.body.contains(token));
    }
    let head = service.ask("HEAD", &endpoint, "curl/7").await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
    let length: usize = head.headers[header::CONTENT_LENGTH]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(length, service.person(&endpoint).await.body.len());
    assert_eq!(service.ask("POST", &endpoint, "curl/7").await.status, 405);
    // The machine's script leads there.
    let script = service.machine(&format!("/v1/boot/{MAC}/boot.ipxe")).await;
    assert!(
        script
            .body
            .contains(&format!(" inst.ks=http://127.0.0.1:6385{endpoint} ")),
        "{}",
        script.body
    );

    let unknown_node = "11111111-2222-4333-8444-555555555555";
    let mut refused = Vec::new();
    for path in [
        format!("/v1/boot/{unknown_node}/ks.cfg"),
        "/v1/boot/bm-1/ks.cfg".to_owned(),
    ] {
        refused.push(service.person(&path).await);
    }
    let all = ProvisionState::all();
    let others = all.filter(|state| {
        !matches!(
            state,
            ProvisionState::Deploying | ProvisionState::DeployWait
        )
    });
    for state in others {
        let enter = |node: &mut Node| {
            node.provision_state = state.into();
            Ok(())
        };
        service
            .db
            .node_change(service.node.uuid, enter)
            .await
            .unwrap();
        refused.push(service.person(&endpoint).await);
    }
    // The responses do not tell which nodes there are, or what they do.
    for answer in &refused {
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.body, refused[0].body);
        assert!(!answer.body.contains(token));
    }
}
