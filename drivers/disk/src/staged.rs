//! Writes that wait, so that they can be done in an order that a power cut forgives.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use gpt::{GptConfig, GptDisk};

use crate::SECTOR;

/// The table of a disk, and whether only the copy at its end is whole.
pub(crate) fn table(open: impl Fn() -> io::Result<File>) -> io::Result<(GptDisk<Staged>, bool)> {
    let config = || GptConfig::new().writable(true);
    if let Ok(table) = config().open_from_device(Staged::on(open()?)?) {
        return Ok((table, false));
    }
    // A header can be whole whose table is not: without it the other copy is looked for.
    let mut staged = Staged::on(open()?)?;
    staged.writes.push((SECTOR, vec![0; SECTOR as usize]));
    let table = config().open_from_device(staged).map_err(io::Error::other)?;
    Ok((table, true))
}

/// A disk that reads as if everything had been written, and is not written yet.
#[derive(Debug)]
pub(crate) struct Staged {
    disk: File,
    at: u64,
    bytes: u64,
    writes: Vec<(u64, Vec<u8>)>,
}

impl Staged {
    pub(crate) fn on(mut disk: File) -> io::Result<Staged> {
        let bytes = disk.seek(SeekFrom::End(0))?;
        Ok(Staged { disk, at: 0, bytes, writes: Vec::new() })
    }

    /// Does what waits: first what lies from `boundary` on, then what lies before; each durable before the next.
    pub(crate) fn carry_out(self, boundary: u64) -> io::Result<()> {
        for behind in [true, false] {
            for (at, bytes) in self.writes.iter().filter(|(at, _)| (*at >= boundary) == behind) {
                self.disk.write_all_at(bytes, *at)?;
            }
            self.disk.sync_all()?;
        }
        Ok(())
    }
}

impl Read for Staged {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.disk.read_at(buffer, self.at)?;
        for (from, bytes) in &self.writes {
            let end = (from + bytes.len() as u64).min(self.at + count as u64);
            let start = (*from).max(self.at);
            if start < end {
                let length = (end - start) as usize;
                let source = &bytes[(start - from) as usize..][..length];
                buffer[(start - self.at) as usize..][..length].copy_from_slice(source);
            }
        }
        self.at += count as u64;
        Ok(count)
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.at + bytes.len() as u64 > self.bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.writes.push((self.at, bytes.to_vec()));
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Staged {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (base, offset) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(offset) => (self.bytes, offset),
            SeekFrom::Current(offset) => (self.at, offset),
        };
        let at = base.checked_add_signed(offset);
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
