//! `paynotify merchants rotate-secret`: a new signing key beside the old ones.

use std::path::PathBuf;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};

use super::{Rules, Store, Stored, parse_entry, read, stored};
use crate::{
    cli::{output, time},
    merchant::directory::{Rotation, rotated},
    model::{EndpointId, MerchantId, Span},
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Rotate {
    /// Which merchant
    #[arg(value_parser = MerchantId::parse)]
    merchant: MerchantId,
    /// Which endpoint
    #[arg(value_parser = EndpointId::parse)]
    endpoint: EndpointId,
    /// Id of the new key; without it, made of the time
    #[arg(long)]
    id: Option<String>,
    /// How the key is written: hmac, hmac-text, hmac-hex, ed25519, rsa
    #[arg(long, default_value = "hmac")]
    kind: String,
    /// File with the new key; `-` is standard input. Without it a key for `hmac` is made and printed,
    /// once
    #[arg(long, value_name = "FILE|-")]
    from: Option<PathBuf>,
    /// How long the keys before it sign too
    #[arg(long, default_value = "24h", value_parser = Span::parse)]
    overlap: Span,
}

/// Puts the entry with the new key.
pub(super) fn rotate(store: &Store<'_>, rules: &Rules, command: &Rotate) -> anyhow::Result<()> {
    let Rotate { merchant, endpoint, id, kind, from, overlap } = command;
    let entry = store.entries()?.remove(merchant);
    let Stored { entry, revision } =
        entry.with_context(|| format!("there is no merchant {merchant}"))?;
    let value = if let Some(file) = from {
        let (name, bytes) = read(file)?;
        let bytes = Zeroizing::new(bytes);
        let text = std::str::from_utf8(&bytes).with_context(|| format!("{name}: no text"))?;
        SecretString::from(text.trim())
    } else {
        let made = "only keys for hmac are made here; give others by --from";
        anyhow::ensure!(kind == "hmac", made);
        new_key()?
    };
    let now = time::now();
    let id = id.clone().unwrap_or_else(|| format!("s{}", now.as_seconds()));
    let (id, overlap, value) = (id.as_str(), *overlap, &value);
    let rotation = Rotation { endpoint, id, kind, value, now, overlap };
    let entry = rotated(&entry, &rotation)?;
    parse_entry(&entry, rules)?;
    store.put_over(merchant, &stored(&entry, rules)?, rules, revision)?;
    eprintln!(
        "{merchant}/{endpoint} signs with {id} now, and with the keys before it for {overlap}"
    );
    if from.is_none() {
        output::line_of(value.expose_secret())?;
    }
    Ok(())
}

/// As Standard Webhooks writes it: 32 random bytes.
fn new_key() -> anyhow::Result<SecretString> {
    let mut bytes = Zeroizing::new([0; 32]);
    let random = SystemRandom::new().fill(bytes.as_mut());
    random.map_err(|_| anyhow::anyhow!("the operating system gives no random numbers"))?;
    Ok(SecretString::from(format!("whsec_{}", STANDARD.encode(bytes.as_ref()))))
}
