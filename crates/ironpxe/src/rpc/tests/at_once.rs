//! What is answered at once is what would be answered anyway.

use bytes::Bytes;
use ironpxe_core::passthru::HttpMethod;

use super::requests::{ask, post, router};
use super::*;
use crate::rpc::at_once;
use crate::rpc::envelope::Outgoing;

/// A boot request as this release sends it, and one which says the same and something newer.
fn alike(ctx: &Context, driver: Option<&str>, ident: BootIdent) -> [Bytes; 2] {
    [false, true].map(|newer| {
        let method = driver.map_or("boot_script", |_| "driver_vendor_passthru");
        let mut call = Outgoing::new(ctx, method);
        match driver {
            Some(driver) => {
                call.put("driver_name", &driver).unwrap();
                call.put("driver_method", &"ipxe_config").unwrap();
                call.put("http_method", &HttpMethod::Get).unwrap();
                call.put("info", &ident.to_args()).unwrap();
            }
            None => call.put("ident", &ident).unwrap(),
        }
        if newer {
            call.put("newer", &"parameter").unwrap();
        }
        call.finish()
    })
}

fn at_once(site: &Site, body: &[u8]) -> Option<Value> {
    let moment = site.local.moment().unwrap();
    let answer = at_once::answer(&site.local, moment, body)?;
    Some(serde_json::from_slice(&answer).unwrap())
}

async fn on_the_wire(site: &Site, body: &Bytes) -> Value {
    ask(&router(site), post(body.clone())).await.body
}

/// The answer at once, after it was given in the usual way. The conductor, too, changes something in
/// the database now and then; so it may take more than one attempt.
async fn once_kept(site: &Site, body: &Bytes) -> Value {
    for _ in 0..100 {
        on_the_wire(site, body).await;
        if let Some(answer) = at_once(site, body) {
            return answer;
        }
    }
    panic!("it is never at hand");
}

#[tokio::test]
async fn both_ways_of_answering_say_the_same() {
    let site = Site::new().await;
    let uuid = site.waiting_node().await;
    for ident in [
        BootIdent::Node(uuid),
        BootIdent::Address(MAC.parse().unwrap()),
    ] {
        for driver in [None, Some("fake-hardware")] {
            let ctx = context();
            let [usual, newer] = alike(&ctx, driver, ident);
            assert_eq!(at_once(&site, &newer), None, "only what is known");
            let expected = on_the_wire(&site, &newer).await;
            assert!(expected["error"].is_null(), "{expected}");
            assert_eq!(once_kept(&site, &usual).await, expected);
            assert_eq!(on_the_wire(&site, &usual).await, expected);
        }
    }
}

#[tokio::test]
async fn what_is_not_at_hand_is_left_to_others() {
    let site = Site::new().await;
    let uuid = site.waiting_node().await;
    let ident = BootIdent::Node(uuid);
    let ctx = context();
    let [usual, _] = alike(&ctx, Some("fake-hardware"), ident);
    assert_eq!(at_once(&site, &usual), None, "nobody has asked yet");
    once_kept(&site, &usual).await;
    let text = std::str::from_utf8(&usual).unwrap();
    for (part, other) in [
        ("fake-hardware", "nosuch"),
        ("ipxe_config", "other"),
        ("GET", "POST"),
        ("\"2.0\"", "\"1.0\""),
        ("\"rpc.version\":\"1.0\"", "\"rpc.version\":\"2.0\""),
        ("\"rpc.version\":\"1.0\"", "\"rpc.version\":null"),
        ("\"node_uuid\"", "\"port_address\""),
        (ctx.request_id.as_str(), "req-7"),
        ("\"id\":\"", "\"id\":7,\"ignored\":\""),
        ("driver_vendor_passthru", "boot_script"),
        ("driver_vendor_passthru", "vendor_passthru"),
    ] {
        let body = text.replace(part, other);
        assert_ne!(body, text);
        assert_eq!(at_once(&site, body.as_bytes()), None, "{body}");
    }
    let change = NodeChange::Maintenance {
        on: true,
        reason: Some("a change".to_owned()),
    };
    site.local
        .node_update(&ctx, uuid, change, false)
        .await
        .unwrap();
    assert_eq!(at_once(&site, &usual), None, "something has changed");
}

/// Of a moment before a change, nothing is told that was kept after it.
#[tokio::test]
async fn a_moment_that_is_over_has_no_scripts() {
    let site = Site::new().await;
    let uuid = site.waiting_node().await;
    let before = site.local.moment().unwrap();
    let change = NodeChange::Maintenance {
        on: true,
        reason: None,
    };
    site.local
        .node_update(&context(), uuid, change, false)
        .await
        .unwrap();
    let [usual, _] = alike(&context(), None, BootIdent::Node(uuid));
    once_kept(&site, &usual).await;
    assert_eq!(at_once::answer(&site.local, before, &usual), None);
}
