//! Certificates that we show.

use std::{fmt, sync::Arc};

use rustls::sign::CertifiedKey;

/// A client certificate with its key, read once and ready for handshakes. Never printed.
#[derive(Clone)]
pub struct ClientCertificate {
    key: Arc<CertifiedKey>,
    id: [u8; 32],
}

impl ClientCertificate {
    /// Certificate and key that belong together. `id` is the same for the same endpoint and
    /// certificate, and for nothing else: only those may share a connection.
    pub fn new(key: CertifiedKey, id: [u8; 32]) -> Self {
        Self { key: Arc::new(key), id }
    }

    /// For whom connections are kept apart.
    pub fn id(&self) -> [u8; 32] {
        self.id
    }

    /// For handshakes only.
    pub fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
