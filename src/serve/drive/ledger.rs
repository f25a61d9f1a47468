//! What a drive counted: bytes, corrected and hard errors, TapeAlert flags.
//!
//! Owns the difference between what the drive's log pages say now and said before. The pages count since a
//! cartridge was loaded; they are read after each errand that moves data, and before a cartridge is taken out.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use scsi::log_pages::ErrorCounters;

use super::Own;
use crate::authority::event::{Count, ErrandId, Said};
use crate::catalogue::record::Counted;

/// Log pages of error counters: writing, reading.
const PAGES: [u8; 2] = [0x02, 0x03];

/// What was read last, and flags that were up since.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    last: [Counted; 2],
    alerts: BTreeSet<u8>,
}

impl Own {
    /// TapeAlert flags are up.
    pub(super) fn note_alerts(&self, numbers: impl Iterator<Item = u8>) {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).alerts.extend(numbers);
    }

    /// Another cartridge is in the drive: it counts anew.
    pub(super) fn counts_anew(&self) {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).last = Default::default();
    }

    /// Says what was counted since the last time; `took` is how long data moved, `ends` that the cartridge is
    /// taken out now.
    pub(super) fn count(&self, took: Duration, ends: bool) {
        let index = self.drive.index();
        let mut drive = match self.devices.drive(index) {
            Ok(drive) => drive,
            Err(fault) => return tracing::debug!(%fault, "a drive does not tell what it counted"),
        };
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let mut since = [Counted::default(); 2];
        for (nth, page) in PAGES.into_iter().enumerate() {
            if !drive.capabilities().log_pages.contains(&page) {
                continue;
            }
            let told = drive.log_page(page).ok().and_then(|page| ErrorCounters::decode(&page).ok());
            let Some(told) = told else { continue };
            let now = Counted {
                bytes: told.processed.unwrap_or(0),
                ms: 0,
                corrected: told.corrected.unwrap_or(0),
                hard: told.uncorrected.unwrap_or(0),
            };
            since[nth] = difference(ledger.last[nth], now);
            if since[nth].bytes > 0 {
                since[nth].ms = ms;
            }
            ledger.last[nth] = now;
        }
        let alerts: Vec<u8> = std::mem::take(&mut ledger.alerts).into_iter().collect();
        let [written, read] = since;
        let is_nothing = written == Counted::default() && read == Counted::default();
        if ends || !is_nothing || !alerts.is_empty() {
            let serial = drive.identity().serial.clone();
            let count = Count { serial, written, read, alerts, ends, cleaned: false };
            self.say(ErrandId(0), Said::Counted(count));
        }
    }

    /// The drive was cleaned.
    pub(super) fn count_cleaning(&self) {
        if let Ok(drive) = self.devices.drive(self.drive.index()) {
            let serial = drive.identity().serial.clone();
            let count = Count { serial, cleaned: true, ..Count::default() };
            self.say(ErrandId(0), Said::Counted(count));
        }
    }
}

/// A counter that went back began anew.
fn difference(before: Counted, now: Counted) -> Counted {
    let since = |before: u64, now: u64| now.checked_sub(before).unwrap_or(now);
    Counted {
        bytes: since(before.bytes, now.bytes),
        ms: 0,
        corrected: since(before.corrected, now.corrected),
        hard: since(before.hard, now.hard),
    }
}
