//! A cluster of its own, whose brokers can be stopped, frozen and started again.

use std::{
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{
    install::install,
    node::{self, Jvm, Node},
};

/// A slow broker works for so long, and then stands still for so long.
const WORKS: Duration = Duration::from_millis(20);
const STANDS_STILL: Duration = Duration::from_millis(180);

/// Brokers 0 to n − 1, each also a controller.
pub struct Cluster {
    nodes: Vec<Mutex<Option<Node>>>,
    jvm: Jvm,
    ports: Vec<(u16, u16)>,
    // After the nodes, so that it is removed when they are dead.
    dir: tempfile::TempDir,
}

impl Cluster {
    /// Starts `count` brokers with these settings over the usual ones, and waits until all answer.
    pub fn start(count: usize, extra: &[(&str, &str)]) -> Self {
        Self::start_with(Jvm::SoonUp, count, extra)
    }

    /// The same with another JVM.
    pub fn start_with(jvm: Jvm, count: usize, extra: &[(&str, &str)]) -> Self {
        let install = install();
        let dir = tempfile::Builder::new().prefix("paynotify-kafka-").tempdir();
        let dir = dir.expect("a temporary directory can be created");
        let ports: Vec<_> = (0..count).map(|_| node::free_ports()).collect();
        let nodes = (0..count).map(|_| Mutex::new(None)).collect();
        let cluster = Self { nodes, jvm, ports, dir };
        for index in 0..count {
            node::prepare(install, index + 1, &cluster.ports, &cluster.home(index), extra);
            cluster.spawn(index);
        }
        cluster.await_all(count);
        cluster
    }

    /// Addresses of all brokers, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        let addresses = self.ports.iter().map(|(port, _)| format!("127.0.0.1:{port}"));
        addresses.collect::<Vec<_>>().join(",")
    }

    /// Where a broker keeps its topics.
    pub fn logs(&self, index: usize) -> PathBuf {
        self.home(index).join("logs")
    }

    /// Kills a broker at once; its records stay on disk.
    pub fn stop(&self, index: usize) {
        let node = self.node(index).take();
        node.unwrap_or_else(|| panic!("broker {index} is stopped already")).kill();
    }

    /// Starts a stopped broker again on its port, and waits until all that run answer.
    pub fn restart(&self, index: usize) {
        assert!(self.node(index).is_none(), "broker {index} is running");
        self.spawn(index);
        let running = (0..self.nodes.len()).filter(|index| self.node(*index).is_some()).count();
        self.await_all(running);
    }

    /// Starts again whatever is stopped, for the next test.
    pub fn heal(&self) {
        for index in 0..self.nodes.len() {
            let stopped = self.node(index).is_none();
            if stopped {
                self.restart(index);
            }
        }
    }

    /// Freezes a broker: its connections stay open and say nothing.
    pub fn pause(&self, index: usize) {
        node::signal("STOP", self.pid(index));
    }

    /// Lets a frozen broker go on.
    pub fn cont(&self, index: usize) {
        node::signal("CONT", self.pid(index));
    }

    /// Gives a broker a tenth of the time, until what this returns is dropped.
    pub fn slow_down(&self, index: usize) -> Slowed {
        Slowed::begin(self.pid(index))
    }

    /// From now on the broker's disk is as good as full: none of its files may grow.
    pub fn fill_disk(&self, index: usize) {
        node::let_no_file_grow(self.pid(index));
    }

    /// Lets a broker's JVM collect its garbage now.
    pub fn collect_garbage(&self, index: usize) {
        node::collect_garbage(self.pid(index));
    }

    fn pid(&self, index: usize) -> u32 {
        self.node(index).as_ref().unwrap_or_else(|| panic!("broker {index} is stopped")).pid()
    }

    fn spawn(&self, index: usize) {
        let install = install();
        let archive = format!("-XX:SharedArchiveFile={}", install.archive.display());
        let node = Node::spawn(&self.home(index), self.jvm, &[archive], &install.class_path);
        *self.node(index) = Some(node);
    }

    fn await_all(&self, count: usize) {
        let logs: Vec<_> =
            (0..self.nodes.len()).map(|index| self.home(index).join("broker.log")).collect();
        node::await_brokers(&self.bootstrap(), count, &logs);
    }

    fn home(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("node-{}", index + 1))
    }

    fn node(&self, index: usize) -> MutexGuard<'_, Option<Node>> {
        self.nodes[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A broker that is slow as long as this lives; it must run until then.
pub struct Slowed {
    ends: Option<Sender<()>>,
    brake: Option<JoinHandle<()>>,
}

impl Slowed {
    fn begin(pid: u32) -> Self {
        let (ends, ended) = mpsc::channel::<()>();
        let brake = std::thread::spawn(move || {
            // The other end never sends: it is dropped.
            while ended.recv_timeout(WORKS) == Err(RecvTimeoutError::Timeout) {
                node::signal("STOP", pid);
                let still = ended.recv_timeout(STANDS_STILL);
                node::signal("CONT", pid);
                if still != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        Self { ends: Some(ends), brake: Some(brake) }
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        self.ends = None;
        if let Some(brake) = self.brake.take() {
            // Where the broker died meanwhile, whoever needs it will say so.
            let _ = brake.join();
        }
    }
}
