//! Many machines ask at once: what goes in one message, and that each gets its own answer.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

const ADDRESS: BootIdent = BootIdent::Address(ironpxe_core::mac::MacAddress::new([
    0x52, 0x54, 0, 0xaa, 0, 1,
]));
/// A machine for which the conductor never finds an answer.
const SLOW: BootIdent = BootIdent::Address(ironpxe_core::mac::MacAddress::new([
    0x52, 0x54, 0, 0xaa, 0, 0xff,
]));
const MACHINES: usize = 100;

/// A conductor before which messages are held up, counted and perhaps refused.
#[derive(Clone)]
struct Gate {
    conductor: Router,
    messages: Arc<AtomicUsize>,
    batches: bool,
}

async fn pass(State(gate): State<Gate>, request: Request) -> Response {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    gate.messages.fetch_add(1, Ordering::Relaxed);
    // Others come meanwhile.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let slow = b"52:54:00:aa:00:ff";
    if body.windows(slow.len()).any(|it| it == slow) {
        std::future::pending::<()>().await;
    }
    if !gate.batches && body.starts_with(b"[") {
        let problem = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600,
            "message": "Invalid request object"}});
        return problem.to_string().into_response();
    }
    let request = http::Request::post("/").body(Body::from(body)).unwrap();
    gate.conductor.oneshot(request).await.unwrap()
}

/// A site whose only conductor is behind a gate; gives the count of messages.
async fn gated(batches: bool) -> (Site, Arc<AtomicUsize>) {
    let site = Site::new().await;
    site.waiting_node().await;
    let messages = Arc::new(AtomicUsize::new(0));
    let gate = Gate {
        conductor: server::router(Served {
            conductor: Arc::new(site.local.clone()),
            users: None,
            max_body_bytes: 64 * 1024,
            memory: memory(),
        }),
        messages: Arc::clone(&messages),
        batches,
    };
    site.local.leave().await;
    let router = Router::new().fallback(pass).with_state(gate);
    site.stand_in("conductor-2", router).await;
    (site, messages)
}

/// A machine asks, under a request id of its own.
async fn boots(remote: &Remote) {
    let ctx = context();
    let script = remote.boot_script(&ctx, ADDRESS).await.unwrap();
    assert!(script.contains(&ctx.request_id), "{script}");
}

#[tokio::test]
async fn many_share_a_message_and_each_gets_its_own_script() {
    let (site, messages) = gated(true).await;
    let remote = site.patient_remote();
    join_all((0..MACHINES).map(|_| boots(&remote))).await;
    let messages = messages.load(Ordering::Relaxed);
    // How many depends on how fast the machine is that the test runs on.
    assert!(messages <= MACHINES / 2, "{messages} messages");
}

/// If the others waited for the one, they would wait until their time is up.
#[tokio::test]
async fn one_that_takes_long_keeps_nobody() {
    let (site, _) = gated(true).await;
    let remote = site.patient_remote();
    let slow = (0..MACHINES / 10).map(|_| async {
        let ctx = context();
        let asked = remote.boot_script(&ctx, SLOW);
        tokio::time::timeout(Duration::from_secs(3), asked)
            .await
            .is_err()
    });
    let others = join_all((0..MACHINES).map(|_| boots(&remote)));
    let (slow, _) = tokio::join!(join_all(slow), others);
    assert!(slow.into_iter().all(|is_slow| is_slow));
}

#[tokio::test]
async fn one_alone_is_sent_as_ironic_sends_it() {
    let (site, messages) = gated(false).await;
    let remote = site.remote();
    for _ in 0..3 {
        boots(&remote).await;
    }
    assert_eq!(messages.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_conductor_that_takes_no_batches_is_sent_none_after_the_first() {
    let (site, messages) = gated(false).await;
    let remote = site.remote();
    join_all((0..MACHINES).map(|_| boots(&remote))).await;
    // Those that were under way when the first was refused are sent again one by one, too.
    let before = messages.load(Ordering::Relaxed);
    join_all((0..MACHINES).map(|_| boots(&remote))).await;
    assert_eq!(messages.load(Ordering::Relaxed), before + MACHINES);
}

#[tokio::test]
async fn a_machine_that_goes_takes_nobody_along() {
    let (site, _) = gated(true).await;
    let remote = site.remote();
    let impatient = (0..MACHINES).map(|number| {
        let wait = Duration::from_millis(number as u64 % 40);
        let ctx = context();
        let remote = &remote;
        async move {
            let asked = remote.boot_script(&ctx, ADDRESS);
            // Some go while they wait, others while they ask for all who wait.
            let _ = tokio::time::timeout(wait, asked).await;
        }
    });
    let patient = (0..MACHINES).map(|_| boots(&remote));
    tokio::join!(join_all(impatient), join_all(patient));
    // All places are free again.
    join_all((0..MACHINES).map(|_| boots(&remote))).await;
}
