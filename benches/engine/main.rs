//! What an event costs the engine, from the record to the acknowledgement, with few living lanes and
//! with many: what is more with many should be the memory's time alone.
//!
//! Writes `target/bench/engine.json`.

mod load;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use criterion::{BenchmarkId, Criterion, SamplingMode};
use paynotify::model::MerchantId;
use serde_json::{Value, json};

use self::load::{Load, id};

const LANES: [usize; 4] = [1, 1_000, 100_000, 1_000_000];
/// The least that an event of one of a million merchants costs: its merchant, endpoint, lane and
/// delivery are somewhere in memory.
const LOOKUPS: usize = 4;
const LOOKUPS_NAME: &str = "four_lookups_in_a_million";

fn main() -> anyhow::Result<()> {
    let target = target_directory();
    let mut criterion =
        Criterion::default().output_directory(&target.join("criterion")).configure_from_args();
    events(&mut criterion);
    lookups(&mut criterion);
    criterion.final_summary();
    summarize(&target)
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("event");
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    for lanes in LANES {
        let mut load = None;
        group.bench_with_input(BenchmarkId::from_parameter(lanes), &lanes, |bencher, lanes| {
            let load = load.get_or_insert_with(|| Load::new(*lanes));
            bencher.iter_custom(|events| load.run(events));
        });
    }
    group.finish();
}

fn lookups(criterion: &mut Criterion) {
    let keys: Vec<MerchantId> = (0..1_000_000).map(id).collect();
    let table: HashMap<MerchantId, Arc<usize>> =
        keys.iter().enumerate().map(|(place, key)| (key.clone(), Arc::new(place))).collect();
    let mut place = 0;
    criterion.bench_function(LOOKUPS_NAME, |bencher| {
        bencher.iter_custom(|times| {
            let start = Instant::now();
            let mut sum = 0;
            for _ in 0..times {
                for _ in 0..LOOKUPS {
                    place = (place + 611_953) % keys.len();
                    sum += table.get(&keys[place]).map_or(0, |value| **value);
                }
            }
            std::hint::black_box(sum);
            start.elapsed()
        });
    });
}

/// Nanoseconds per event, and what a million lanes cost beside a thousand and what memory takes.
fn summarize(target: &Path) -> anyhow::Result<()> {
    let home = target.join("criterion");
    let mut figures = serde_json::Map::new();
    for lanes in LANES {
        let median = median(&home.join("event").join(lanes.to_string()))?;
        println!("{lanes:>9} lanes: {} ns an event", median.as_nanos());
        figures.insert(format!("ns_per_event_{lanes}"), json!(median.as_nanos()));
    }
    let few = median(&home.join("event").join("1000"))?;
    let many = median(&home.join("event").join("1000000"))?;
    let lookups = median(&home.join(LOOKUPS_NAME))?;
    let ratio = many.as_secs_f64() / (few + lookups).as_secs_f64();
    println!("four look-ups in a table of a million: {} ns", lookups.as_nanos());
    println!("a million lanes cost {ratio:.2} times a thousand and the four look-ups");
    figures.insert("ns_four_lookups".to_owned(), json!(lookups.as_nanos()));
    figures.insert("ratio_at_a_million".to_owned(), json!((ratio * 1_000.0).round() / 1_000.0));
    let path = target.join("bench").join("engine.json");
    fs::create_dir_all(target.join("bench"))?;
    fs::write(&path, format!("{:#}\n", Value::Object(figures)))?;
    println!("written to {}", path.display());
    Ok(())
}

/// What criterion found last.
fn median(home: &Path) -> anyhow::Result<Duration> {
    let path = home.join("new").join("estimates.json");
    let text = fs::read_to_string(&path)
        .with_context(|| format!("{} is missing: was only a part measured?", path.display()))?;
    let estimates: Value = serde_json::from_str(&text)?;
    let nanos = estimates["median"]["point_estimate"].as_f64().context("a median")?;
    Ok(Duration::from_secs_f64(nanos / 1e9))
}

/// `target`.
fn target_directory() -> PathBuf {
    let mut directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    directory.pop();
    directory
}
