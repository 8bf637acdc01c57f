//! Carries out the faults of a round, and undoes them.

use std::time::{Duration, Instant};

use paynotify::model::Grade;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
};

use super::{
    cast,
    crew::{Crew, now},
    dice::Dice,
    doors::Doors,
    faults::{Fault, Kind, MANNERS},
    load::Published,
    outbox::Outbox,
    repeats::Outage,
};
use crate::support::{
    brokers::{coordinator, other_than},
    kafka::{Cluster, Slowed},
    receiver::{Manner, Receiver},
    system::{DEADLINE, System, event},
};

const YEARS: u64 = 10 * 365 * 86_400;
const TOO_LARGE: usize = 300 * 1024;

/// What it did that is needed to judge the round.
#[derive(Default)]
pub struct Notes {
    /// What it published, where that is events.
    pub published: Vec<Published>,
    /// Merchants that were at another address.
    pub moved: Vec<String>,
    pub outages: Vec<Outage>,
}

/// What faults are done to.
pub struct Nemesis<'a> {
    pub system: &'a mut System,
    pub cluster: &'a Cluster,
    pub receiver: &'a Receiver,
    pub crew: &'a mut Crew,
    pub doors: &'a Doors,
    /// Prefix of the ids of events that it publishes.
    pub prefix: String,
    notes: Notes,
    outbox: Outbox,
    stopped: Option<usize>,
    frozen: Option<usize>,
    slowed: Option<Slowed>,
    full: Option<usize>,
    pids: Vec<(u64, u32)>,
}

impl<'a> Nemesis<'a> {
    pub fn new(
        system: &'a mut System,
        cluster: &'a Cluster,
        receiver: &'a Receiver,
        crew: &'a mut Crew,
        doors: &'a Doors,
        prefix: String,
    ) -> Self {
        let outbox = Outbox::open(system);
        Self {
            system,
            cluster,
            receiver,
            crew,
            doors,
            prefix,
            notes: Notes::default(),
            outbox,
            stopped: None,
            frozen: None,
            slowed: None,
            full: None,
            pids: Vec::new(),
        }
    }

    /// Begins and ends each fault at its time. Whatever is still wrong then is mended.
    pub async fn play(mut self, faults: &[Fault]) -> Notes {
        let began = Instant::now();
        let mut steps: Vec<(Duration, bool, &Fault)> = Vec::new();
        for fault in faults {
            steps.push((fault.begins, true, fault));
            steps.push((fault.ends, false, fault));
        }
        steps.sort_by_key(|(at, begins, _)| (*at, *begins));
        for (at, begins, fault) in steps {
            // When faults come is what a nemesis decides; nothing is waited for.
            tokio::time::sleep(at.saturating_sub(began.elapsed())).await;
            if begins {
                self.begin(fault).await;
            } else {
                self.end(fault).await;
            }
        }
        self.thaw_broker();
        if let Some(index) = self.stopped.take() {
            self.cluster.restart(index);
        }
        self.notes.published = self.outbox.close();
        self.notes
    }

    async fn begin(&mut self, fault: &Fault) {
        let who = fault.who;
        let mut dice = Dice::new(who, "fault");
        match fault.kind {
            Kind::WorkerKilled => {
                self.crew.kill(who);
                self.crew.join(self.system);
            }
            Kind::FailPoint(point) => {
                self.crew.leave(who);
                self.crew.join_armed(self.system, point, times(point, &mut dice));
            }
            Kind::Zombie | Kind::WorkerFrozen => {
                let pid = self.crew.freeze(who);
                self.pids.extend(pid.map(|pid| (who, pid)));
            }
            Kind::Churn => self.crew.join(self.system),
            Kind::ClockShifted => {
                self.crew.leave(who);
                let shift = dice.pick(&["1h", "-1h", "20s", "-20s", "90s", "-90s"]);
                self.crew.join_shifted(self.system, shift);
            }
            Kind::BrokerKilled => self.stop_broker(other_than(coordinator(self.system), who)),
            Kind::CoordinatorKilled => self.stop_broker(coordinator(self.system)),
            Kind::BrokerFrozen => {
                let index = usize::try_from(who % 3).unwrap();
                self.began_out();
                self.cluster.pause(index);
                self.frozen = Some(index);
            }
            Kind::BrokerSlow => {
                let index = usize::try_from(who % 3).unwrap();
                self.slowed = Some(self.cluster.slow_down(index));
            }
            Kind::BrokerDiskFull => {
                let index = usize::try_from(who % 3).unwrap();
                self.began_out();
                self.cluster.fill_disk(index);
                self.full = Some(index);
            }
            Kind::GradeRefuses => {
                self.alter_grade("min.insync.replicas", "3").await;
                self.stop_broker(other_than(coordinator(self.system), who));
            }
            Kind::GradeSmall => self.alter_grade("max.message.bytes", "250").await,
            Kind::Merchants(index) => self.change_manners(MANNERS[index], &mut dice),
            Kind::Addresses(index) => {
                let chosen: Vec<_> = (0..4).map(|_| dice.index(cast::REGULAR)).collect();
                let urls: Vec<_> =
                    chosen.iter().map(|_| self.doors.url(index).to_owned()).collect();
                self.notes.moved.extend(chosen.iter().map(|index| cast::regular(*index)));
                self.move_merchants(&chosen, &urls);
            }
            Kind::Poison => self.poison(),
            Kind::UnknownMerchant => self.publish_of_nobody(),
            Kind::TooLarge => self.publish_too_large(),
        }
    }

