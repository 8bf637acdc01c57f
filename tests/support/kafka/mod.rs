//! A real Apache Kafka for the tests, from Maven jars, without Docker.
//!
//! One broker is shared by all tests of a binary ([`broker`]); tests that stop brokers or need
//! their own settings start a [`Cluster`]. Every broker is killed when the test process ends,
//! however it ends.

mod cluster;
mod install;
mod node;
mod secured;

use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use self::node::Jvm;

pub use cluster::{Cluster, Slowed};
pub use install::java;
pub use secured::Secured;

/// The broker that all tests of this binary share.
pub struct Broker {
    cluster: Cluster,
    names: AtomicUsize,
}

/// The shared broker, started by the first call.
pub fn broker() -> &'static Broker {
    shared(Jvm::SoonUp)
}

/// The shared broker for measurements, in a binary that never asks for the other.
pub fn fast_broker() -> &'static Broker {
    shared(Jvm::Fast)
}

fn shared(jvm: Jvm) -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| {
        let cluster = Cluster::start_with(jvm, 1, &[]);
        Broker { cluster, names: AtomicUsize::new(0) }
    })
}

impl Broker {
    /// Its address, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.cluster.bootstrap()
    }

    /// Where it keeps its topics.
    pub fn logs(&self) -> std::path::PathBuf {
        self.cluster.logs(0)
    }

    /// Lets its JVM collect its garbage now, before something is measured that may not be stopped by it.
    pub fn collect_garbage(&self) {
        self.cluster.collect_garbage(0);
    }

    /// `name` with an ending that no other call returns: a prefix of topics, or a group.
    pub fn prefix(&self, name: &str) -> String {
        format!("{name}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }
}
