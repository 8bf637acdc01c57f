//! Where a benchmark plays: broker, receiver, and the directory of its files.

use std::{fs, path::PathBuf};

use super::{kafka::fast_broker, receiver::Receiver, summary::Summary};

/// What is there before the first worker.
pub struct Stage {
    pub bootstrap: String,
    pub receiver: Receiver,
    pub directory: PathBuf,
}

impl Stage {
    /// Starts broker and receiver.
    pub fn set() -> anyhow::Result<Self> {
        let (bootstrap, receiver) = (fast_broker().bootstrap(), Receiver::start()?);
        Ok(Self { bootstrap, receiver, directory: directory()? })
    }

    /// Prints the figures, and writes them to this file.
    pub fn tell(&self, file: &str, summary: &Summary) -> anyhow::Result<()> {
        summary.print();
        let path = self.directory.join(file);
        fs::write(&path, summary.json())?;
        println!("\nwritten to {}", path.display());
        Ok(())
    }
}

/// `target/bench`.
pub fn directory() -> anyhow::Result<PathBuf> {
    let mut directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    directory.set_file_name("bench");
    fs::create_dir_all(&directory)?;
    Ok(directory)
}
