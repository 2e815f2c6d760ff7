//! Chance that can be had again: a seed gives the same throws every time.

/// Throws numbers; see <https://prng.di.unimi.it/splitmix64.c>.
#[derive(Debug, Clone)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// Dice of this seed.
    pub fn of(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Dice of the seed that this variable gives, or of a new one, and the seed, to be told.
    pub fn from_environment(variable: &str) -> (Self, u64) {
        let given = std::env::var(variable).ok();
        let seed = match given {
            Some(text) => text.parse().expect("a seed is a whole number"),
            None => uuid::Uuid::new_v4().as_u64_pair().0,
        };
        (Self::of(seed), seed)
    }

    /// A number from zero up to, but not including, `end`.
    pub fn below(&mut self, end: usize) -> usize {
        let throw = self.next() >> 1;
        usize::try_from(throw).unwrap_or(usize::MAX) % end.max(1)
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }

    /// Other dice, whose throws these decide.
    pub fn split(&mut self) -> Self {
        Self::of(self.next())
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
