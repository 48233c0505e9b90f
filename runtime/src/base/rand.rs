//! A small generator for scheduling choices.
#![forbid(unsafe_code)]

/// Marsaglia's xorshift64 (Journal of Statistical Software 8(14), 2003), its high bits taken. Fast and not secret.
#[derive(Clone, Debug)]
pub(crate) struct FastRand(u64);

impl FastRand {
    /// Any seed will do; nearby seeds give unrelated sequences.
    pub(crate) fn new(seed: u64) -> Self {
        // One round of splitmix64, so that small seeds fill all bits.
        let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((z ^ (z >> 31)).max(1))
    }

    /// A number below `bound`, which is positive.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let high = self.0 >> 32;
        // Lemire's multiplication instead of a division.
        ((high * u64::from(bound)) >> 32) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_are_those_of_the_published_generators() {
        // The first output of splitmix64 seeded with 0, and what xorshift64 makes of 1.
        assert_eq!(FastRand::new(0).0, 0xe220_a839_7b1d_cdaf);
        let mut rand = FastRand(1);
        rand.below(1);
        assert_eq!(rand.0, 1_082_269_761);
        let mut rand = FastRand::new(0);
        let drawn: Vec<u32> = (0..6).map(|_| rand.below(1000)).collect();
        assert_eq!(drawn, [399, 182, 76, 943, 748, 706]);
    }

    #[test]
    fn every_number_below_the_bound_comes_and_none_above() {
        let mut rand = FastRand::new(0);
        let mut seen = [0u32; 7];
        for _ in 0..7_000 {
            seen[rand.below(7) as usize] += 1;
        }
        assert!(seen.iter().all(|&n| n > 700), "{seen:?}");
    }
}
