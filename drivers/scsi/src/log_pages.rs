//! What the log pages of a tape drive mean.
//!
//! Owns pages 02h/03h error counters, 0Ch sequential access, 11h device status, 12h and 2Eh
//! TapeAlert and 31h capacity; 14h and 17h are in [`statistics`](crate::statistics). Fields a drive does not send or marks unknown
//! are `None`. Vendor pages share codes with different meanings between models; they stay plain
//! [`LogPage`]s. Source: SPC-5 7.3, SSC-5 8.3, ADC-4 6.1 for the activity codes.

use std::fmt;

use crate::alert::Alerts;
use crate::error::{Error, at_least};
use crate::log::LogPage;
use crate::reader::{array, be16, number};

/// Pages 02h (write) and 03h (read): error counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCounters {
    /// 0000h: corrected without substantial delay.
    pub corrected_fast: Option<u64>,
    /// 0001h: corrected with possible delays.
    pub corrected_slow: Option<u64>,
    /// 0002h: rewrites or rereads.
    pub retries: Option<u64>,
    /// 0003h: errors corrected in total.
    pub corrected: Option<u64>,
    /// 0004h: times the correction was used.
    pub correction_runs: Option<u64>,
    /// 0005h: bytes processed, in the drive's unit.
    pub processed: Option<u64>,
    /// 0006h: errors that could not be corrected.
    pub uncorrected: Option<u64>,
    /// The reply was cut.
    pub truncated: bool,
}

impl ErrorCounters {
    /// Decodes page 02h or 03h.
    pub fn decode(bytes: &[u8]) -> Result<ErrorCounters, Error> {
        let page = LogPage::decode(bytes)?;
        if !matches!(page.page, 0x02 | 0x03) || page.subpage != 0 {
            let reply = "error counter log page";
            return Err(Error::WrongPage { reply, expected: 0x02, found: page.page });
        }
        Ok(ErrorCounters {
            corrected_fast: page.number(0),
            corrected_slow: page.number(1),
            retries: page.number(2),
            corrected: page.number(3),
            correction_runs: page.number(4),
            processed: page.number(5),
            uncorrected: page.number(6),
            truncated: page.truncated,
        })
    }
}

/// Page 0Ch: the sequential-access device log page. The first four count since the medium was
/// mounted or the counters were reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequentialAccess {
    /// 0000h: bytes received from hosts by WRITE, before compression.
    pub bytes_from_hosts: Option<u64>,
    /// 0001h: bytes written to the medium.
    pub bytes_to_medium: Option<u64>,
    /// 0002h: bytes read from the medium.
    pub bytes_from_medium: Option<u64>,
    /// 0003h: bytes sent to hosts by READ, after decompression.
    pub bytes_to_hosts: Option<u64>,
    /// 0004h: native capacity from beginning of partition to end of data, MB.
    pub to_end_of_data_mb: Option<u64>,
    /// 0005h: native capacity from beginning of partition to early warning, MB.
    pub to_early_warning_mb: Option<u64>,
    /// 0006h: least native capacity from early warning to end of partition, MB.
    pub after_early_warning_mb: Option<u64>,
    /// 0007h: native capacity from beginning of partition to the position, MB.
    pub to_position_mb: Option<u64>,
    /// 0008h: most the buffer can hold, MB.
    pub buffer_mb: Option<u64>,
    /// 0100h: the drive asks for cleaning.
    pub cleaning_requested: Option<bool>,
    /// The reply was cut.
    pub truncated: bool,
}

impl SequentialAccess {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<SequentialAccess, Error> {
        let page = LogPage::expect(bytes, 0x0c, 0)?;
        Ok(SequentialAccess {
            bytes_from_hosts: page.number(0),
            bytes_to_medium: page.number(1),
            bytes_from_medium: page.number(2),
            bytes_to_hosts: page.number(3),
            to_end_of_data_mb: page.number(4),
            to_early_warning_mb: page.number(5),
            after_early_warning_mb: page.number(6),
            to_position_mb: page.number(7),
            buffer_mb: page.number(8),
            cleaning_requested: page.number(0x0100).map(|n| n != 0),
            truncated: page.truncated,
        })
    }
}

