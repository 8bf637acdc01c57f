//! The directory is read once before anything else, and followed from there.

use std::path::Path;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Error, Settings, Shown};
use crate::{
    engine::Engine,
    kafka::{ClientSettings, TopicNames},
    merchant::directory::{self, Update},
    model::Timestamp,
    worker::{endpoints::Endpoints, follow},
};

/// What a directory is read into.
pub struct Known<'a> {
    pub engine: &'a mut Engine,
    pub endpoints: &'a mut Endpoints,
    pub now: Timestamp,
}

/// Reads the directory once and leaves it followed.
pub async fn load(
    settings: &Settings,
    kafka: &ClientSettings,
    topics: &TopicNames,
    shown: &Shown,
    known: &mut Known<'_>,
    stop: &CancellationToken,
) -> Result<mpsc::Receiver<Update>, Error> {
    let file = settings.config.directory.file.as_deref();
    let name = file
        .map_or_else(|| format!("topic {}", topics.merchants()), |path| path.display().to_string());
    shown.health.set("directory", Some(format!("{name} is being read")));
    let mut updates = match file {
        Some(path) => directory::file::watch(Path::to_owned(path), settings.rules()?, stop.clone()),
        None => follow::topic(kafka.clone(), topics.merchants(), settings.rules()?, stop).await?,
    };
    loop {
        let update = next_update(&mut updates, stop, &name).await?;
        shown.health.beat();
        if known.endpoints.apply(known.engine, update, known.now) {
            break;
        }
    }
    let merchants = known.engine.merchants();
    tracing::info!(merchants, directory = name, "the directory is loaded");
    if merchants == 0 && !settings.allow_empty_directory {
        return Err(Error::EmptyDirectory(name));
    }
    shown.health.set("directory", None);
    Ok(updates)
}

async fn next_update(
    updates: &mut mpsc::Receiver<Update>,
    stop: &CancellationToken,
    directory: &str,
) -> Result<Update, Error> {
    tokio::select! {
        // What follows a file ends when the worker is to stop: that is no fault of the directory.
        biased;
        () = stop.cancelled() => Err(Error::Stopped),
        update = updates.recv() => update.ok_or_else(|| Error::Directory(directory.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_directory_whose_follower_ended_because_the_worker_is_to_stop_is_no_fault() {
        for stopped in [true, false].into_iter().cycle().take(100) {
            let (sender, mut updates) = mpsc::channel(1);
            let stop = CancellationToken::new();
            if stopped {
                stop.cancel();
            }
            drop(sender);
            let ended = next_update(&mut updates, &stop, "merchants.jsonl").await;
            match ended {
                Err(Error::Stopped) => assert!(stopped),
                Err(Error::Directory(name)) => assert!(!stopped, "{name}"),
                other => panic!("{:?}", other.map(drop)),
            }
        }
    }
}
