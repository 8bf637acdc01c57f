//! Which topics a worker reads, and whether they are safe.

use tokio_util::sync::CancellationToken;

use super::setup::{Error, Settings};
use crate::{
    kafka::{ClientSettings, topics},
    model::Ladder,
};

/// The grades to read: those of the configuration, which alone are written to, and those that it
/// named once, whose records go on from there when they are due.
pub(super) async fn with_retired(
    settings: &Settings,
    kafka: &ClientSettings,
    stop: &CancellationToken,
) -> Result<Ladder, Error> {
    let ladder = settings.config.topics.grades.clone();
    let wanted = settings.config.topic_settings();
    let retired = tokio::select! {
        retired = topics::retired(kafka, &wanted) => retired,
        () = stop.cancelled() => return Err(Error::Stopped),
    };
    let retired = match retired {
        Ok(retired) => retired,
        Err(error) if settings.allow_unsafe => {
            tracing::error!(%error, "--allow-unsafe: grades that were removed are not looked for");
            return Ok(ladder);
        }
        Err(error) => return Err(Error::UncheckedTopics(error)),
    };
    for grade in &retired {
        let topic = wanted.names().grade(*grade);
        tracing::warn!(%topic, "not in topics.grades: it is read to its end and not written to");
    }
    let all = ladder.grades().iter().chain(&retired).map(|grade| grade.delay());
    Ladder::new(all.collect()).map_err(|error| {
        let count = retired.len();
        Error::RetiredGrades { count, error }
    })
}

/// Refuses topics that are missing or unsafe, or says loudly that they are.
pub(super) async fn check(
    settings: &Settings,
    grades_read: &Ladder,
    kafka: &ClientSettings,
    stop: &CancellationToken,
) -> Result<(), Error> {
    let mut wanted = settings.config.topic_settings();
    wanted.grades = grades_read.clone();
    let checked = tokio::select! {
        checked = topics::check(kafka, &wanted) => checked,
        () = stop.cancelled() => return Err(Error::Stopped),
    };
    let findings = match checked {
        Ok(findings) => findings,
        Err(error) if settings.allow_unsafe => {
            tracing::error!(%error, "--allow-unsafe: the topics were not checked");
            return Ok(());
        }
        Err(error) => return Err(Error::UncheckedTopics(error)),
    };
    let (dangers, notes): (Vec<_>, Vec<_>) =
        findings.into_iter().partition(|finding| finding.unsafe_);
    for note in notes {
        tracing::warn!("{note}");
    }
    if dangers.is_empty() {
        return Ok(());
    }
    if !settings.allow_unsafe {
        return Err(Error::UnsafeTopics(dangers));
    }
    for danger in dangers {
        tracing::error!("--allow-unsafe: EVENTS CAN BE LOST: {danger}");
    }
    Ok(())
}
