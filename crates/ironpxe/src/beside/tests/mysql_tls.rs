//! TLS with a real `MariaDB`: verified, or no connection at all.

use std::path::Path;

use ironpxe_testkit::mariadb::Mariadb;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use super::mariadb::{fill, settings};
use super::*;

/// A CA of this test's own.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server with a certificate for `host`, its database, and the file of the CA.
fn start(host: &str, options: &[&str]) -> (Mariadb, String, TempDir) {
    let authority = authority();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let server =
        Mariadb::start_with_tls(&certificate.pem(), &key.serialize_pem(), options).unwrap();
    let name = server.create_database().unwrap();
    fill(&server, &name);
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
    (server, name, folder)
}

fn with(server: &Mariadb, name: &str, tls: MysqlTls) -> Ironic {
    Ironic::mysql(&MysqlSettings {
        tls,
        ..settings(server, name)
    })
}

fn verified(cafile: &Path) -> MysqlTls {
    MysqlTls::Verified(Some(cafile.to_owned()))
}

async fn error(ironic: &Ironic) -> SourceError {
    answered(async || ironic.ping().await).await.unwrap_err()
}

/// How many connections an account had since the server was started.
fn logins(server: &Mariadb, name: &str) -> String {
    let sql = format!(
        "SELECT TOTAL_CONNECTIONS FROM information_schema.USER_STATISTICS WHERE USER = '{name}_reader'"
    );
    server.sql("", &sql).unwrap()
}

#[tokio::test]
async fn server_is_verified_or_not_used() {
    if Mariadb::shared().is_none() {
        return;
    }
    let (server, name, folder) = start("127.0.0.1", &["userstat=1"]);
    let cafile = folder.path().join("ca.pem");
    let encrypted = with(&server, &name, verified(&cafile));
    let known = by_address("52:54:00:be:01:01");
    assert!(machine(&encrypted, known).await.is_some());
    let findings = encrypted.probe().await;
    let tls = findings.iter().find(|it| it.subject == "tls").unwrap();
    assert!(tls.text.contains("encrypted (TLS_"), "{tls:?}");
    // An account that is not allowed anything else.
    let require = format!("ALTER USER {name}_reader@127.0.0.1 REQUIRE SSL");
    server.sql("", &require).unwrap();
    let again = with(&server, &name, verified(&cafile));
    assert!(machine(&again, known).await.is_some());
    let plain = with(&server, &name, MysqlTls::Off);
    let denied = plain.ping().await.unwrap_err().to_string();
    assert!(denied.contains("[beside]cafile"), "{denied}");
    let relax = format!("ALTER USER {name}_reader@127.0.0.1 REQUIRE NONE");
    server.sql("", &relax).unwrap();

    let before = logins(&server, &name);
    let other = folder.path().join("other.pem");
    std::fs::write(&other, authority().pem()).unwrap();
    let wrong_ca = error(&with(&server, &name, verified(&other))).await;
    let text = wrong_ca.to_string();
    assert!(matches!(wrong_ca, SourceError::Tls(_)), "{text}");
    for part in [
        "invalid peer certificate",
        "[beside]cafile",
        "ssl_ca in [beside]connection",
        &*other.display().to_string(),
        &*format!("127.0.0.1:{}", server.port),
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let system = error(&with(&server, &name, MysqlTls::Verified(None))).await;
    assert!(system.to_string().contains("the system's CAs"), "{system}");
    assert_eq!(logins(&server, &name), before);
}

#[tokio::test]
async fn certificate_of_another_host_is_refused() {
    if Mariadb::shared().is_none() {
        return;
    }
    let (server, name, folder) = start("db.example", &["userstat=1"]);
    let cafile = folder.path().join("ca.pem");
    let wrong_name = error(&with(&server, &name, verified(&cafile))).await;
    let text = wrong_name.to_string();
    assert!(matches!(wrong_name, SourceError::Tls(_)), "{text}");
    assert!(
        text.contains("certificate for \"127.0.0.1\"") && text.contains("db.example"),
        "{text}"
    );
    assert_eq!(logins(&server, &name), "");
}

#[tokio::test]
async fn server_without_tls_is_refused_and_gets_no_password() {
    if Mariadb::shared().is_none() {
        return;
    }
    let server = Mariadb::start_with(&["userstat=1"]).unwrap();
    let name = server.create_database().unwrap();
    fill(&server, &name);
    let folder = TempDir::new().unwrap();
    let cafile = folder.path().join("ca.pem");
    std::fs::write(&cafile, authority().pem()).unwrap();
    let without = error(&with(&server, &name, verified(&cafile))).await;
    let text = without.to_string();
    assert!(matches!(without, SourceError::Tls(_)), "{text}");
    assert!(text.contains("does not support TLS"), "{text}");
    assert!(text.contains(&*cafile.display().to_string()), "{text}");
    assert_eq!(logins(&server, &name), "");
    // Which it would have accepted.
    let plain = with(&server, &name, MysqlTls::Off);
    answered(async || plain.ping().await).await.unwrap();
    assert_ne!(logins(&server, &name), "");
}
