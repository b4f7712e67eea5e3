//! Boot tokens in DHCP options: who gets them, and how they stay valid.

use std::fs;
use std::path::{Path, PathBuf};

use ironpxe_core::boot_token::BootToken;
use ironpxe_testkit::openstack::faulty::FaultyCloud;
use time::OffsetDateTime;

use super::*;
use crate::api::testing::TestAppBuilder;
use crate::boot::BootTokens;
use crate::dhcp::{Dnsmasq, Neutron};
use crate::openstack::{self, testing};
use crate::rpc::VifInfo;
use crate::url_key::UrlKey;

const RENEWAL: &str = "dhcp_options_renewal";
const LIFETIME: Duration = Duration::from_hours(1);
const VIF: &str = "aaaaaaaa-0000-4000-8000-000000000001";

fn tokens(keys: &[&str]) -> BootTokens {
    let mut keys = keys.iter().map(|key| UrlKey::new(key));
    BootTokens::new(keys.next().unwrap(), keys.collect(), LIFETIME)
}

/// Signs as `tokens` would have an hour before.
fn old(tokens: &BootTokens, node: NodeUuid) -> BootToken {
    tokens.sign(node, clock::now() - LIFETIME)
}

fn with_tokens(builder: TestAppBuilder, dhcp: Dhcp, tokens: &BootTokens) -> TestAppBuilder {
    let (of_boot, of_conductor) = (tokens.clone(), tokens.clone());
    let builder = builder.boot(|settings| {
        settings.boot.boot_tokens = true;
        settings.tokens = Some(of_boot);
    });
    builder.conductor(|settings| {
        settings.dhcp = dhcp;
        settings.dhcp_options.api_url = "http://192.0.2.1:6385".to_owned();
        settings.dhcp_options.tftp_server = "192.0.2.1".to_owned();
        settings.boot.boot_tokens = true;
        settings.boot_tokens = Some(of_conductor);
        // Only what the test itself starts, after the first time.
        settings.take_over_interval = Duration::from_hours(1);
    })
}

fn dnsmasq(folder: &Path) -> Dhcp {
    for name in ["hosts", "opts"] {
        fs::create_dir_all(folder.join(name)).unwrap();
    }
    Dhcp::Dnsmasq(Dnsmasq::new(folder.join("hosts"), folder.join("opts")))
}

fn opts(folder: &Path, node: NodeUuid) -> PathBuf {
    folder.join("opts").join(format!("ironic-{node}.conf"))
}

/// The only token in a text, for iPXE over both IP versions.
fn token_in(text: &str) -> BootToken {
    let found: Vec<&str> = text
        .split("&token=")
        .skip(1)
        .map(|rest| rest.split_whitespace().next().unwrap())
        .collect();
    assert!(!found.is_empty(), "{text}");
    assert!(found.iter().all(|token| *token == found[0]), "{text}");
    found[0].parse().unwrap()
}

/// Makes the node due.
async fn make_due(app: &TestApp, node: NodeUuid) {
    let change = |node: &mut Node| {
        let renewal = &mut node.driver_internal_info[RENEWAL];
        renewal["at"] = json!(clock::now().unix_timestamp());
        Ok(())
    };
    app.db.node_change(node, change).await.unwrap();
}

fn next_renewal(node: &Node) -> i64 {
    node.driver_internal_info[RENEWAL]["at"].as_i64().unwrap()
}

async fn boots_by(app: &TestApp, node: NodeUuid, token: BootToken) -> bool {
    let path = format!("/v1/drivers/fake-hardware/vendor_passthru/ipxe_config?node_uuid={node}");
    let response = app.send("GET", &token.on_url(&path), "iPXE/1", None).await;
    response.body.contains("deploy ramdisk")
}

