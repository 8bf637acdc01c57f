//! What else lets a request in: the value of the `authorization` header, or a client certificate.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

use super::{
    certificate,
    problem::{Checked, Problem},
};
use crate::{
    merchant::directory::AuthEntry,
    model::{ClientCertificate, EndpointId, MerchantId, SecretBytes},
};

/// Bytes of a name, a password or a token.
const MOST: usize = 2048;

/// What an entry's `auth` comes to.
#[derive(Default)]
pub(super) struct Shown {
    pub authorization: Option<SecretBytes>,
    pub certificate: Option<ClientCertificate>,
}

pub(super) fn auth(
    entry: Option<&AuthEntry>,
    merchant: &MerchantId,
    endpoint: &EndpointId,
) -> Checked<Shown> {
    let Some(entry) = entry else { return Ok(Shown::default()) };
    let AuthEntry { kind, username, password, token, certificate, key } = entry;
    let header = |value| Shown { authorization: Some(value), ..Shown::default() };
    match (kind.as_str(), username, password, token, certificate, key) {
        ("basic", Some(username), Some(password), None, None, None) => {
            basic(username, password).map(header)
        }
        ("bearer", None, None, Some(token), None, None) => bearer(token).map(header),
        ("client_certificate", None, None, None, Some(chain), Some(key)) => {
            let certificate = certificate::certificate(chain, key, merchant, endpoint)?;
            Ok(Shown { certificate: Some(certificate), ..Shown::default() })
        }
        ("basic", ..) => Err(parts("username and password, and nothing else")),
        ("bearer", ..) => Err(parts("token, and nothing else")),
        ("client_certificate", ..) => Err(parts("certificate and key, and nothing else")),
        _ => {
            let remedy = "write basic, bearer or client_certificate";
            Err(Problem::new("kind", "is not known", remedy))
        }
    }
}

fn parts(wanted: &str) -> Problem {
    Problem::new("", format!("needs {wanted}"), "see schemas/merchant.schema.json")
}

/// RFC 7617, section 2: no colon in the name, no control characters.
fn basic(username: &str, password: &SecretString) -> Checked<SecretBytes> {
    let password = password.expose_secret();
    let fits = |text: &str| text.len() <= MOST && !text.chars().any(char::is_control);
    if !fits(username) || username.contains(':') {
        let what = "has a colon, a control character or more than 2048 bytes";
        return Err(Problem::new("username", what, "correct it"));
    }
    if !fits(password) {
        let what = "has a control character or more than 2048 bytes";
        return Err(Problem::new("password", what, "correct it"));
    }
    let pair = Zeroizing::new(format!("{username}:{password}"));
    // Large enough from the start: what grows leaves copies behind.
    let mut header = String::with_capacity(8 + 4 * pair.len().div_ceil(3));
    header.push_str("Basic ");
    STANDARD.encode_string(pair.as_bytes(), &mut header);
    Ok(SecretBytes::new(header.into_bytes()))
}

/// RFC 6750, section 2.1, and what else can stand in a header.
fn bearer(token: &SecretString) -> Checked<SecretBytes> {
    let token = token.expose_secret();
    if token.is_empty() || token.len() > MOST || !token.bytes().all(|byte| byte.is_ascii_graphic())
    {
        let what = "is empty, is longer than 2048 bytes, or has spaces or other than ASCII";
        return Err(Problem::new("token", what, "correct it"));
    }
    Ok(SecretBytes::new(["Bearer ", token].concat().into_bytes()))
}