    async fn end(&mut self, fault: &Fault) {
        match fault.kind {
            Kind::Zombie | Kind::WorkerFrozen => {
                for (_, pid) in self.pids.iter().filter(|(who, _)| *who == fault.who) {
                    self.crew.thaw(*pid);
                }
            }
            Kind::Churn => self.crew.leave(fault.who),
            // So that partitions are asked back from the one that is to fail then.
            Kind::FailPoint(_) => self.crew.join(self.system),
            Kind::BrokerFrozen => self.thaw_broker(),
            Kind::BrokerSlow => self.slowed = None,
            Kind::BrokerDiskFull => {
                if let Some(index) = self.full.take() {
                    self.stop_broker(index);
                }
            }
            Kind::GradeRefuses | Kind::GradeSmall => self.alter_grade("retention.ms", "-1").await,
            Kind::Merchants(_) => {
                for index in 0..cast::REGULAR {
                    self.receiver.answer(&format!("/{}", cast::regular(index)), cast::usual(index));
                }
            }
            Kind::Addresses(_) => {
                let all: Vec<_> = (0..cast::REGULAR).collect();
                let path = |index: &usize| format!("/{}", cast::regular(*index));
                let urls: Vec<_> =
                    all.iter().map(|index| self.receiver.url(&path(index))).collect();
                self.move_merchants(&all, &urls);
            }
            _ => {}
        }
    }

    fn stop_broker(&mut self, index: usize) {
        if self.stopped.is_none() {
            self.began_out();
            self.cluster.stop(index);
            self.stopped = Some(index);
            self.ended_out();
        }
    }

    fn thaw_broker(&mut self) {
        if let Some(index) = self.frozen.take() {
            self.cluster.cont(index);
            self.ended_out();
        }
    }

    /// A broker is about to fall silent.
    fn began_out(&mut self) {
        self.notes.outages.push(Outage { from: now(), to: i64::MAX });
    }

    /// It is killed, or speaks again: what it has from now on was answered by it or never.
    fn ended_out(&mut self) {
        self.notes.outages.iter_mut().for_each(|out| out.to = out.to.min(now()));
    }

    /// Sets one property of the shortest grade; what else it has is as the topics were made.
    async fn alter_grade(&self, key: &str, value: &str) {
        let topic = self.system.topics().grade(Grade::new(self.system.grades[0]));
        let config = AlterConfig::new(ResourceSpecifier::Topic(&topic))
            .set("message.timestamp.type", "LogAppendTime")
            .set(key, value);
        let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(5)));
        let deadline = Instant::now() + DEADLINE;
        loop {
            // Made anew each time: what it knows of the cluster may be what was before the kill.
            let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
                .set("bootstrap.servers", &self.system.bootstrap)
                .create()
                .unwrap();
            match admin.alter_configs([&config], &options).await {
                Ok(answers) => return answers.into_iter().for_each(|one| drop(one.unwrap())),
                Err(error) => assert!(Instant::now() < deadline, "{topic} as it was: {error}"),
            }
        }
    }

    /// The directory has these merchants at these addresses.
    fn move_merchants(&mut self, merchants: &[usize], urls: &[String]) {
        for (index, url) in merchants.iter().zip(urls) {
            self.system.add_merchant(&cast::regular(*index), url, &cast::policy());
        }
        self.system.write_directory();
    }

    /// Some merchants behave badly, each of them in this way.
    fn change_manners(&self, name: &str, dice: &mut Dice) {
        let manner = match name {
            "black-hole" => Manner::Hang,
            "reset-before-answer" => Manner::Reset,
            "reset-within-body" => Manner::ResetWithin,
            "reset-after-body" => Manner::ResetAfter(cast::SUCCESS),
            "slow-head" => Manner::SlowHead,
            "slow-body" => Manner::SlowBody,
            "endless-body" => Manner::EndlessBody,
            "interim-flood" => Manner::Interim,
            "status-500" => Manner::Status(500),
            "retry-after-years" => Manner::RetryAfter(YEARS),
            "wrong-body" => Manner::Says(200, "fail"),
            other => panic!("nobody behaves like {other}"),
        };
        for _ in 0..4 {
            let index = dice.index(cast::REGULAR);
            self.receiver.answer(&format!("/{}", cast::regular(index)), manner);
        }
    }

    fn poison(&mut self) {
        self.outbox.raw(Some(b"m_1"), Some(b"{ no json"));
        self.outbox.raw(Some(b"m_1"), None);
        let body = event(&format!("{}_keyless", self.prefix), "m_1");
        self.outbox.raw(None, Some(body.as_bytes()));
        let body = event(&format!("{}_strange", self.prefix), "m_2");
        self.outbox.raw(Some(b"m_1"), Some(body.as_bytes()));
    }

    fn publish_of_nobody(&mut self) {
        for number in 0..5 {
            let id = format!("{}_x_{number}", self.prefix);
            let body = event(&id, cast::NOBODY);
            self.outbox.event(cast::NOBODY, id, body);
        }
    }

    /// What is too large becomes a dead letter as what it is: bytes.
    fn publish_too_large(&mut self) {
        for number in 0..2 {
            let body = event(&format!("{}_big_{number}", self.prefix), "m_1");
            let body = body.replace("✓", &"x".repeat(TOO_LARGE));
            self.outbox.raw(Some(b"m_1"), Some(body.as_bytes()));
        }
    }
}

/// How often a point is passed before the process ends at it: some are rare.
fn times(point: usize, dice: &mut Dice) -> u64 {
    use paynotify::fail_point::Point::{
        Acknowledged, Committed, Committing, RouteAnswered, RouteSent,
    };
    match paynotify::fail_point::Point::ALL[point].0 {
        Acknowledged => dice.between(1, 200),
        Committing | Committed => dice.between(1, 20),
        RouteSent | RouteAnswered => dice.between(1, 5),
        _ => 1,
    }
}
