//! Which disk is ours.
//!
//! Owns the walk over the block devices and the reading of their tables. Changes nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::{DATA_TYPE, ESP_TYPE, META_TYPE, staged};

/// A disk with our partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The whole disk.
    pub disk: PathBuf,
    /// The raw partition.
    pub meta: PathBuf,
    /// The partition that the firmware boots from; a disk may have lost it.
    pub esp: Option<PathBuf>,
    /// The data file system; a disk may have lost it.
    pub data: Option<PathBuf>,
    /// Number of the data partition in the table.
    pub data_number: Option<u32>,
}

/// The first disk, by name, that has a partition of [`META_TYPE`].
///
/// # Errors
///
/// The kernel's list of devices cannot be read. A disk without a table is none of ours and no error.
pub fn find() -> io::Result<Option<Found>> {
    find_in(Path::new("/sys/class/block"), Path::new("/dev"))
}

/// As [`find`], with other folders in the place of sysfs's class and of `/dev`.
///
/// # Errors
///
/// As [`find`].
pub fn find_in(class: &Path, dev: &Path) -> io::Result<Option<Found>> {
    let entries = match fs::read_dir(class) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if !entry.path().join("partition").exists() {
            names.push(entry.file_name());
        }
    }
    names.sort();
    Ok(names.iter().find_map(|name| ours(&dev.join(name))))
}

fn ours(disk: &Path) -> Option<Found> {
    let (table, _) = staged::table(|| fs::File::open(disk)).ok()?;
    let number = |wanted: Uuid| {
        let is_it = |partition: &gpt::partition::Partition| {
            partition.part_type_guid.guid == wanted && partition.is_used()
        };
        table.partitions().iter().find(|(_, partition)| is_it(partition)).map(|(n, _)| *n)
    };
    let data = number(DATA_TYPE);
    Some(Found {
        meta: node(disk, number(META_TYPE)?),
        esp: number(ESP_TYPE).map(|number| node(disk, number)),
        data: data.map(|number| node(disk, number)),
        data_number: data,
        disk: disk.to_owned(),
    })
}

/// `vda3`, and `nvme0n1p3` where the disk's own name ends in a digit.
fn node(disk: &Path, number: u32) -> PathBuf {
    let name = disk.to_string_lossy();
    let between = if name.ends_with(|c: char| c.is_ascii_digit()) { "p" } else { "" };
    PathBuf::from(format!("{name}{between}{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_called_as_the_kernel_calls_them() {
        assert_eq!(node(Path::new("/dev/vda"), 3), Path::new("/dev/vda3"));
        assert_eq!(node(Path::new("/dev/nvme0n1"), 3), Path::new("/dev/nvme0n1p3"));
    }
}
