//! The endpoints topic, read before anything is delivered, and followed from then on.

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Endpoints;
use crate::{
    kafka::{
        self, ClientSettings,
        table::{Table, TableInput},
    },
    telemetry::health::Health,
    worker::setup::{Error, blocking},
};

/// Changes that wait for the loop, in batches.
const QUEUE: usize = 8;

impl Endpoints {
    /// Reads what is known and leaves the topic followed. A topic that is missing where that is
    /// allowed is as good as an empty one, but what is found is forgotten at the end.
    pub async fn load(
        &mut self,
        kafka: &ClientSettings,
        may_be_missing: bool,
        health: &Health,
        stop: &CancellationToken,
    ) -> Result<mpsc::Receiver<TableInput>, Error> {
        health.set("endpoints", Some(format!("topic {} is being read", self.topic)));
        let (settings, topic) = (kafka.clone(), self.topic.clone());
        let (findings, receiver) = mpsc::channel(QUEUE);
        let followed = blocking(stop, move || Table::follow(&settings, &topic)).await?;
        match followed {
            Err(error @ kafka::Error::MissingTopic { .. }) if may_be_missing => {
                tracing::error!(%error, "--allow-unsafe: which endpoints are disabled is not kept");
            }
            Err(error) => return Err(error.into()),
            Ok((table, mut inputs)) => {
                loop {
                    let input = tokio::select! {
                        input = inputs.recv() => {
                            input.ok_or_else(|| Error::Directory(format!("topic {}", self.topic)))?
                        }
                        () = stop.cancelled() => return Err(Error::Stopped),
                    };
                    health.beat();
                    match input {
                        TableInput::CaughtUp => break,
                        TableInput::Changes(records) => {
                            for record in &records {
                                self.take(record);
                            }
                        }
                    }
                }
                tokio::spawn(async move {
                    // The table is followed for as long as somebody listens.
                    let _table = table;
                    while let Some(input) = inputs.recv().await {
                        if findings.send(input).await.is_err() {
                            return;
                        }
                    }
                });
            }
        }
        health.set("endpoints", None);
        Ok(receiver)
    }
}
