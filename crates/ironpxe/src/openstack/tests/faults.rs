//! What goes wrong, what is done about it, and what is said.

use ironpxe_testkit::openstack::faulty::Fault;

use super::*;

fn with_retries(cloud: &FaultyCloud) -> Settings {
    Settings {
        retries: 3,
        ..settings(cloud)
    }
}

/// A short timeout, but only for what never comes: a token comes first, and may need a moment.
fn with_short_timeout(cloud: &FaultyCloud) -> Settings {
    Settings {
        timeout: Duration::from_secs(1),
        ..settings(cloud)
    }
}

#[tokio::test]
async fn temporary_faults_are_retried() {
    let cloud = cloud();
    let glance = Glance::new(&with_retries(&cloud)).unwrap();
    for fault in [
        Fault::Status(500, "oops"),
        Fault::Status(503, ""),
        Fault::Header(429, "Retry-After", "0".to_owned()),
        Fault::Garbage,
        Fault::Half,
        Fault::HangUp,
        Fault::Endless,
    ] {
        cloud.order(IMAGE_PATH, [fault.clone(), fault]);
        glance.image(IMAGE).await.unwrap();
    }
    cloud.order(
        TOKENS,
        [Fault::Status(502, ""), Fault::HangUp, Fault::Garbage],
    );
    cloud.revoke();
    glance.image(IMAGE).await.unwrap();
}

#[tokio::test]
async fn retries_are_limited() {
    let cloud = cloud();
    cloud.order(IMAGE_PATH, vec![Fault::Status(500, "oops"); 10]);
    let error = Glance::new(&with_retries(&cloud))
        .unwrap()
        .image(IMAGE)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("Glance request for image {IMAGE}: response status 500: oops")
    );
    assert!(error.is_temporary());
    assert_eq!(cloud.calls().len(), 4);
}

#[tokio::test]
async fn permanent_faults_are_not_retried() {
    let cloud = cloud();
    let glance = Glance::new(&with_retries(&cloud)).unwrap();
    let error = glance.image("nosuch").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Glance request for image nosuch: response status 404: 404 Not Found No image found with ID \
         nosuch"
    );
    assert!(error.is_not_found() && !error.is_temporary());
    for status in [400, 403, 409, 410] {
        cloud.order(IMAGE_PATH, [Fault::Status(status, "no")]);
        let error = glance.image(IMAGE).await.unwrap_err();
        assert!(!error.is_temporary() && !error.is_not_found(), "{error}");
    }
    assert_eq!(cloud.calls().len(), 5);
    let error = Neutron::new(&with_retries(&cloud))
        .unwrap()
        .port("nosuch")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Neutron request for port nosuch: response status 404: Port nosuch could not be found."
    );
}

#[tokio::test]
async fn port_update_is_retried_after_a_concurrent_change() {
    let cloud = cloud();
    cloud.order(
        PORT_PATH,
        [Fault::Status(409, "{}"), Fault::Status(409, "{}")],
    );
    let option = ExtraDhcpOption {
        opt_name: "67".to_owned(),
        opt_value: Some("x".to_owned()),
        ip_version: 4,
    };
    let neutron = Neutron::new(&with_retries(&cloud)).unwrap();
    neutron.set_extra_dhcp_opts(PORT, &[option]).await.unwrap();
    assert_eq!(
        cloud.dhcp_options(PORT),
        [("67".to_owned(), "x".to_owned(), 4)]
    );
    assert_eq!(cloud.calls().len(), 3);
}

#[tokio::test]
async fn silent_service_times_out() {
    let cloud = cloud();
    for path in [TOKENS, IMAGE_PATH] {
        cloud.order(path, [Fault::Silence]);
        let error = Glance::new(&with_short_timeout(&cloud))
            .unwrap()
            .image(IMAGE)
            .await
            .unwrap_err();
        assert!(error.is_temporary());
        assert!(
            error.to_string().ends_with("no response within 1 s"),
            "{error}"
        );
    }
    // A body that stops in the middle.
    cloud.order(IMAGE_PATH, [Fault::Stall(10)]);
    let error = Glance::new(&with_short_timeout(&cloud))
        .unwrap()
        .image(IMAGE)
        .await
        .unwrap_err();
    assert!(matches!(error.cause, Cause::Timeout(_)), "{error}");
}

