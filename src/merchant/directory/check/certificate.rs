//! Client certificates: chain and key, and that they belong together.

use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

use super::problem::{Checked, Problem};
use crate::model::{ClientCertificate, EndpointId, MerchantId};

/// Certificates of a chain.
const CHAIN: usize = 8;
/// Bytes of the chain, and of the key.
const MOST: usize = 32 * 1024;

/// For this endpoint alone.
pub(super) fn certificate(
    chain: &str,
    key: &SecretString,
    merchant: &MerchantId,
    endpoint: &EndpointId,
) -> Checked<ClientCertificate> {
    let chain = read_chain(chain)?;
    let key = key.expose_secret();
    let wrong = |what: &str, remedy| Problem::new("key", what, remedy);
    let pem = Some(key.as_bytes()).filter(|key| key.len() <= MOST);
    let key = pem.and_then(|pem| PrivateKeyDer::from_pem_slice(pem).ok());
    let key = key.ok_or_else(|| {
        wrong("must be one private key in PEM, without a password", "see openssl pkey -in KEY")
    })?;
    let provider = ring::default_provider();
    let key = provider.key_provider.load_private_key(key).map_err(|_| {
        let what = "is of a kind that TLS here cannot use";
        wrong(what, "use RSA of 2048 to 8192 bits, ECDSA with P-256 or P-384, or Ed25519")
    })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) => {}
        Err(rustls::Error::InconsistentKeys(_)) => {
            let what = "is not the key of the first certificate";
            return Err(wrong(what, "put the merchant's own certificate first in certificate"));
        }
        Err(_) => return Err(no_chain("cannot be read")),
    }
    let id = id(&certified, merchant, endpoint);
    Ok(ClientCertificate::new(certified, id))
}

fn read_chain(pem: &str) -> Checked<Vec<CertificateDer<'static>>> {
    if pem.len() > MOST {
        return Err(no_chain("is longer than 32 KiB"));
    }
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let chain = chain.map_err(|_| no_chain("is not PEM"))?;
    if !(1..=CHAIN).contains(&chain.len()) {
        return Err(no_chain("has no certificate in PEM, or more than 8"));
    }
    Ok(chain)
}

fn no_chain(what: &str) -> Problem {
    Problem::new(
        "certificate",
        what,
        "write the chain in PEM, the merchant's own certificate first",
    )
}

/// Of everything that makes a connection another one, each part with its length.
fn id(key: &CertifiedKey, merchant: &MerchantId, endpoint: &EndpointId) -> [u8; 32] {
    let mut hash = Sha256::new();
    let names = [merchant.as_str().as_bytes(), endpoint.as_str().as_bytes()];
    for part in names.into_iter().chain(key.cert.iter().map(AsRef::as_ref)) {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
