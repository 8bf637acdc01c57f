//! Key-encryption keys: where they come from, and which is the current one.

use std::{
    fmt,
    io::Read as _,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use secrecy::{ExposeSecret as _, SecretString, zeroize::Zeroizing};

/// Bytes of a file or of a command's output at most.
const MAX_BYTES: u64 = 16 * 1024;
/// Keys at most.
const MAX_KEYS: usize = 8;
/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// How long a command may take.
const COMMAND: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(10);

/// Where keys come from. In all of them a line is `<id> <32 bytes in base64>`; the first is current.
#[derive(Clone)]
pub enum KeySource {
    /// A file, read again when a key is missing.
    File(PathBuf),
    /// The environment.
    Text(SecretString),
    /// The output of a program and its arguments.
    Command(Vec<String>),
}

/// Why there are no keys. Never holds one.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file or the command cannot be read.
    #[error("{from}: {source}; the keys of merchants' secrets come from there")]
    Io {
        /// Which one.
        from: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The command did not do it.
    #[error("{command}: {what}; its output has to be the keys")]
    Command {
        /// Its name.
        command: String,
        /// What happened.
        what: String,
    },
    /// A line is no key.
    #[error("{from}, line {line}: {what}; write `<id> <32 bytes in base64>`")]
    Line {
        /// Which source.
        from: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong, without the line.
        what: &'static str,
    },
    /// Nothing there.
    #[error("{0}: no key; write `<id> <32 bytes in base64>`")]
    Empty(String),
}

/// A key and its name.
pub struct Kek {
    /// Stored with what it seals.
    pub id: String,
    /// Wraps data keys.
    pub key: LessSafeKey,
}

/// Every key at hand, the current one first; never empty.
pub struct Keys(Vec<Kek>);

impl Keys {
    /// What new values are sealed with.
    pub fn current(&self) -> &Kek {
        // `parse` lets no empty list through.
        &self.0[0]
    }

    /// The key of this name.
    pub fn named(&self, id: &str) -> Option<&Kek> {
        self.0.iter().find(|key| key.id == id)
    }

    fn parse(from: &str, text: &str) -> Result<Self, KeysError> {
        let mut keys: Vec<Kek> = Vec::new();
        // In the environment, where a line break is hard to write, commas do.
        for (at, line) in text.split(['\n', ',']).enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let problem = |what| KeysError::Line { from: from.to_owned(), line: at + 1, what };
            let (id, key) = line.split_once(' ').ok_or_else(|| problem("not an id and a key"))?;
            if crate::model::EndpointId::parse(id).is_err() || id.contains(':') {
                return Err(problem("the id must be up to 64 of A-Z, a-z, 0-9, _, . and -"));
            }
            if keys.iter().any(|other| other.id == id) {
                return Err(problem("the id is used twice"));
            }
            let mut bytes = Zeroizing::new([0; KEY_BYTES + 1]);
            let length = STANDARD.decode_slice(key.trim(), bytes.as_mut()).ok();
            let key =
                length.and_then(|length| UnboundKey::new(&AES_256_GCM, &bytes[..length]).ok());
            let key = key.ok_or_else(|| problem("the key is not 32 bytes in base64"))?;
            keys.push(Kek { id: id.to_owned(), key: LessSafeKey::new(key) });
            if keys.len() > MAX_KEYS {
                return Err(problem("more than 8 keys"));
            }
        }
        if keys.is_empty() { Err(KeysError::Empty(from.to_owned())) } else { Ok(Self(keys)) }
    }
}

impl KeySource {
    /// Reads and checks the keys.
    pub(super) fn read(&self) -> Result<Keys, KeysError> {
        match self {
            Self::File(path) => {
                let from = path.display().to_string();
                let text = std::fs::File::open(path).and_then(text_of);
                let text = text.map_err(|source| KeysError::Io { from: from.clone(), source })?;
                Keys::parse(&from, &text)
            }
            Self::Text(text) => Keys::parse("directory.keys", text.expose_secret()),
            Self::Command(command) => {
                let name = command.first().cloned().unwrap_or_default();
                Keys::parse(&name, &output_of(&name, &command[1.min(command.len())..])?)
            }
        }
    }
}

fn text_of(source: impl std::io::Read) -> std::io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    source.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// Runs the program, without a shell, and takes what it prints.
fn output_of(name: &str, arguments: &[String]) -> Result<Zeroizing<String>, KeysError> {
    let failed = |what: String| KeysError::Command { command: name.to_owned(), what };
    let mut command = Command::new(name);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let io = |source| KeysError::Io { from: name.to_owned(), source };
    let mut child = command.spawn().map_err(io)?;
    let output = child.stdout.take();
    let reader = thread::spawn(move || output.map(text_of));
    let deadline = Instant::now() + COMMAND;
    let status = loop {
        if let Some(status) = child.try_wait().map_err(io)? {
            break status;
        }
        if Instant::now() >= deadline {
            // Fails where it has just ended.
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed(format!("not done after {} s", COMMAND.as_secs())));
        }
        #[expect(clippy::disallowed_methods, reason = "only at the start, off the data path")]
        thread::sleep(LOOK);
    };
    if !status.success() {
        return Err(failed(format!("ended with {status}")));
    }
    match reader.join() {
        Ok(Some(text)) => text.map_err(io),
        _ => Err(failed("its output cannot be read".to_owned())),
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text([redacted])"),
            Self::Command(command) => f.debug_tuple("Command").field(&command.first()).finish(),
        }
    }
}
