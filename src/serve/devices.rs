//! The devices of the service: one library that its drives share.
//!
//! Owns the opening: each drive by itself, the changer once for all. A device that is in use by somebody else is
//! waited for, and what cannot be opened now is tried again when it is wanted again. Whoever moves cartridges
//! holds the [`Robot`]: there is one hand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use scsi::{Data, ElementAddress, Outcome, Transport};
use smc::{Changer, Inventory};

use crate::library::device;
use crate::library::{Mount, Scribe};
use crate::stream::{Blame, Fault};

/// How long an errand waits for a device that is in use by somebody else.
const IN_USE: Duration = Duration::from_secs(10);

/// Which devices there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Tape drives, in the order in which people count them.
    pub drives: Vec<String>,
    /// The changer that serves them.
    pub changer: Option<String>,
    /// Whether a person said in which order drives are: where the changer does not tell, its bays are in that.
    pub in_order: bool,
}

/// A changer as several see it, each command whole.
#[derive(Clone)]
struct SharedTransport {
    name: String,
    device: Arc<Mutex<Box<dyn Transport>>>,
}

impl SharedTransport {
    fn lock(&self) -> MutexGuard<'_, Box<dyn Transport>> {
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for SharedTransport {
    fn name(&self) -> &str {
        &self.name
    }

    fn execute(&mut self, cdb: &[u8], data: Data<'_>, timeout: Duration) -> Outcome {
        self.lock().execute(cdb, data, timeout)
    }

    fn reopen(&mut self) -> std::io::Result<()> {
        self.lock().reopen()
    }
}

/// The robot's hand: whoever has the guard may move cartridges.
#[derive(Clone, Default)]
pub struct Robot(Arc<Mutex<()>>);

impl Robot {
    /// Waits until no other moves anything: minutes, if a drive rewinds for somebody.
    pub fn hand(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All devices. A drive is opened for each errand anew: what is believed of it ends with the errand before.
pub struct Devices {
    names: Mutex<Names>,
    /// The changer, once it could be opened.
    shared: Mutex<Option<SharedTransport>>,
    /// Serial numbers of the drives that could be opened, in their order.
    serials: Mutex<Vec<Option<String>>>,
    /// Addresses of their bays in the changer, as far as they are known.
    bays: Mutex<BTreeMap<usize, ElementAddress>>,
    scribe: Scribe,
    /// The changer's hand.
    pub robot: Robot,
}

impl Devices {
    /// Looks at the changer and at each drive. What is not there, or belongs to another process, is said; what
    /// is there works.
    pub fn open(names: Names, scribe: Scribe) -> Devices {
        let count = names.drives.len();
        let (names, serials) = (Mutex::new(names), Mutex::new(vec![None; count]));
        let (shared, bays, robot) = (Mutex::default(), Mutex::default(), Robot::default());
        let devices = Devices { names, shared, serials, bays, scribe, robot };
        if let Err(fault) = devices.changer() {
            tracing::error!(%fault, "the changer is tried again when it is wanted");
        }
        for drive in 0..count {
            if let Err(fault) = devices.look(drive) {
                let number = drive + 1;
                tracing::error!(%fault, "drive {number} is tried again when it is wanted");
            }
        }
        devices
    }

    /// Those that others hold: none is looked at before it comes.
    pub fn behind_doors(names: Names, scribe: Scribe) -> Devices {
        let serials = Mutex::new(vec![None; names.drives.len()]);
        let (names, shared, robot) = (Mutex::new(names), Mutex::default(), Robot::default());
        Devices { names, shared, serials, bays: Mutex::default(), scribe, robot }
    }

    /// Finds out which of the changer's drives are ours: as it tells; where it tells nothing, there are as many as we have,
    /// and somebody said in which order, by order.
    pub fn find_bays(&self, found: &Inventory) {
        let serials = self.serials();
        let by_order = self.are_in_order()
            && found.drives.len() == serials.len()
            && found.drives.iter().all(|bay| bay.device.is_none());
        let told = found.bays_of(&serials).into_iter().enumerate();
        let ours = told.filter_map(|(drive, told)| {
            let bay = told.or_else(|| found.drives.get(drive).filter(|_| by_order))?;
            Some((drive, bay.address))
        });
        self.bays().extend(ours);
    }

    /// The changer's address of a drive, if it is known.
    pub fn bay(&self, drive: usize) -> Option<ElementAddress> {
        self.bays().get(&drive).copied()
    }

    /// Our drive at an address of the changer.
    pub fn drive_in(&self, bay: ElementAddress) -> Option<usize> {
        self.bays().iter().find(|(_, known)| **known == bay).map(|(drive, _)| *drive)
    }

    fn bays(&self) -> MutexGuard<'_, BTreeMap<usize, ElementAddress>> {
        self.bays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drives are called so from now on: more than before, or another in the place of one that never came.
    pub fn rename(&self, drives: Vec<String>) {
        let mut names = self.names();
        let mut serials = self.serials.lock().unwrap_or_else(PoisonError::into_inner);
        serials.resize(drives.len(), None);
        names.drives = drives;
    }

    /// The changer is called so from now on.
    pub fn take_changer(&self, name: String) {
        self.names().changer = Some(name);
        self.bays().clear();
    }

    /// Whether there is a changer.
    pub fn has_changer(&self) -> bool {
        self.names().changer.is_some()
    }

    /// How many drives there are.
    pub fn count(&self) -> usize {
        self.names().drives.len()
    }

    /// What a drive is called.
    pub fn name(&self, drive: usize) -> String {
        self.names().drives[drive].clone()
    }

    /// The time and fresh identities.
    pub fn scribe(&self) -> Scribe {
        self.scribe
    }

    /// A drive, and the changer that serves it. One owner at a time.
    ///
    /// # Errors
    ///
    /// One of them is not there, or was in use by somebody else for [ten seconds](IN_USE).
    pub fn mount(&self, drive: usize) -> Result<Mount, Fault> {
        let changer = self.changer()?;
        Ok(Mount::new(self.drive(drive)?, changer, self.scribe).in_bay(self.bay(drive)))
    }

    /// A drive by itself.
    ///
    /// # Errors
    ///
    /// As for [`mount`](Devices::mount).
    pub fn drive(&self, drive: usize) -> Result<ssc::Drive, Fault> {
        let opened = device::open_drive_within(&self.name(drive), IN_USE)?;
        Ok(self.note(drive, opened))
    }

    /// Finds out what a drive is, without waiting for whoever has it.
    fn look(&self, drive: usize) -> Result<(), Fault> {
        self.note(drive, device::open_drive(&self.name(drive))?);
        Ok(())
    }

    fn note(&self, drive: usize, opened: ssc::Drive) -> ssc::Drive {
        let mut serials = self.serials.lock().unwrap_or_else(PoisonError::into_inner);
        serials[drive] = Some(opened.identity().serial.clone());
        opened
    }

    /// The serial number of each drive, as far as they could be asked.
    pub fn serials(&self) -> Vec<Option<String>> {
        let known = || self.serials.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (drive, _) in known().iter().enumerate().filter(|(_, serial)| serial.is_none()) {
            if let Err(fault) = self.look(drive) {
                tracing::debug!(%fault, "drive {} cannot be asked who it is", drive + 1);
            }
        }
        known()
    }

    /// The changer for those who look and move.
    ///
    /// # Errors
    ///
    /// It is not there, is none, or is in use by somebody else.
    pub fn changer(&self) -> Result<Option<Changer>, Fault> {
        let Some(name) = self.names().changer.clone() else { return Ok(None) };
        let mut shared = {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            match &*shared {
                Some(shared) => shared.clone(),
                None => {
                    let device = Arc::new(Mutex::new(device::open(&name)?));
                    shared.insert(SharedTransport { name, device }).clone()
                }
            }
        };
        match attach(shared.clone()) {
            // It may have gone and come back meanwhile.
            Err(fault) => match shared.reopen() {
                Ok(()) => attach(shared).map(Some),
                Err(_) => Err(fault),
            },
            attached => attached.map(Some),
        }
    }

    /// Whether the changer's bays may be taken to be in the order of the drives.
    fn are_in_order(&self) -> bool {
        self.names().in_order
    }
}

fn attach(transport: SharedTransport) -> Result<Changer, Fault> {
    let name = transport.name.clone();
    Changer::attach(Box::new(transport)).map_err(|error| {
        Fault::later(Blame::Changer, format!("cannot use {name} as a media changer: {error}"))
    })
}

/// What the changer sees.
pub fn inventory(changer: &mut Changer) -> Result<Inventory, Fault> {
    changer.inventory().map_err(|error| {
        let what = format!("{}: cannot take the inventory: {error}", changer.name());
        Fault::later(Blame::Changer, what)
    })
}
