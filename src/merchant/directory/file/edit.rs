//! Changes of single lines; readers see the old file or the new one, never a mixture.

use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{content, numbered, owner, revision};
use crate::{
    merchant::directory::{Error, Rules, parse_entry},
    model::{MerchantId, Revision},
};

/// How often the lock of another command is looked at …
const LOOKS: usize = 500;
/// … and the pause between.
const PAUSE: Duration = Duration::from_millis(10);

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
    /// Somebody else has changed the entry.
    #[error(transparent)]
    Stale(#[from] Stale),
}

/// An entry is not the one that was meant to be replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "merchant {merchant} is at revision {found}, not {expected}: somebody has changed it; look at it \
     with `paynotify merchants show {merchant}`, and put with the revision that it has then"
)]
pub struct Stale {
    /// Whose entry.
    pub merchant: MerchantId,
    /// The revision that was meant.
    pub expected: Revision,
    /// The revision that it has.
    pub found: Revision,
}

impl Stale {
    /// Fails unless the entry has the revision that is expected.
    pub fn check(merchant: &MerchantId, expected: Revision, found: Revision) -> Result<(), Self> {
        if expected == found {
            return Ok(());
        }
        Err(Self { merchant: merchant.clone(), expected, found })
    }
}

/// Adds an entry, or replaces the line of the same merchant. The file may be absent.
pub fn put(path: &Path, entry: &[u8], rules: &Rules) -> Result<MerchantId, EditError> {
    let merchant = parse_entry(entry, rules)?.id;
    let line = one_line(entry);
    change(path, |old| Ok(Some(replaced(old, &merchant, &line))))?;
    Ok(merchant)
}

/// The same, only where the entry has the revision `expected` now; the new one. Commands on this
/// machine wait for each other; an editor, or another machine on a shared file system, does not.
pub fn put_over(
    path: &Path,
    entry: &[u8],
    rules: &Rules,
    expected: Revision,
) -> Result<Revision, EditError> {
    let merchant = parse_entry(entry, rules)?.id;
    let line = one_line(entry);
    change(path, |old| {
        let mut lines = numbered(old).map(|(_, line)| line);
        let found = lines.find(|line| owner(line).as_ref() == Some(&merchant));
        Stale::check(&merchant, expected, found.map_or(Revision::NONE, revision))?;
        Ok(Some(replaced(old, &merchant, &line)))
    })?;
    Ok(revision(&line))
}

fn replaced(old: &[u8], merchant: &MerchantId, line: &[u8]) -> Vec<u8> {
    let mut lines = without(old, merchant);
    lines.extend_from_slice(line);
    lines.push(b'\n');
    lines
}

/// Gives lines a new text where `edit` answers one; every other line stays as it is. Answers how many
/// lines belong to nobody. Commands on this machine wait for each other.
pub fn rewrite(
    path: &Path,
    mut edit: impl FnMut(&MerchantId, &[u8]) -> Option<Vec<u8>>,
) -> Result<u64, EditError> {
    let mut nobodys = 0;
    change(path, |old| {
        let (mut new, mut changed) = (Vec::with_capacity(old.len()), false);
        for (_, line) in numbered(old) {
            let owner = owner(line);
            nobodys += u64::from(owner.is_none());
            let edited = owner.and_then(|owner| edit(&owner, line));
            changed |= edited.is_some();
            new.extend(edited.as_deref().map_or(line.to_vec(), one_line));
            new.push(b'\n');
        }
        Ok(changed.then_some(new))
    })?;
    Ok(nobodys)
}

/// Removes the lines of a merchant; whether there were any.
pub fn delete(path: &Path, merchant: &MerchantId) -> Result<bool, EditError> {
    change(path, |old| {
        let found = numbered(old).any(|(_, line)| owner(line).as_ref() == Some(merchant));
        Ok(found.then(|| without(old, merchant)))
    })
}

fn change(
    path: &Path,
    edit: impl FnOnce(&[u8]) -> Result<Option<Vec<u8>>, EditError>,
) -> Result<bool, EditError> {
    let failed = |source| EditError::Io { path: path.to_owned(), source };
    let _alone = alone(path).map_err(failed)?;
    let old = match content(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        other => other.map_err(failed)?,
    };
    match edit(&old)? {
        None => Ok(false),
        Some(new) => replace(path, &new).map(|()| true).map_err(failed),
    }
}

/// Waits for other commands that edit a file of this directory. The lock is on the directory, since
/// the file itself is replaced.
fn alone(path: &Path) -> io::Result<fs::File> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = fs::File::open(parent.unwrap_or(Path::new(".")))?;
    for _ in 0..LOOKS {
        match directory.try_lock() {
            Err(fs::TryLockError::WouldBlock) => pause(),
            // Not every file system has locks; then the edit goes on without.
            Ok(()) | Err(fs::TryLockError::Error(_)) => return Ok(directory),
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "another command is editing it; try again"))
}

#[expect(clippy::disallowed_methods, reason = "a short command that has nothing else to do")]
fn pause() {
    std::thread::sleep(PAUSE);
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
