//! Deployment by an installer: status reports of installers and agents.

use ironpxe_core::boot::Kickstarts;
use ironpxe_core::boot_device::BootDevice;
use ironpxe_core::driver::{agent, management};
use ironpxe_core::power_state::PowerState;

use super::*;
use crate::rpc::{AgentStatus, Heartbeat};

fn write_heartbeat(token: &str, status: Option<AgentStatus>, message: &str) -> Heartbeat {
    Heartbeat {
        callback_url: String::new(),
        agent_version: None,
        agent_token: token.to_owned(),
        agent_status: status,
        agent_status_message: Some(message.to_owned()),
    }
}

impl TestApp {
    /// A node whose installer is waited for, and its token.
    async fn being_installed(&self) -> (NodeUuid, String) {
        let node = self.enrol("anaconda").await;
        let states = self.walk(node, &["manage", "provide", "active"]).await;
        assert_eq!(states, ["manageable", "available", "wait call-back"]);
        let token = agent::token(&self.settled(node).await).unwrap().to_owned();
        (node, token)
    }

    async fn tell(&self, node: NodeUuid, beat: Heartbeat) -> Result<()> {
        self.conductor.heartbeat(&context(), node, beat).await
    }

    async fn kickstart(&self, node: NodeUuid) -> Result<String> {
        let id = ident::request_id();
        let boot = &self.conductor.boot;
        boot.kickstart_text(&id, &node.to_string()).await
    }
}

/// Nothing of the installer's secret is left, and no kickstart is served.
async fn is_over(app: &TestApp, uuid: NodeUuid, token: &str) -> Node {
    let node = app.settled(uuid).await;
    let info = serde_json::to_string(&node.driver_internal_info).unwrap();
    assert!(
        !info.contains("agent_secret_token") && !info.contains(token),
        "{info}"
    );
    assert_eq!(app.kickstart(uuid).await, Err(Fault::NotFound));
    let again = app
        .tell(uuid, write_heartbeat(token, Some(AgentStatus::End), ""))
        .await;
    assert!(
        matches!(again, Err(Fault::InvalidParameterValue(_))),
        "{again:?}"
    );
    assert_eq!(app.settled(uuid).await, node);
    node
}

#[tokio::test]
async fn installer_success_makes_the_node_active() {
    let app = TestApp::new().await;
    let (uuid, token) = app.being_installed().await;
    let node = app.settled(uuid).await;
    assert_eq!(node.power_state, Some(PowerState::On));
    assert_eq!(node.target_provision_state.as_deref(), Some("active"));
    assert!(
        token.len() >= 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{token}"
    );
    assert_eq!(
        node.driver_internal_info["agent_secret_token_pregenerated"],
        json!(true)
    );
    let kickstart = app.kickstart(uuid).await.unwrap();
    assert!(
        kickstart.contains(&token) && kickstart.contains("liveimg --url=http://h/image_source")
    );

    app.tell(
        uuid,
        write_heartbeat(&token, Some(AgentStatus::Start), "begun"),
    )
    .await
    .unwrap();
    let node = app.settled(uuid).await;
    assert_eq!(node.provision_state.name(), "wait call-back");
    assert_eq!(node.driver_internal_info["agent_status"], json!("start"));
    assert_eq!(
        node.driver_internal_info["agent_status_message"],
        json!("begun")
    );
    assert!(node.driver_internal_info["agent_last_heartbeat"].is_string());
    assert!(app.kickstart(uuid).await.is_ok());

    app.tell(
        uuid,
        write_heartbeat(&token, Some(AgentStatus::End), "done"),
    )
    .await
    .unwrap();
    let node = is_over(&app, uuid, &token).await;
    assert_eq!(node.provision_state.name(), "active");
    assert_eq!(node.target_provision_state, None);
    assert_eq!(management::get(&node), (BootDevice::Disk, true));
    assert_eq!(node.last_error, None);

    // Again, and with another token.
    assert_eq!(app.walk(uuid, &["rebuild"]).await, ["wait call-back"]);
    let node = app.settled(uuid).await;
    assert_ne!(agent::token(&node), Some(token.as_str()));
    assert!(!node.driver_internal_info.contains_key("agent_status"));
}

