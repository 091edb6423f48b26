//! Randomness as an argument, so that every decision of the core can be replayed.
//!
//! [`System`], behind the feature `system-random`, is the only source of real randomness: the Worker, the npm packages, the
//! command line and the tests that want fresh names all use it.

/// A source of random bytes.
///
/// On the edge it is the platform's generator; in tests and in the simulator it is seeded.
pub trait Entropy {
    /// Fills `buf` with random bytes.
    fn fill(&mut self, buf: &mut [u8]);

    /// 64 random bits.
    fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    /// A uniform number in `[0, 1)`, with 53 bits.
    fn unit(&mut self) -> f64 {
        let mut b = [0; 8];
        self.fill(&mut b);
        #[allow(clippy::cast_precision_loss)] // 53 bits fit a double exactly
        let x = (u64::from_le_bytes(b) >> 11) as f64;
        x / 9_007_199_254_740_992.0
    }
}

/// The generator of the system, or of the JavaScript runtime on wasm32, through the `getrandom` crate.
#[cfg(feature = "system-random")]
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

#[cfg(feature = "system-random")]
impl Entropy for System {
    /// # Panics
    ///
    /// Panics if the system has no randomness: no id, nonce or key may be made without it.
    fn fill(&mut self, buf: &mut [u8]) {
        if let Err(error) = getrandom::fill(buf) {
            #[allow(clippy::panic)] // a predictable secret is worse than a stopped instance
            {
                panic!("the system has no randomness: {error}");
            }
        }
    }
}

/// A small seeded generator (SplitMix64) for tests and simulation. Not for secrets.
#[derive(Debug, Clone)]
pub struct Seeded(pub u64);

impl Seeded {
    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Entropy for Seeded {
    fn fill(&mut self, buf: &mut [u8]) {
        for chunk in buf.chunks_mut(8) {
            let bytes = self.next_u64().to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(bytes) {
                *to = from;
            }
        }
    }
}

#[cfg(all(test, feature = "system-random"))]
mod tests {
    use super::*;

    #[test]
    fn the_system_fills_all_of_a_buffer_with_other_bytes_each_time() {
        let mut seen = [vec![0; 70_000], vec![0; 70_000]];
        for buf in &mut seen {
            System.fill(buf);
        }
        assert_ne!(seen[0][..32], seen[1][..32]);
        for buf in seen {
            assert!(buf.chunks(32).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
        }
        assert_ne!(System.number(), System.number());
        assert!((0.0..1.0).contains(&System.unit()));
    }
}
