//! `[database]connection`.

use std::fmt::Write;

use super::*;

#[test]
fn sqlite_urls_need_an_absolute_path() {
    let path = |url: &str| match Connection::try_from(url.to_owned()) {
        Ok(Connection::Sqlite(path)) => Ok(path),
        Ok(Connection::Postgres(postgres)) => Err(postgres.to_string()),
        Err(message) => Err(message),
    };
    let file = PathBuf::from("/var/lib/x.sqlite");
    assert_eq!(path("sqlite:///var/lib/x.sqlite").as_ref(), Ok(&file));
    assert_eq!(path("sqlite:////var/lib/x.sqlite"), Ok(file));
    for wrong in [
        "sqlite://",
        "sqlite:///",
        "sqlite://x",
        "sqlite:///x/",
        "sqlite:///x?mode=ro",
        "/x",
    ] {
        assert!(path(wrong).is_err(), "{wrong}");
    }
    let config = load("[database]\nconnection = \"sqlite:///d/b\"\n", &[], &[]).unwrap();
    assert_eq!(
        config.database_connection,
        Connection::Sqlite("/d/b".into())
    );
}

#[test]
fn postgresql_urls_are_shown_without_password_and_checked() {
    let shown = |url: &str| {
        let connection = Connection::try_from(url.to_owned())?;
        let text = connection.to_string();
        assert_eq!(format!("{connection:?}"), text);
        assert_eq!(String::from(connection), text);
        Ok(text)
    };
    for (url, name) in [
        ("postgresql://u:secret@h/db", "postgresql://u@h:5432/db"),
        (
            "postgres://u:s%40cret@h:6432/db",
            "postgresql://u@h:6432/db",
        ),
        (
            "postgresql://u:secret@[2001:db8::1]/db?sslmode=verify-full&sslrootcert=/ca.pem",
            "postgresql://u@[2001:db8::1]:5432/db?sslmode=verify-full",
        ),
        (
            "postgresql:///db?host=/run/postgresql&user=u",
            "postgresql:///db?host=/run/postgresql&port=5432&user=u",
        ),
    ] {
        assert_eq!(shown(url).as_deref(), Ok(name), "{url}");
    }
    // A URL that means something else than was meant is refused, and no error contains its password.
    let mut table = String::new();
    for url in [
        "postgresql://u:secret@h",
        "postgresql://u:secret@h/",
        "postgresql://u:sec@ret@h/db",
        "postgresql://u:sec/ret@h/db",
        "postgresql://u:1/secret@h",
        "postgresql://u:1#secret@h/db",
        "postgresql://u:1?secret@h/db",
        "postgresql://h/db?password=secret",
        "postgresql://u:secret@h/db?sslmode=maybe",
        "postgresql://u:secret@h/db?colour=red",
        "postgresql://u:secret@h:port/db",
        "postgresql+psycopg2://u:secret@h/db",
        "u:secret@h/db",
    ] {
        let message: String = shown(url).unwrap_err();
        assert!(
            !message.contains("secret") && !message.contains("ret@"),
            "{url}: {message}"
        );
        writeln!(table, "    {url}\n{message}\n").unwrap();
    }
    insta::assert_snapshot!(table);
}