/// What a drive is doing (DT DEVICE ACTIVITY).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the standard's")]
pub enum Activity {
    Idle,
    Cleaning,
    Loading,
    Unloading,
    OtherMediumActivity,
    Reading,
    Writing,
    Locating,
    Rewinding,
    Erasing,
    Formatting,
    /// LTO-9 and later, first load of a new cartridge: up to two hours.
    Calibrating,
    Other,
    UpdatingMicrocode,
    ReadingEncrypted,
    WritingEncrypted,
    Unknown(u8),
}

impl Activity {
    fn from_code(code: u8) -> Activity {
        match code {
            0x00 => Activity::Idle,
            0x01 => Activity::Cleaning,
            0x02 => Activity::Loading,
            0x03 => Activity::Unloading,
            0x04 => Activity::OtherMediumActivity,
            0x05 => Activity::Reading,
            0x06 => Activity::Writing,
            0x07 => Activity::Locating,
            0x08 => Activity::Rewinding,
            0x09 => Activity::Erasing,
            0x0a => Activity::Formatting,
            0x0b => Activity::Calibrating,
            0x0c => Activity::Other,
            0x0d => Activity::UpdatingMicrocode,
            0x0e => Activity::ReadingEncrypted,
            0x0f => Activity::WritingEncrypted,
            other => Activity::Unknown(other),
        }
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Activity::Idle => "idle",
            Activity::Cleaning => "cleaning",
            Activity::Loading => "loading",
            Activity::Unloading => "unloading",
            Activity::OtherMediumActivity => "moving the medium",
            Activity::Reading => "reading",
            Activity::Writing => "writing",
            Activity::Locating => "locating",
            Activity::Rewinding => "rewinding",
            Activity::Erasing => "erasing",
            Activity::Formatting => "formatting",
            Activity::Calibrating => "calibrating the medium",
            Activity::Other => "busy",
            Activity::UpdatingMicrocode => "updating firmware",
            Activity::ReadingEncrypted => "reading encrypted",
            Activity::WritingEncrypted => "writing encrypted",
            Activity::Unknown(code) => return write!(f, "activity {code:02X}h"),
        })
    }
}

/// Page 11h: DT device status. Cheap, needs no medium, disturbs nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStatus {
    /// PAMR: medium removal is prevented.
    pub removal_prevented: bool,
    /// MACC: the cartridge memory can be read.
    pub memory_accessible: bool,
    /// CMPR: compression is on.
    pub compressing: bool,
    /// WRTP: the medium is write-protected.
    pub write_protected: bool,
    /// CRQST: cleaning requested.
    pub cleaning_requested: bool,
    /// CRQRD: cleaning required.
    pub cleaning_required: bool,
    /// DINIT: the drive is initialised and the rest is valid.
    pub initialised: bool,
    /// INXTN: a state change is under way.
    pub in_transition: bool,
    /// MPRSNT: a cartridge is in the drive.
    pub present: bool,
    /// MSTD: it is seated.
    pub seated: bool,
    /// MTHRD: the tape is threaded.
    pub threaded: bool,
    /// MOUNTED: ready for use.
    pub mounted: bool,
    /// What the drive is doing.
    pub activity: Activity,
    /// TAFC: a TapeAlert flag has changed.
    pub alert_changed: bool,
    /// RRQST: the drive wants a recovery; log page 13h says which.
    pub recovery_requested: bool,
    /// ESR: encryption service is wanted.
    pub encryption_service: bool,
    /// 0001h: wait at least this long between two polls, milliseconds.
    pub polling_delay_ms: Option<u16>,
    /// The reply was cut after the first parameter.
    pub truncated: bool,
}

