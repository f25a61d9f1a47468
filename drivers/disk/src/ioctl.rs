//! The two ioctls: a partition's length, and a file system's.
//!
//! Owns their structures, the layout proven at compile time. Source: `linux/blkpg.h`; `EXT4_IOC_RESIZE_FS` in the
//! kernel's ext4.
#![allow(unsafe_code, reason = "the kernel takes these numbers by ioctl only")]

use std::ffi::{c_char, c_int, c_longlong, c_void};
use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsRawFd, BorrowedFd};

const RESIZE_PARTITION: c_int = 3;

/// `struct blkpg_partition`.
#[repr(C)]
struct Partition {
    start: c_longlong,
    length: c_longlong,
    number: c_int,
    names: [c_char; 128],
}

/// `struct blkpg_ioctl_arg`.
#[repr(C)]
struct Argument {
    operation: c_int,
    flags: c_int,
    data_bytes: c_int,
    data: *mut c_void,
}

const _: () = {
    assert!(size_of::<Partition>() == 152 && offset_of!(Partition, number) == 16);
    assert!(size_of::<Argument>() == 24 && offset_of!(Argument, data) == 16);
};

nix::ioctl_write_ptr_bad!(blkpg, 0x1269, Argument);
nix::ioctl_write_ptr!(ext4_resize, b'f', 16, u64);

pub(crate) fn resize_partition(
    disk: BorrowedFd<'_>,
    number: u32,
    start_bytes: u64,
    bytes: u64,
) -> io::Result<()> {
    let mut partition = Partition {
        start: c_longlong::try_from(start_bytes).map_err(io::Error::other)?,
        length: c_longlong::try_from(bytes).map_err(io::Error::other)?,
        number: c_int::try_from(number).map_err(io::Error::other)?,
        names: [0; 128],
    };
    let argument = Argument {
        operation: RESIZE_PARTITION,
        flags: 0,
        data_bytes: size_of::<Partition>() as c_int,
        data: (&raw mut partition).cast(),
    };
    // SAFETY: both structures have the kernel's layout (proven above) and outlive the call, which is
    // synchronous; `data_bytes` is the size of what `data` points to.
    unsafe { blkpg(disk.as_raw_fd(), &argument) }?;
    Ok(())
}

pub(crate) fn resize_file_system(root: BorrowedFd<'_>, blocks: u64) -> io::Result<()> {
    // SAFETY: the kernel reads one 64-bit number, which `blocks` is.
    unsafe { ext4_resize(root.as_raw_fd(), &blocks) }?;
    Ok(())
}

/// Bytes of a block of the file system something is on.
pub(crate) fn block_bytes(file: BorrowedFd<'_>) -> io::Result<u64> {
    let stat = nix::sys::statvfs::fstatvfs(file)?;
    Ok(stat.block_size())
}
