//! Makes metrics and registers them; those that are per topic are declared here whole.

use prometheus::{
    Counter, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::model::{Named, Source};

use super::Topic;

/// Seconds after due.
const LATENESS_BUCKETS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 120.0, 600.0, 3_600.0];

/// Makes metrics and registers them.
#[derive(Default)]
pub(super) struct Declare {
    registry: Registry,
}

impl Declare {
    fn add<M: prometheus::core::Collector + Clone + 'static>(
        &self,
        metric: M,
    ) -> Result<M, prometheus::Error> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    pub(super) fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.add(IntCounter::new(name, help)?)
    }

    pub(super) fn float_counter(
        &self,
        name: &str,
        help: &str,
    ) -> Result<Counter, prometheus::Error> {
        self.add(Counter::new(name, help)?)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.add(IntGauge::new(name, help)?)
    }

    pub(super) fn float_gauge(&self, name: &str, help: &str) -> Result<Gauge, prometheus::Error> {
        self.add(Gauge::new(name, help)?)
    }

    pub(super) fn gauges(
        &self,
        name: &str,
        help: &str,
        label: &str,
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.add(IntGaugeVec::new(Opts::new(name, help), &[label])?)
    }

    pub(super) fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.add(Histogram::with_opts(options)?)
    }

    pub(super) fn topics(
        &self,
        prefix: &str,
        sources: impl Iterator<Item = Source>,
    ) -> Result<Named<Source, Topic>, prometheus::Error> {
        let unresolved = self.add(IntGaugeVec::new(
            Opts::new(
                "paynotify_unresolved_records",
                "Records held by this worker that are not resolved.",
            ),
            &["topic"],
        )?)?;
        let oldest = self.add(GaugeVec::new(
            Opts::new(
                "paynotify_oldest_unresolved_seconds",
                "Age of the oldest record held and not resolved, in the time of the broker.",
            ),
            &["topic"],
        )?)?;
        let lag = self.add(IntGaugeVec::new(
            Opts::new(
                "paynotify_consumer_lag_records",
                "Records beyond the committed positions of this worker's partitions.",
            ),
            &["topic"],
        )?)?;
        let lost = self.counters(
            "paynotify_records_lost_total",
            "Records that expired or were deleted before they were read.",
            &["topic"],
        )?;
        let lateness = self.add(HistogramVec::new(
            HistogramOpts::new(
                "paynotify_lateness_seconds",
                "Time from due to the start of an attempt, by where the delivery waited.",
            )
            .buckets(LATENESS_BUCKETS.to_vec()),
            &["grade"],
        )?)?;
        let topics = sources.map(|source| {
            let (topic, grade) = match source {
                Source::Completions => (prefix.to_owned(), source.to_string()),
                Source::Grade(grade) => (format!("{prefix}.{source}"), grade.to_string()),
            };
            let topic = [topic.as_str()];
            let metrics = Topic {
                unresolved: unresolved.with_label_values(&topic),
                oldest: oldest.with_label_values(&topic),
                lag: lag.with_label_values(&topic),
                lost: lost.with_label_values(&topic),
                lateness: lateness.with_label_values(&[grade]),
            };
            (source, metrics)
        });
        Ok(topics.collect())
    }

    /// Adds the version and hands over the registry.
    pub(super) fn finish(self) -> Result<Registry, prometheus::Error> {
        let info = self.add(IntGaugeVec::new(
            Opts::new("paynotify_build_info", "Always 1; the version is the label."),
            &["version"],
        )?)?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(self.registry)
    }
}
