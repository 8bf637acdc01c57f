use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::ExposeSecret as _;

use super::*;

const PLACE: Place<'static> = Place { merchant: "m_1", endpoint: "ep_1", secret: "s1" };
const VALUE: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn line(id: &str, byte: u8) -> String {
    format!("{id} {}", STANDARD.encode([byte; 32]))
}

fn vault(keys: &[(&str, u8)]) -> Vault {
    let lines: Vec<_> = keys.iter().map(|(id, byte)| line(id, *byte)).collect();
    Vault::new(&KeySource::Text(lines.join("\n").into())).unwrap()
}

fn opened(vault: &Vault, place: Place<'_>, sealed: &str) -> Result<String, OpenError> {
    vault.open(place, sealed).map(|value| value.expose_secret().to_owned())
}

#[test]
fn a_value_opens_where_it_was_sealed_for_and_shows_nothing() {
    let vault = vault(&[("a", 1)]);
    let sealed = vault.seal(PLACE, VALUE);
    assert!(is_sealed(&sealed) && !sealed.contains("whsec"));
    assert_eq!(opened(&vault, PLACE, &sealed).unwrap(), VALUE);
    assert_ne!(sealed, vault.seal(PLACE, VALUE), "each has a key and a nonce of its own");
    assert_eq!(opened(&vault, PLACE, &vault.seal(PLACE, "")).unwrap(), "");
}

#[test]
fn a_value_that_was_moved_does_not_open() {
    let vault = vault(&[("a", 1)]);
    let sealed = vault.seal(PLACE, VALUE);
    for place in [
        Place { merchant: "m_2", ..PLACE },
        Place { endpoint: "ep_2", ..PLACE },
        Place { secret: "s2", ..PLACE },
    ] {
        assert_eq!(opened(&vault, place, &sealed), Err(OpenError::Altered), "{place:?}");
    }
}

#[test]
fn a_value_that_was_changed_anywhere_does_not_open() {
    let vault = vault(&[("a", 1)]);
    let sealed = vault.seal(PLACE, VALUE);
    let start = MARK.len() + 2;
    for at in start..sealed.len() {
        let mut bytes = sealed.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(opened(&vault, PLACE, &changed).is_err(), "at {at}");
    }
    for text in ["", "sealed:1:", "sealed:1:a", "sealed:1:a:b", "sealed:1:a:AA==:AA==", VALUE] {
        assert!(opened(&vault, PLACE, text).is_err(), "{text}");
    }
}

#[test]
fn a_key_of_the_same_name_that_is_another_does_not_open() {
    let sealed = vault(&[("a", 1)]).seal(PLACE, VALUE);
    assert_eq!(opened(&vault(&[("a", 2)]), PLACE, &sealed), Err(OpenError::Altered));
}

#[test]
fn two_keys_live_while_everything_moves_to_the_new_one() {
    let (old, both, new) = (vault(&[("a", 1)]), vault(&[("b", 2), ("a", 1)]), vault(&[("b", 2)]));
    let sealed = old.seal(PLACE, VALUE);
    assert_eq!(opened(&both, PLACE, &sealed).unwrap(), VALUE);
    assert_eq!(opened(&new, PLACE, &sealed), Err(OpenError::UnknownKey("a".to_owned())));
    let moved = both.rewrap(PLACE, &sealed).unwrap().unwrap();
    assert_eq!(opened(&new, PLACE, &moved).unwrap(), VALUE);
    assert_eq!(both.rewrap(PLACE, &moved), Ok(None), "it is there already");
    let other = Place { secret: "s2", ..PLACE };
    assert_eq!(both.rewrap(other, &sealed), Err(OpenError::Altered));
}

#[test]
fn a_key_that_came_into_the_file_later_is_found_without_a_restart() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("# keys\n{}\n", line("a", 1))).unwrap();
    let worker = Vault::new(&KeySource::File(file.path().to_owned())).unwrap();
    let sealed = vault(&[("b", 2)]).seal(PLACE, VALUE);
    assert!(opened(&worker, PLACE, &sealed).is_err());
    std::fs::write(file.path(), format!("{}\n{}\n", line("b", 2), line("a", 1))).unwrap();
    assert_eq!(opened(&worker, PLACE, &sealed).unwrap(), VALUE);
    std::fs::write(file.path(), "spoiled").unwrap();
    assert_eq!(opened(&worker, PLACE, &sealed).unwrap(), VALUE, "the keys at hand stay");
}

#[test]
fn a_command_gives_keys_and_its_failures_are_told() {
    let command = |script: &str| {
        let words = ["sh", "-c", script].map(str::to_owned).to_vec();
        Vault::new(&KeySource::Command(words))
    };
    let vault = command(&format!("echo '{}'", line("a", 1))).unwrap();
    assert!(opened(&vault, PLACE, &vault.seal(PLACE, VALUE)).is_ok());
    let failed = command("exit 3").unwrap_err().to_string();
    assert!(failed.starts_with("sh: ended with exit status: 3"), "{failed}");
    assert!(Vault::new(&KeySource::Command(vec!["/no/such/program".to_owned()])).is_err());
    assert!(Vault::new(&KeySource::Command(Vec::new())).is_err());
}

#[test]
fn bad_keys_are_refused_by_line_and_never_shown() {
    for (text, what) in [
        ("", "no key"),
        ("# nothing", "no key"),
        ("secretsecret", "line 1: not an id and a key"),
        ("a:b AAAA", "line 1: the id must be"),
        ("a AAAA", "line 1: the key is not 32 bytes"),
        ("a !!!!", "line 1: the key is not 32 bytes"),
    ] {
        let error = Vault::new(&KeySource::Text(text.into())).unwrap_err().to_string();
        assert!(error.contains(what) && !error.contains("secretsecret"), "{error}");
    }
    let twice = format!("{},{}", line("a", 1), line("a", 2));
    let source = KeySource::Text(twice.clone().into());
    assert!(Vault::new(&source).unwrap_err().to_string().contains("used twice"));
    let shown = format!("{source:?} {:?}", vault(&[("a", 1)]));
    assert!(shown.contains("redacted") && !shown.contains(&STANDARD.encode([1; 32])), "{shown}");
}

/// Test case 16 of `McGrew` and Viega's "The Galois/Counter Mode of Operation", on which NIST's
/// vectors of AES-256-GCM build: what we call is what was published.
#[test]
fn the_cipher_is_the_published_one() {
    use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
    let hex = |text: &str| hex_bytes(text);
    let key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    let mut text = hex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24\
         49a6b525b16aedf5aa0de657ba637b39",
    );
    let nonce = Nonce::try_assume_unique_for_key(&hex("cafebabefacedbaddecaf888")).unwrap();
    let aad = Aad::from(hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"));
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).unwrap());
    let tag = key.seal_in_place_separate_tag(nonce, aad, &mut text).unwrap();
    let expected = hex(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b10\
         56828838c5f61e6393ba7a0abcc9f662",
    );
    assert_eq!(text, expected);
    assert_eq!(tag.as_ref(), hex("76fc6ece0f4e1768cddf8853bb2d551b"));
}

fn hex_bytes(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}
