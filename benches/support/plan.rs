//! The configuration of a worker.

use std::{net::SocketAddr, path::Path};

use super::{
    events,
    support::{time, worker::Worker},
};

/// The delay topics of the benchmark's workers.
pub const GRADES: [&str; 2] = ["5s", "1m"];

/// What differs between workers.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Prefix of the topics.
    pub prefix: &'a str,
    /// Path of the merchants' URLs.
    pub path: &'a str,
    /// Whether the group is a new one, which reads the whole topic.
    pub new_group: bool,
    /// `delivery.max_in_flight`.
    pub in_flight: usize,
    /// `attempts_log.enabled`.
    pub attempts_log: bool,
    /// Another build of the program than that of the benchmark.
    pub program: Option<&'a Path>,
}

/// Starts a worker, whose files are kept in `directory`.
pub fn start(
    plan: Plan<'_>,
    bootstrap: &str,
    receiver: SocketAddr,
    directory: &Path,
) -> anyhow::Result<Worker> {
    let Plan { prefix, path, new_group, in_flight, attempts_log, program } = plan;
    let group = if new_group { time::now_us() } else { 0 };
    let merchants = directory.join("merchants.jsonl");
    events::write_directory(&merchants, receiver, path)?;
    let text = format!(
        "kafka.bootstrap_servers = {bootstrap:?}\nkafka.group = \"bench-{group}\"\n\
         topics.prefix = {prefix:?}\ntopics.grades = {:?}\n\
         defaults.policy.intervals = {:?}\ndirectory.file = \"{}\"\n\
         delivery.max_in_flight = {in_flight}\ndelivery.allow_http = true\n\
         delivery.allow_addresses = [\"127.0.0.0/8\"]\ndelivery.ports = [\"1-65535\"]\n\
         attempts_log.enabled = {attempts_log}\nadmin.listen = \"127.0.0.1:0\"\n\
         shutdown.grace = \"5s\"\n",
        GRADES,
        GRADES,
        merchants.display(),
    );
    match program {
        Some(program) => Worker::start_other(program, &text, directory),
        None => Worker::start(&text, directory),
    }
}
