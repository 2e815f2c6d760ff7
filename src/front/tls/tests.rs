//! What is made of certificates and keys, and of mistakes with them.

use std::error::Error as _;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::*;

/// A folder with a certificate for `localhost` and its key.
struct Folder {
    folder: TempDir,
    files: CertificateFiles,
}

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = CertificateFiles {
            certificate: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
        };
        let this = Self { folder, files };
        this.write(&fresh());
        this
    }

    fn write(&self, (certificate, key): &(String, String)) {
        fs::write(&self.files.certificate, certificate).unwrap();
        fs::write(&self.files.key, key).unwrap();
    }

    fn refusal(&self) -> String {
        let error = Certificates::read(self.files.clone()).unwrap_err();
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        format!("{error} {cause}")
    }
}

/// A certificate and its key, in PEM.
fn fresh() -> (String, String) {
    of(&CertificateParams::new(["localhost".to_owned()]).unwrap())
}

fn of(params: &CertificateParams) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn expired() -> (String, String) {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
    of(&params)
}

#[test]
fn a_certificate_is_taken_with_the_key_in_its_own_file_or_in_the_same() {
    let folder = Folder::new();
    Certificates::read(folder.files.clone()).unwrap();
    let (certificate, key) = fresh();
    folder.write(&(format!("{key}{certificate}"), format!("{certificate}{key}")));
    Certificates::read(folder.files.clone()).unwrap();
}

#[test]
fn one_whose_time_has_not_come_is_taken() {
    let folder = Folder::new();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(4000, 1, 1);
    params.not_after = date_time_ymd(4001, 1, 1);
    folder.write(&of(&params));
    Certificates::read(folder.files.clone()).unwrap();
}

#[test]
fn what_cannot_be_used_is_refused_with_its_reason() {
    let folder = Folder::new();
    let (certificate, key) = fresh();
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    let cut = certificate.replace("-----END CERTIFICATE-----\n", "");
    for (pair, reason) in [
        (
            (certificate.clone(), fresh().1),
            "is not that of the certificate",
        ),
        ((certificate.clone(), encrypted), "is encrypted; give one"),
        ((certificate.clone(), String::new()), "holds no private key"),
        (
            (certificate.clone(), certificate.clone()),
            "holds no private key",
        ),
        ((String::new(), key.clone()), "holds no certificate"),
        ((key.clone(), key.clone()), "holds no certificate"),
        ((cut, key.clone()), "holds no certificate"),
        ((garbage, key.clone()), "cannot be used"),
        (expired(), "has expired; renew it"),
    ] {
        folder.write(&pair);
        let told = folder.refusal();
        assert!(told.contains(reason), "{reason}: {told}");
        assert!(!told.contains("BEGIN"), "{told}");
        assert!(told.contains(&folder.folder.path().display().to_string()));
    }
    fs::remove_file(&folder.files.key).unwrap();
    folder.write(&(certificate, key));
    fs::remove_file(&folder.files.key).unwrap();
    assert!(folder.refusal().contains("key.pem cannot be read"));
}

#[test]
fn a_pair_that_cannot_be_used_replaces_none_that_can() {
    let folder = Folder::new();
    let certificates = Certificates::read(folder.files.clone()).unwrap();
    let first = certificates.current();
    for broken in [
        expired(),
        (fresh().0, fresh().1),
        (String::new(), String::new()),
    ] {
        folder.write(&broken);
        certificates.read_again().unwrap_err();
        assert!(Arc::ptr_eq(&first, &certificates.current()));
    }
    folder.write(&fresh());
    certificates.read_again().unwrap();
    assert!(!Arc::ptr_eq(&first, &certificates.current()));
}
