//! The errands of one drive, on a thread of its own.
//!
//! Owns every command that a drive gets, one errand after the other, and says what came of each. Which
//! cartridge, and what for, the authority decides; the checks of the library layer, label against
//! barcode and no writing on what is not ours, come on top of that.

mod desk;
mod ledger;
mod look;
mod read;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use scsi::ElementAddress;
use uuid::Uuid;

use super::devices::Devices;
use super::outgo::Outgo;
use super::session::{Gate, Room, Tell, Writing, session};
use crate::authority::action::{Errand, Piece};
use crate::authority::event::{DriveId, Element, ErrandId, Found, Said, Volume};
use crate::library::{Mount, Reel, SyncEvery, TapeWriter};
use crate::stream::{Blame, Fault, StreamId};
use desk::Desk;
use ledger::Ledger;

/// Where a drive says things.
pub type Say = Arc<dyn Fn(DriveId, ErrandId, Said) + Send + Sync>;

/// What a drive's thread is given to do.
enum Todo {
    Errand(ErrandId, Errand),
    Write(ErrandId, Box<Writing>),
    Read(ErrandId, Vec<Piece>, Arc<Mutex<Outgo>>),
}

/// A drive's thread, seen from outside.
pub struct Owner {
    todo: Sender<Todo>,
    own: Own,
}

/// What the thread, and a session on it, know.
#[derive(Clone)]
struct Own {
    devices: Arc<Devices>,
    drive: DriveId,
    say: Say,
    todo: Arc<Mutex<Receiver<Todo>>>,
    /// What it counted.
    ledger: Arc<Mutex<Ledger>>,
    /// What is being read is to be given up.
    stop: Arc<AtomicBool>,
}

impl Owner {
    /// Starts the thread of a drive.
    ///
    /// # Errors
    ///
    /// This host has no thread for it.
    pub fn start(devices: Arc<Devices>, drive: DriveId, say: Say) -> Result<Owner, Fault> {
        let (todo, receiver) = channel();
        let todo_of = Arc::new(Mutex::new(receiver));
        let own = Own {
            devices,
            drive,
            say,
            todo: todo_of,
            ledger: Arc::default(),
            stop: Arc::default(),
        };
        let (thread, runs) = (std::thread::Builder::new().name(drive.to_string()), own.clone());
        let started = thread.spawn(move || runs.run());
        started.map_err(|e| Fault::host("cannot start a thread", &e))?;
        Ok(Owner { todo, own })
    }

    /// Sends the drive on an errand that needs no more than its words.
    pub fn go(&self, id: ErrandId, errand: Errand) {
        self.give(id, Todo::Errand(id, errand));
    }

    /// Has it read pieces into `out`.
    pub fn read(&self, id: ErrandId, pieces: Vec<Piece>, out: Arc<Mutex<Outgo>>) {
        self.give(id, Todo::Read(id, pieces, out));
    }

    /// Has it give up what it reads.
    pub fn stop(&self) {
        self.own.stop.store(true, Ordering::Relaxed);
    }

    /// Begins a session on the volume in the drive.
    pub fn begin(
        &self,
        id: ErrandId,
        wanted: (Uuid, u64),
        sync: SyncEvery,
        room: Room,
        tell: Tell,
    ) -> Gate {
        let desk = Desk { own: self.own.clone(), session: id, wanted };
        let edge = StreamId((self.own.devices.scribe().new_id)());
        let (gate, writing) = session(TapeWriter::new(Box::new(desk), sync), edge, room, tell);
        self.give(id, Todo::Write(id, Box::new(writing)));
        gate
    }

    fn give(&self, id: ErrandId, todo: Todo) {
        // A stop that follows is of this errand, even if it comes before its begin.
        self.own.stop.store(false, Ordering::Relaxed);
        if self.todo.send(todo).is_err() {
            self.own.say(id, Said::Lost("its thread died".into()));
        }
    }
}

impl Own {
    fn say(&self, id: ErrandId, said: Said) {
        (self.say)(self.drive, id, said);
    }

    fn next(&self) -> Option<Todo> {
        self.todo.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
    }

    fn run(&self) {
        while let Some(todo) = self.next() {
            self.check_health(&todo);
            let begun = Instant::now();
            match todo {
                Todo::Errand(id, errand) => {
                    let said = self.errand(errand);
                    if matches!(said, Said::HasRead { .. }) {
                        self.count(begun.elapsed(), false);
                    }
                    self.say(id, said);
                }
                Todo::Write(id, writing) => {
                    let (fault, end) = match writing.run() {
                        Ok(end) => (None, end),
                        Err(fault) => (Some(fault.to_string()), 0),
                    };
                    self.count(begun.elapsed(), false);
                    self.say(id, Said::SessionOver { fault, end });
                }
                Todo::Read(id, pieces, out) => {
                    let said = match self.read(&pieces, &out) {
                        Ok(stop) => Said::HasRead { stop },
                        Err(fault) => Said::Failed(fault.to_string()),
                    };
                    self.count(begun.elapsed(), false);
                    self.say(id, said);
                }
            }
        }
    }

    fn mount(&self) -> Result<Mount, Fault> {
        self.devices.mount(self.drive.index())
    }

