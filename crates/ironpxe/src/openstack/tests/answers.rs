//! What services answer when nothing is wrong, and how they are found.

use ironpxe_core::swift::TempUrlDigest;
use ironpxe_testkit::openstack::faulty::{Fault, PROJECT};

use super::*;
use crate::clock;

fn option(name: &str, value: Option<&str>, ip_version: u8) -> ExtraDhcpOption {
    ExtraDhcpOption {
        opt_name: name.to_owned(),
        opt_value: value.map(str::to_owned),
        ip_version,
    }
}

#[tokio::test]
async fn image_description_is_read() {
    let cloud = cloud();
    let image = glance(&cloud).image(IMAGE).await.unwrap();
    assert_eq!((image.id.as_str(), image.size), (IMAGE, Some(10)));
    assert_eq!(image.os_hash_algo.as_deref(), Some("sha512"));
    assert_eq!(image.kernel_id.as_deref(), Some("k"));
    assert_eq!((image.ramdisk_id, image.img_type), (None, None));
    assert_eq!(image.properties["hw_firmware_type"], "uefi");
    assert!(!image.properties.contains_key("kernel_id"));
}

#[tokio::test]
async fn id_is_escaped_to_one_path_segment() {
    let cloud = cloud();
    let error = glance(&cloud).image("../../v3/a?b").await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    let (_, path, _) = cloud.calls().remove(0);
    assert_eq!(path, "/image/v2/images/%2E%2E%2F%2E%2E%2Fv3%2Fa%3Fb");
}

#[tokio::test]
async fn image_data_is_read_completely_or_by_range() {
    let cloud = cloud();
    let glance = glance(&cloud);
    for (range, status, expected) in [
        (None, 200, "0123456789"),
        (Some((4, None)), 206, "456789"),
        (Some((4, Some(5))), 206, "45"),
    ] {
        let response = glance.data(IMAGE, range).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.text().await.unwrap(), expected);
    }
    cloud.order(FILE_PATH, [Fault::Status(400, "not supported")]);
    let response = glance.data(IMAGE, Some((4, None))).await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.text().await.unwrap(), "0123456789");
    let error = glance.data(IMAGE, Some((10, None))).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Status { status: 416, .. }));
    assert!(!error.is_temporary());
}

#[tokio::test]
async fn image_without_data_gives_an_error() {
    let cloud = cloud();
    let queued = serde_json::json!({ "id": "q", "status": "queued", "size": null });
    cloud.has_image("q", queued, b"");
    let glance = glance(&cloud);
    let image = glance.image("q").await.unwrap();
    assert_eq!((image.status.as_str(), image.size), ("queued", None));
    let error = glance.data("q", None).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Glance request for the data of image q: the image has no data yet"
    );
    assert!(!error.is_temporary());
}

#[tokio::test]
async fn port_options_are_set_and_deleted() {
    let cloud = cloud();
    let neutron = neutron(&cloud);
    let port = neutron.port(PORT).await.unwrap();
    let versions: Vec<bool> = port
        .fixed_ips
        .iter()
        .map(|it| it.ip_address.is_ipv4())
        .collect();
    assert_eq!(versions, [true, false]);
    let options = [
        option("tag:ipxe,67", Some("http://h/x"), 4),
        option("66", Some("192.0.2.1"), 4),
    ];
    let port = neutron.set_extra_dhcp_opts(PORT, &options).await.unwrap();
    assert_eq!(port.extra_dhcp_opts, options);
    let port = neutron
        .set_extra_dhcp_opts(PORT, &[option("66", None, 4)])
        .await
        .unwrap();
    assert_eq!(port.extra_dhcp_opts, options[..1]);
    let sent = cloud.requests.entries().pop().unwrap();
    assert_eq!(
        sent.body["port"]["extra_dhcp_opts"][0]["opt_value"],
        serde_json::Value::Null
    );
}

