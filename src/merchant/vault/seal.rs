//! The envelope itself.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand::{SecureRandom as _, SystemRandom},
};
use secrecy::{SecretString, zeroize::Zeroizing};

use super::{
    MARK, OpenError, Place,
    keys::{KEY_BYTES, Kek, Keys},
};

/// Seals a value with a data key of its own.
pub fn seal(kek: &Kek, place: Place<'_>, value: &str) -> String {
    let mut data = Zeroizing::new([0; KEY_BYTES]);
    fill(data.as_mut());
    let sealed = close(&data_key(&data), place, value.as_bytes());
    envelope(kek, &close(&kek.key, place, data.as_ref()), &sealed)
}

/// Opens a value with whichever key it names.
pub fn open(keys: &Keys, place: Place<'_>, text: &str) -> Result<SecretString, OpenError> {
    let (id, wrapped, sealed) = parts(text)?;
    let data = unwrapped(keys, place, id, &wrapped)?;
    let value = reveal(&data_key(&data), place, &sealed)?;
    let value = std::str::from_utf8(&value).map_err(|_| OpenError::Malformed)?;
    Ok(SecretString::from(value))
}

/// Wraps the data key anew; the value itself stays as it is.
pub fn rewrap(keys: &Keys, place: Place<'_>, text: &str) -> Result<Option<String>, OpenError> {
    let (id, wrapped, sealed) = parts(text)?;
    let kek = keys.current();
    if id == kek.id {
        return Ok(None);
    }
    let data = unwrapped(keys, place, id, &wrapped)?;
    // What does not open now must not look as if it were in order.
    reveal(&data_key(&data), place, &sealed)?;
    Ok(Some(envelope(kek, &close(&kek.key, place, data.as_ref()), &sealed)))
}

fn envelope(kek: &Kek, wrapped: &[u8], sealed: &[u8]) -> String {
    format!("{MARK}{}:{}:{}", kek.id, STANDARD.encode(wrapped), STANDARD.encode(sealed))
}

fn parts(text: &str) -> Result<(&str, Vec<u8>, Vec<u8>), OpenError> {
    let rest = text.strip_prefix(MARK).ok_or(OpenError::Malformed)?;
    let mut parts = rest.split(':');
    let (Some(id), Some(wrapped), Some(sealed), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(OpenError::Malformed);
    };
    let decode = |text| STANDARD.decode(text).map_err(|_| OpenError::Malformed);
    Ok((id, decode(wrapped)?, decode(sealed)?))
}

fn unwrapped(
    keys: &Keys,
    place: Place<'_>,
    id: &str,
    wrapped: &[u8],
) -> Result<Zeroizing<[u8; KEY_BYTES]>, OpenError> {
    let kek = keys.named(id).ok_or_else(|| OpenError::UnknownKey(id.to_owned()))?;
    let data = reveal(&kek.key, place, wrapped)?;
    let data: [u8; KEY_BYTES] = data.as_slice().try_into().map_err(|_| OpenError::Malformed)?;
    Ok(Zeroizing::new(data))
}

/// Nonce, ciphertext, tag.
fn close(key: &LessSafeKey, place: Place<'_>, value: &[u8]) -> Vec<u8> {
    let mut nonce = [0; NONCE_LEN];
    fill(&mut nonce);
    // Encrypted in place: the plaintext is overwritten, and room for the tag keeps it from moving.
    let mut sealed = Vec::with_capacity(NONCE_LEN + value.len() + AES_256_GCM.tag_len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(value);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = key
        .seal_in_place_separate_tag(nonce, associated(place), &mut sealed[NONCE_LEN..])
        .expect("only values of 64 GiB are too long, and entries are at most 256 KiB");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

fn reveal(
    key: &LessSafeKey,
    place: Place<'_>,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or(OpenError::Malformed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError::Malformed)?;
    let mut value = Zeroizing::new(rest.to_vec());
    let length = key
        .open_in_place(nonce, associated(place), &mut value)
        .map_err(|_| OpenError::Altered)?
        .len();
    value.truncate(length);
    Ok(value)
}

/// No id holds a zero byte, so no two places have the same.
fn associated(Place { merchant, endpoint, secret }: Place<'_>) -> Aad<Vec<u8>> {
    Aad::from(["paynotify/1", merchant, endpoint, secret].join("\0").into_bytes())
}

fn data_key(bytes: &[u8; KEY_BYTES]) -> LessSafeKey {
    let key = UnboundKey::new(&AES_256_GCM, bytes).expect("a key of 32 bytes is of the right size");
    LessSafeKey::new(key)
}

fn fill(bytes: &mut [u8]) {
    SystemRandom::new().fill(bytes).expect("an operating system without randomness runs nothing");
}
