//! TLS with a certificate from files.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DEFAULT_VERSIONS, ServerConfig};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How often the files are looked at: a renewed certificate is used within a minute.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// A certificate with its key, read from files in PEM.
#[derive(Clone)]
pub struct Certificate {
    files: Files,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

/// The certificate that new connections get.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

/// The files of a certificate.
#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Certificate {
    /// Reads a certificate, with those that certify it below, and its private key.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, holds something else, or they do not belong together.
    pub fn read(certificate: &Path, key: &Path) -> anyhow::Result<Certificate> {
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let current = Arc::new(Current(RwLock::new(Arc::new(files.read()?))));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(DEFAULT_VERSIONS)
            .context("setting up TLS")?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Certificate { files, current, config: Arc::new(config) })
    }

    /// Reads the files again from time to time, until dropped. What cannot be read is
    /// logged, and the certificate stays as it was.
    pub(super) async fn follow(self) {
        let mut ticks = interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.reread();
        }
    }

    fn reread(&self) {
        let read = match self.files.read() {
            Ok(read) => read,
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "certificate not read again: the old one stays in use");
                return;
            }
        };
        // The value stays whole even if somebody panicked while holding it.
        let mut current = self.current.0.write().unwrap_or_else(PoisonError::into_inner);
        if current.cert != read.cert {
            tracing::info!(certificate = %self.files.certificate.display(), "new certificate in use");
            *current = Arc::new(read);
        }
    }

    /// The SHA-256 of the certificate that is in use, as hexadecimal digits.
    #[must_use]
    pub fn fingerprint(&self) -> Option<String> {
        let current = self.current.0.read().unwrap_or_else(PoisonError::into_inner);
        current.cert.first().map(fingerprint)
    }

    /// What accepts TLS connections with the certificate.
    pub(super) fn acceptor(&self) -> Acceptor {
        Acceptor(TlsAcceptor::from(self.config.clone()))
    }
}

/// The SHA-256 of a certificate, as hexadecimal digits.
pub(super) fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Files {
    fn read(&self) -> anyhow::Result<CertifiedKey> {
        let Files { certificate, key } = self;
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .with_context(|| format!("reading the certificate {}", certificate.display()))?;
        anyhow::ensure!(!chain.is_empty(), "{} holds no certificate in PEM", certificate.display());
        let private = PrivateKeyDer::from_pem_file(key)
            .with_context(|| format!("reading the private key {}", key.display()))?;
        CertifiedKey::from_der(chain, private, &ring::default_provider()).with_context(|| {
            format!(
                "using the certificate {} with the key {}",
                certificate.display(),
                key.display()
            )
        })
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.files).finish()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Accepts TLS connections.
pub(super) struct Acceptor(TlsAcceptor);

impl Acceptor {
    /// Does the handshake with a client.
    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.0.accept(stream).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a new certificate with its key.
    fn certify(files: &Files) {
        let names = vec!["127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    }

    fn files(folder: &Path) -> Files {
        Files { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") }
    }

    fn current(certificate: &Certificate) -> Vec<CertificateDer<'static>> {
        certificate.current.0.read().unwrap().cert.clone()
    }

    #[test]
    fn a_renewed_certificate_is_used_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        certify(&files);
        let certificate = Certificate::read(&files.certificate, &files.key).unwrap();
        let first = current(&certificate);
        certificate.reread();
        assert_eq!(current(&certificate), first);
        certify(&files);
        certificate.reread();
        let second = current(&certificate);
        assert_ne!(second, first);
        // As half-way through a renewal.
        std::fs::write(&files.certificate, "").unwrap();
        certificate.reread();
        assert_eq!(current(&certificate), second);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let refused = || {
            let read = Certificate::read(&files.certificate, &files.key);
            format!("{:#}", read.expect_err("an error"))
        };
        assert!(refused().contains("certificate.pem"), "{}", refused());
        certify(&files);
        std::fs::write(&files.certificate, "no PEM").unwrap();
        assert!(refused().contains("holds no certificate"), "{}", refused());
        certify(&files);
        std::fs::write(&files.key, "no PEM").unwrap();
        assert!(refused().contains("key.pem"), "{}", refused());
        certify(&files);
        let other = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
        std::fs::write(&files.key, other.signing_key.serialize_pem()).unwrap();
        assert!(
            refused().contains("certificate.pem") && refused().contains("key.pem"),
            "{}",
            refused()
        );
    }
}
