//! Three status bytes and an errno, sorted into one outcome.
//!
//! Owns the table from SCSI status, Linux host byte (`DID_*`) and driver byte to
//! [`Outcome`]. What may have taken effect is never called "not sent". Sources: SAM-6 5.3, the
//! kernel's `scsi/scsi_status.h`.

use nix::errno::Errno;
use scsi::{Outcome, Sense};

use crate::ioctl::Answer;

/// Host byte of an [`Outcome::Transport`] for a command the kernel refused to send; the driver byte
/// is then the error number.
pub const HOST_NOT_SENT: u16 = 0xffff;

const DID_NO_CONNECT: u16 = 0x01;
const DID_TIME_OUT: u16 = 0x03;
const DID_BAD_TARGET: u16 = 0x04;
/// Host bytes the kernel adds to a device's own answer, which then counts.
const DID_WITH_ANSWER: [u16; 4] = [0x00, 0x10, 0x11, 0x13];

const DRIVER_TIMEOUT: u16 = 0x06;
const DRIVER_SENSE: u16 = 0x08;

/// What became of a command the kernel sent.
pub fn outcome(answer: Answer) -> Outcome {
    let Answer { status, host, driver, residual, sense } = answer;
    match (host, driver & 0x0f) {
        (DID_NO_CONNECT | DID_BAD_TARGET, _) => return Outcome::Gone,
        (DID_TIME_OUT, _) | (_, DRIVER_TIMEOUT) => return Outcome::Timeout,
        (host, 0 | DRIVER_SENSE) if DID_WITH_ANSWER.contains(&host) => {}
        (host, driver) => return Outcome::Transport { host, driver },
    }
    let lost = Outcome::Transport { host, driver };
    match status & 0xfe {
        // Some drivers hand sense over with good status: it is the device's word all the same.
        0x00 | 0x02 if status & 0x02 != 0 || driver & 0x0f == DRIVER_SENSE => {
            Sense::decode(&sense).map_or(lost, |sense| Outcome::Check { sense, residual })
        }
        0x00 | 0x04 | 0x10 | 0x14 => Outcome::Good { residual },
        0x08 | 0x28 => Outcome::Busy,
        0x18 => Outcome::ReservationConflict,
        0x22 | 0x40 => Outcome::TaskAborted,
        _ => lost,
    }
}

/// What it means that the kernel did not send a command.
pub fn not_sent(errno: Errno) -> Outcome {
    match errno {
        Errno::ENODEV | Errno::ENXIO => Outcome::Gone,
        // No memory or no slot just now: nothing was taken.
        Errno::EBUSY | Errno::EAGAIN | Errno::ENOMEM => Outcome::Busy,
        errno => Outcome::Transport { host: HOST_NOT_SENT, driver: errno as i32 as u16 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scsi::SenseKey;

    fn answer(status: u8, host: u16, driver: u16) -> Answer {
        let sense = vec![0x70, 0, 0x43, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x0c, 0, 0, 0, 0, 0];
        Answer { status, host, driver, residual: 3, sense }
    }

    #[test]
    fn statuses_of_the_device() {
        assert_eq!(outcome(answer(0, 0, 0)), Outcome::Good { residual: 3 });
        assert_eq!(outcome(answer(0x08, 0, 0)), Outcome::Busy);
        assert_eq!(outcome(answer(0x28, 0, 0)), Outcome::Busy);
        assert_eq!(outcome(answer(0x18, 0x11, 0)), Outcome::ReservationConflict);
        assert_eq!(outcome(answer(0x40, 0, 0)), Outcome::TaskAborted);
        assert_eq!(outcome(answer(0x30, 0, 0)), Outcome::Transport { host: 0, driver: 0 });
    }

    #[test]
    fn sense_counts_with_check_condition_and_with_the_driver_flag() {
        for (status, host, driver) in [(2, 0, 8), (2, 0, 0), (0, 0, 8), (2, 0x10, 8), (2, 0x13, 8)]
        {
            let Outcome::Check { sense, residual } = outcome(answer(status, host, driver)) else {
                panic!("{status:02x} {host:02x} {driver:02x} is a check condition");
            };
            assert_eq!((sense.key, sense.eom, residual), (SenseKey::MediumError, true, 3));
        }
    }

    #[test]
    fn a_check_condition_without_sense_is_not_made_up() {
        let silent = Answer { sense: Vec::new(), ..answer(2, 0, 8) };
        assert_eq!(outcome(silent), Outcome::Transport { host: 0, driver: 8 });
    }

    #[test]
    fn the_path_can_fail_in_three_ways() {
        assert_eq!(outcome(answer(0, 1, 0)), Outcome::Gone);
        assert_eq!(outcome(answer(0, 3, 0)), Outcome::Timeout);
        assert_eq!(outcome(answer(0, 0, 6)), Outcome::Timeout);
        // A reset that came with a stale check condition: the path failed, whatever the sense says.
        assert_eq!(outcome(answer(2, 8, 8)), Outcome::Transport { host: 8, driver: 8 });
    }

    #[test]
    fn refusals_of_the_kernel() {
        assert_eq!(not_sent(Errno::ENODEV), Outcome::Gone);
        assert_eq!(not_sent(Errno::ENXIO), Outcome::Gone);
        assert_eq!(not_sent(Errno::ENOMEM), Outcome::Busy);
        let refused = Outcome::Transport { host: HOST_NOT_SENT, driver: Errno::EPERM as u16 };
        assert_eq!(not_sent(Errno::EPERM), refused);
    }
}
