use ironpxe_testkit::openstack::faulty::{Fault, FaultyCloud};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::*;
use crate::openstack::testing::{credential, settings};

const TOKENS: &str = "/v3/auth/tokens";

fn keystone(cloud: &FaultyCloud, change: impl FnOnce(&mut KeystoneSettings)) -> Keystone {
    let validator = TokenValidator::new(&settings(credential(cloud))).unwrap();
    let mut settings = KeystoneSettings {
        www_authenticate_uri: "http://k/v3".to_owned(),
        token_cache_time: Duration::from_mins(5),
        service_token_roles: vec!["service".to_owned()],
        service_token_roles_required: true,
        service_type: None,
    };
    change(&mut settings);
    Keystone::new(validator.unwrap(), settings)
}

/// The description of a token that expires after so many seconds.
fn described(seconds: i64, roles: &[&str]) -> Value {
    let expires = clock::now() + time::Duration::seconds(seconds);
    let expires = expires.format(&time::format_description::well_known::Rfc3339);
    let roles: Vec<Value> = roles
        .iter()
        .map(|name| json!({ "id": "r", "name": name }))
        .collect();
    json!({ "token": {
        "expires_at": expires.unwrap(),
        "user": { "id": "u1", "name": "alice", "domain": { "id": "default", "name": "Default" } },
        "project": { "id": "p1", "name": "demo", "domain": { "id": "default", "name": "Default" } },
        "roles": roles,
    } })
}

async fn ask(
    keystone: &Keystone,
    headers: &[(&'static str, &str)],
) -> Result<Arc<Credentials>, AuthError> {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            (http::HeaderName::from_static(name), value)
        })
        .collect();
    let request = AuthRequest {
        method: &http::Method::GET,
        path: "/v1/nodes",
        headers: &headers,
        client: Some(std::net::Ipv4Addr::LOCALHOST.into()),
    };
    keystone.authenticate(&request).await
}

async fn ask_token(keystone: &Keystone, token: &str) -> Result<Arc<Credentials>, AuthError> {
    ask(keystone, &[("x-auth-token", token)]).await
}

/// How many tokens Keystone was asked about.
fn validations(cloud: &FaultyCloud) -> usize {
    let all = cloud.requests.entries().into_iter();
    all.filter(|it| it.method == "GET" && it.path.starts_with(TOKENS))
        .count()
}

#[tokio::test]
async fn valid_token_is_asked_about_once() {
    let cloud = FaultyCloud::start().unwrap();
    let keystone = keystone(&cloud, |_| {});
    cloud.has_token("good", described(3600, &["member", "reader"]));
    for headers in [
        [("x-auth-token", "good")],
        [("x-auth-token", "  good ")],
        [("x-storage-token", "good")],
    ] {
        let credentials = ask(&keystone, &headers).await.unwrap();
        assert_eq!(credentials.roles, ["member", "reader"]);
        assert_eq!(credentials.user_name.as_deref(), Some("alice"));
        assert_eq!(credentials.project_id.as_deref(), Some("p1"));
        assert_eq!(credentials.project_domain_id.as_deref(), Some("default"));
        assert!(credentials.is_admin_project && credentials.system_scope.is_none());
    }
    assert_eq!(validations(&cloud), 1);
    let both = [("x-auth-token", "bad"), ("x-storage-token", "good")];
    assert!(ask(&keystone, &both).await.is_err());
}

#[tokio::test]
async fn invalid_tokens_get_401_without_asking_about_each_again() {
    let cloud = FaultyCloud::start().unwrap();
    let keystone = keystone(&cloud, |_| {});
    for _ in 0..5 {
        let error = ask_token(&keystone, "bad").await.unwrap_err();
        assert_eq!(error.status().as_u16(), 401);
        assert_eq!(error.challenge().unwrap(), "Keystone uri=\"http://k/v3\"");
        assert_eq!(
            error.body(),
            json!({ "error": {
                "code": 401, "title": "Unauthorized",
                "message": "The request you have made requires authentication.",
            } })
        );
    }
    assert_eq!(validations(&cloud), 1);
    for bad in ["", "  ", "é", &"x".repeat(MAX_TOKEN + 1)] {
        assert_eq!(
            ask_token(&keystone, bad).await.unwrap_err(),
            keystone.no_token()
        );
    }
    let none = ask(
        &keystone,
        &[("x-service-token", "x"), ("authorization", "Bearer x")],
    )
    .await;
    assert_eq!(none.unwrap_err(), keystone.no_token());
    assert_eq!(validations(&cloud), 1);
}

