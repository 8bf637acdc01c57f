//! Delay topics that the configuration does not name any more, and that may still hold records.

use super::{Error, Settings};
use crate::{
    kafka::{ClientSettings, TopicNames, admin::Admin},
    model::{Grade, Ladder, Span},
};

/// The delay topics of this prefix that exist and are no grade of the settings, shortest first.
pub async fn retired(client: &ClientSettings, settings: &Settings) -> Result<Vec<Grade>, Error> {
    let layout = Admin::new(client).await?.layout().await?;
    Ok(among(layout.topics.keys().map(String::as_str), &settings.names(), &settings.grades))
}

fn among<'a>(
    topics: impl Iterator<Item = &'a str>,
    names: &TopicNames,
    ladder: &Ladder,
) -> Vec<Grade> {
    let prefix = format!("{}.delay.", names.completions());
    let mut grades: Vec<Grade> = topics
        .filter_map(|topic| {
            let delay = topic.strip_prefix(&prefix)?;
            let grade = Grade::new(Span::parse(delay).ok()?);
            // What is spelled otherwise was not made for us.
            (grade.to_string() == delay && !ladder.grades().contains(&grade)).then_some(grade)
        })
        .collect();
    grades.sort_unstable();
    grades
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_topics_of_the_prefix_that_are_not_configured_are_found_and_no_others() {
        let names = TopicNames::new("p");
        let ladder = Ladder::new(vec![Span::from_secs(5)]).unwrap();
        let topics = [
            "p",
            "p.delay.5s",
            "p.delay.7s",
            "p.delay.60s",
            "p.delay.2m",
            "q.delay.9s",
            "p.delay.x",
            "p.delay.7s.old",
            "p.dlq",
        ];
        let found: Vec<_> =
            among(topics.into_iter(), &names, &ladder).iter().map(Grade::to_string).collect();
        assert_eq!(found, ["7s", "2m"]);
    }
}