#[tokio::test]
async fn interrupted_download_is_an_error_to_its_reader() {
    let cloud = cloud();
    cloud.order(FILE_PATH, [Fault::Stall(10), Fault::Half]);
    let settings = Settings {
        retries: 3,
        ..with_short_timeout(&cloud)
    };
    let glance = Glance::new(&settings).unwrap();
    for _ in 0..2 {
        let mut response = glance.data(IMAGE, None).await.unwrap();
        let error = loop {
            match response.chunk().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it ended as if it were whole"),
                Err(error) => break error,
            }
        };
        assert!(
            error.is_timeout() || error.is_body() || error.is_decode(),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn oversized_response_is_refused() {
    let cloud = cloud();
    cloud.order(IMAGE_PATH, [Fault::Endless]);
    let error = glance(&cloud).image(IMAGE).await.unwrap_err();
    assert!(
        error.to_string().contains("longer than 4194304 bytes"),
        "{error}"
    );
}

#[tokio::test]
async fn redirects_are_followed_to_the_same_host_up_to_a_limit() {
    let cloud = cloud();
    let to = |url: String| Fault::Header(307, "Location", url);
    cloud.order(
        IMAGE_PATH,
        [to(format!("{}{IMAGE_PATH}?again", cloud.url()))],
    );
    let glance = Glance::new(&with_retries(&cloud)).unwrap();
    glance.image(IMAGE).await.unwrap();

    cloud.order(
        IMAGE_PATH,
        vec![to(format!("{}{IMAGE_PATH}", cloud.url())); 20],
    );
    let before = cloud.calls().len();
    let error = glance.image(IMAGE).await.unwrap_err();
    assert!(
        error.to_string().contains("more than 3 redirections"),
        "{error}"
    );
    assert!(!error.is_temporary());
    assert_eq!(cloud.calls().len() - before, 4);
}

#[tokio::test]
async fn token_is_sent_to_no_other_host() {
    let cloud = cloud();
    let elsewhere_cloud = FaultyCloud::start().unwrap();
    let elsewhere = elsewhere_cloud.url().replace("127.0.0.1", "localhost");
    cloud.order(PORT_PATH, [Fault::Header(307, "Location", elsewhere)]);
    let error = neutron(&cloud).port(PORT).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a redirection to http://localhost"),
        "{error}"
    );
    assert!(!error.is_temporary());
    assert!(elsewhere_cloud.requests.entries().is_empty());
}

#[tokio::test]
async fn unreachable_service_is_named_in_the_error() {
    let cloud = cloud();
    let mut settings = settings(&cloud);
    drop(cloud);
    let error = Glance::new(&settings)
        .unwrap()
        .image(IMAGE)
        .await
        .unwrap_err();
    assert!(error.is_temporary());
    assert!(error.to_string().contains("unreachable"), "{error}");
    settings.endpoint_override = Some("http://user:hush@h".to_owned());
    let error = Glance::new(&settings).unwrap_err().to_string();
    assert!(
        error.contains("endpoint_override \"...@h\" cannot be used"),
        "{error}"
    );
}

#[tokio::test]
async fn untrusted_tls_certificate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut authority = rcgen::CertificateParams::new(vec![]).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let authority = rcgen::CertifiedIssuer::self_signed(authority, authority_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned()];
    let certificate = rcgen::CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    std::fs::write(path("ca.pem"), authority.pem()).unwrap();
    std::fs::write(path("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();

    let tls = crate::tls::ServerCertificate::load(&path("cert.pem"), &path("key.pem"))
        .unwrap()
        .config();
    let cloud = FaultyCloud::start_tls(tls).unwrap();
    cloud.has_port(PORT, "52:54:00:aa:00:01", &[]);
    let mut settings = settings(&cloud);
    settings.cafile = Some(path("ca.pem"));
    Neutron::new(&settings).unwrap().port(PORT).await.unwrap();

    // The system's authorities did not sign it.
    settings.cafile = None;
    settings.retries = 3;
    let error = Neutron::new(&settings)
        .unwrap()
        .port(PORT)
        .await
        .unwrap_err();
    assert!(!error.is_temporary(), "{error:?}");
    assert!(error.to_string().contains("TLS failed"), "{error}");

    settings.cafile = Some(path("nosuch.pem"));
    let error = Neutron::new(&settings).unwrap_err().to_string();
    assert!(error.contains("cannot read certificates"), "{error}");
}
