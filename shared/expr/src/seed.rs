//! Time and chance of an evaluation: the same seed gives the same bytes.

use std::cell::Cell;

/// What `$now`, `$millis`, `$random`, `$shuffle` and `$uuid` derive from, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Seed {
    /// The evaluation's time, in milliseconds since 1970.
    pub now_ms: i64,
    /// The evaluation's chance: the engine derives it from (run, path, iteration).
    pub random: u64,
}

impl Seed {
    /// The seed of one expression of a template, so that two `{{ $random() }}` differ.
    #[must_use]
    pub fn derive(&self, pointer: &str, nth: usize) -> Seed {
        // FNV-1a over the place, then one mixing step.
        let place = pointer.bytes().chain(nth.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Seed { now_ms: self.now_ms, random: mix(self.random ^ place) }
    }
}

/// The stream of numbers of one evaluation (SplitMix64).
#[derive(Debug)]
pub(crate) struct Stream(Cell<u64>);

impl Stream {
    pub(crate) fn new(seed: &Seed) -> Self {
        Stream(Cell::new(seed.random))
    }

    pub(crate) fn next_u64(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        mix(state)
    }

    /// A number from 0 to below 1, with 53 random bits.
    pub(crate) fn unit(&self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&self, bound: usize) -> usize {
        let wide = u128::from(self.next_u64()) * bound as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
