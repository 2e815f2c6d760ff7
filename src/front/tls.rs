//! The gateway's certificate and its key: read, checked, and read again while it serves.
//!
//! A pair that cannot be used replaces none that can. Nothing of a key ever gets into a log.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use secrecy::{ExposeSecret as _, SecretSlice};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, InconsistentKeys, ServerConfig,
        crypto::aws_lc_rs::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _},
    },
    server::TlsStream,
};
use webpki::{EndEntityCert, KeyUsage};

/// What HTTP is spoken, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where a certificate and its key lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate and those that vouch for it, in PEM, its own first.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// Why a certificate cannot be served with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read; check its path and its permissions", path.display())]
    Unreadable {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificate's file holds none.
    #[error("{} holds no certificate; it must be PEM, the gateway's own certificate first", path.display())]
    NoCertificate {
        /// Which one.
        path: PathBuf,
    },
    /// The key's file holds none.
    #[error("{} holds no private key; it must be PEM: PKCS #8, PKCS #1 or SEC 1", path.display())]
    NoKey {
        /// Which one.
        path: PathBuf,
    },
    /// The key needs a passphrase.
    #[error(
        "the private key in {} is encrypted; give one that is not, such as `openssl pkey -in .. -out ..` writes", path.display()
    )]
    EncryptedKey {
        /// Which one.
        path: PathBuf,
    },
    /// The key is another certificate's.
    #[error("the private key in {} is not that of the certificate in {}", .0.key.display(), .0.certificate.display())]
    Mismatch(CertificateFiles),
    /// The certificate's time is over.
    #[error("the certificate in {} has expired; renew it", path.display())]
    Expired {
        /// Which one.
        path: PathBuf,
    },
    /// The certificate or the key is of no use to TLS.
    #[error("the certificate in {} or its key cannot be used", .files.certificate.display())]
    Unusable {
        /// Which ones.
        files: CertificateFiles,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

/// The certificate that connections are encrypted with. Clones share it.
#[derive(Debug, Clone)]
pub struct Certificates {
    files: CertificateFiles,
    current: Arc<RwLock<Arc<ServerConfig>>>,
}

impl Certificates {
    /// Reads a certificate and its key.
    ///
    /// # Errors
    ///
    /// What is wrong with them.
    pub fn read(files: CertificateFiles) -> Result<Self, TlsError> {
        let current = Arc::new(RwLock::new(Arc::new(config(&files)?)));
        Ok(Self { files, current })
    }

    /// Reads them again. Connections that are open go on as they are; a pair that cannot be used
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// What is wrong with the new ones.
    pub fn read_again(&self) -> Result<(), TlsError> {
        let config = Arc::new(config(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// The files they are read from.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        vec![self.files.certificate.clone(), self.files.key.clone()]
    }

    /// Shakes hands on a connection.
    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        TlsAcceptor::from(self.current()).accept(stream).await
    }

    fn current(&self) -> Arc<ServerConfig> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current)
    }
}

fn config(files: &CertificateFiles) -> Result<ServerConfig, TlsError> {
    let unusable = |source| match source {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::Mismatch(files.clone())
        }
        source => TlsError::Unusable {
            files: files.clone(),
            source,
        },
    };
    let chain = read_chain(&files.certificate)?;
    check_time(&chain, &files.certificate)?;
    let key = read_key(&files.key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(config)
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read_file(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(TlsError::NoCertificate {
            path: path.to_owned(),
        }),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = SecretSlice::from(read_file(path)?);
    warn_if_exposed(path);
    let text = text.expose_secret();
    let is_encrypted = [
        &b"BEGIN ENCRYPTED PRIVATE KEY"[..],
        b"Proc-Type: 4,ENCRYPTED",
    ]
    .iter()
    .any(|mark| text.windows(mark.len()).any(|window| window == *mark));
    if is_encrypted {
        return Err(TlsError::EncryptedKey {
            path: path.to_owned(),
        });
    }
    PrivateKeyDer::from_pem_slice(text).map_err(|_| TlsError::NoKey {
        path: path.to_owned(),
    })
}

/// Refuses a certificate that every client would refuse. One whose time has not come is only warned of:
/// a machine's own clock may be wrong before it is set.
fn check_time(chain: &[CertificateDer<'_>], path: &Path) -> Result<(), TlsError> {
    let Some(Ok(own)) = chain.first().map(EndEntityCert::try_from) else {
        // rustls says what is wrong with it.
        return Ok(());
    };
    // Nobody vouches for it here: what is asked for is found out before that is.
    let checked = own.verify_for_usage(
        &[],
        &[],
        &[],
        UnixTime::now(),
        KeyUsage::server_auth(),
        None,
        None,
    );
    match checked.err() {
        Some(webpki::Error::CertExpired { .. }) => Err(TlsError::Expired {
            path: path.to_owned(),
        }),
        Some(webpki::Error::CertNotValidYet { .. }) => {
            tracing::warn!(path = %path.display(), "the certificate's time has not come yet");
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn warn_if_exposed(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o007 != 0) {
        tracing::warn!(
            path = %path.display(),
            "every user of this machine can read the TLS key; chmod it to 600"
        );
    }
}

#[cfg(not(unix))]
const fn warn_if_exposed(_path: &Path) {}

#[cfg(test)]
mod tests;
