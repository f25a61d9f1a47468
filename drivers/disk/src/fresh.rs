//! A data file system for a partition that has none.
//!
//! Owns what *none* means, and an order of writing after which a power cut leaves none or the whole. The partition's
//! first block, which has the superblock of ext4, is written last and erased first; one with anything in it is
//! never written over. Source: the kernel's `Documentation/filesystems/ext4/super.rst`, `blockgroup.rst`.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of the block that is written last.
const BLOCK: usize = 4096;
/// Where the first copy of the superblock is, bytes, with blocks of 4 KiB: where group 1 begins.
const COPY_AT: u64 = 128 << 20;
/// Where a superblock has its magic number, bytes from its beginning.
const MAGIC_AT: u64 = 56;
const MAGIC: [u8; 2] = 0xef53_u16.to_le_bytes();

fn open(partition: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(partition)
}

/// Whether a partition has no file system: its first block is zero, and so is what would be left of one whose
/// first block was lost.
///
/// # Errors
///
/// It cannot be read.
pub fn is_blank(partition: &Path) -> io::Result<bool> {
    let partition = File::open(partition)?;
    let mut first = [0; BLOCK];
    partition.read_exact_at(&mut first, 0)?;
    Ok(first == [0; BLOCK] && !has_copy(&partition)?)
}

fn has_copy(partition: &File) -> io::Result<bool> {
    let mut magic = [0; 2];
    match partition.read_exact_at(&mut magic, COPY_AT + MAGIC_AT) {
        // It is not as long.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| magic == MAGIC),
    }
}

/// Takes the file system off a partition, so that it [`is_blank`]. What files held stays on the medium until
/// something else is written there.
///
/// # Errors
///
/// It cannot be written: then it has its file system, or none.
pub fn forget(partition: &Path) -> io::Result<()> {
    let partition = open(partition)?;
    let erase = |at| partition.write_all_at(&[0; BLOCK], at).and_then(|()| partition.sync_data());
    erase(0)?;
    if has_copy(&partition)? { erase(COPY_AT) } else { Ok(()) }
}

/// Writes the file system in `template` to a partition that [`is_blank`]; bytes that were written.
///
/// # Errors
///
/// The template cannot be read or is shorter than a block, or the partition is not blank, too short, or cannot be
/// written. It is blank then.
pub fn lay(partition: &Path, mut template: impl Read) -> io::Result<u64> {
    if !is_blank(partition)? {
        return Err(io::Error::other("there is something on it"));
    }
    let partition = open(partition)?;
    let mut first = [0; BLOCK];
    template.read_exact(&mut first)?;
    let mut at = BLOCK as u64;
    let mut piece = vec![0; 1 << 20];
    loop {
        let count = match template.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        partition.write_all_at(&piece[..count], at)?;
        at += count as u64;
    }
    partition.sync_data()?;
    partition.write_all_at(&first, 0)?;
    partition.sync_data()?;
    Ok(at)
}
