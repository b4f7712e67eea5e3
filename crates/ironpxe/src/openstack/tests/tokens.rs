//! Tokens: by whom, how many, and when a new one.

use ironpxe_testkit::openstack::faulty::Fault;
use tokio::task::JoinSet;

use super::*;

/// Requests the image concurrently from many tasks.
async fn concurrent_requests(glance: &Glance) -> Vec<Result<Image, OpenStackError>> {
    let mut tasks = JoinSet::new();
    for _ in 0..30 {
        let glance = glance.clone();
        tasks.spawn(async move { glance.image(IMAGE).await });
    }
    tasks.join_all().await
}

#[tokio::test]
async fn concurrent_requests_share_one_token() {
    let cloud = cloud();
    let glance = glance(&cloud);
    assert!(concurrent_requests(&glance).await.iter().all(Result::is_ok));
    assert!(concurrent_requests(&glance).await.iter().all(Result::is_ok));
    assert_eq!(cloud.tokens_given(), 1);
}

#[tokio::test]
async fn refused_token_is_replaced_once_for_all_requests() {
    let cloud = cloud();
    let glance = glance(&cloud);
    glance.image(IMAGE).await.unwrap();
    cloud.revoke();
    assert!(concurrent_requests(&glance).await.iter().all(Result::is_ok));
    assert_eq!(cloud.tokens_given(), 2);
}

#[tokio::test]
async fn expired_token_is_replaced() {
    let cloud = cloud();
    cloud.token_life(Duration::ZERO);
    let glance = glance(&cloud);
    glance.image(IMAGE).await.unwrap();
    glance.image(IMAGE).await.unwrap();
    assert_eq!(cloud.tokens_given(), 2);
    let tokens: Vec<_> = cloud
        .requests
        .entries()
        .into_iter()
        .filter_map(|it| it.token)
        .collect();
    assert_eq!(tokens, ["token-1", "token-2"]);
}

#[tokio::test]
async fn refused_new_token_is_an_error() {
    let cloud = cloud();
    let unauthorized = Fault::Status(401, "not you");
    cloud.order(IMAGE_PATH, [unauthorized.clone(), unauthorized]);
    let error = glance(&cloud).image(IMAGE).await.unwrap_err();
    assert_eq!(error.cause, Cause::TokenRefused("not you".to_owned()));
    assert!(error.is_temporary());
    assert_eq!(cloud.tokens_given(), 2);
}

#[tokio::test]
async fn application_credential_authenticates() {
    let cloud = cloud();
    let mut settings = settings(&cloud);
    settings.auth = credential(&cloud);
    Glance::new(&settings).unwrap().image(IMAGE).await.unwrap();
    assert_eq!(cloud.tokens_given(), 1);
}

#[tokio::test]
async fn wrong_password_is_reported_and_not_shown() {
    let cloud = cloud();
    let mut settings = settings(&cloud);
    settings.auth = password("not-the-one", &cloud);
    settings.retries = 3;
    let glance = Glance::new(&settings).unwrap();
    let error = glance.image(IMAGE).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "Glance request for image {IMAGE}: no token: Keystone request for a \
             token: response status 401: The request you have made requires authentication."
        )
    );
    assert!(!error.is_temporary());
    assert_eq!(cloud.requests.entries().len(), 1);
    let shown = format!("{settings:?} {glance:?} {error:?}");
    assert!(!shown.contains("not-the-one"), "{shown}");
}

#[tokio::test]
async fn token_is_not_shown() {
    let cloud = cloud();
    let mut settings = settings(&cloud);
    settings.auth = credential(&cloud);
    let glance = Glance::new(&settings).unwrap();
    glance.image(IMAGE).await.unwrap();
    let shown = format!("{settings:?} {glance:?}");
    assert!(shown.contains("Token"), "{shown}");
    for secret in ["token-1", "very-secret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn concurrent_requests_share_a_keystone_failure() {
    let cloud = cloud();
    let glance = glance(&cloud);
    cloud.order(TOKENS, vec![Fault::Status(503, "busy"); 30]);
    let answers = concurrent_requests(&glance).await;
    for answer in &answers {
        let error = answer.as_ref().unwrap_err();
        assert!(error.is_temporary(), "{error}");
        assert!(
            error
                .to_string()
                .contains("Keystone request for a token: response status 503: busy")
        );
    }
    // Requests that came while the first was waiting did not ask again.
    let asked = cloud.requests.entries().len();
    assert!(asked < 10, "{asked}");
}

#[tokio::test]
async fn token_is_used_while_keystone_is_unreachable() {
    let cloud = cloud();
    let settings = settings(&cloud);
    let session = session::Session::new(keystone::Login::new(&settings.auth).unwrap().unwrap());
    let http = http::Http::new(&settings).unwrap();
    let first = session.token(&http, None).await.unwrap().id.clone();
    session.make_due();
    cloud.order(TOKENS, [Fault::Status(503, "busy")]);
    let old = session.token(&http, None).await.unwrap();
    assert_eq!(old.id, first);
    let new = session.token(&http, None).await.unwrap();
    assert_ne!(new.id, first);
    assert_eq!(cloud.requests.entries().len(), 3);
}