#[tokio::test]
async fn burst_with_one_token_is_one_request_and_floods_are_limited() {
    let cloud = FaultyCloud::start().unwrap();
    let keystone = keystone(&cloud, |_| {});
    let same = (0..200).map(|_| ask_token(&keystone, "bad"));
    let answers = futures_util::future::join_all(same).await;
    assert!(answers.iter().all(|it| *it == Err(keystone.no_token())));
    assert_eq!(validations(&cloud), 1);
    let tokens: Vec<String> = (0..2000).map(|number| format!("bad-{number}")).collect();
    let flood = tokens.iter().map(|token| ask_token(&keystone, token));
    let answers = futures_util::future::join_all(flood).await;
    let busy = answers
        .iter()
        .filter(|it| matches!(it, Err(AuthError::Busy { .. })));
    assert!(busy.count() >= 2000 - RATES.max_waiting_by_peer);
    assert!(validations(&cloud) <= 1 + RATES.max_waiting_by_peer);
}

#[tokio::test]
async fn cached_token_is_refused_when_it_expires_and_used_while_keystone_is_away() {
    let cloud = FaultyCloud::start().unwrap();
    let keystone = keystone(&cloud, |_| {});
    cloud.has_token("short", described(2, &["member"]));
    cloud.has_token("long", described(3600, &["member"]));
    assert!(ask_token(&keystone, "long").await.is_ok());
    assert!(ask_token(&keystone, "short").await.is_ok());
    while ask_token(&keystone, "short").await.is_ok() {
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(validations(&cloud), 2);
    for fault in [
        Fault::Status(500, "{}"),
        Fault::Status(300, ""),
        Fault::Garbage,
        Fault::HangUp,
        Fault::Half,
    ] {
        let shown = format!("{fault:?}");
        cloud.order(TOKENS, [fault]);
        let error = ask_token(&keystone, "other").await.unwrap_err();
        assert_eq!(error, AuthError::KeystoneUnavailable, "{shown}");
        assert_eq!((error.status().as_u16(), error.retry_after()), (503, None));
        assert!(ask_token(&keystone, "long").await.is_ok(), "{shown}");
    }
    // An outage is not remembered.
    assert_eq!(
        ask_token(&keystone, "other").await,
        Err(keystone.no_token())
    );
}

#[tokio::test]
async fn service_logs_in_anew_when_its_own_token_is_refused() {
    let cloud = FaultyCloud::start().unwrap();
    let keystone = keystone(&cloud, |_| {});
    cloud.has_token("one", described(3600, &[]));
    cloud.has_token("two", described(3600, &[]));
    assert!(ask_token(&keystone, "one").await.is_ok());
    cloud.revoke();
    assert!(ask_token(&keystone, "two").await.is_ok());
    assert_eq!(cloud.tokens_given(), 2);
}

#[tokio::test]
async fn revoked_token_is_refused_without_a_cache() {
    let cloud = FaultyCloud::start().unwrap();
    let keystone = keystone(&cloud, |it| it.token_cache_time = Duration::ZERO);
    cloud.has_token("good", described(3600, &[]));
    assert!(ask_token(&keystone, "good").await.is_ok());
    cloud.forget_token("good");
    assert_eq!(ask_token(&keystone, "good").await, Err(keystone.no_token()));
}

#[tokio::test]
async fn service_token_lets_a_request_continue_and_grants_nothing() {
    let cloud = FaultyCloud::start().unwrap();
    let keystone = keystone(&cloud, |_| {});
    let mut service = described(3600, &["service", "admin"]);
    service["token"]["system"] = json!({ "all": true });
    cloud.has_token("service", service);
    cloud.has_token("member", described(3600, &["member"]));
    cloud.has_token("old", described(-60, &["reader"]));
    cloud.has_token("user", described(3600, &["reader"]));
    let with = async |user, service| {
        ask(
            &keystone,
            &[("x-auth-token", user), ("x-service-token", service)],
        )
        .await
    };
    for user in ["old", "user"] {
        let credentials = with(user, "service").await.unwrap();
        assert_eq!(
            (&*credentials.roles, &credentials.system_scope),
            (&["reader".to_owned()][..], &None)
        );
    }
    assert!(ask_token(&keystone, "old").await.is_err());
    for service in ["member", "bad", "old"] {
        assert_eq!(
            with("user", service).await,
            Err(keystone.no_token()),
            "{service}"
        );
    }
    assert_eq!(with("bad", "service").await, Err(keystone.no_token()));
}

#[tokio::test]
async fn restricted_token_is_for_its_access_rules() {
    let cloud = FaultyCloud::start().unwrap();
    for (path, service_type, allowed) in [
        ("/v1/nodes", Some("baremetal"), true),
        ("/v1/ports", Some("baremetal"), false),
        ("/v1/nodes", None, false),
    ] {
        let keystone = keystone(&cloud, |it| {
            it.service_type = service_type.map(str::to_owned);
        });
        let mut token = described(3600, &["member"]);
        token["token"]["application_credential"] = json!({ "id": "a", "restricted": true,
            "access_rules": [{ "id": "1", "service": "baremetal", "method": "GET", "path": path }] });
        cloud.has_token("restricted", token);
        let answer = ask_token(&keystone, "restricted").await;
        assert_eq!(answer.is_ok(), allowed, "{path} {service_type:?}");
    }
}

#[tokio::test]
async fn scopes_are_read_as_keystone_describes_them() {
    let cloud = FaultyCloud::start().unwrap();
    let keystone = keystone(&cloud, |_| {});
    let scoped = |key: Option<&str>, scope: Value| {
        let mut token = described(3600, &[]);
        let body = token["token"].as_object_mut().unwrap();
        body.remove("project");
        if let Some(key) = key {
            body.insert(key.to_owned(), scope);
        } else {
            body.remove("roles");
        }
        token
    };
    cloud.has_token("system", scoped(Some("system"), json!({ "all": true })));
    cloud.has_token(
        "domain",
        scoped(Some("domain"), json!({ "id": "d1", "name": "D" })),
    );
    cloud.has_token("unscoped", scoped(None, Value::Null));
    let system = ask_token(&keystone, "system").await.unwrap();
    assert_eq!(system.system_scope.as_deref(), Some("all"));
    let domain = ask_token(&keystone, "domain").await.unwrap();
    assert_eq!(domain.domain_id.as_deref(), Some("d1"));
    let unscoped = ask_token(&keystone, "unscoped").await.unwrap();
    assert!(unscoped.roles.is_empty() && unscoped.project_id.is_none());
}

#[tokio::test]
async fn ten_thousand_tokens_take_at_most_16_mib() {
    let token: ValidToken = {
        let cloud = FaultyCloud::start().unwrap();
        cloud.has_token(
            "t",
            described(3600, &["admin", "manager", "member", "reader"]),
        );
        let validator = TokenValidator::new(&settings(credential(&cloud)))
            .unwrap()
            .unwrap();
        let token = HeaderValue::from_static("t");
        validator.validate(&token, false).await.unwrap().unwrap()
    };
    let mut cache = TokenCache::new(Duration::from_mins(5));
    let now = Instant::now();
    let mut keys = Vec::new();
    for number in 0..10_000_u32 {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&number.to_le_bytes());
        cache.insert(key, &Some(Arc::new(token.clone())), now);
        keys.push(key);
    }
    assert!(keys.iter().all(|key| cache.get(key, now).is_some()));
}
