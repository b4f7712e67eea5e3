use super::*;

const COST: u32 = 4;
const PEER: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

async fn admits(users: &Users, header: &HeaderValue) -> bool {
    match users.authenticate(Some(header), PEER).await {
        AuthResult::Accepted(_) => true,
        AuthResult::Rejected => false,
        busy @ AuthResult::Busy { .. } => panic!("{busy:?}"),
    }
}

fn key(users: &Users, header: &HeaderValue) -> Digest {
    users.0.hash.of(0, header.as_bytes())
}

fn accepted(user: &str) -> AuthResult {
    AuthResult::Accepted(user.into())
}

fn overdue() -> Instant {
    Instant::now().checked_sub(CHECK_INTERVAL).unwrap()
}

fn file(entries: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    write(&path, entries);
    (folder, path)
}

fn write(path: &Path, entries: &[(&str, &str)]) {
    let lines: Vec<String> = entries
        .iter()
        .map(|(name, password)| format!("{name}:{}", bcrypt::hash(password, COST).unwrap()))
        .collect();
    std::fs::write(path, lines.join("\n")).unwrap();
}

fn header(username: &str, password: &str) -> HeaderValue {
    let credentials = BasicCredentials {
        username: username.to_owned(),
        password: password.to_owned(),
    };
    credentials.header()
}

#[tokio::test]
async fn correct_password_is_accepted_repeatedly() {
    let (_folder, path) = file(&[("api", "s3cret:with colon"), ("other", "x")]);
    let users = Users::read(&path).unwrap();
    let right = header("api", "s3cret:with colon");
    for _ in 0..3 {
        assert!(admits(&users, &right).await);
    }
    for wrong in [
        header("api", "s3cret"),
        header("api", "x"),
        header("unknown", "x"),
        header("", ""),
        HeaderValue::from_static("Basic"),
        HeaderValue::from_static("Basic !!!"),
        HeaderValue::from_static("Bearer YXBpOng="),
        HeaderValue::from_bytes(b"Basic \xff").unwrap(),
    ] {
        assert!(!admits(&users, &wrong).await, "{wrong:?}");
    }
    assert_eq!(users.authenticate(None, PEER).await, AuthResult::Rejected);
}

#[tokio::test]
async fn changed_password_file_is_read_again() {
    let (_folder, path) = file(&[("api", "old")]);
    let users = Users::read(&path).unwrap();
    assert!(admits(&users, &header("api", "old")).await);
    write(&path, &[("api", "newer"), ("second", "x")]);
    users.lock().checked_at = overdue();
    assert!(!admits(&users, &header("api", "old")).await);
    assert!(admits(&users, &header("api", "newer")).await);
    // A broken file changes nothing.
    std::fs::write(&path, "nonsense").unwrap();
    users.lock().checked_at = overdue();
    assert!(admits(&users, &header("api", "newer")).await);
}

#[tokio::test]
async fn unchanged_entry_needs_no_new_check() {
    let (_folder, path) = file(&[("api", "right"), ("other", "old")]);
    let users = Users::read(&path).unwrap();
    let right = header("api", "right");
    let other = header("other", "old");
    assert!(admits(&users, &right).await && admits(&users, &other).await);
    let text = std::fs::read_to_string(&path).unwrap();
    let (first, _) = text.split_once('\n').unwrap();
    let changed = bcrypt::hash("new", COST).unwrap();
    std::fs::write(
        &path,
        format!("{first}\nother:{changed}\nthird:{changed}\n"),
    )
    .unwrap();
    users.lock().checked_at = overdue();
    // Others are being checked: what is proven does not wait for them.
    let slot = Arc::clone(&users.0.slot).acquire_owned().await.unwrap();
    assert_eq!(
        users.cached_result(&key(&users, &right)),
        Some(accepted("api"))
    );
    assert!(admits(&users, &right).await);
    assert_eq!(users.cached_result(&key(&users, &other)), None);
    drop(slot);
    assert!(!admits(&users, &other).await);
    assert!(admits(&users, &header("third", "new")).await);
}