#[tokio::test]
async fn dnsmasq_gets_a_token_that_is_renewed_before_half_of_its_lifetime() {
    let builder = TestApp::builder();
    let folder = builder.folder().to_owned();
    let signer = tokens(&["k"]);
    let app = with_tokens(builder, dnsmasq(&folder), &signer)
        .start()
        .await;
    let node = app.enrol("direct").await;
    let states = app.walk(node, &["manage", "provide", "active"]).await;
    assert_eq!(states.last().unwrap(), "wait call-back");
    let file = opts(&folder, node);
    let text = fs::read_to_string(&file).unwrap();
    for line in text.lines() {
        let value = line.rsplit(',').next().unwrap();
        assert!(value.len() <= 255, "{line}");
    }
    let first = token_in(&text);
    assert!(boots_by(&app, node, first).await);
    let record = app.settled(node).await;
    let due_in = next_renewal(&record) - clock::now().unix_timestamp();
    assert!((1..1800).contains(&due_in), "{due_in}");

    // Not due: nothing is written.
    fs::remove_file(&file).unwrap();
    app.conductor.renew_dhcp_options(&signer).await;
    assert!(!file.exists());
    make_due(&app, node).await;
    app.conductor.renew_dhcp_options(&signer).await;
    let second = token_in(&fs::read_to_string(&file).unwrap());
    assert!(boots_by(&app, node, second).await);
    assert!(second.expires >= first.expires);
    let due_in = next_renewal(&app.settled(node).await) - clock::now().unix_timestamp();
    assert!((600..1800).contains(&due_in), "{due_in}");

    // An instance is booted from its disk, but may be rescued or reset at any time.
    app.walk(node, &["undeploy"]).await;
    let cleared = app.settled(node).await;
    assert!(!cleared.driver_internal_info.contains_key(RENEWAL));
    app.conductor.renew_dhcp_options(&signer).await;
    assert!(!file.exists());
}

#[tokio::test]
async fn failed_renewal_is_retried_and_leaves_the_node_alone() {
    let builder = TestApp::builder();
    let folder = builder.folder().to_owned();
    let signer = tokens(&["k"]);
    let app = with_tokens(builder, dnsmasq(&folder), &signer)
        .start()
        .await;
    let node = app.enrol("direct").await;
    app.walk(node, &["manage", "provide", "active"]).await;
    fs::rename(folder.join("opts"), folder.join("away")).unwrap();
    make_due(&app, node).await;
    let before = app.settled(node).await;
    app.conductor.renew_dhcp_options(&signer).await;
    let after = app.settled(node).await;
    assert_eq!(after.provision_state, before.provision_state);
    assert_eq!(after.last_error, None);
    let due_in = next_renewal(&after) - clock::now().unix_timestamp();
    assert!((1..=300).contains(&due_in), "{due_in}");
    fs::rename(folder.join("away"), folder.join("opts")).unwrap();
    make_due(&app, node).await;
    fs::remove_file(opts(&folder, node)).unwrap();
    app.conductor.renew_dhcp_options(&signer).await;
    assert!(opts(&folder, node).exists());
}

