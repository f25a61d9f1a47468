//! The ioctl: the only unsafe code there is.
//!
//! Owns `sg_io_hdr`, its layout proven at compile time, and two safe functions around it. The
//! kernel reads a command, reads or fills a buffer, and fills a sense buffer; all three are Rust
//! slices that outlive the call. Source: `scsi/sg.h`, interface version 3.
#![allow(unsafe_code, reason = "SG_IO takes raw pointers; nothing else reaches a SCSI device")]

use std::ffi::{c_int, c_uchar, c_uint, c_ushort, c_void};
use std::mem::{offset_of, size_of};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::null_mut;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use scsi::Data;

/// Room for sense data: as much as SPC allows.
pub const SENSE_BYTES: usize = 252;

const INTERFACE_ID: c_int = b'S' as c_int;
const DIRECTION_NONE: c_int = -1;
const DIRECTION_TO_DEVICE: c_int = -2;
const DIRECTION_FROM_DEVICE: c_int = -3;

/// `struct sg_io_hdr`.
#[repr(C)]
pub struct Header {
    interface_id: c_int,
    dxfer_direction: c_int,
    cmd_len: c_uchar,
    mx_sb_len: c_uchar,
    iovec_count: c_ushort,
    dxfer_len: c_uint,
    dxferp: *mut c_void,
    cmdp: *mut c_uchar,
    sbp: *mut c_uchar,
    timeout: c_uint,
    flags: c_uint,
    pack_id: c_int,
    usr_ptr: *mut c_void,
    status: c_uchar,
    masked_status: c_uchar,
    msg_status: c_uchar,
    sb_len_wr: c_uchar,
    host_status: c_ushort,
    driver_status: c_ushort,
    resid: c_int,
    duration: c_uint,
    info: c_uint,
}

// The layout of 64-bit Linux. Elsewhere this must not compile.
const _: () = {
    assert!(size_of::<Header>() == 88);
    assert!(offset_of!(Header, cmd_len) == 8);
    assert!(offset_of!(Header, iovec_count) == 10);
    assert!(offset_of!(Header, dxfer_len) == 12);
    assert!(offset_of!(Header, dxferp) == 16);
    assert!(offset_of!(Header, cmdp) == 24);
    assert!(offset_of!(Header, sbp) == 32);
    assert!(offset_of!(Header, timeout) == 40);
    assert!(offset_of!(Header, flags) == 44);
    assert!(offset_of!(Header, pack_id) == 48);
    assert!(offset_of!(Header, usr_ptr) == 56);
    assert!(offset_of!(Header, status) == 64);
    assert!(offset_of!(Header, sb_len_wr) == 67);
    assert!(offset_of!(Header, host_status) == 68);
    assert!(offset_of!(Header, driver_status) == 70);
    assert!(offset_of!(Header, resid) == 72);
    assert!(offset_of!(Header, duration) == 76);
    assert!(offset_of!(Header, info) == 80);
};

nix::ioctl_readwrite_bad!(sg_io, 0x2285, Header);
nix::ioctl_write_ptr_bad!(sg_set_reserved_size, 0x2275, c_int);
nix::ioctl_read_bad!(sg_get_version_num, 0x2282, c_int);

/// What the kernel wrote back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// SCSI status byte.
    pub status: u8,
    /// `DID_*`.
    pub host: u16,
    /// Driver byte.
    pub driver: u16,
    /// Bytes offered but not moved; never more than offered.
    pub residual: usize,
    /// Sense data as far as it came.
    pub sense: Vec<u8>,
}

