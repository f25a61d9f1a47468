//! The changer, for those who look and move.
//!
//! Owns a thread, as a robot takes minutes: what it finds comes back as events.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use scsi::ElementAddress;
use smc::Changer;

use super::devices::{Devices, inventory};
use crate::authority::event::{Content, DriveId, Element, Event};
use crate::stream::{Blame, Fault};

enum Todo {
    Look,
    Move(Element, Element),
}

/// The thread, seen from outside.
pub struct Arm(Sender<Todo>);

impl Arm {
    /// Starts it. Without a changer the library has no elements.
    ///
    /// # Errors
    ///
    /// This host has no thread for it.
    pub fn start(
        devices: Arc<Devices>,
        tell: impl Fn(Event) + Send + 'static,
    ) -> Result<Arm, Fault> {
        let (sender, todo) = channel();
        let own = Own { devices, changer: None };
        let thread = std::thread::Builder::new().name("robot".into());
        let run = move || own.run(&todo, tell);
        thread.spawn(run).map_err(|e| Fault::host("cannot start a thread", &e))?;
        Ok(Arm(sender))
    }

    /// Has it look what is where.
    pub fn look(&self) {
        self.give(Todo::Look);
    }

    /// Has it move a cartridge.
    pub fn go(&self, from: Element, to: Element) {
        self.give(Todo::Move(from, to));
    }

    fn give(&self, todo: Todo) {
        if self.0.send(todo).is_err() {
            tracing::error!("the robot's thread died");
        }
    }
}

struct Own {
    devices: Arc<Devices>,
    /// The changer, once it could be opened.
    changer: Option<Changer>,
}

impl Own {
    fn run(mut self, todo: &Receiver<Todo>, tell: impl Fn(Event)) {
        while let Ok(todo) = todo.recv() {
            tell(match todo {
                Todo::Look => match self.look() {
                    Ok(elements) => Event::Library(elements),
                    Err(fault) => Event::LibraryTrouble(fault.to_string()),
                },
                Todo::Move(from, to) => {
                    let trouble = self.move_medium(from, to).err().map(|fault| fault.to_string());
                    Event::Moved { from, to, trouble }
                }
            });
        }
    }

    fn reach(&mut self) -> Result<Option<&mut Changer>, Fault> {
        if self.changer.is_none() {
            self.changer = self.devices.changer()?;
        }
        Ok(self.changer.as_mut())
    }

    fn look(&mut self) -> Result<Vec<(Element, Content)>, Fault> {
        let robot = self.devices.robot.clone();
        let Some(changer) = self.reach()? else { return Ok(Vec::new()) };
        let found = {
            let _hand = robot.hand();
            inventory(changer)?
        };
        self.devices.find_bays(&found);
        let slots = found.storage.iter().map(|e| (Element::Slot(e.address.0), e));
        let mail = found.import_export.iter().map(|e| (Element::MailSlot(e.address.0), e));
        let hands = found.transports.iter().map(|e| (Element::Hand(e.address.0), e));
        let devices = &self.devices;
        let drive = |bay| devices.drive_in(bay).map(|index| Element::Drive(DriveId::of(index)));
        let drives = found.drives.iter().filter_map(|e| Some((drive(e.address)?, e)));
        let all = slots.chain(mail).chain(hands).chain(drives);
        Ok(all.map(|(place, element)| (place, content(element))).collect())
    }

    fn move_medium(&mut self, from: Element, to: Element) -> Result<(), Fault> {
        let (from, to) = (self.address(from)?, self.address(to)?);
        let robot = self.devices.robot.clone();
        let Some(changer) = self.reach()? else {
            return Err(Fault::never(Blame::Operator, "there is no changer: nothing can be moved"));
        };
        let _hand = robot.hand();
        changer.move_medium(from, to).map_err(|error| {
            let what = format!("cannot move from element {} to {}: {error}", from.0, to.0);
            Fault::later(Blame::Changer, what)
        })
    }

    fn address(&self, element: Element) -> Result<ElementAddress, Fault> {
        let address = match element {
            Element::Slot(n) | Element::MailSlot(n) | Element::Hand(n) => Some(ElementAddress(n)),
            Element::Drive(drive) => self.devices.bay(drive.index()),
        };
        address.ok_or_else(|| {
            Fault::never(
                Blame::Changer,
                format!("the changer does not tell which bay is {element}"),
            )
        })
    }
}

fn content(element: &smc::Element) -> Content {
    match (&element.volume_tag, element.full) {
        (_, false) => Content::Empty,
        (Some(tag), true) => Content::Tag(tag.to_string()),
        (None, true) => Content::Untagged,
    }
}
