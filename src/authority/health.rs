//! How cartridges and drives are: what was counted, mount after mount.
//!
//! Owns the adding up. Nothing is decided from it; people are told.

use super::event::{Count, DriveId};
use super::step::Step;
use crate::catalogue::record::{Alerted, Counted, Health, Patient, Record, Seconds};

impl Step<'_> {
    /// A drive says what it counted, with the cartridge in it or alone.
    pub(super) fn counted(&mut self, id: DriveId, count: &Count) {
        let now_s = self.state.now_s();
        let tag = self.state.drives.get(&id).and_then(|drive| drive.tag()).map(str::to_owned);
        let medium = tag.filter(|_| !count.cleaned).map(Patient::Medium);
        for of in medium.into_iter().chain([Patient::Drive(count.serial.clone())]) {
            let known = self.state.records.health.get(&of).cloned();
            let mut health = known.unwrap_or_else(|| fresh(of));
            add(&mut health, count, now_s);
            self.put(Record::Health(health));
        }
    }
}

fn fresh(of: Patient) -> Health {
    let none = Counted::default();
    Health {
        of,
        mounts: 0,
        last_s: 0,
        written: none,
        read: none,
        last_written: none,
        last_read: none,
        alerts: Default::default(),
        cleaned: 0,
    }
}

fn add(health: &mut Health, count: &Count, now_s: Seconds) {
    health.last_s = now_s;
    health.mounts += u64::from(count.ends);
    health.cleaned += u64::from(count.cleaned);
    sum(&mut health.written, &mut health.last_written, count.written);
    sum(&mut health.read, &mut health.last_read, count.read);
    for number in &count.alerts {
        let alerted = health.alerts.entry(*number).or_insert(Alerted { times: 0, last_s: 0 });
        (alerted.times, alerted.last_s) = (alerted.times + 1, now_s);
    }
}

fn sum(all: &mut Counted, last: &mut Counted, new: Counted) {
    all.bytes = all.bytes.saturating_add(new.bytes);
    all.ms = all.ms.saturating_add(new.ms);
    all.corrected = all.corrected.saturating_add(new.corrected);
    all.hard = all.hard.saturating_add(new.hard);
    if new.bytes > 0 {
        *last = new;
    }
}
