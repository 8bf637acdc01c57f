//! How topics are called (`contract`, section 9).

use std::sync::Arc;

use crate::model::{Grade, Ladder, Source};

/// Names of the topics under one prefix; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicNames(Arc<str>);

impl TopicNames {
    /// Names under this prefix, which is the name of the completions topic itself.
    pub fn new(prefix: &str) -> Self {
        Self(prefix.into())
    }

    /// The input topic.
    pub fn completions(&self) -> String {
        self.0.to_string()
    }

    /// The delay topic of a grade.
    pub fn grade(&self, grade: Grade) -> String {
        self.under(&format!("delay.{grade}"))
    }

    /// The topic of dead letters.
    pub fn dead_letters(&self) -> String {
        self.under("dlq")
    }

    /// The delivery log.
    pub fn attempts(&self) -> String {
        self.under("attempts")
    }

    /// The directory.
    pub fn merchants(&self) -> String {
        self.under("merchants")
    }

    /// Health of endpoints.
    pub fn endpoints(&self) -> String {
        self.under("endpoints")
    }

    /// Which dead letters were replayed or discarded.
    pub fn marks(&self) -> String {
        self.under("marks")
    }

    /// The topic of a consumed source.
    pub fn of(&self, source: Source) -> Arc<str> {
        match source {
            Source::Completions => Arc::clone(&self.0),
            Source::Grade(grade) => self.grade(grade).into(),
        }
    }

    /// Which consumed source a topic is, or none where it is none of `ladder`.
    pub fn partition_source(&self, topic: &str, ladder: &Ladder) -> Option<Source> {
        let rest = topic.strip_prefix(&*self.0)?;
        if rest.is_empty() {
            return Some(Source::Completions);
        }
        let delay = rest.strip_prefix(".delay.")?;
        let grade = ladder.grades().iter().find(|grade| grade.to_string() == delay)?;
        Some(Source::Grade(*grade))
    }

    fn under(&self, name: &str) -> String {
        format!("{}.{name}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Span;

    fn ladder() -> Ladder {
        Ladder::new(vec![Span::from_secs(5), Span::from_secs(60)]).unwrap()
    }

    #[test]
    fn a_grade_is_spelled_in_its_shortest_form() {
        let names = TopicNames::new("payments.completions");
        let grade = Grade::new(Span::from_secs(60));
        assert_eq!(names.grade(grade), "payments.completions.delay.1m");
        assert_eq!(*names.of(Source::Grade(grade)), names.grade(grade));
    }

    #[test]
    fn a_consumed_topic_is_recognised_and_no_other() {
        let names = TopicNames::new("p");
        let minute = Source::Grade(Grade::new(Span::from_secs(60)));
        assert_eq!(names.partition_source("p", &ladder()), Some(Source::Completions));
        assert_eq!(names.partition_source("p.delay.1m", &ladder()), Some(minute));
        for other in ["p.delay.60s", "p.delay.2m", "p.dlq", "px", "q", ""] {
            assert_eq!(names.partition_source(other, &ladder()), None, "{other}");
        }
    }
}