#[tokio::test]
async fn installer_failure_sets_the_last_error() {
    let app = TestApp::new().await;
    let (uuid, token) = app.being_installed().await;
    app.tell(
        uuid,
        write_heartbeat(&token, Some(AgentStatus::Error), "no disk"),
    )
    .await
    .unwrap();
    let node = is_over(&app, uuid, &token).await;
    assert_eq!(node.provision_state.name(), "deploy failed");
    assert_eq!(node.last_error.as_deref(), Some("no disk"));

    // Tried again, with less and with more to say than can be kept.
    for (message, length) in [("  ", None), (&"x".repeat(100_000), Some(4096))] {
        assert_eq!(app.walk(uuid, &["active"]).await, ["wait call-back"]);
        let token = agent::token(&app.settled(uuid).await).unwrap().to_owned();
        app.tell(
            uuid,
            write_heartbeat(&token, Some(AgentStatus::Error), message),
        )
        .await
        .unwrap();
        let error = is_over(&app, uuid, &token).await.last_error.unwrap();
        assert!(!error.trim().is_empty());
        assert!(length.is_none_or(|length| error.len() == length), "{error}");
    }
}

#[tokio::test]
async fn heartbeat_with_another_token_is_refused() {
    let app = TestApp::new().await;
    let (uuid, token) = app.being_installed().await;
    let (_, another) = app.being_installed().await;
    let before = app.settled(uuid).await;
    for wrong in ["", &another, &token[1..], &token.to_uppercase()] {
        let refused = app
            .tell(uuid, write_heartbeat(wrong, Some(AgentStatus::End), ""))
            .await;
        assert_eq!(
            refused,
            Err(Fault::InvalidParameterValue(
                "Invalid or missing agent token received.".to_owned()
            )),
            "{wrong}"
        );
    }
    assert_eq!(app.settled(uuid).await, before);
    let unknown = NodeUuid(ident::uuid());
    let missing = app.tell(unknown, write_heartbeat(&token, None, "")).await;
    assert_eq!(missing, Err(Fault::NodeNotFound(unknown.to_string())));
    assert_eq!(app.kickstart(unknown).await, Err(Fault::NotFound));
}

#[tokio::test]
async fn heartbeat_of_a_reserved_node_is_refused() {
    let app = TestApp::new().await;
    let (uuid, token) = app.being_installed().await;
    let reserve = |node: &mut Node| {
        node.reservation = Some("another".to_owned());
        Ok(())
    };
    let (before, ()) = app.db.node_change(uuid, reserve).await.unwrap();
    let refused = app
        .tell(uuid, write_heartbeat(&token, Some(AgentStatus::End), ""))
        .await;
    assert!(
        matches!(refused, Err(Fault::NodeLocked { .. })),
        "{refused:?}"
    );
    // A client without the token is not even told that.
    let refused = app.tell(uuid, write_heartbeat("x", None, "")).await;
    assert!(
        matches!(refused, Err(Fault::InvalidParameterValue(_))),
        "{refused:?}"
    );
    assert_eq!(app.db.node_get(uuid).await.unwrap().unwrap(), before);
}

#[tokio::test]
async fn undeploy_ends_the_installation() {
    let app = TestApp::new().await;
    for (word, state) in [("abort", "deploy failed"), ("deleted", "available")] {
        let (uuid, token) = app.being_installed().await;
        app.tell(uuid, write_heartbeat(&token, Some(AgentStatus::Start), ""))
            .await
            .unwrap();
        assert_eq!(app.walk(uuid, &[word]).await, [state]);
        is_over(&app, uuid, &token).await;
    }
}

#[tokio::test]
async fn installation_that_cannot_succeed_is_refused() {
    let app = TestApp::new().await;
    let uuid = app.enrol("anaconda").await;
    app.walk(uuid, &["manage", "provide"]).await;
    let info = app.settled(uuid).await.instance_info;
    for (key, value) in [
        ("image_source", json!(null)),
        ("image_source", json!("http://h/x\nreboot")),
        ("kernel", json!(null)),
        ("ramdisk", json!(null)),
        ("stage2", json!(null)),
        ("ks_template", json!("glance://x")),
    ] {
        let change = |node: &mut Node| {
            node.instance_info.clone_from(&info);
            node.instance_info.insert(key.to_owned(), value.clone());
            Ok(())
        };
        app.db.node_change(uuid, change).await.unwrap();
        let refused = app.ask(uuid, "active").await.unwrap_err().to_string();
        assert!(
            refused.starts_with("Failed to validate deploy")
                && refused.contains(&format!("instance_info.{key}")),
            "{refused}"
        );
        let node = app.settled(uuid).await;
        assert_eq!(node.provision_state.name(), "available");
    }
}

