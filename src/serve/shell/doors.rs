//! Drives and a robot that come and go while the service runs.

use std::collections::btree_map::Entry;
use std::time::Instant;

use super::{Seat, Shell};
use crate::authority::action::Grade;
use crate::authority::event::{DriveAtHand, DriveId, ErrandId, Event, Said};
use crate::serve::doors::Change;
use crate::stream::Fault;

impl Shell {
    /// Takes in who came and went.
    pub(super) fn look_for_doors(&mut self) -> Result<(), Fault> {
        let Some(doors) = &mut self.doors else { return Ok(()) };
        let changes = doors.look(Instant::now());
        if changes.iter().any(|change| matches!(change, Change::DriveCame(_))) {
            self.devices.rename(doors.names());
        }
        changes.into_iter().try_for_each(|change| self.changed(change))
    }

    fn changed(&mut self, change: Change) -> Result<(), Fault> {
        match change {
            Change::DriveCame(index) => {
                let drive = DriveId::of(index);
                if let Entry::Vacant(vacant) = self.seats.entry(drive) {
                    vacant.insert(Seat::new(&self.devices, drive, &self.say)?);
                }
                self.came(drive)
            }
            Change::DriveLost(index) => {
                let drive = DriveId::of(index);
                let why = format!("{} is not attached", self.devices.name(index));
                let (errand, said) = (ErrandId(0), Said::Lost(why));
                self.world(Event::Drive { drive, errand, said })
            }
            Change::RobotCame(name) => {
                self.devices.take_changer(name);
                let drives: Vec<DriveId> = self.seats.keys().copied().collect();
                drives.into_iter().try_for_each(|drive| self.came(drive))
            }
            Change::Trouble(words) => {
                self.events.notify(Grade::Alarm, &words);
                Ok(())
            }
        }
    }

    fn came(&mut self, drive: DriveId) -> Result<(), Fault> {
        let has_changer = self.devices.has_changer();
        self.event(Event::Came(DriveAtHand { drive, has_changer }))
    }
}
