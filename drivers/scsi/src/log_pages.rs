//! What the log pages of a tape drive mean.
//!
//! Owns pages 02h/03h error counters, 0Ch sequential access, 11h device status, 12h and 2Eh
//! TapeAlert, 17h volume statistics and 31h capacity. Fields a drive does not send or marks unknown
//! are `None`. Vendor pages share codes with different meanings between models; they stay plain
//! [`LogPage`]s. Source: SPC-5 7.3, SSC-5 8.3, ADC-4 6.1 for the activity codes.

use std::fmt;

use crate::alert::Alerts;
use crate::error::{Error, at_least};
use crate::log::{LogPage, known};
use crate::reader::{array, be16, number, slice, text};
use crate::types::Partition;

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

/// A value per partition, `None` where the drive does not know.
pub type PerPartition = Vec<(Partition, Option<u64>)>;

/// One former mount in page 17h.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// 0 is the current or last one.
    pub index: u16,
    /// Vendor of the drive.
    pub vendor: String,
    /// Serial number of the drive.
    pub serial: String,
}

/// Page 17h: volume statistics (subpages 00h to 0Fh are past and present volumes).
///
/// *Units*: MB are 10^6 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeStatistics {
    /// 0000h: the page holds data.
    pub valid: bool,
    /// 0001h: mounts.
    pub mounts: Option<u64>,
    /// 0002h: data sets written.
    pub data_sets_written: Option<u64>,
    /// 0003h: write errors that were recovered.
    pub write_retries: Option<u64>,
    /// 0004h: write errors that were not recovered.
    pub write_errors: Option<u64>,
    /// 0007h: data sets read.
    pub data_sets_read: Option<u64>,
    /// 0008h: read errors that were recovered.
    pub read_retries: Option<u64>,
    /// 0009h: read errors that were not recovered.
    pub read_errors: Option<u64>,
    /// 0010h: MB written in the volume's life.
    pub lifetime_written_mb: Option<u64>,
    /// 0011h: MB read in the volume's life.
    pub lifetime_read_mb: Option<u64>,
    /// 0016h: native capacity, MB.
    pub capacity_mb: Option<u64>,
    /// 0017h: native capacity used, MB.
    pub used_mb: Option<u64>,
    /// 0040h: serial number of the volume.
    pub serial: Option<String>,
    /// 0042h: bar code as the library told the drive.
    pub barcode: Option<String>,
    /// 0043h: maker.
    pub manufacturer: Option<String>,
    /// 0045h: kind of medium in the maker's words.
    pub personality: Option<String>,
    /// 0046h: date of manufacture, YYYYMMDD.
    pub manufactured: Option<String>,
    /// 0080h: write-protected.
    pub write_protected: Option<bool>,
    /// 0081h: WORM.
    pub worm: Option<bool>,
    /// 0101h: passes over the beginning of the medium.
    pub beginning_passes: Option<u64>,
    /// 0102h: passes over the middle.
    pub middle_passes: Option<u64>,
    /// 0200h: first encrypted logical object.
    pub first_encrypted: PerPartition,
    /// 0202h: native capacity, MB.
    pub partition_capacity_mb: PerPartition,
    /// 0203h: native capacity used, MB.
    pub partition_used_mb: PerPartition,
    /// 0204h: native capacity left to early warning, MB.
    pub partition_remaining_mb: PerPartition,
    /// 0300h: the last mounts.
    pub mount_history: Vec<Mount>,
    /// The reply was cut.
    pub truncated: bool,
}

impl VolumeStatistics {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<VolumeStatistics, Error> {
        let page = LogPage::decode(bytes)?;
        if page.page != 0x17 {
            let reply = "volume statistics log page";
            return Err(Error::WrongPage { reply, expected: 0x17, found: page.page });
        }
        let flag = |code| page.number(code).map(|n| n & 1 != 0);
        let per_partition =
            |code| page.parameter(code).map_or_else(Vec::new, |p| partition_records(&p.value));
        Ok(VolumeStatistics {
            valid: flag(0x0000).unwrap_or(false),
            mounts: page.number(0x0001),
            data_sets_written: page.number(0x0002),
            write_retries: page.number(0x0003),
            write_errors: page.number(0x0004),
            data_sets_read: page.number(0x0007),
            read_retries: page.number(0x0008),
            read_errors: page.number(0x0009),
            lifetime_written_mb: page.number(0x0010),
            lifetime_read_mb: page.number(0x0011),
            capacity_mb: page.number(0x0016),
            used_mb: page.number(0x0017),
            serial: page.text(0x0040),
            barcode: page.text(0x0042),
            manufacturer: page.text(0x0043),
            personality: page.text(0x0045),
            manufactured: page.text(0x0046),
            write_protected: flag(0x0080),
            worm: flag(0x0081),
            beginning_passes: page.number(0x0101),
            middle_passes: page.number(0x0102),
            first_encrypted: per_partition(0x0200),
            partition_capacity_mb: per_partition(0x0202),
            partition_used_mb: per_partition(0x0203),
            partition_remaining_mb: per_partition(0x0204),
            mount_history: page.parameter(0x0300).map_or_else(Vec::new, |p| mounts(&p.value)),
            truncated: page.truncated,
        })
    }
}

/// Splits a parameter of partition records: a length byte that does not count itself, one reserved
/// byte, the partition in two bytes, the value. A record that is not whole ends the list.
pub fn partition_records(value: &[u8]) -> PerPartition {
    let mut records = Vec::new();
    let mut rest = value;
    while let [length @ 4..=255, tail @ ..] = rest {
        let Some(record) = slice(tail, 0, usize::from(*length)) else { break };
        let partition = be16(record, 1).and_then(|p| u8::try_from(p).ok());
        let Some(partition) = partition else { break };
        records.push((Partition(partition), known(&record[3..])));
        rest = &tail[usize::from(*length)..];
    }
    records
}

/// Mount history records are 44 bytes; drives differ in what their length byte counts.
fn mounts(value: &[u8]) -> Vec<Mount> {
    value
        .chunks_exact(44)
        .map(|record| Mount {
            index: be16(record, 2).unwrap_or(0),
            vendor: text(&record[4..12]),
            serial: text(&record[12..44]),
        })
        .collect()
}
