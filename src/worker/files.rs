//! Whether this process may open as many files as its settings can need: a worker without one cannot
//! dial, and one that begins all the same fails when it is busiest.

use rlimit::Resource;

use crate::config::Config;

/// Sockets that an attempt may have beside its connection: another address of the name that is tried
/// at the same time, and two questions about the name to two name servers, one after the other.
const BESIDE_AN_ATTEMPT: u64 = 3;
/// Consumer, producers, directory and admin clients.
const KAFKA_CLIENTS: u64 = 5;
/// Connections and pipes of each: brokers of a large cluster.
const FOR_A_KAFKA_CLIENT: u64 = 64;
/// The runtime, the admin server and its visitors, files that are read.
const REST: u64 = 128;

/// The limit is too low, and this process may not raise it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process may open {allowed} files, but its settings can need {needed}: \
     delivery.max_connections {connections}, {attempts} for delivery.max_in_flight, {kafka} for \
     Kafka, {REST} for the rest; raise the hard limit (ulimit -Hn, LimitNOFILE= in systemd, --ulimit \
     nofile of a container) or lower delivery.max_connections and delivery.max_in_flight"
)]
pub struct TooFewFiles {
    /// Files that may be open.
    pub allowed: u64,
    /// Files that can be needed.
    pub needed: u64,
    connections: u64,
    attempts: u64,
    kafka: u64,
}

/// Raises the soft limit to the hard one where the soft one does not do; a limit that nobody tells is
/// none.
pub(super) fn allow(config: &Config) -> Result<(), TooFewFiles> {
    let needs = needs(config, 0);
    let Ok((soft, _)) = Resource::NOFILE.get() else { return Ok(()) };
    let allowed = if soft < needs.needed {
        let raised = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(soft);
        tracing::info!(before = soft, now = raised, "the limit of open files is raised");
        raised
    } else {
        soft
    };
    if allowed < needs.needed { Err(TooFewFiles { allowed, ..needs }) } else { Ok(()) }
}

fn needs(config: &Config, allowed: u64) -> TooFewFiles {
    let connections = u64::from(config.delivery.max_connections);
    let attempts = u64::from(config.delivery.max_in_flight) * BESIDE_AN_ATTEMPT;
    let kafka = KAFKA_CLIENTS * FOR_A_KAFKA_CLIENT;
    let needed = connections + attempts + kafka + REST;
    TooFewFiles { allowed, needed, connections, attempts, kafka }
}
