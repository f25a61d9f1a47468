//! Runs: extents gathered in bounded memory.
//!
//! Owns the joining of neighbours. A list that grows too long becomes coarser: the first block of
//! two joined runs is still where reading may start for every byte of both.

use super::Extent;

/// Runs kept at most.
pub const RUNS_MAX: usize = 4096;
/// Stream bytes within which neighbours are joined at once.
const GRAIN_BYTES: u64 = 1024 * 1024;

/// Contiguous extents of stride 0, at most [`RUNS_MAX`] of them.
#[derive(Debug)]
pub struct Runs {
    runs: Vec<Extent>,
    grain: u64,
}

impl Default for Runs {
    fn default() -> Runs {
        Runs::new()
    }
}

impl Runs {
    /// No runs.
    pub fn new() -> Runs {
        Runs { runs: Vec::new(), grain: GRAIN_BYTES }
    }

    /// Adds `from..to`, which follows what was added before and is read from `block` on.
    pub fn add(&mut self, from: u64, to: u64, block: u64) {
        self.push(Extent { from, to, block, stride: 0 });
        while self.runs.len() > RUNS_MAX {
            self.grain *= 2;
            for run in std::mem::take(&mut self.runs) {
                self.push(run);
            }
        }
    }

    fn push(&mut self, next: Extent) {
        match self.runs.last_mut() {
            Some(last) if last.block == next.block || next.to - last.from <= self.grain => {
                last.to = next.to;
            }
            _ => self.runs.push(next),
        }
    }

    /// The runs, in order.
    pub fn into_extents(self) -> Vec<Extent> {
        self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_stay_few_and_cover_everything() {
        let mut runs = Runs::new();
        let length = 256 * 1024;
        for frame in 0..80_000 {
            runs.add(frame * length, (frame + 1) * length, frame * (length + 24));
        }
        let runs = runs.into_extents();
        assert!(runs.len() <= RUNS_MAX && runs.len() > RUNS_MAX / 4, "{}", runs.len());
        assert!(runs.windows(2).all(|w| w[0].to == w[1].from));
        assert!(runs.iter().all(|r| r.block == r.from / length * (length + 24)));
        assert_eq!((runs[0].from, runs[runs.len() - 1].to), (0, 80_000 * length));
    }
}
