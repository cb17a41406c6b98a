//! The certificate of TURN over TLS.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// A certificate with its key.
#[derive(Clone)]
pub struct TurnCertificate(pub(super) Arc<ServerConfig>);

impl std::fmt::Debug for TurnCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TurnCertificate")
    }
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TurnCertificateError {
    /// The file has no certificate in PEM that can be read.
    #[error("the certificate file {0:?}: {1}")]
    Certificate(PathBuf, String),
    /// The file has no key in PEM that can be read.
    #[error("the key file {0:?}: {1}")]
    Key(PathBuf, String),
    /// The two do not belong together, or are of a kind that TLS does not know.
    #[error("certificate and key: {0}")]
    Pair(String),
}

impl TurnCertificate {
    /// Reads a chain of certificates, the server's own first, and its key, both in PEM.
    ///
    /// # Errors
    /// When they cannot be read, or do not belong together.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TurnCertificateError> {
        let bad = |error: &dyn std::fmt::Display| {
            TurnCertificateError::Certificate(certificate.into(), error.to_string())
        };
        let chain = CertificateDer::pem_file_iter(certificate).map_err(|error| bad(&error))?;
        let chain = chain.collect::<Result<Vec<_>, _>>().map_err(|error| bad(&error))?;
        if chain.is_empty() {
            return Err(bad(&"no certificate in it"));
        }
        let key = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| TurnCertificateError::Key(key.into(), error.to_string()))?;
        let pair = |error: tokio_rustls::rustls::Error| TurnCertificateError::Pair(error.to_string());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(pair)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(pair)?;
        Ok(Self(Arc::new(config)))
    }
}
