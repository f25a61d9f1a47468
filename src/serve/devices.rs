//! The devices of the service: one library that its drives share.
//!
//! Owns the opening: each drive by itself, the changer once for all. Whoever moves cartridges holds the
//! [`Robot`]: there is one hand.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use scsi::{Data, Outcome, Transport};
use smc::{Changer, Inventory};

use crate::library::device;
use crate::library::{Mount, Scribe};
use crate::stream::{Blame, Fault};

/// Which devices there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Tape drives, in the order in which people count them.
    pub drives: Vec<String>,
    /// The changer that serves them.
    pub changer: Option<String>,
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
    names: Names,
    shared: Option<SharedTransport>,
    scribe: Scribe,
    /// The changer's hand.
    pub robot: Robot,
}

impl Devices {
    /// Opens the changer, and looks at each drive.
    ///
    /// # Errors
    ///
    /// A device that is not there, is not what it should be, or belongs to another process.
    pub fn open(names: Names, scribe: Scribe) -> Result<Devices, Fault> {
        let shared = match &names.changer {
            None => None,
            Some(name) => Some(SharedTransport {
                name: name.clone(),
                device: Arc::new(Mutex::new(device::open(name)?)),
            }),
        };
        let devices = Devices { names, shared, scribe, robot: Robot::default() };
        (0..devices.count()).try_for_each(|drive| devices.mount(drive).map(drop))?;
        Ok(devices)
    }

    /// How many drives there are.
    pub fn count(&self) -> usize {
        self.names.drives.len()
    }

    /// What a drive is called.
    pub fn name(&self, drive: usize) -> &str {
        &self.names.drives[drive]
    }

    /// The time and fresh identities.
    pub fn scribe(&self) -> Scribe {
        self.scribe
    }

    /// A drive, and the changer that serves it. One owner at a time.
    pub fn mount(&self, drive: usize) -> Result<Mount, Fault> {
        let changer = self.changer()?;
        Ok(Mount::new(self.drive(drive)?, changer, self.scribe))
    }

    /// A drive by itself.
    pub fn drive(&self, drive: usize) -> Result<ssc::Drive, Fault> {
        device::open_drive(&self.names.drives[drive])
    }

    /// The changer for those who look and move.
    pub fn changer(&self) -> Result<Option<Changer>, Fault> {
        self.shared.clone().map(attach).transpose()
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
