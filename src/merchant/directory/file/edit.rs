//! Changes of single lines; readers see the old file or the new one, never a mixture.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{content, numbered, owner};
use crate::{
    merchant::directory::{Error, Rules, parse_entry},
    model::MerchantId,
};

/// Why the file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The entry breaks a rule.
    #[error(transparent)]
    Refused(#[from] Error),
    /// The file system says no.
    #[error("{}: cannot be changed: {source}; check directory.file and the permissions", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

/// Adds an entry, or replaces the line of the same merchant. The file may be absent.
pub fn put(path: &Path, entry: &[u8], rules: &Rules) -> Result<MerchantId, EditError> {
    let merchant = parse_entry(entry, rules)?.id;
    let line = one_line(entry);
    change(path, |old| {
        let mut lines = without(old, &merchant);
        lines.extend_from_slice(&line);
        lines.push(b'\n');
        Some(lines)
    })?;
    Ok(merchant)
}

/// Removes the lines of a merchant; whether there were any.
pub fn delete(path: &Path, merchant: &MerchantId) -> Result<bool, EditError> {
    change(path, |old| {
        let found = numbered(old).any(|(_, line)| owner(line).as_ref() == Some(merchant));
        found.then(|| without(old, merchant))
    })
}

fn change(path: &Path, edit: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Result<bool, EditError> {
    let attempt = || {
        let old = match content(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        match edit(&old) {
            None => Ok(false),
            Some(new) => replace(path, &new).map(|()| true),
        }
    };
    attempt().map_err(|source| EditError::Io { path: path.to_owned(), source })
}

/// Writes beside the file and renames. Entries hold secrets: a new file is for its owner only.
fn replace(path: &Path, new: &[u8]) -> io::Result<()> {
    // A symbolic link stays one: the file that it names is replaced.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let write = || {
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        if let Ok(old) = fs::metadata(path) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(new)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().inspect_err(|_| drop(fs::remove_file(&beside)))
}

fn without(old: &[u8], merchant: &MerchantId) -> Vec<u8> {
    let mut kept = Vec::with_capacity(old.len() + 1024);
    for line in old.split(|byte| *byte == b'\n') {
        if !line.trim_ascii().is_empty() && owner(line).as_ref() != Some(merchant) {
            kept.extend_from_slice(line);
            kept.push(b'\n');
        }
    }
    kept
}

/// Valid JSON without the white space between its tokens, everything else as it was written.
fn one_line(json: &[u8]) -> Vec<u8> {
    let (mut in_string, mut escaped) = (false, false);
    let mut keep = |byte: &u8| {
        let keep = in_string || !byte.is_ascii_whitespace();
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            _ => {}
        }
        keep
    };
    json.iter().copied().filter(|byte| keep(byte)).collect()
}
