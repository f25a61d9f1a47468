//! `src_stdin`: raw bytes become a stream.
//!
//! Owns nothing but the wrapping. The end of the input is taken as the end of the data, because
//! plain bytes can say no more; where the producer's exit status matters, use `src_exec`.

use std::io::Read;

use super::pour::pour;
use crate::stream::{Begin, End, Fault, Item, Outlet, Source};

/// Wraps what it reads from `R`.
pub struct Stdin<R> {
    from: R,
    begin: Begin,
    kind: Option<String>,
}

impl<R: Read> Stdin<R> {
    /// Wraps `from`. `begin` gives identity, name and time; without a `kind`, a tar archive is
    /// recognised and everything else is raw.
    pub fn new(from: R, begin: Begin, kind: Option<String>) -> Stdin<R> {
        Stdin { from, begin, kind }
    }
}

impl<R: Read> Source for Stdin<R> {
    fn run(&mut self, out: &mut dyn Outlet) -> Result<u64, Fault> {
        let begin = self.begin.clone();
        let bytes = pour(&mut self.from, "standard input", begin, self.kind.as_deref(), out)?;
        out.put(Item::End(End { bytes, skipped: 0 }))?;
        Ok(0)
    }
}