#[tokio::test]
async fn endpoint_comes_from_the_catalog_unless_configured() {
    let cloud = cloud();
    let found = |change: fn(&mut Settings)| {
        let mut settings = settings(&cloud);
        change(&mut settings);
        let glance = Glance::new(&settings).unwrap();
        async move { glance.image(IMAGE).await.map(drop) }
    };
    found(|_| {}).await.unwrap();
    found(|it| it.valid_interfaces = vec!["nowhere".to_owned(), "public".to_owned()])
        .await
        .unwrap();
    found(|it| it.region_name = Some("RegionOne".to_owned()))
        .await
        .unwrap();
    let elsewhere = found(|it| it.valid_interfaces = vec!["internal".to_owned()]).await;
    assert!(elsewhere.unwrap_err().is_not_found());
    let nowhere = found(|it| it.region_name = Some("RegionTwo".to_owned()))
        .await
        .unwrap_err();
    assert!(!nowhere.is_temporary());
    assert!(
        nowhere
            .to_string()
            .contains("no service \"image\" (public, in RegionTwo)"),
        "{nowhere}"
    );

    let mut settings = settings(&cloud);
    settings.region_name = Some("RegionTwo".to_owned());
    for end in ["", "/", "/v2", "/v2/"] {
        settings.endpoint_override = Some(format!("{}/image{end}", cloud.url()));
        Glance::new(&settings).unwrap().image(IMAGE).await.unwrap();
    }
}

#[tokio::test]
async fn auth_none_requires_endpoint_override() {
    let cloud = cloud();
    let mut settings = settings(&cloud);
    settings.auth = Auth::None;
    let error = Glance::new(&settings).unwrap_err().to_string();
    assert!(error.contains("set endpoint_override"), "{error}");
    settings.endpoint_override = Some(format!("{}/image", cloud.url()));
    let error = Glance::new(&settings)
        .unwrap()
        .image(IMAGE)
        .await
        .unwrap_err();
    // This cloud wants a token.
    assert!(
        matches!(error.cause, Cause::Status { status: 401, .. }),
        "{error}"
    );
    assert_eq!(cloud.requests.entries()[0].token, None);
    assert_eq!(cloud.tokens_given(), 0);
}

#[tokio::test]
async fn temporary_urls_use_swift_of_the_catalog_unless_configured() {
    let cloud = cloud();
    let of = |endpoint_url: Option<&str>, account: Option<&str>| {
        TempUrls::new(
            glance(&cloud),
            TempUrlSettings {
                key: Secret("key".to_owned()),
                digest: TempUrlDigest::Sha512,
                duration: Duration::from_mins(20),
                endpoint_url: endpoint_url.map(str::to_owned),
                account: account.map(str::to_owned),
                container: "glance".to_owned(),
                multiple_containers_seed: 0,
            },
        )
    };
    let (here, ours) = (cloud.url(), format!("AUTH_{PROJECT}"));
    for (endpoint, account, expected) in [
        (
            Some("http://s"),
            Some("AUTH_x"),
            "http://s/v1/AUTH_x".to_owned(),
        ),
        (None, Some("AUTH_x"), format!("{here}/v1/AUTH_x")),
        (Some("http://s"), None, format!("http://s/v1/{ours}")),
        (None, None, format!("{here}/v1/{ours}")),
    ] {
        let before = clock::now().unix_timestamp();
        let url = of(endpoint, account).url(IMAGE).await.unwrap();
        let (place, signed) = url.split_once("?temp_url_sig=").unwrap();
        assert_eq!(place, format!("{expected}/glance/{IMAGE}"));
        let (signature, end) = signed.split_once("&temp_url_expires=").unwrap();
        assert_eq!(signature.len(), 128);
        let end: i64 = end.parse().unwrap();
        assert!((before + 1200..=clock::now().unix_timestamp() + 1200).contains(&end));
    }
    let error = of(None, None).url("a/b").await.unwrap_err();
    assert!(!error.is_temporary());
    assert!(
        error
            .to_string()
            .contains("\"a/b\" cannot be used as the name"),
        "{error}"
    );
    // No service is asked that need not be.
    let asked = cloud.requests.entries().len();
    of(Some("http://s"), Some("AUTH_x"))
        .url(IMAGE)
        .await
        .unwrap();
    assert_eq!(cloud.requests.entries().len(), asked);
}
