//! Conductors that do not answer, or not with sense.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::response::{IntoResponse, Response};
use axum::routing::post;
use ironpxe_core::error::Fault;
use rcgen::{CertificateParams, Issuer, KeyPair};

use super::*;
use crate::api::error::tests::faults;
use crate::rpc::envelope;
use crate::rpc::fault::FaultOnWire;
use crate::rpc::remote::PING;
use crate::tls::ServerCertificate;

/// A question that any conductor can answer.
async fn ask(remote: &Remote) -> Result<JsonMap> {
    let context = context();
    remote.driver_properties(&context, "fake-hardware").await
}

/// A stand-in that is there for a ping, and answers everything else as `answer` does.
fn stand_in<F>(answer: impl Fn(envelope::Request) -> F + Clone + Send + Sync + 'static) -> Router
where
    F: Future<Output = Response> + Send + 'static,
{
    let handler = move |body: bytes::Bytes| {
        let request = envelope::Request::read(&body).unwrap();
        let answer = answer.clone();
        async move {
            if request.method == PING {
                return envelope::success(&request.id, &Value::Null)
                    .unwrap()
                    .into_response();
            }
            answer(request).await
        }
    };
    Router::new().route("/", post(handler))
}

fn garbage() -> Vec<(&'static str, Router)> {
    let text = |text: &'static str| stand_in(move |_| async move { text.into_response() });
    vec![
        ("no JSON", text("<html>")),
        ("nothing", text("")),
        ("another form", text("[1, 2]")),
        (
            "another id",
            text(r#"{"jsonrpc": "2.0", "id": "req-1", "result": "x"}"#),
        ),
        (
            "neither result nor error",
            stand_in(
                |request| async move { json!({"id": request.id}).to_string().into_response() },
            ),
        ),
        (
            "another type",
            stand_in(|request| async move {
                envelope::success(&request.id, &json!([1]))
                    .unwrap()
                    .into_response()
            }),
        ),
        (
            "another status",
            stand_in(|_| async { http::StatusCode::BAD_GATEWAY.into_response() }),
        ),
        ("silence", stand_in(|_| std::future::pending::<Response>())),
    ]
}

#[tokio::test]
async fn read_is_retried_at_the_next_conductor() {
    for (what, router) in garbage() {
        let site = RpcFixture::new().await;
        site.waiting_node().await;
        site.stand_in("conductor-2", router).await;
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        site.register("conductor-3", closed.local_addr().unwrap())
            .await;
        drop(closed);
        let remote = site.remote();
        for _ in 0..6 {
            assert!(ask(&remote).await.is_ok(), "{what}");
            let ctx = context();
            let methods = remote.driver_vendor_passthru_methods(&ctx, "fake-hardware");
            assert_eq!(methods.await.unwrap().len(), 1, "{what}");
        }
    }
}

#[tokio::test]
async fn silent_conductor_is_asked_last_until_its_next_heartbeat() {
    let site = RpcFixture::new().await;
    site.waiting_node().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let router = stand_in(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        async { "garbage".into_response() }
    });
    site.stand_in("conductor-2", router).await;
    let remote = site.remote();
    for _ in 0..10 {
        ask(&remote).await.unwrap();
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert!(
        site.db
            .conductor_touch("conductor-2", "run-1", true)
            .await
            .unwrap()
    );
    // As soon as the list is read again, it gets its turn again.
    let again = async {
        while asked.load(Ordering::Relaxed) < 2 {
            ask(&remote).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), again)
        .await
        .expect("it is asked again");
}

#[tokio::test]
async fn possibly_applied_change_is_not_retried() {
    for (what, router) in garbage() {
        if what == "silence" {
            // It would take as long as an operator waits.
            continue;
        }
        let site = RpcFixture::new().await;
        let node = site.waiting_node().await;
        // Only the stand-in is there.
        site.local.drain().await;
        site.stand_in("conductor-2", router).await;
        let remote = site.remote();
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        site.register("conductor-0", closed.local_addr().unwrap())
            .await;
        drop(closed);
        let destroyed = remote.port_destroy(&context(), PortUuid(node.0)).await;
        let fault = destroyed.unwrap_err();
        let Fault::Unavailable { reason, .. } = &fault else {
            panic!("{what}: {fault:?}")
        };
        assert!(
            reason.contains("conductor-2") && reason.contains("may have been executed"),
            "{what}: {reason}"
        );
    }
}

#[tokio::test]
async fn undelivered_change_is_retried_at_the_next_conductor() {
    let site = RpcFixture::new().await;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    // One hangs before it reads anything, as a stopped process does; one is gone.
    let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    site.register("conductor-2", hangs.local_addr().unwrap())
        .await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    site.register("conductor-3", closed.local_addr().unwrap())
        .await;
    drop(closed);
    let strict = Router::new().route(
        "/",
        post(move || {
            count.fetch_add(1, Ordering::Relaxed);
            async { http::StatusCode::UNAUTHORIZED }
        }),
    );
    site.stand_in("conductor-4", strict).await;
    let remote = site.remote();
    for _ in 0..4 {
        let node = Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", clock::now());
        let made = remote.node_create(&context(), node).await.unwrap();
        assert!(site.db.node_get(made.uuid).await.unwrap().is_some());
    }
    assert!(
        sent.load(Ordering::Relaxed) <= 1,
        "it is asked last after that"
    );
}

#[tokio::test]
async fn call_without_a_live_conductor_fails_with_the_reason() {
    let site = RpcFixture::new().await;
    site.waiting_node().await;
    site.local.drain().await;
    let remote = site.remote();
    let unavailable = |fault: &Fault| {
        let Fault::Unavailable { reason, .. } = fault else {
            panic!("{fault:?}")
        };
        reason.clone()
    };
    let fault = ask(&remote).await.unwrap_err();
    assert_eq!(unavailable(&fault), "No conductor is running");
    assert_eq!(remote.drivers(&context()).await.unwrap(), []);
    let node = Node::enroll(NodeUuid(ident::uuid()), "fake-hardware", clock::now());
    let fault = remote.node_create(&context(), node).await.unwrap_err();
    assert_eq!(unavailable(&fault), "No conductor is running");
}

#[tokio::test]
async fn silent_conductors_are_asked_when_there_is_no_other() {
    let site = RpcFixture::new().await;
    site.waiting_node().await;
    let settings = crate::db::Settings {
        heartbeat_timeout: Duration::ZERO,
        ..crate::db::testing::settings_in(site.app.folder())
    };
    let db = Db::open(&settings).await.unwrap();
    let listed = db.conductor_get("conductor-1").await.unwrap().unwrap();
    assert!(listed.online && !listed.alive);
    let remote = Remote::new(db.clone(), timeouts(), None, None).unwrap();
    assert!(ask(&remote).await.is_ok());
    site.local.drain().await;
    let asked = Remote::new(db, timeouts(), None, None).unwrap();
    assert!(ask(&asked).await.is_err());
}

#[tokio::test]
async fn every_fault_of_a_conductor_is_the_same_at_the_api() {
    let site = RpcFixture::new().await;
    site.local.drain().await;
    let next = Arc::new(AtomicUsize::new(0));
    let turn = Arc::clone(&next);
    let router = stand_in(move |request| {
        let fault = faults()[turn.load(Ordering::Relaxed)].clone();
        let body = envelope::failure(&request.id, &FaultOnWire::from_fault(&fault));
        async { body.into_response() }
    });
    site.stand_in("conductor-2", router).await;
    let remote = site.remote();
    for (index, fault) in faults().into_iter().enumerate() {
        next.store(index, Ordering::Relaxed);
        let read = remote.driver_properties(&context(), "d").await;
        assert_eq!(read.unwrap_err(), fault);
        let changed = remote
            .node_destroy(&context(), NodeUuid(ident::uuid()))
            .await;
        assert_eq!(changed.unwrap_err(), fault);
    }
}

#[tokio::test]
async fn nodes_go_to_conductors_of_their_group_and_hardware() {
    let site = RpcFixture::new().await;
    let hosts = |target: crate::rpc::select::CallTarget| {
        let directory = crate::rpc::select::Directory::new(site.db.clone());
        async move {
            let peers = directory.candidates(&target).await?;
            let mut hosts: Vec<String> = peers.iter().map(|peer| peer.hostname.clone()).collect();
            hosts.sort();
            Ok::<_, Fault>(hosts)
        }
    };
    let place = |driver: &str, group: &str| crate::rpc::select::CallTarget::DriverAndGroup {
        driver: driver.to_owned(),
        group: group.to_owned(),
    };
    let register = |hostname: &'static str, group: &'static str, driver: &'static str| {
        let db = site.db.clone();
        async move {
            let entry = Registration {
                hostname,
                run_id: "r",
                group,
                drivers: &[driver.to_owned()],
                interfaces: &[],
                endpoint: hostname,
            };
            db.conductor_register(&entry).await.unwrap();
        }
    };
    register("hall-1", "hall", "fake-hardware").await;
    register("hall-2", "hall", "fake-hardware").await;
    register("other", "", "manual-management").await;
    assert_eq!(
        hosts(place("fake-hardware", "")).await.unwrap(),
        ["conductor-1"]
    );
    assert_eq!(
        hosts(place("fake-hardware", "hall")).await.unwrap(),
        ["hall-1", "hall-2"]
    );
    let all = ["conductor-1", "hall-1", "hall-2", "other"];
    assert_eq!(
        hosts(crate::rpc::select::CallTarget::Any).await.unwrap(),
        all
    );
    // Every conductor can say that there is no such hardware type.
    assert_eq!(hosts(place("nosuch", "")).await.unwrap(), all);
    let refused = hosts(place("manual-management", "hall")).await.unwrap_err();
    assert!(matches!(refused, Fault::NoValidHost { group, .. } if group == "hall"));
    let driver = crate::rpc::select::CallTarget::Driver("manual-management".to_owned());
    assert_eq!(hosts(driver.clone()).await.unwrap(), ["other"]);
    // It was there, and will be again.
    site.db.conductor_touch("other", "r", false).await.unwrap();
    let refused = hosts(driver).await.unwrap_err();
    assert!(matches!(refused, Fault::Unavailable { .. }), "{refused:?}");
    let node = site.waiting_node().await;
    let node = crate::rpc::select::CallTarget::Node(node);
    assert_eq!(hosts(node).await.unwrap(), ["conductor-1"]);
}

#[tokio::test]
async fn tls_authenticates_the_conductor_to_the_api() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let own = authority.self_signed(&key).unwrap();
    let issuer = Issuer::new(authority, key);
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&leaf_key, &issuer).unwrap();
    std::fs::write(path("ca.pem"), own.pem()).unwrap();
    std::fs::write(path("cert.pem"), leaf.pem()).unwrap();
    std::fs::write(path("key.pem"), leaf_key.serialize_pem()).unwrap();

    let security = RpcSecurity {
        users: None,
        tls: Some(
            ServerCertificate::load(&path("cert.pem"), &path("key.pem"))
                .unwrap()
                .config(),
        ),
    };
    let site = RpcFixture::guarded(security).await;
    site.waiting_node().await;
    let trusting = tls::client(&path("ca.pem")).unwrap();
    let remote = site.remote_with(None, Some(trusting));
    assert!(ask(&remote).await.is_ok());

    // Who does not know the authority, or speaks no TLS, gets nothing.
    let other_key = KeyPair::generate().unwrap();
    let other = CertificateParams::new(Vec::new()).unwrap();
    std::fs::write(
        path("other.pem"),
        other.self_signed(&other_key).unwrap().pem(),
    )
    .unwrap();
    let wary = tls::client(&path("other.pem")).unwrap();
    for remote in [site.remote_with(None, Some(wary)), site.remote()] {
        let asked = remote.driver_properties(&context(), "fake-hardware").await;
        assert!(matches!(asked, Err(Fault::Unavailable { .. })), "{asked:?}");
    }
    let missing = tls::client(&path("nosuch.pem")).unwrap_err().to_string();
    assert!(missing.contains("nosuch.pem"), "{missing}");
    let empty = ServerCertificate::load(&path("key.pem"), &path("key.pem"))
        .unwrap_err()
        .to_string();
    assert!(
        empty.contains("certificates from") && empty.contains("key.pem"),
        "{empty}"
    );
}
