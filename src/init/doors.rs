//! Doors: a child for each drive and changer that is attached.
//!
//! Owns when it is looked what is attached, and what follows for the children. A device has the child of its name
//! whenever it is there; one that went and came back gets it anew, as nothing of what was open is good any more.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use board::machine::{Each, Machine, Process, Start};
use discover::{Device, Uevents};

use super::child::Now;
use super::keeper::Child;
use super::message::CHILDREN_MAX;
use super::{DOORS, say};

/// One plug is many messages: they are waited for.
const SETTLES: Duration = Duration::from_millis(100);
/// When it is looked again where the kernel does not tell, or sysfs could not be read.
const AGAIN: Duration = Duration::from_secs(5);

/// Who looks.
pub(super) struct Doors {
    machine: Machine,
    process: Process,
    events: Option<Uevents>,
    look_at: Option<Now>,
}

impl Doors {
    /// None: the board has no process for each device.
    pub(super) fn of(machine: &Machine) -> Option<Doors> {
        let process = machine.processes.iter().find(|process| process.each == Each::Device)?;
        let (machine, process) = (machine.clone(), process.clone());
        Some(Doors { machine, process, events: None, look_at: None })
    }

    /// Those that start then are to run.
    pub(super) fn begin(&mut self, start: Start, now: Now) {
        if start != self.process.start {
            return;
        }
        // Listening comes first, so that nothing that comes meanwhile is missed.
        match Uevents::listen() {
            Ok(events) => self.events = Some(events),
            Err(error) => say(&format!("the kernel does not tell which devices come: {error}")),
        }
        self.look_at = Some(now);
    }

    /// What is to be waited for.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.events.as_ref().map(AsFd::as_fd)
    }

    /// What is attached, if it is time to look.
    fn look(&mut self, now: Now) -> Option<Vec<Device>> {
        match self.events.as_ref().map(Uevents::have_changed) {
            None | Some(Ok(false)) => {}
            Some(Ok(true)) => self.look_at = Some(self.look_at.unwrap_or(now + SETTLES)),
            Some(Err(error)) => {
                say(&format!("the kernel does not tell any more which devices come: {error}"));
                (self.events, self.look_at) = (None, Some(now));
            }
        }
        self.look_at.filter(|at| now >= *at)?;
        let found = discover::attached();
        let is_told = self.events.is_some() && found.is_ok();
        self.look_at = (!is_told).then_some(now + AGAIN);
        found.map_err(|error| say(&format!("cannot look for drives and changers: {error}"))).ok()
    }

    /// If it is time to look, each device has its child from then on.
    pub(super) fn follow(&mut self, children: &mut Vec<Child>, now: Now) {
        if let Some(attached) = self.look(now) {
            self.fit(children, &attached, now);
        }
    }

    fn fit(&self, children: &mut Vec<Child>, attached: &[Device], now: Now) {
        for device in attached {
            let known = children.iter().position(|child| child.is_of(&self.process, device));
            let Some(at) = known.or_else(|| self.place(children, device)) else {
                say(&format!("{} gets no door: {CHILDREN_MAX} children are kept", device.key));
                continue;
            };
            children[at].is_at(device, now);
        }
        let is_there =
            |child: &Child| attached.iter().any(|device| child.is_of(&self.process, device));
        let gone = |child: &&mut Child| child.is_instance_of(&self.process) && !is_there(child);
        children.iter_mut().filter(gone).for_each(|child| child.is_away(now));
    }

    /// A place for the child of a new device: a new one, or that of a device that is away.
    fn place(&self, children: &mut Vec<Child>, device: &Device) -> Option<usize> {
        let child = Child::new(&self.machine, &self.process, Some(device.key.to_string()));
        if children.len() < CHILDREN_MAX {
            children.push(child);
            return Some(children.len() - 1);
        }
        let is_left = |child: &Child| child.is_instance_of(&self.process) && child.is_over();
        let at = children.iter().position(is_left)?;
        children[at] = child;
        Some(at)
    }
}

/// Nobody is behind a door any more: who looks for it must not find it.
pub(super) fn shut(key: &str) {
    let socket = Path::new(DOORS).join(key);
    match std::fs::remove_file(&socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            say(&format!("cannot remove {}: {error}", socket.display()));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use board::Board;

    use super::super::child::Due;
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn doors() -> Doors {
        Doors::of(&Board::load("qemu-q35").unwrap().machine.unwrap()).unwrap()
    }

    /// Devices whose serial numbers and appearances these are.
    fn devices(those: &[(&str, u64)]) -> Vec<Device> {
        let one = |(serial, appearance): &(&str, u64)| Device {
            key: format!("drive-{serial}").parse().unwrap(),
            identity: discover::Identity {
                kind: discover::Kind::Drive,
                designator: None,
                serial: Some((*serial).to_owned()),
            },
            vendor: String::new(),
            product: String::new(),
            revision: String::new(),
            node: "/dev/sg0".into(),
            address: "0:0:0:0".parse().unwrap(),
            others: Vec::new(),
            appearance: *appearance,
        };
        those.iter().map(one).collect()
    }

    /// Names of those that are to run, and whether each is to be started now.
    fn wanted(children: &mut [Child], now: Now) -> Vec<(String, bool)> {
        let those = children.iter_mut().filter(|child| child.account.is_wanted());
        those.map(|child| (child.name.to_string(), child.account.due(now) == Due::Start)).collect()
    }

    fn door(serial: &str, due: bool) -> (String, bool) {
        (format!("scsi_door/drive-{serial}"), due)
    }

    #[test]
    fn devices_come_and_go_and_come_back_under_their_names() {
        let (doors, mut children) = (doors(), Vec::new());
        doors.fit(&mut children, &devices(&[("A", 1), ("B", 2)]), MS);
        assert_eq!(wanted(&mut children, MS), [door("A", true), door("B", true)]);
        children.iter_mut().for_each(|child| child.account.started(MS));
        doors.fit(&mut children, &devices(&[("A", 1), ("B", 2)]), MS);
        assert_eq!(wanted(&mut children, MS), [door("A", false), door("B", false)]);
        // One is gone, the other was plugged in anew before anybody looked.
        doors.fit(&mut children, &devices(&[("B", 3)]), 2 * MS);
        assert_eq!(wanted(&mut children, 2 * MS), [door("B", false)]);
        children.iter_mut().for_each(|child| child.account.ended(3 * MS));
        assert_eq!(wanted(&mut children, 3 * MS), [door("B", true)]);
        doors.fit(&mut children, &devices(&[("A", 4), ("B", 3)]), 4 * MS);
        assert_eq!(wanted(&mut children, 4 * MS), [door("A", true), door("B", true)]);
        assert_eq!(children.len(), 2);
    }

    #[test]
    fn the_table_does_not_grow_for_ever() {
        let (doors, mut children) = (doors(), Vec::new());
        for number in 0..3 * CHILDREN_MAX as u64 {
            let serial = number.to_string();
            doors.fit(&mut children, &devices(&[(&serial, number)]), MS);
            assert_eq!(wanted(&mut children, MS), [door(&serial, true)]);
            assert!(children.len() <= CHILDREN_MAX);
        }
    }
}
