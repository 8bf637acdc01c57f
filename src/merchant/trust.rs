//! A trust store of the operator's (`delivery.trust_store`), in place of the platform's.

use std::{fmt, path::PathBuf, sync::Arc};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Bytes of a trust store at most; all of Mozilla's certificates take 250 KiB.
pub const MAX_BYTES: u64 = 4 << 20;

/// Certificates that merchants' certificates have to come from.
#[derive(Clone)]
pub struct TrustStore {
    path: PathBuf,
    roots: Arc<RootCertStore>,
}

impl TrustStore {
    /// Reads certificates in PEM, those of the file at `path`; the error says what is wrong with them.
    pub fn parse(path: PathBuf, pem: &[u8]) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for (at, certificate) in CertificateDer::pem_slice_iter(pem).enumerate() {
            let number = at + 1;
            let certificate =
                certificate.map_err(|error| format!("certificate {number} is not PEM: {error}"))?;
            roots
                .add(certificate)
                .map_err(|_| format!("certificate {number} cannot be a root of trust"))?;
        }
        if roots.is_empty() {
            return Err("there is no certificate in PEM in it".to_owned());
        }
        Ok(Self { path, roots: Arc::new(roots) })
    }

    /// The file that it was read from.
    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    pub(super) fn roots(&self) -> Arc<RootCertStore> {
        Arc::clone(&self.roots)
    }
}

impl fmt::Debug for TrustStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustStore({}, {} certificates)", self.path.display(), self.roots.len())
    }
}

impl PartialEq for TrustStore {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.roots.roots == other.roots.roots
    }
}

impl Eq for TrustStore {}
