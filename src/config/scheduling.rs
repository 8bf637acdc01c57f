//! `[scheduling.classes.<name>]` and `[delivery.breaker]`: whose attempts get which slots, and which
//! endpoints get probes alone.

use crate::{
    engine::BreakerSettings,
    model::{Class, ClassId, Method, Span},
};

use super::{
    reader::{Reader, Value},
    setting::{Setting, decimal, quoted},
};

const CLASSES: &str = "scheduling.classes.";

/// `[scheduling]`: the classes, `standard` first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduling {
    classes: Vec<ClassShares>,
}

/// `[scheduling.classes.<name>]`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ClassShares {
    name: String,
    /// Part of the slots that others have only while this class does not want it.
    reserved: Share,
    /// Part of the slots that it has at most.
    max_share: Share,
    method: Method,
}

/// `[delivery.breaker]`: when an endpoint gets probes alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// So many attempts must have failed within the window,
    pub failures: u32,
    /// and this share of all.
    pub share: Share,
    /// How far back attempts count.
    pub window: Span,
    /// How long the cap grows after the first success.
    pub ramp: Span,
}

/// A part of a whole, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Half of it.
    pub const HALF: Self = Self(500);
    /// The whole.
    pub const ALL: Self = Self(1_000);

    /// This part of so many, rounded down.
    pub fn of(self, whole: usize) -> usize {
        whole.saturating_mul(self.0 as usize) / 1_000
    }
}

impl ClassShares {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            reserved: Share::NONE,
            max_share: Share::ALL,
            method: Method::Fair,
        }
    }
}

impl Default for Scheduling {
    fn default() -> Self {
        Self { classes: vec![ClassShares::new("standard")] }
    }
}

impl Default for Breaker {
    fn default() -> Self {
        let BreakerSettings { failures, window, ramp, .. } = BreakerSettings::default();
        Self { failures, share: Share(800), window, ramp }
    }
}

impl Scheduling {
    /// The classes as parts of so many slots.
    pub fn classes(&self, slots: usize) -> Vec<Class> {
        let class = |one: &ClassShares| Class {
            name: one.name.clone(),
            reserved: one.reserved.of(slots),
            most: one.max_share.of(slots).max(1),
            method: one.method,
        };
        self.classes.iter().map(class).collect()
    }

    /// What policies may call their class.
    pub fn names(&self) -> Vec<String> {
        self.classes.iter().map(|class| class.name.clone()).collect()
    }

    pub(super) fn read(&mut self, reader: &mut Reader) {
        for name in reader.sections_below(CLASSES) {
            if name != "standard" {
                self.classes.push(ClassShares::new(&name));
            }
        }
        for class in &mut self.classes {
            let key = |field: &str| format!("{CLASSES}{}.{field}", class.name);
            let keys = ["reserved", "max_share", "method"].map(key);
            reader.read(&keys[0], &mut class.reserved);
            reader.read(&keys[1], &mut class.max_share);
            reader.read(&keys[2], &mut class.method);
            if class.max_share < class.reserved || class.max_share == Share::NONE {
                let what = "less than what is reserved, or nothing";
                reader.refuse(&keys[1], what, "write at least the share of `reserved`");
            }
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if class.name.len() > 32 || !class.name.chars().all(good) {
                let what = "not a name of a class";
                reader.refuse(&keys[0], what, "write up to 32 of a-z, 0-9 and -");
            }
        }
        let last = self.classes.last().map_or("", |class| &class.name);
        let last = format!("{CLASSES}{last}.reserved");
        if self.classes.iter().map(|class| class.reserved.0).sum::<u32>() > Share::ALL.0 {
            reader.refuse(&last, "the classes reserve more than all slots", "reserve less");
        }
        if self.classes.len() > ClassId::MOST {
            let what = format!("{} classes", self.classes.len());
            reader.refuse(&last, what, format!("write at most {}", ClassId::MOST));
        }
    }
}

impl Breaker {
    /// For the engine.
    pub fn settings(&self) -> BreakerSettings {
        let Self { failures, share, window, ramp } = *self;
        BreakerSettings { failures, per_mille: share.0, window, ramp }
    }

    pub(super) fn read(&mut self, reader: &mut Reader) {
        reader.read("delivery.breaker.failures", &mut self.failures);
        reader.read("delivery.breaker.share", &mut self.share);
        reader.read("delivery.breaker.window", &mut self.window);
        reader.read("delivery.breaker.ramp", &mut self.ramp);
    }
}

impl Setting for Share {
    const WANTED: &'static str = "a number from 0 to 1";

    fn from_text(text: &str) -> Result<Self, String> {
        let share: Option<f64> = text.trim().parse().ok().filter(|one| (0.0..=1.0).contains(one));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range")]
        let share = share.map(|share| Self((share * 1_000.0).round() as u32));
        share.ok_or_else(|| format!("{text:?} is not a number from 0 to 1"))
    }

    fn from_value(value: &Value) -> Result<Self, String> {
        Self::from_text(&decimal(value)?)
    }

    fn show(&self) -> Option<String> {
        Some((f64::from(self.0) / 1_000.0).to_string())
    }
}

impl Setting for Method {
    const WANTED: &'static str = "\"fair\" (by turns) or \"fifo\" (by age of the events)";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "fair" => Ok(Self::Fair),
            "fifo" => Ok(Self::Fifo),
            other => Err(format!("{other:?} is no method")),
        }
    }

    fn show(&self) -> Option<String> {
        Some(quoted(match self {
            Self::Fair => "fair",
            Self::Fifo => "fifo",
        }))
    }
}
