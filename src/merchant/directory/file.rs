//! The directory as a file of JSON Lines (`directory.file`): read, watched, and edited atomically.

mod edit;
mod watch;

use std::{collections::HashMap, fs, io, path::Path};

use sha2::{Digest as _, Sha256};

use super::{Error, LineError, Rules, entry, parse_entry};
use crate::model::{Merchant, MerchantId, Revision};

pub use edit::{EditError, Stale, delete, put, put_over, rewrite};
pub use watch::watch;

/// Bytes of the whole file at most.
const MAX_FILE_BYTES: u64 = 512 * 1024 * 1024;

/// Reads every line; a bad one is refused alone, a second one of the same merchant too. An
/// unreadable file is one refusal without a line number. Blocks on the file system.
pub fn read(path: &Path, rules: &Rules) -> (Vec<(MerchantId, Merchant)>, Vec<LineError>) {
    match content(path) {
        Ok(text) => parse(&text, rules),
        Err(error) => (Vec::new(), vec![unreadable(path, &error)]),
    }
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    let length = fs::metadata(path)?.len();
    if length > MAX_FILE_BYTES {
        let what = format!("{length} bytes are too many for a file: use the directory topic");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    fs::read(path)
}

fn parse(text: &[u8], rules: &Rules) -> (Vec<(MerchantId, Merchant)>, Vec<LineError>) {
    let (mut merchants, mut refused) = (Vec::new(), Vec::new());
    let mut lines: HashMap<MerchantId, u64> = HashMap::new();
    for (number, line) in numbered(text) {
        let line_error = |error| LineError { line: Some(number), error };
        let mut merchant = match parse_entry(line, rules) {
            Ok(merchant) => merchant,
            Err(error) => {
                refused.push(line_error(error));
                continue;
            }
        };
        if let Some(first) = lines.get(&merchant.id) {
            let what = format!("is already on line {first}");
            let error = Error::new("merchant_id", what, "keep one line for each merchant");
            refused.push(line_error(Error { merchant: Some(merchant.id), ..error }));
        } else {
            merchant.revision = revision(line);
            lines.insert(merchant.id.clone(), number);
            merchants.push((merchant.id.clone(), merchant));
        }
    }
    (merchants, refused)
}

/// The revision of a line, without the white space around it.
pub fn revision(line: &[u8]) -> Revision {
    Revision::of_digest(Sha256::digest(line.trim_ascii()).into())
}

/// Lines that are not blank, with their numbers from 1.
fn numbered(text: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    (1..).zip(lines).filter(|(_, line)| !line.is_empty())
}

/// Whose line it is, even where the rest of it is bad.
fn owner(line: &[u8]) -> Option<MerchantId> {
    entry::named(line)
}

fn unreadable(path: &Path, error: &io::Error) -> LineError {
    let what = format!("cannot be read: {error}");
    let remedy = "check directory.file and the permissions";
    LineError { line: None, error: Error::new(&path.display().to_string(), what, remedy) }
}