/// What the template cannot take is found out before, too.
#[tokio::test]
async fn template_unsuitable_for_the_image_is_named() {
    let template = "liveimg --url={{ ks_options.liveimg_url }}\n%post\n\
                    curl -d {{ ks_options.agent_token }} {{ ks_options.heartbeat_url }}\n%end\n";
    let kickstarts = Kickstarts::from_template("mine.cfg".into(), template.into()).unwrap();
    let app = TestApp::builder()
        .boot(|settings| settings.kickstarts = Arc::new(kickstarts))
        .start()
        .await;
    let uuid = app.enrol("anaconda").await;
    app.walk(uuid, &["manage", "provide"]).await;
    let signed = |node: &mut Node| {
        let url = json!("http://h/image?signature=x&expires=1");
        node.instance_info.insert("image_source".into(), url);
        Ok(())
    };
    app.db.node_change(uuid, signed).await.unwrap();
    let refused = app.ask(uuid, "active").await.unwrap_err().to_string();
    assert!(
        refused.contains("mine.cfg: line 1") && refused.contains("| quote"),
        "{refused}"
    );
}

#[tokio::test]
async fn installer_heartbeat_in_maintenance_is_refused_if_configured() {
    let app = TestApp::new().await;
    let (uuid, token) = app.being_installed().await;
    let maintain = |node: &mut Node| {
        node.maintenance = true;
        Ok(())
    };
    app.db.node_change(uuid, maintain).await.unwrap();
    let mut settings = Settings::clone(&app.conductor.settings);
    settings.allow_provisioning_in_maintenance = false;
    let strict = LocalConductor {
        settings: Arc::new(settings),
        ..app.conductor.clone()
    };
    let begun = write_heartbeat(&token, Some(AgentStatus::Start), "");
    let refused = strict.heartbeat(&context(), uuid, begun.clone()).await;
    assert!(
        matches!(refused, Err(Fault::NodeInMaintenance { .. })),
        "{refused:?}"
    );
    app.tell(uuid, begun).await.unwrap();
}

/// An agent's heartbeat is noted, and moves nothing.
#[tokio::test]
async fn agent_heartbeat_is_recorded_without_a_state_change() {
    let app = TestApp::new().await;
    let uuid = app.enrol("direct").await;
    app.walk(uuid, &["manage", "provide", "active"]).await;
    let give = |node: &mut Node| {
        agent::pregenerate_token(node, "secret".to_owned());
        Ok(())
    };
    let mut agents = write_heartbeat("secret", None, "");
    agents.callback_url = "https://192.0.2.9:9999".to_owned();
    agents.agent_version = Some("11.0.0".to_owned());
    agents.agent_status_message = None;
    // Without a token the heartbeat is refused.
    assert!(app.tell(uuid, agents.clone()).await.is_err());
    app.db.node_change(uuid, give).await.unwrap();
    app.tell(uuid, agents.clone()).await.unwrap();
    let node = app.settled(uuid).await;
    assert_eq!(node.provision_state.name(), "wait call-back");
    let info = &node.driver_internal_info;
    assert_eq!(info["agent_url"], json!("https://192.0.2.9:9999"));
    assert_eq!(info["agent_version"], json!("11.0.0"));
    assert!(info["agent_last_heartbeat"].is_string());

    // The agent of another machine, with the secret of this one.
    let mut moved = agents.clone();
    moved.callback_url = "https://192.0.2.10:9999".to_owned();
    let refused = app.tell(uuid, moved).await.unwrap_err().to_string();
    assert!(refused.contains("callback_url"), "{refused}");
    // And what an installer says moves only a node that is being installed.
    agents.agent_status = Some(AgentStatus::End);
    app.tell(uuid, agents.clone()).await.unwrap();
    assert_eq!(
        app.settled(uuid).await.provision_state.name(),
        "wait call-back"
    );
    assert_eq!(app.kickstart(uuid).await, Err(Fault::NotFound));

    let elsewhere = |node: &mut Node| {
        node.provision_state = ironpxe_core::provision_state::ProvisionState::Manageable.into();
        Ok(())
    };
    let (before, ()) = app.db.node_change(uuid, elsewhere).await.unwrap();
    app.tell(uuid, agents).await.unwrap();
    assert_eq!(app.settled(uuid).await, before);
}
