//! Scheduling classes: whose attempts share which part of the slots.

/// Number of a scheduling class, by its place in the configuration; 0 is `standard`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClassId(u8);

impl ClassId {
    /// Classes at most.
    pub const MOST: usize = 16;

    /// The class at this place; `None` beyond the sixteenth.
    pub fn at(place: usize) -> Option<Self> {
        u8::try_from(place).ok().filter(|_| place < Self::MOST).map(Self)
    }

    /// Its place.
    pub fn place(self) -> usize {
        usize::from(self.0)
    }
}

/// Slots of a class and how its endpoints share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    /// What policies call it.
    pub name: String,
    /// Slots that others have only while this class does not want them.
    pub reserved: usize,
    /// Slots that it has at most.
    pub most: usize,
    /// Whose turn is next.
    pub method: Method,
}

/// How the endpoints of a class share its slots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// By turns, as often as their weights say.
    #[default]
    Fair,
    /// By the time at which events were accepted.
    Fifo,
}

impl Class {
    /// The class of those policies that name none: nothing reserved, everything allowed.
    pub fn standard() -> Self {
        Self {
            name: "standard".to_owned(),
            reserved: 0,
            most: usize::MAX,
            method: Method::default(),
        }
    }
}