    /// An errand that is over when this returns.
    fn errand(&self, errand: Errand) -> Said {
        let said = match errand {
            Errand::Mount { put_back, from, known_to, .. } => {
                self.bring(put_back, from).and_then(|()| self.look(known_to)).map(Said::Mounted)
            }
            Errand::Label { tag, set, number, over } => {
                self.label(tag, set, number, over).map(Said::Labelled)
            }
            Errand::Verify { pieces, .. } => {
                self.verify(&pieces).map(|stop| Said::HasRead { stop })
            }
            Errand::Clean { put_back, tag, .. } => {
                self.clean(put_back, &tag).map(|()| Said::Cleaned { left: None })
            }
            Errand::Erase { tag, volume } => self.erase(&tag, volume).map(|()| Said::Erased),
            Errand::Unload { to } => self.unload(to).map(|()| Said::Unloaded),
            Errand::Stop => Err(Fault::later(Blame::Operator, "stopped")),
            Errand::Begin { .. }
            | Errand::Join { .. }
            | Errand::GoOn
            | Errand::NoMedium(_)
            | Errand::EndSession
            | Errand::Read { .. } => {
                Err(Fault::never(Blame::Ours, "an errand that does not belong here"))
            }
        };
        said.unwrap_or_else(|fault| Said::Failed(fault.to_string()))
    }

    fn bring(&self, put_back: Option<Element>, from: Option<Element>) -> Result<(), Fault> {
        let (home, from) = (put_back.map(address).transpose()?, from.map(address).transpose()?);
        if home.is_none() && from.is_none() {
            return Ok(());
        }
        if home.is_some() {
            self.count(Duration::ZERO, true);
        }
        self.counts_anew();
        let mut mount = self.mount()?;
        let _hand = self.devices.robot.hand();
        if let Some(home) = home {
            mount.put_to(home)?;
        }
        from.map_or(Ok(()), |from| mount.fetch_from(from))
    }

    fn unload(&self, to: Option<Element>) -> Result<(), Fault> {
        let home = to.map(address).transpose()?;
        self.count(Duration::ZERO, true);
        self.counts_anew();
        let mut mount = self.mount()?;
        match home {
            Some(home) => {
                let _hand = self.devices.robot.hand();
                mount.put_to(home)
            }
            None => mount.eject(),
        }
    }

    fn clean(&self, put_back: Option<Element>, tag: &str) -> Result<(), Fault> {
        let home = put_back.map(address).transpose()?;
        let mut mount = self.mount()?;
        let _hand = self.devices.robot.hand();
        if let Some(home) = home {
            mount.put_to(home)?;
        }
        mount.clean_with(tag)?;
        drop(mount);
        self.count_cleaning();
        Ok(())
    }

    fn label(
        &self,
        tag: String,
        set: Option<Uuid>,
        number: u32,
        over: Option<Uuid>,
    ) -> Result<Volume, Fault> {
        let mut mount = self.mount()?;
        mount.erase_if_expired(over)?;
        let set = set.unwrap_or_else(self.devices.scribe().new_id);
        let Reel { label, anchor, .. } = mount.label_new(set, number, Some(tag))?;
        Ok(Volume {
            tag: label.volume_tag,
            volume: label.volume_id,
            set: label.set_id,
            number: label.volume_number,
            end: anchor.next(),
            is_empty: true,
            write_protected: false,
            worm: false,
            damage: None,
            ahead: Vec::new(),
        })
    }

    fn erase(&self, tag: &str, volume: Uuid) -> Result<(), Fault> {
        let mut mount = self.mount()?;
        match mount.identify()? {
            crate::library::Found::Ours { label, .. } if label.volume_id == volume => mount.erase(),
            _ => Err(Fault::never(
                Blame::Operator,
                format!(
                    "what is in {} is not volume {volume} ({tag}); nothing was erased",
                    self.drive
                ),
            )),
        }
    }

    /// What the drive has to complain about is said before it works on.
    fn check_health(&self, todo: &Todo) {
        let cleans = matches!(todo, Todo::Errand(_, Errand::Clean { .. }));
        let index = self.drive.index();
        let alerts = match self.devices.drive(index).and_then(|mut drive| {
            let asked = drive.alerts();
            asked.map_err(|e| {
                crate::library::fault::drive_fault(&drive, "cannot ask for alerts", &e)
            })
        }) {
            Ok(alerts) => alerts,
            Err(fault) => return tracing::debug!(%fault, "a drive does not tell its alerts"),
        };
        // TapeAlert flags 14h and 15h: clean now, clean periodic.
        if !cleans && alerts.iter().any(|flag| matches!(flag.number, 0x14 | 0x15)) {
            self.say(ErrandId(0), Said::WantsCleaning);
        }
        let words: Vec<String> = alerts.iter().map(ToString::to_string).collect();
        self.note_alerts(alerts.iter().map(|flag| flag.number));
        if !words.is_empty() {
            self.say(ErrandId(0), Said::Alerts(words));
        }
    }
}

/// Where the changer has an element that is not a drive.
fn address(element: Element) -> Result<ElementAddress, Fault> {
    match element {
        Element::Slot(address) | Element::MailSlot(address) | Element::Hand(address) => {
            Ok(ElementAddress(address))
        }
        Element::Drive(drive) => Err(Fault::never(
            Blame::Ours,
            format!("{drive} is no place that a cartridge is fetched from or put back to"),
        )),
    }
}

/// Nothing was found.
fn nothing() -> Found {
    Found::Nothing
}
