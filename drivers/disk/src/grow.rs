//! A last partition that fills the disk, and a file system that fills the partition.
//!
//! Owns the order in which that is safe: the second table at the new end of the disk is written and durable
//! before the first one changes, so that one of them is whole at every moment. Growing twice is growing once.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::Path;

use crate::{SECTOR, ioctl, staged};

/// Partitions end at multiples of this, bytes.
const ALIGNMENT: u64 = 1 << 20;

/// A partition and what it became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grown {
    /// Where it begins, bytes.
    pub start_bytes: u64,
    /// Its length before.
    pub before_bytes: u64,
    /// Its length now.
    pub bytes: u64,
}

/// Makes partition `number` of a disk reach its end, should nothing lie behind it and a MiB or more be free.
///
/// # Errors
///
/// There is no table or no such partition, it is not the last one, or the disk cannot be written.
pub fn grow_table(disk: &Path, number: u32) -> io::Result<Grown> {
    let open = || File::options().read(true).write(true).open(disk);
    let (mut table, is_cut) = staged::table(open)?;
    let mut partitions = table.partitions().clone();
    let missing = || io::Error::other(format!("the table has no partition {number}"));
    let (start, end) = partitions
        .get(&number)
        .map(|partition| (partition.first_lba, partition.last_lba + 1))
        .ok_or_else(missing)?;
    if partitions.values().any(|other| other.is_used() && other.first_lba >= end) {
        return Err(io::Error::other(format!("partition {number} is not the last one")));
    }
    let disk_bytes = table.device_mut().seek(SeekFrom::End(0))?;
    // Behind it only the second table is left, which takes 33 sectors.
    let room = (disk_bytes / SECTOR).saturating_sub(34) * SECTOR;
    let new_end = room / ALIGNMENT * ALIGNMENT / SECTOR;
    let grown = |end: u64| Grown {
        start_bytes: start * SECTOR,
        before_bytes: (partitions[&number].last_lba + 1 - start) * SECTOR,
        bytes: (end - start) * SECTOR,
    };
    if new_end <= end && !is_cut {
        return Ok(grown(end));
    }
    let new_end = new_end.max(end);
    let result = grown(new_end);
    if let Some(partition) = partitions.get_mut(&number) {
        partition.last_lba = new_end - 1;
    }
    table.update_partitions(partitions).map_err(io::Error::other)?;
    let staged = table.write().map_err(io::Error::other)?;
    staged.carry_out(new_end * SECTOR)?;
    Ok(result)
}

/// Tells the kernel how long a partition is now; it may be in use.
///
/// # Errors
///
/// The kernel refuses.
pub fn tell_kernel(disk: &Path, number: u32, grown: &Grown) -> io::Result<()> {
    let disk = File::options().read(true).write(true).open(disk)?;
    ioctl::resize_partition(disk.as_fd(), number, grown.start_bytes, grown.bytes)
}

/// Makes the ext4 file system that is mounted at `mount` fill its partition.
///
/// # Errors
///
/// It is another file system, damaged, or without the features that growing in use takes.
pub fn fill_file_system(mount: &Path, partition_bytes: u64) -> io::Result<()> {
    let root = File::open(mount)?;
    let block_bytes = ioctl::block_bytes(root.as_fd())?;
    ioctl::resize_file_system(root.as_fd(), partition_bytes / block_bytes)
}
