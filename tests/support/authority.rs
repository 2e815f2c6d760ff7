//! An authority of a test's own, which vouches for the gateway's certificates.

use std::{fs, path::PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    SanType, date_time_ymd,
};
use tempfile::TempDir;

/// The authority, with a folder for the certificate of the day and its key.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    /// One that has issued a first certificate.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "the test's authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let authority = Self { issuer, folder };
        authority.issue();
        authority
    }

    /// Writes another certificate for this machine down, with its key; gives it in DER.
    pub fn issue(&self) -> Vec<u8> {
        self.write(&params())
    }

    /// The same, for one that has expired.
    pub fn issue_expired(&self) {
        let mut params = params();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.write(&params);
    }

    /// Where the certificate is.
    pub fn certificate_path(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// Where its key is.
    pub fn key_path(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// Whom a client has to trust.
    pub fn trusted(&self) -> reqwest::Certificate {
        reqwest::Certificate::from_pem(self.issuer.pem().as_bytes()).unwrap()
    }

    fn write(&self, params: &CertificateParams) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let certificate: Certificate = params.signed_by(&key, &self.issuer).unwrap();
        // The key first: whoever reads in between finds a pair that does not fit.
        fs::write(self.key_path(), key.serialize_pem()).unwrap();
        fs::write(self.certificate_path(), certificate.pem()).unwrap();
        certificate.der().to_vec()
    }
}

fn params() -> CertificateParams {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let loopback = SanType::IpAddress([127, 0, 0, 1].into());
    params.subject_alt_names.push(loopback);
    params
        .distinguished_name
        .push(DnType::CommonName, "the gateway");
    params
}
