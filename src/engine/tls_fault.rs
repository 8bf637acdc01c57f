//! What a failed TLS handshake failed at, for people: the word of the log is `tls` for all of it.

use std::fmt;

/// Why there is no secure connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TlsFault {
    /// The merchant's certificate is no longer valid.
    Expired,
    /// The merchant's certificate is not valid yet.
    NotYetValid,
    /// The merchant's certificate is for other names than that of the URL.
    WrongName,
    /// Nobody in the trust store has issued the merchant's certificate.
    UnknownIssuer,
    /// The merchant's certificate was revoked.
    Revoked,
    /// Something else is wrong with the merchant's certificate.
    Certificate,
    /// The merchant wants a client certificate, or another one.
    ClientCertificate,
    /// Both sides have no version or cipher in common.
    Incompatible,
    /// Anything else: no TLS at the port, an alert, broken records.
    Handshake,
}

impl TlsFault {
    /// In words, for the log and for dead letters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "the certificate has expired",
            Self::NotYetValid => "the certificate is not valid yet",
            Self::WrongName => "the certificate is for another name",
            Self::UnknownIssuer => "the certificate's issuer is not in the trust store",
            Self::Revoked => "the certificate was revoked",
            Self::Certificate => "the certificate is not acceptable",
            Self::ClientCertificate => "the client certificate is missing or was refused",
            Self::Incompatible => "no common TLS version (1.2 or later) or cipher",
            Self::Handshake => "the TLS handshake failed",
        }
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