/// Sends one command and waits for it. An `Err` means that the kernel refused before sending,
/// except for `EINTR`, which cannot happen here: see below.
pub fn command(
    node: BorrowedFd<'_>,
    cdb: &[u8],
    mut data: Data<'_>,
    timeout: Duration,
) -> Result<Answer, Errno> {
    let offered = data.len();
    let (direction, pointer) = match &mut data {
        Data::None => (DIRECTION_NONE, null_mut()),
        Data::In(buffer) => (DIRECTION_FROM_DEVICE, buffer.as_mut_ptr().cast()),
        // The kernel only reads it: the direction says so.
        Data::Out(bytes) => (DIRECTION_TO_DEVICE, bytes.as_ptr().cast_mut().cast()),
    };
    let mut sense = [0; SENSE_BYTES];
    let mut header = Header {
        interface_id: INTERFACE_ID,
        dxfer_direction: direction,
        cmd_len: cdb.len().try_into().map_err(|_| Errno::EINVAL)?,
        mx_sb_len: SENSE_BYTES as c_uchar,
        iovec_count: 0,
        dxfer_len: offered.try_into().map_err(|_| Errno::EINVAL)?,
        dxferp: pointer,
        cmdp: cdb.as_ptr().cast_mut(),
        sbp: sense.as_mut_ptr(),
        timeout: milliseconds(timeout),
        flags: 0,
        pack_id: 0,
        usr_ptr: null_mut(),
        status: 0,
        masked_status: 0,
        msg_status: 0,
        sb_len_wr: 0,
        host_status: 0,
        driver_status: 0,
        resid: 0,
        duration: 0,
        info: 0,
    };
    // A signal during SG_IO makes the kernel abandon the wait and, with SA_RESTART, *send the
    // command again*: a block would be on the tape twice. So none is let in.
    let quiet = Quiet::new()?;
    // SAFETY: `header` has the kernel's layout (proven above) and lives across the call. `cmdp`
    // covers `cmd_len` readable bytes, `sbp` covers `mx_sb_len` writable bytes, and `dxferp` covers
    // `dxfer_len` bytes that are writable when the direction is from the device and readable
    // otherwise, because they come from `Data::In(&mut [u8])` and `Data::Out(&[u8])`; all are
    // borrowed until after the call, which is synchronous: the kernel keeps no pointer.
    let result = unsafe { sg_io(node.as_raw_fd(), &mut header) };
    drop(quiet);
    result?;
    let sense_length = usize::from(header.sb_len_wr).min(SENSE_BYTES);
    Ok(Answer {
        status: header.status,
        host: header.host_status,
        driver: header.driver_status,
        residual: usize::try_from(header.resid).unwrap_or(0).min(offered),
        sense: sense[..sense_length].to_vec(),
    })
}

/// Version of the sg driver, as `major * 10000 + minor * 100 + patch`; any other kind of node
/// refuses.
pub fn version(node: BorrowedFd<'_>) -> Result<i32, Errno> {
    let mut version = 0;
    // SAFETY: the kernel writes one int, which `version` is.
    unsafe { sg_get_version_num(node.as_raw_fd(), &mut version) }?;
    Ok(version)
}

/// Asks for a kernel buffer of this many bytes to be kept for this node, so that a transfer up to
/// that size never fails for want of memory.
pub fn reserve(node: BorrowedFd<'_>, bytes: i32) -> Result<(), Errno> {
    // SAFETY: the kernel reads one int, which `bytes` is.
    unsafe { sg_set_reserved_size(node.as_raw_fd(), &bytes) }.map(drop)
}

/// sg counts in milliseconds and takes the largest number for "for ever".
fn milliseconds(timeout: Duration) -> c_uint {
    c_uint::try_from(timeout.as_millis()).unwrap_or(c_uint::MAX).min(c_int::MAX as c_uint)
}

/// While it lives, this thread takes no signals.
struct Quiet(SigSet);

impl Quiet {
    fn new() -> Result<Quiet, Errno> {
        let mut before = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::all()), Some(&mut before))?;
        Ok(Quiet(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&self.0), None)
            .expect("a mask the kernel gave is a mask it takes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_limits_never_become_for_ever_or_wrap() {
        assert_eq!(milliseconds(Duration::from_millis(1500)), 1500);
        assert_eq!(milliseconds(Duration::from_secs(166_370)), 166_370_000);
        assert_eq!(milliseconds(Duration::MAX), i32::MAX as u32);
    }

    #[test]
    fn signals_wait_while_quiet_and_come_back_after() {
        let blocked = || SigSet::thread_get_mask().unwrap();
        let before = blocked();
        let quiet = Quiet::new().unwrap();
        assert!(blocked().contains(nix::sys::signal::SIGALRM));
        drop(quiet);
        assert_eq!(blocked(), before);
    }

    #[test]
    fn a_file_that_is_no_sg_node_refuses() {
        use std::os::fd::AsFd;
        let null = std::fs::File::open("/dev/null").unwrap();
        let refused = command(null.as_fd(), &[0; 6], Data::None, Duration::from_secs(1));
        assert_eq!(refused, Err(Errno::ENOTTY));
        assert_eq!(version(null.as_fd()), Err(Errno::ENOTTY));
    }
}
