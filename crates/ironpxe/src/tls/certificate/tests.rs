use std::fs;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;

/// The files of a certificate.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn cert(&self) -> PathBuf {
        self.0.path().join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }

    /// Writes a new pair, and returns its key.
    fn write(&self, name: &str) -> KeyPair {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        fs::write(self.cert(), certificate.pem()).unwrap();
        fs::write(self.key(), key.serialize_pem()).unwrap();
        key
    }

    fn load(&self) -> Result<ServerCertificate, TlsError> {
        ServerCertificate::load(&self.cert(), &self.key())
    }
}

#[test]
fn changed_files_are_used_and_unusable_ones_reported_once() {
    let files = Files::new();
    files.write("one.example");
    let certificate = files.load().unwrap();
    let first = certificate.current.get();
    let mut watch = CertificateWatch::new(certificate.clone());
    assert!(matches!(watch.look(), Looked::Unchanged));

    files.write("two.example");
    assert!(matches!(watch.look(), Looked::Replaced));
    let second = certificate.current.get();
    assert_ne!(first.cert, second.cert);
    assert!(matches!(watch.look(), Looked::Unchanged));

    let other = KeyPair::generate().unwrap();
    fs::write(files.key(), other.serialize_pem()).unwrap();
    assert!(
        matches!(watch.look(), Looked::Unchanged),
        "may be half-written"
    );
    let Looked::Unusable(error) = watch.look() else {
        panic!("not reported")
    };
    let text = error.to_string();
    assert!(
        text.contains("cert.pem") && text.contains("key.pem"),
        "{text}"
    );
    assert!(matches!(watch.look(), Looked::Unchanged), "once");
    fs::remove_file(files.key()).unwrap();
    assert!(matches!(watch.look(), Looked::Unchanged));
    assert!(matches!(
        watch.look(),
        Looked::Unusable(TlsError::File { .. })
    ));
    assert_eq!(certificate.current.get().cert, second.cert);

    files.write("three.example");
    assert!(matches!(watch.look(), Looked::Replaced));
}

#[test]
fn files_that_changed_between_load_and_watch_are_used() {
    let files = Files::new();
    files.write("one.example");
    let certificate = files.load().unwrap();
    files.write("two.example");
    let mut watch = CertificateWatch::new(certificate);
    assert!(matches!(watch.look(), Looked::Replaced));
}

#[test]
fn key_of_another_certificate_is_refused_with_both_files() {
    let files = Files::new();
    files.write("one.example");
    let other = KeyPair::generate().unwrap();
    fs::write(files.key(), other.serialize_pem()).unwrap();
    let error = files.load().unwrap_err();
    assert!(matches!(error, TlsError::Mismatch { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("cert.pem") && text.contains("key.pem"),
        "{text}"
    );
}

/// 1 January 2021.
const END: u64 = 1_609_459_200;

#[test]
fn expiry_is_that_of_the_certificate() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["old.example".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let old = params.self_signed(&key).unwrap();
    let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
    assert_eq!(expired_at(old.der(), at(END + 1)), Some(END));
    assert_eq!(expired_at(old.der(), at(END - 1)), None);
    assert_eq!(expired_at(old.der(), at(0)), None, "not valid yet");
}
