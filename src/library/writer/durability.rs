//! The steps of the durability ladder.
//!
//! Owns the order: sync record, WRITE FILEMARKS without the immediate bit, READ POSITION, TapeAlert,
//! receipt. Nothing is acknowledged that one of them speaks against.

use scsi::BlockAddress;
use ssc::{Immediate, ReadOut, Written};

use super::{ON_TAPE, Put, TapeWriter};
use crate::library::fault::drive_fault;
use crate::library::reel::Anchor;
use crate::stream::{Blame, Fault, Receipt, Upward};
use crate::volume::part::PartSync;
use crate::volume::{BlockKind, Label};

impl TapeWriter {
    pub(super) fn sync_if_due(&mut self, up: &mut dyn Upward) -> Result<(), Fault> {
        match self.unsynced_bytes < self.sync.bytes {
            true => Ok(()),
            false => self.sync(up),
        }
    }

    /// Writes a sync record and makes everything before it durable.
    pub(super) fn sync(&mut self, up: &mut dyn Upward) -> Result<(), Fault> {
        let record = PartSync { reached: self.offset, previous: self.last_sync };
        let address = self.next;
        let mut put = self.put_payload(BlockKind::Sync, self.offset, &record.text())?;
        if put == Put::Taken {
            put = self.confirm(0, up)?;
        }
        match put {
            Put::Taken => self.last_sync = Some(address),
            Put::Elsewhere => self.go_elsewhere(up)?,
        }
        match self.near_end {
            true => self.turn_over(up),
            false => Ok(()),
        }
    }

    /// Makes everything so far durable (with `filemarks` filemarks behind it) and sends the receipt.
    pub(super) fn confirm(&mut self, filemarks: u32, up: &mut dyn Upward) -> Result<Put, Fault> {
        if self.flush(filemarks)? == Put::Elsewhere {
            return Ok(Put::Elsewhere);
        }
        self.acknowledge(filemarks, up)?;
        Ok(Put::Taken)
    }

    /// WRITE FILEMARKS, not immediate, until the drive agrees on the position; recovers as often as
    /// is sensible.
    pub(super) fn flush(&mut self, filemarks: u32) -> Result<Put, Fault> {
        let wanted = self.next + u64::from(filemarks);
        let mut marks = filemarks;
        loop {
            let reel = self.reel();
            let error = match reel.drive.write_filemarks(marks, Immediate::No) {
                Ok(Written::Full) => return Ok(self.medium_is_over("it is full")),
                Ok(written) => {
                    self.near_end |= written == Written::EarlyWarning;
                    match self.doubt(wanted)? {
                        None => {
                            self.next = wanted;
                            return Ok(Put::Taken);
                        }
                        Some(doubt) => doubt,
                    }
                }
                Err(error @ ssc::Error::Medium { .. }) => {
                    return Ok(self.medium_is_over(&error.to_string()));
                }
                Err(error) => error,
            };
            let Some(first) = self.recover(&error)? else { return Ok(Put::Elsewhere) };
            if self.send_from(first)? == Put::Elsewhere {
                return Ok(Put::Elsewhere);
            }
            // The drive stands behind the last kept block; has the filemark landed already?
            marks = if filemarks > 0 && self.filemark_follows()? { 0 } else { filemarks };
        }
    }

    /// What speaks against believing the flush.
    pub(super) fn doubt(&mut self, wanted: u64) -> Result<Option<ssc::Error>, Fault> {
        if let Some(error) = self.position_doubt(wanted) {
            return Ok(Some(error));
        }
        match self.reel().drive.alerts() {
            Ok(alerts) => self.refuse_critical(&alerts).map(|()| None),
            Err(error) => Ok(Some(error)),
        }
    }

    pub(super) fn position_doubt(&mut self, wanted: u64) -> Option<ssc::Error> {
        let drive = &mut self.reel().drive;
        match drive.position() {
            Ok(position)
                if position.block.0 == wanted && position.buffered_objects.unwrap_or(0) == 0 =>
            {
                None
            }
            Ok(position) => Some(ssc::Error::Drive {
                device: drive.name().to_owned(),
                command: "READ POSITION",
                fault: ssc::DriveFault::WrongPlace { wanted, found: position.block.0 },
            }),
            Err(error) => Some(error),
        }
    }

    pub(super) fn filemark_follows(&mut self) -> Result<bool, Fault> {
        let next = self.next;
        let mut buffer = self.blank(self.fill.len());
        let drive = &mut self.reel().drive;
        let found = match drive.read_block(&mut buffer) {
            Ok(ReadOut::Filemark) => Ok(true),
            Ok(ReadOut::EndOfData) => Ok(false),
            Ok(_) | Err(ssc::Error::Medium { .. }) => {
                drive.locate(BlockAddress(next)).map(|()| false).map_err(|e| {
                    drive_fault(drive, "cannot return to the end of what was written", &e)
                })
            }
            Err(error) => Err(drive_fault(drive, "cannot look behind what was written", &error)),
        };
        self.spare.push(buffer);
        found
    }

    pub(super) fn refuse_critical(&self, alerts: &[ssc::TapeAlert]) -> Result<(), Fault> {
        let critical: Vec<String> = alerts
            .iter()
            .filter(|a| a.severity == scsi::alert::Severity::Critical)
            .map(ToString::to_string)
            .collect();
        if critical.is_empty() {
            return Ok(());
        }
        let name = self.label().map(Label::name).unwrap_or_default();
        Err(Fault::never(
            Blame::Drive,
            format!("{name}: the drive raised {}; nothing more is promised", critical.join(", ")),
        ))
    }

    pub(super) fn acknowledge(&mut self, filemarks: u32, up: &mut dyn Upward) -> Result<(), Fault> {
        let last = self.kept.back().map(|kept| (kept.address, kept.checksum));
        if let Some((address, checksum)) = last {
            self.reel().anchor = Anchor { address, checksum, then_filemark: filemarks > 0 };
        }
        self.spare.extend(self.kept.drain(..).map(|kept| kept.bytes));
        self.unsynced_bytes = 0;
        self.dirty_since = None;
        self.recoveries = 0;
        let extents = self.runs[self.confirmed_runs..].to_vec();
        self.confirmed_runs = self.runs.len();
        let digest = std::mem::take(&mut self.digest).finalize().to_hex().to_string();
        let (Some(first), Some(last)) = (extents.first(), extents.last()) else { return Ok(()) };
        let (from, to) = (first.from, last.to);
        self.receipted = to;
        let (stream, place) = (self.stream.stream, self.place());
        let (grade, copy, copies) = (ON_TAPE.into(), 0, 1);
        up.receipt(Receipt { stream, from, to, grade, place, extents, copy, copies, digest })
    }
}
