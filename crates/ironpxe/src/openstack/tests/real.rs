//! Against the services themselves.

use ironpxe_core::swift::TempUrlDigest;
use ironpxe_testkit::openstack::{self as real, Keystone, SERVICE_PASSWORD, Swift};
use reqwest::StatusCode;
use serde_json::{Map, json};

use super::*;

const ME: &str = "ironic";

fn by_password(keystone: &Keystone) -> Settings {
    let domain = || Domain::Id("default".to_owned());
    let auth = Auth::Password {
        auth_url: keystone.url.clone(),
        username: ME.to_owned(),
        user_domain: domain(),
        password: Secret(SERVICE_PASSWORD.to_owned()),
        scope: Scope::Project(Project::Name("service".to_owned(), domain())),
    };
    Settings {
        region_name: Some("RegionOne".to_owned()),
        valid_interfaces: vec!["internal".to_owned(), "public".to_owned()],
        retries: 5,
        pause: Duration::from_millis(200),
        ..testing::settings(auth)
    }
}

async fn status(url: &str) -> StatusCode {
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(crate::tls::no_client().unwrap())
        .build()
        .unwrap();
    client.get(url).send().await.unwrap().status()
}

#[tokio::test]
#[ignore = "needs the services of OpenStack, which `cargo xtask test --full` installs"]
async fn images_are_read_from_glance_and_swift() {
    let started = tokio::task::spawn_blocking(|| {
        let venv = real::venv().unwrap();
        let keystone = Keystone::start(&venv).unwrap();
        keystone.add_service_user(ME).unwrap();
        let swift = Swift::start(&venv, &keystone).unwrap();
        let glance = real::Glance::start(&venv, &keystone, &swift).unwrap();
        let kernel: Vec<u8> = (0..300_000_u32).map(|it| it.to_le_bytes()[0]).collect();
        let mut properties = Map::new();
        for (key, value) in [
            ("disk_format", "ari"),
            ("container_format", "ari"),
            ("kernel_id", "k"),
        ] {
            properties.insert(key.to_owned(), json!(value));
        }
        properties.insert("hw_firmware_type".to_owned(), json!("uefi"));
        let data = Some(kernel.clone());
        let image = glance.add_image(&keystone, &properties, data).unwrap();
        let queued = glance.add_image(&keystone, &Map::new(), None).unwrap();
        swift
            .set_temp_url_key(&keystone, "glance", "a key")
            .unwrap();
        let credential = keystone.application_credential(ME).unwrap();
        (keystone, swift, glance, kernel, image, queued, credential)
    });
    let (keystone, swift, served, kernel, id, queued, credential) = started.await.unwrap();
    let settings = by_password(&keystone);
    let glance = Glance::new(&settings).unwrap();

    let image = glance.image(&id).await.unwrap();
    assert_eq!(
        (image.id.as_str(), image.status.as_str()),
        (id.as_str(), "active")
    );
    assert_eq!(image.size, Some(kernel.len() as u64));
    assert_eq!(image.disk_format.as_deref(), Some("ari"));
    assert_eq!(image.kernel_id.as_deref(), Some("k"));
    assert_eq!(image.os_hash_algo.as_deref(), Some("sha512"));
    assert_eq!(image.os_hash_value.map(|it| it.len()), Some(128));
    assert_eq!(image.properties["hw_firmware_type"], "uefi");
    let whole = glance.data(&id, None).await.unwrap();
    assert_eq!(whole.bytes().await.unwrap(), kernel);
    let part = glance.data(&id, Some((100, Some(199)))).await.unwrap();
    // From Swift, Glance gives all or nothing.
    assert_eq!(part.status(), StatusCode::OK);
    assert_eq!(part.bytes().await.unwrap(), kernel);

    let unknown = "99999999-0000-4000-8000-000000000000";
    let error = glance.image(unknown).await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert!(
        error
            .to_string()
            .contains(&format!("No image found with ID {unknown}")),
        "{error}"
    );
    let error = glance.data(&queued, None).await.unwrap_err();
    assert_eq!(error.cause, Cause::NoData);
    assert_eq!(glance.image(&queued).await.unwrap().size, None);

    // Keystone takes the token back; what is asked next is asked with another.
    let keystone = tokio::task::spawn_blocking(move || {
        keystone.revoke_tokens_of(ME).unwrap();
        keystone
    });
    let keystone = keystone.await.unwrap();
    glance.image(&id).await.unwrap();

    let by_credential = Settings {
        auth: Auth::ApplicationCredential {
            auth_url: keystone.url.clone(),
            id: credential.0,
            secret: Secret(credential.1),
        },
        ..by_password(&keystone)
    };
    Glance::new(&by_credential)
        .unwrap()
        .image(&id)
        .await
        .unwrap();
    let wrong = Settings {
        auth: Auth::ApplicationCredential {
            auth_url: keystone.url.clone(),
            id: "nosuch".to_owned(),
            secret: Secret("nosuch".to_owned()),
        },
        ..by_password(&keystone)
    };
    let error = Glance::new(&wrong).unwrap().image(&id).await.unwrap_err();
    assert!(!error.is_temporary(), "{error}");

    for digest in [
        TempUrlDigest::Sha1,
        TempUrlDigest::Sha256,
        TempUrlDigest::Sha512,
    ] {
        let urls = |key: &str, duration| {
            TempUrls::new(
                glance.clone(),
                TempUrlSettings {
                    key: Secret(key.to_owned()),
                    digest,
                    duration,
                    endpoint_url: None,
                    account: None,
                    container: "glance".to_owned(),
                    multiple_containers_seed: 0,
                },
            )
        };
        let good = Duration::from_mins(20);
        let url = urls("a key", good).url(&id).await.unwrap();
        assert!(url.starts_with(&swift.url), "{url}");
        assert_eq!(status(&url).await, StatusCode::OK, "{digest:?} {url}");
        let elsewhere = url.replace(&id, &queued);
        assert_eq!(status(&elsewhere).await, StatusCode::UNAUTHORIZED);
        let wrong = urls("no key", good).url(&id).await.unwrap();
        assert_eq!(status(&wrong).await, StatusCode::UNAUTHORIZED);
        let ended = urls("a key", Duration::ZERO).url(&id).await.unwrap();
        assert_eq!(status(&ended).await, StatusCode::UNAUTHORIZED);
    }
    tokio::task::spawn_blocking(move || drop((served, swift, keystone)))
        .await
        .unwrap();
}

#[tokio::test]
#[ignore = "needs the services of OpenStack, which `cargo xtask test --full` installs"]
async fn expiring_token_is_replaced_before_it_expires() {
    let started = tokio::task::spawn_blocking(|| {
        let venv = real::venv().unwrap();
        let keystone = Keystone::start_with(&venv, 20).unwrap();
        keystone.add_service_user(ME).unwrap();
        keystone
    });
    let keystone = started.await.unwrap();
    let settings = by_password(&keystone);
    let login = keystone::Login::new(&settings.auth).unwrap().unwrap();
    let session = session::Session::new(login);
    let http = http::Http::new(&settings).unwrap();
    let mut seen = vec![session.token(&http, None).await.unwrap()];
    while seen.len() < 2 {
        let token = session.token(&http, None).await.unwrap();
        assert!(tokio::time::Instant::now() < token.end);
        if seen.iter().all(|it| it.id != token.id) {
            seen.push(token);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::task::spawn_blocking(move || drop(keystone))
        .await
        .unwrap();
}
