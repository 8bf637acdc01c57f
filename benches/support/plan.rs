//! The configuration of a worker that is measured.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use super::{receiver::Receiver, time, worker::Worker, workload::Workload};

/// The delay topics, where nothing waits for long.
pub const GRADES: [&str; 2] = ["5s", "1m"];

/// What differs between workers.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Prefix of the topics.
    pub prefix: &'a str,
    /// The delay topics.
    pub grades: &'a [&'a str],
    /// Path of the merchants' URLs.
    pub path: &'a str,
    /// Whether the group is a new one, which reads the whole topic.
    pub new_group: bool,
    /// Who gets what, and how.
    pub workload: Workload,
    /// Another build of the program than that of the benchmark.
    pub program: Option<&'a Path>,
    /// Further lines of its configuration.
    pub more: &'a str,
    /// Where its admin server listens; port 0 where nobody asks it.
    pub admin: SocketAddr,
}

/// For workers that nobody asks.
pub const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Starts a worker, whose files are kept in `directory`.
pub fn start(
    plan: Plan<'_>,
    bootstrap: &str,
    receiver: &Receiver,
    directory: &Path,
) -> anyhow::Result<Worker> {
    let Plan { prefix, grades, path, new_group, workload, program, more, admin } = plan;
    let Workload { in_flight, events, endpoints, signed, attempts_log, tls, .. } = workload;
    let group = if new_group { time::now_us() } else { 0 };
    let merchants = directory.join("merchants.jsonl");
    let base = format!("{}{path}", receiver.base(tls));
    events.write_directory(&merchants, &base, endpoints, signed)?;
    let trust = match receiver.certificate() {
        Some(certificate) if tls => {
            format!("delivery.trust_store = \"{}\"\n", certificate.display())
        }
        _ => String::new(),
    };
    // For as long as a run may last.
    let intervals = vec![grades[0]; 20];
    // One merchant alone may have all of the slots.
    let cap = if events.merchants == 1 { in_flight } else { 8 };
    let text = format!(
        "kafka.bootstrap_servers = {bootstrap:?}\nkafka.group = \"bench-{group}\"\n\
         topics.prefix = {prefix:?}\ntopics.grades = {grades:?}\n\
         defaults.policy.intervals = {intervals:?}\ndefaults.policy.max_in_flight = {cap}\n\
         directory.file = \"{}\"\n\
         delivery.max_in_flight = {in_flight}\ndelivery.allow_http = true\n{trust}\
         delivery.allow_addresses = [\"127.0.0.0/8\"]\ndelivery.ports = [\"1-65535\"]\n\
         attempts_log.enabled = {attempts_log}\nadmin.listen = \"{admin}\"\n\
         shutdown.grace = \"5s\"\n{more}",
        merchants.display(),
    );
    match program {
        Some(program) => Worker::start_other(program, &text, directory),
        None => Worker::start(&text, directory),
    }
}