#[tokio::test]
async fn password_checks_are_limited_and_shared() {
    let (_folder, path) = file(&[("api", "right")]);
    let users = Users::read(&path).unwrap();
    let slot = Arc::clone(&users.0.slot).acquire_owned().await.unwrap();
    let begin = |password: String, peer: Option<IpAddr>| {
        let users = users.clone();
        // The futures are polled once, so that each has its place, and then kept.
        let mut waiting = Box::pin(async move {
            users
                .authenticate(Some(&header("api", &password)), peer)
                .await
        });
        let polled = futures_util::FutureExt::now_or_never(&mut waiting);
        (waiting, polled)
    };
    let other_peer = Some("192.0.2.7".parse().unwrap());
    let mut waiting = Vec::new();
    for number in 0..RATES.max_waiting_by_peer {
        for _ in 0..20 {
            let (future, polled) = begin(format!("wrong {number}"), PEER);
            assert_eq!(polled, None);
            waiting.push(future);
        }
    }
    let (_, polled) = begin("one more".to_owned(), PEER);
    assert_eq!(polled, Some(AuthResult::Busy { retry_after: 1 }));
    let (right, polled) = begin("right".to_owned(), other_peer);
    assert_eq!(polled, None);
    // Those that hang up give their places back.
    waiting.truncate(20);
    let (again, polled) = begin("one more".to_owned(), PEER);
    assert_eq!(polled, None);
    drop(slot);
    // All at once: they have their turns in the order in which they came.
    let rest = futures_util::future::join_all(waiting);
    let (right, again, rest) = futures_util::future::join3(right, again, rest).await;
    assert_eq!(right, accepted("api"));
    assert_eq!(again, AuthResult::Rejected);
    assert!(rest.iter().all(|it| *it == AuthResult::Rejected));
}

#[tokio::test]
async fn clients_with_many_failures_are_limited_before_the_password_check() {
    let (_folder, path) = file(&[("api", "right"), ("second", "right too")]);
    let users = Users::read(&path).unwrap();
    assert!(admits(&users, &header("api", "right")).await);
    let mut refused = 0;
    let mut busy = false;
    // A failure is forgotten every other second, however slow this machine is.
    for number in 0..10_000 {
        let wrong = header(["api", "unknown"][number % 2], &number.to_string());
        match users.authenticate(Some(&wrong), PEER).await {
            AuthResult::Rejected => refused += 1,
            AuthResult::Busy { .. } => {
                busy = true;
                break;
            }
            AuthResult::Accepted(_) => panic!("{wrong:?}"),
        }
    }
    assert!(busy && refused >= RATES.max_failures);
    // What is known is still known, right or wrong; and others are not held up.
    assert!(admits(&users, &header("api", "right")).await);
    assert!(!admits(&users, &header("api", "0")).await);
    let other = Some("192.0.2.7".parse().unwrap());
    let second = header("second", "right too");
    assert_eq!(
        users.authenticate(Some(&second), other).await,
        accepted("second")
    );
}

#[test]
fn unknown_user_is_checked_as_long_as_a_known_one() {
    let (_folder, path) = file(&[("api", "right")]);
    let users = Users::read(&path).unwrap();
    let dummy_hash = users.lock().dummy_hash();
    // A hash that is none would be no work at all.
    assert!(!bcrypt::verify("right", &dummy_hash).unwrap());
    let parts = |hash: &str| hash.parse::<bcrypt::HashParts>().unwrap().get_cost();
    assert_eq!(parts(&dummy_hash), COST);
    let mut known = users.lock();
    let hash = bcrypt::hash("x", COST + 1).unwrap();
    known.hashes.insert("slower".to_owned(), hash);
    assert_eq!(parts(&known.dummy_hash()), COST + 1);
}

