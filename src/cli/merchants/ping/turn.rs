//! One ping at a time of an endpoint, among the commands of this machine.

use std::fs::{File, OpenOptions, TryLockError};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::model::{EndpointId, MerchantId};

/// Lock files that there are at most; two endpoints may share one.
const FILES: u16 = 1_024;

/// The right to ping an endpoint; ends when it is dropped, or with the process.
#[derive(Debug)]
pub(super) struct Turn {
    /// Locked for as long as it is open.
    _file: File,
}

impl Turn {
    /// Takes it, or says that another command has it.
    pub(super) fn take(
        prefix: &str,
        merchant: &MerchantId,
        endpoint: &EndpointId,
    ) -> anyhow::Result<Self> {
        // Neither kind of id has a slash.
        let hash = Sha256::digest(format!("{prefix}/{merchant}/{endpoint}"));
        let number = u16::from_be_bytes([hash[0], hash[1]]) % FILES;
        let path = std::env::temp_dir().join(format!("paynotify-ping-{number}.lock"));
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.with_context(|| {
            format!("cannot open {}, by which pings wait for each other", path.display())
        })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => anyhow::bail!(
                "endpoint {endpoint} of {merchant} was pinged less than a second ago, or is still \
                 being pinged; try again"
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }
}
