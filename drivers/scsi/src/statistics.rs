//! What drive and medium have been through: log pages 14h and 17h.
//!
//! Owns the lifetime counters of the drive (device statistics) and of the volume in it (volume
//! statistics). Fields a drive does not send or marks unknown are `None`. Source: SSC-5 8.3.

use crate::error::Error;
use crate::log::{LogPage, known};
use crate::reader::{be16, slice, text};
use crate::types::Partition;

/// Page 14h: device statistics, counted over the drive's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStatistics {
    /// 0000h: media loads.
    pub loads: Option<u64>,
    /// 0001h: cleanings.
    pub cleanings: Option<u64>,
    /// 0002h: hours under power.
    pub power_on_hours: Option<u64>,
    /// 0003h: hours the medium moved.
    pub motion_hours: Option<u64>,
    /// 0004h: metres of tape processed.
    pub metres: Option<u64>,
    /// 0008h: hours the medium moved since the last successful cleaning.
    pub motion_hours_since_cleaning: Option<u64>,
    /// 000Ch: power cycles.
    pub power_cycles: Option<u64>,
    /// 000Eh: hard write errors.
    pub hard_write_errors: Option<u64>,
    /// 000Fh: hard read errors.
    pub hard_read_errors: Option<u64>,
    /// 0040h: serial number the maker gave the drive.
    pub manufacturer_serial: Option<String>,
    /// 0041h: serial number the drive goes by.
    pub serial: Option<String>,
    /// The reply was cut.
    pub truncated: bool,
}

impl DeviceStatistics {
    /// Decodes the page.
    pub fn decode(bytes: &[u8]) -> Result<DeviceStatistics, Error> {
        let page = LogPage::expect(bytes, 0x14, 0)?;
        Ok(DeviceStatistics {
            loads: page.number(0x0000),
            cleanings: page.number(0x0001),
            power_on_hours: page.number(0x0002),
            motion_hours: page.number(0x0003),
            metres: page.number(0x0004),
            motion_hours_since_cleaning: page.number(0x0008),
            power_cycles: page.number(0x000c),
            hard_write_errors: page.number(0x000e),
            hard_read_errors: page.number(0x000f),
            manufacturer_serial: page.text(0x0040),
            serial: page.text(0x0041),
            truncated: page.truncated,
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