#[tokio::test]
async fn nodes_that_were_deployed_without_tokens_or_with_a_removed_key_are_due_at_once() {
    let builder = TestApp::builder();
    let folder = builder.folder().to_owned();
    let first = tokens(&["k"]);
    let app = with_tokens(builder, dnsmasq(&folder), &first).start().await;
    let node = app.enrol("direct").await;
    app.walk(node, &["manage", "provide", "active"]).await;
    let forget = |node: &mut Node| {
        node.driver_internal_info.remove(RENEWAL);
        Ok(())
    };
    app.db.node_change(node, forget).await.unwrap();
    fs::write(opts(&folder, node), "").unwrap();
    app.conductor.renew_dhcp_options(&first).await;
    token_in(&fs::read_to_string(opts(&folder, node)).unwrap());

    let other = tokens(&["another"]);
    let replica = with_tokens(app.replica(), dnsmasq(&folder), &other).host("conductor-2");
    let replica = replica.start().await;
    // Its periodic task does it at once.
    let renewed = async {
        loop {
            let token = token_in(&fs::read_to_string(opts(&folder, node)).unwrap());
            if boots_by(&replica, node, token).await {
                return token;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let token = tokio::time::timeout(Duration::from_mins(1), renewed)
        .await
        .unwrap();
    assert!(!boots_by(&app, node, token).await);
}

/// A machine that boots all the time, while two replicas go through docs/boot-tokens.md one after
/// the other.
#[tokio::test]
async fn keys_rotate_while_a_machine_boots() {
    let builder = TestApp::builder();
    let folder = builder.folder().to_owned();
    let steps: [&[&str]; 4] = [&["old"], &["old", "new"], &["new", "old"], &["new"]];
    let start = async |builder: TestAppBuilder, host: &str, keys: &[&str]| {
        let builder = with_tokens(builder, dnsmasq(&folder), &tokens(keys));
        builder.host(host).start().await
    };
    let mut one = start(builder, "one", steps[0]).await;
    let mut two = start(one.replica(), "two", steps[0]).await;
    let node = one.enrol("direct").await;
    one.walk(node, &["manage", "provide", "active"]).await;
    let token = || token_in(&fs::read_to_string(opts(&folder, node)).unwrap());
    let initial = token();
    for keys in &steps[1..] {
        if keys.len() == 1 {
            // After the lifetime: every token of the old key has been replaced.
            make_due(&one, node).await;
            one.conductor.renew_dhcp_options(&tokens(steps[2])).await;
        }
        for is_first in [true, false] {
            let host = if is_first { "one" } else { "two" };
            let next = start(one.replica(), host, keys).await;
            if is_first {
                one = next;
            } else {
                two = next;
            }
            make_due(&one, node).await;
            for app in [&one, &two] {
                assert!(boots_by(app, node, token()).await, "{keys:?} {host}");
                let settings = &app.conductor.settings;
                let renew = settings.boot_tokens.as_ref().unwrap();
                app.conductor.renew_dhcp_options(renew).await;
            }
            for app in [&one, &two] {
                assert!(boots_by(app, node, token()).await, "{keys:?} {host}");
            }
        }
    }
    assert!(!boots_by(&one, node, initial).await);
}

#[tokio::test]
async fn replicas_renew_each_node_once() {
    let cloud = FaultyCloud::start().unwrap();
    cloud.has_port(VIF, "52:54:00:aa:00:01", &["192.0.2.7"]);
    let neutron = || {
        let settings = testing::settings(testing::credential(&cloud));
        let client = openstack::Neutron::new(&settings).unwrap();
        Dhcp::Neutron(Neutron::new(client, Duration::ZERO))
    };
    let signer = tokens(&["k"]);
    let app = with_tokens(TestApp::builder(), neutron(), &signer)
        .start()
        .await;
    let replica = with_tokens(app.replica(), neutron(), &signer).host("conductor-2");
    let replica = replica.start().await;
    let node = app.enrol("direct").await;
    let vif = VifInfo {
        id: VIF.to_owned(),
        port_uuid: None,
    };
    app.conductor
        .attach_vif(&context(), node, vif)
        .await
        .unwrap();
    let states = app.walk(node, &["manage", "provide", "active"]).await;
    assert_eq!(states.last().unwrap(), "wait call-back");
    let script = || {
        let options = cloud.dhcp_options(VIF).into_iter();
        let mut scripts = options.filter(|(name, _, _)| name == "tag:ipxe,67");
        scripts.next().map(|(_, value, _)| value).unwrap()
    };
    assert!(boots_by(&replica, node, token_in(&script())).await);

    // An expired one, whose machine could not boot any more.
    let expired = old(&signer, node);
    assert!(!boots_by(&app, node, expired).await);
    make_due(&app, node).await;
    let before = app.settled(node).await.revision;
    tokio::join!(
        app.conductor.renew_dhcp_options(&signer),
        replica.conductor.renew_dhcp_options(&signer)
    );
    assert!(boots_by(&app, node, token_in(&script())).await);
    // Claimed once, and done once.
    assert_eq!(app.settled(node).await.revision, before + 2);
}

#[test]
fn renewal_is_due_before_half_of_every_lifetime() {
    let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap();
    for seconds in [60, 3600, 86_400, 31_536_000] {
        let lifetime = Duration::from_secs(seconds);
        let tokens = BootTokens::new(UrlKey::new("k"), Vec::new(), lifetime);
        let mut node = Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", now);
        renewal_record::note(&mut node, &tokens, now);
        let due = next_renewal(&node) - now.unix_timestamp();
        let checked = due + i64::try_from(renewal_record::interval(&tokens).as_secs()).unwrap();
        assert!(
            checked < i64::try_from(seconds / 2).unwrap(),
            "{seconds}: {due}"
        );
    }
}
