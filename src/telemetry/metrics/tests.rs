use super::*;

fn metrics() -> Metrics {
    let delays = vec![Span::from_secs(5), Span::from_secs(60)];
    Metrics::new("pay", &Ladder::new(delays).unwrap()).unwrap()
}

fn text(metrics: &Metrics) -> String {
    String::from_utf8(metrics.render().unwrap()).unwrap()
}

fn has(metrics: &Metrics, line: &str) -> bool {
    text(metrics).lines().any(|found| found == line)
}

#[test]
fn every_metric_of_the_contract_is_there_at_zero() {
    let metrics = metrics();
    for line in [
        "paynotify_events_total{outcome=\"fanned_out\"} 0",
        "paynotify_attempts_total{outcome=\"delivered\",reason=\"none\"} 0",
        "paynotify_attempts_total{outcome=\"retry\",reason=\"timeout\"} 0",
        "paynotify_attempt_duration_seconds_count 0",
        "paynotify_delivery_delay_seconds_count 0",
        "paynotify_lateness_seconds_count{grade=\"1m\"} 0",
        "paynotify_lateness_seconds_count{grade=\"completions\"} 0",
        "paynotify_routed_total{grade=\"5s\"} 0",
        "paynotify_parked_total{grade=\"5s\"} 0",
        "paynotify_dead_letters_total{class=\"merchant\",reason=\"exhausted\"} 0",
        "paynotify_unresolved_records{topic=\"pay\"} 0",
        "paynotify_oldest_unresolved_seconds{topic=\"pay.delay.5s\"} 0",
        "paynotify_consumer_lag_records{topic=\"pay\"} 0",
        "paynotify_commits_total{result=\"ok\"} 0",
        "paynotify_breakers_open 0",
        "paynotify_in_flight_attempts 0",
        "paynotify_memory_budget_bytes 0",
        "paynotify_memory_bytes{part=\"directory\"} 0",
        "paynotify_kafka_received_bytes_total 0",
        "paynotify_fetched_bytes_total 0",
        "paynotify_taken_bytes_total 0",
        "paynotify_rebalances_total 0",
        "paynotify_records_lost_total{topic=\"pay\"} 0",
        "paynotify_clock_skew_seconds 0",
        "paynotify_merchant_failures_total{merchant=\"other\"} 0",
    ] {
        assert!(has(&metrics, line), "{line} is missing in\n{}", text(&metrics));
    }
}

#[test]
fn an_unknown_reason_is_counted_as_other() {
    let metrics = metrics();
    metrics.attempt(DeliveryOutcome::Retry, Some("a word of tomorrow"));
    assert!(has(&metrics, "paynotify_attempts_total{outcome=\"retry\",reason=\"other\"} 1"));
}

#[test]
fn a_parked_record_is_counted_as_routed_too() {
    let metrics = metrics();
    let grade = Grade::new(Span::from_secs(5));
    metrics.routed(grade, true);
    metrics.routed(grade, false);
    assert!(has(&metrics, "paynotify_routed_total{grade=\"5s\"} 2"));
    assert!(has(&metrics, "paynotify_parked_total{grade=\"5s\"} 1"));
}

#[test]
fn a_thousand_merchants_make_twenty_series_and_other() {
    let metrics = metrics();
    for number in 0..1_000 {
        metrics.merchant_failed(&MerchantId::parse(&format!("m_{number}")).unwrap());
    }
    let text = text(&metrics);
    let series = text.lines().filter(|line| line.starts_with("paynotify_merchant_failures_total{"));
    assert_eq!(series.count(), 21);
}

#[test]
fn the_process_uses_memory() {
    let text = text(&metrics());
    let line =
        text.lines().find(|line| line.starts_with("process_resident_memory_bytes ")).unwrap();
    assert!(!line.ends_with(" 0"), "{line}");
}