impl DeviceStatus {
    /// Decodes the page; an error when the very high frequency data (parameter 0000h) are not there.
    pub fn decode(bytes: &[u8]) -> Result<DeviceStatus, Error> {
        let page = LogPage::expect(bytes, 0x11, 0)?;
        let reply = "DT device status log page";
        let data = page.parameter(0).map_or(&[][..], |p| &p.value);
        let [a, b, activity, d] = array(at_least(reply, data, 4)?, 0).unwrap_or_default();
        let delay = page.parameter(1).and_then(|p| be16(&p.value, 0));
        Ok(DeviceStatus {
            removal_prevented: a & 0x80 != 0,
            memory_accessible: a & 0x20 != 0,
            compressing: a & 0x10 != 0,
            write_protected: a & 0x08 != 0,
            cleaning_requested: a & 0x04 != 0,
            cleaning_required: a & 0x02 != 0,
            initialised: a & 0x01 != 0,
            in_transition: b & 0x80 != 0,
            present: b & 0x10 != 0,
            seated: b & 0x04 != 0,
            threaded: b & 0x02 != 0,
            mounted: b & 0x01 != 0,
            activity: Activity::from_code(activity),
            encryption_service: d & 0x08 != 0,
            recovery_requested: d & 0x04 != 0,
            alert_changed: d & 0x01 != 0,
            polling_delay_ms: delay,
            truncated: page.truncated,
        })
    }
}

/// Page 12h: TapeAlert response. Reading it clears nothing.
pub fn tape_alert_response(bytes: &[u8]) -> Result<Alerts, Error> {
    let page = LogPage::expect(bytes, 0x12, 0)?;
    let flags = page.parameter(0).map_or(&[][..], |p| &p.value);
    let flags = at_least("TapeAlert response log page", flags, 8)?;
    Ok(Alerts::from_bits(number(&flags[..8]).unwrap_or(0)))
}

/// Page 2Eh: TapeAlert. Reading it *clears* the flags: keep what this returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TapeAlerts {
    /// The flags that are up.
    pub alerts: Alerts,
    /// The reply was cut: flags may be missing, and are gone in the drive.
    pub truncated: bool,
}

impl TapeAlerts {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<TapeAlerts, Error> {
        let page = LogPage::expect(bytes, 0x2e, 0)?;
        let mut alerts = Alerts::default();
        for parameter in &page.parameters {
            if parameter.value.first().is_some_and(|b| b & 1 != 0) {
                alerts.raise(parameter.code);
            }
        }
        Ok(TapeAlerts { alerts, truncated: page.truncated })
    }
}

/// Unit of page 31h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapacityUnit {
    /// LTO and enterprise drives.
    Mebibytes,
    /// Old DAT drives.
    Kibibytes,
}

/// Page 31h: tape capacity of the first two partitions. The page does not state its unit; who asks
/// knows the drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapeCapacity {
    /// Remaining native capacity of partitions 0 and 1.
    pub remaining: [Option<u64>; 2],
    /// Whole native capacity of partitions 0 and 1.
    pub maximum: [Option<u64>; 2],
    /// The reply was cut.
    pub truncated: bool,
}

impl TapeCapacity {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<TapeCapacity, Error> {
        let page = LogPage::expect(bytes, 0x31, 0)?;
        Ok(TapeCapacity {
            remaining: [page.number(1), page.number(2)],
            maximum: [page.number(3), page.number(4)],
            truncated: page.truncated,
        })
    }

    /// Remaining native bytes of partition 0.
    pub fn remaining_bytes(&self, unit: CapacityUnit) -> Option<u64> {
        self.remaining[0]?.checked_mul(match unit {
            CapacityUnit::Mebibytes => 1 << 20,
            CapacityUnit::Kibibytes => 1 << 10,
        })
    }
}