#[test]
fn cache_is_bounded_and_wrong_passwords_evict_no_correct_one() {
    let (_folder, path) = file(&[("api", "right")]);
    let users = Users::read(&path).unwrap();
    let mut known = users.lock();
    let hash = known.hashes.get("api").cloned();
    let result = |valid| CachedResult {
        username: "api".into(),
        hash: hash.clone(),
        valid,
    };
    known.insert([255; 32], result(true));
    for number in 0..2 * MAX_RESULTS {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        known.insert(key, result(false));
    }
    assert!(known.results.len() <= MAX_RESULTS + 1);
    assert!(known.results[&[255; 32]].valid);
}

#[test]
fn unusable_password_entries_are_named() {
    let (_folder, path) = file(&[]);
    std::fs::write(&path, "# users\n\nplain:password\n").unwrap();
    let error = Users::read(&path).unwrap_err().to_string();
    assert!(
        error.contains("line 3") && error.contains("htpasswd -nbB"),
        "{error}"
    );
    std::fs::remove_file(&path).unwrap();
    let error = Users::read(&path).unwrap_err().to_string();
    assert!(error.contains("cannot read the users"), "{error}");
}

#[test]
fn password_is_not_in_the_debug_output() {
    let credentials = BasicCredentials {
        username: "api".to_owned(),
        password: "s3cret".to_owned(),
    };
    let shown = format!("{credentials:?} {:?}", credentials.header());
    assert!(
        shown.contains("api") && !shown.contains("s3cret"),
        "{shown}"
    );
    assert!(!shown.contains("YXBpO"), "{shown}");
}

#[tokio::test]
async fn wrong_headers_are_answered_as_by_ironic() {
    let (_folder, path) = file(&[("api", "s3cret")]);
    let users = Users::read(&path).unwrap();
    let answer = async |header: Option<&str>| {
        let header = header.map(|it| HeaderValue::from_bytes(it.as_bytes()).unwrap());
        users.user(header.as_ref(), PEER).await
    };
    let undecodable = "Could not decode authorization token";
    let unparsable = "Could not parse Authorization header";
    for (header, message) in [
        ("Bearer abc", "Unsupported authorization type \"Bearer\""),
        ("Basic", unparsable),
        ("Basic ", unparsable),
        ("", unparsable),
        ("Basic !!!", undecodable),
        ("Basic YXBp", undecodable),
        ("Basic é", undecodable),
    ] {
        let error = answer(Some(header)).await.unwrap_err();
        assert_eq!(error, AuthError::BadHeader(message.to_owned()), "{header}");
        assert_eq!((error.status().as_u16(), error.challenge()), (400, None));
    }
    assert_eq!(answer(None).await.unwrap_err(), AuthError::NoPassword);
    let wrong = answer(Some("Basic YXBpOng=")).await.unwrap_err();
    assert_eq!(wrong, AuthError::WrongPassword);
    assert_eq!(wrong.status().as_u16(), 401);
    // api:s3cret
    let right = answer(Some("bAsIc  YXBpOnMzY3JldA== ")).await;
    assert_eq!(right.as_deref(), Ok("api"));
}

#[test]
fn damaged_hash_is_refused_with_its_line() {
    let (_folder, path) = file(&[]);
    let good = bcrypt::hash("x", COST).unwrap();
    for damaged in [
        good.replace("$2b$", "$2x$"),
        good.replace("$04$", "$4$0"),
        good.replace("$04$", "$99$"),
        good[..59].to_owned(),
        format!("{}!", &good[..59]),
        "$apr1$abc$def".to_owned(),
    ] {
        std::fs::write(&path, format!("ok:{good}\nbad:{damaged}\n")).unwrap();
        let error = Users::read(&path).unwrap_err().to_string();
        assert!(error.contains("line 2"), "{damaged}: {error}");
    }
}
