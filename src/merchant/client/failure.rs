//! Why a request brought no response, by the types in the chain of causes.

use std::{error::Error, io};

use super::resolve::Unresolved;
use rustls::{AlertDescription as Alert, CertificateError};

use crate::{
    engine::{FailReason, TlsFault},
    merchant::guard::Denied,
};

/// The word of the contract for why there is no connection.
pub(super) fn of_dial(error: &(dyn Error + 'static)) -> FailReason {
    match innermost(error) {
        // Before there is a connection, nothing can break in the middle.
        Some(FailReason::Reset | FailReason::Timeout) | None => FailReason::Connect,
        Some(reason) => reason,
    }
}

/// The word of the contract for what ended a request before its response.
pub(super) fn of_request(error: &hyper::Error) -> FailReason {
    innermost(error).unwrap_or(FailReason::Protocol)
}

/// The word of the contract for what ended a body.
pub(super) fn of_body(error: &hyper::Error) -> FailReason {
    innermost(error).unwrap_or(FailReason::Protocol)
}

/// The innermost cause that is known says most.
fn innermost(error: &(dyn Error + 'static)) -> Option<FailReason> {
    let mut reason = None;
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        reason = of(error).or(reason);
        cause = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            // The source of such an error is that of its inner error, which would be left out.
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    reason
}

fn of(error: &(dyn Error + 'static)) -> Option<FailReason> {
    if error.is::<Denied>() {
        Some(FailReason::AddressDenied)
    } else if error.is::<Unresolved>() {
        Some(FailReason::Dns)
    } else if let Some(error) = error.downcast_ref::<rustls::Error>() {
        Some(FailReason::Tls(tls_fault(error)))
    } else if let Some(error) = error.downcast_ref::<h2::Error>() {
        // What broke below it comes later in the chain, and says more.
        Some(of_http2(error))
    } else if let Some(error) = error.downcast_ref::<hyper::Error>() {
        Some(of_http(error))
    } else {
        error.downcast_ref::<io::Error>().and_then(|error| of_io(error.kind()))
    }
}

fn tls_fault(error: &rustls::Error) -> TlsFault {
    use rustls::Error as Tls;
    match error {
        Tls::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                TlsFault::Expired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                TlsFault::NotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFault::WrongName
            }
            CertificateError::UnknownIssuer => TlsFault::UnknownIssuer,
            CertificateError::Revoked => TlsFault::Revoked,
            _ => TlsFault::Certificate,
        },
        // These are about certificates of ours: about its own, nobody complains to us.
        Tls::AlertReceived(
            Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied,
        ) => TlsFault::ClientCertificate,
        Tls::PeerIncompatible(_) | Tls::AlertReceived(Alert::ProtocolVersion) => {
            TlsFault::Incompatible
        }
        _ => TlsFault::Handshake,
    }
}

fn of_http(error: &hyper::Error) -> FailReason {
    if error.is_parse_too_large() {
        FailReason::TooLarge
    } else if error.is_timeout() {
        FailReason::Timeout
    } else if error.is_parse() || error.is_user() {
        FailReason::Protocol
    } else {
        FailReason::Reset
    }
}

/// The merchant broke off, or what it sent was so wrong that we did.
fn of_http2(error: &h2::Error) -> FailReason {
    if error.is_remote() || error.is_io() { FailReason::Reset } else { FailReason::Protocol }
}

fn of_io(kind: io::ErrorKind) -> Option<FailReason> {
    use io::ErrorKind as Kind;
    match kind {
        Kind::ConnectionRefused
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown
        | Kind::AddrNotAvailable => Some(FailReason::Connect),
        Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::NotConnected
        | Kind::BrokenPipe
        | Kind::UnexpectedEof => Some(FailReason::Reset),
        Kind::TimedOut => Some(FailReason::Timeout),
        // A body that is no valid chunks arrives as these.
        Kind::InvalidData | Kind::InvalidInput => Some(FailReason::Protocol),
        _ => None,
    }
}
