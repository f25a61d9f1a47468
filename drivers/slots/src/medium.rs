//! What the records lie on.
//!
//! Owns the few operations a partition must have, so that a test can be a partition that loses its power.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

/// A partition, or what stands for one.
pub trait Medium {
    /// Its size.
    fn bytes(&self) -> io::Result<u64>;
    /// Fills `bytes` from there.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()>;
    /// Writes all of `bytes`; durable when flushed.
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// What was written before is durable when this returns.
    fn flush(&mut self) -> io::Result<()>;
    /// Waits until nobody else writes.
    fn lock(&mut self) -> io::Result<()>;
    /// Lets others write.
    fn unlock(&mut self) -> io::Result<()>;
}

impl Medium for File {
    fn bytes(&self) -> io::Result<u64> {
        // A block device has no length of its own.
        let mut file = self;
        file.seek(SeekFrom::End(0))
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        self.read_exact_at(bytes, at)
    }

    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn lock(&mut self) -> io::Result<()> {
        File::lock(self)
    }

    fn unlock(&mut self) -> io::Result<()> {
        File::unlock(self)
    }
}
