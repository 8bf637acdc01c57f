//! Randomness from a seed alone: the same seed and subject, the same rolls.

/// `SplitMix64`; each subject of a world has dice of its own, so that to leave one thing out changes
/// nothing about the others.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The dice of one subject.
    pub fn new(seed: u64, subject: &str) -> Self {
        let name = subject.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ name);
        dice.roll();
        dice
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// From 0 to one less than `count`.
    pub fn below(&mut self, count: u64) -> u64 {
        self.roll() % count.max(1)
    }

    /// From the first to the last, both included.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// The same for counts.
    pub fn count(&mut self, first: usize, last: usize) -> usize {
        first + self.index(last - first + 1)
    }

    /// A place in something of this length.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    /// True once in so many.
    pub fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }
}
