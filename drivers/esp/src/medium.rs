//! What the file system is on.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use rustix::fs::{Advice, fadvise};

/// Bytes that stay, in any order until they are flushed. 512 of them, aligned, are written whole or not at all.
pub trait Medium {
    /// How many there are.
    ///
    /// # Errors
    ///
    /// The medium's.
    fn bytes(&self) -> io::Result<u64>;
    /// Reads all of `bytes`.
    ///
    /// # Errors
    ///
    /// The medium's.
    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()>;
    /// Writes all of `bytes`.
    ///
    /// # Errors
    ///
    /// The medium's.
    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()>;
    /// What was written is durable, and is read from the medium from now on.
    ///
    /// # Errors
    ///
    /// The medium's.
    fn flush(&mut self) -> io::Result<()>;
}

impl Medium for File {
    fn bytes(&self) -> io::Result<u64> {
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
        self.sync_all()?;
        // What is read back later has to be what the medium has.
        fadvise(&*self, 0, None, Advice::DontNeed)?;
        Ok(())
    }
}

impl Medium for &mut [u8] {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let from = usize::try_from(at).ok().and_then(|at| self.get(at..)?.get(..bytes.len()));
        bytes.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let to = usize::try_from(at).ok();
        let to = to.and_then(|at| self.get_mut(at..)?.get_mut(..bytes.len()));
        to.ok_or(io::ErrorKind::StorageFull)?.copy_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
