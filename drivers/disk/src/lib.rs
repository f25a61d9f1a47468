//! The disk the box lives on: its partitions, found by type and grown.
//!
//! Owns the partition types, the search for the disk that has ours, the growing of the last partition and its file
//! system when the disk is larger than the image was, and a file system where none is. Names mean nothing: disks are found
//! by what is on them. Source: UEFI 2.10, chapter 5; the kernel's `linux/blkpg.h` and `ext4.h`.

mod find;
mod fresh;
mod grow;
mod ioctl;
mod staged;

pub use find::{Found, find, find_in};
pub use fresh::{forget, is_blank, lay};
pub use grow::{Grown, fill_file_system, grow_table, tell_kernel};
use uuid::{Uuid, uuid};

/// Type of the raw partition that settings and boot state are in.
pub const META_TYPE: Uuid = uuid!("6f9d1d2c-7a70-4a0e-9d3b-746170696f61");
/// Type of the partition with the data file system.
pub const DATA_TYPE: Uuid = uuid!("6f9d1d2c-7a70-4a0e-9d3b-746170696f62");

/// Type of the partition that the firmware boots from.
pub const ESP_TYPE: Uuid = uuid!("c12a7328-f81f-11d2-ba4b-00a0c93ec93b");

/// Bytes of a sector, as tables count them.
const SECTOR: u64 = 512;
