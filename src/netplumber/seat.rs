//! Who is connected, and how many may be.
//!
//! Owns the counting: of all, of strangers and the addresses they come from, of each machine's. A seat is taken
//! when a connection is accepted and given back when it is dropped, whatever happened in between.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use super::Netplumber;
use crate::identity::authority::Authority;

/// Who is connected.
#[derive(Default)]
pub(super) struct Present {
    all: usize,
    strangers: HashMap<IpAddr, usize>,
    machines: HashMap<String, usize>,
}

/// A place among those present, given back when dropped.
pub(super) struct Seat {
    pub(super) netplumber: Rc<Netplumber>,
    address: IpAddr,
    /// Name and certificate's digest, once known.
    machine: Option<(String, String)>,
}

impl Seat {
    pub(super) fn take(netplumber: &Rc<Netplumber>, address: IpAddr) -> Option<Seat> {
        let limits = netplumber.limits;
        let mut present = netplumber.present.borrow_mut();
        let strangers: usize = present.strangers.values().sum();
        let from_there = present.strangers.get(&address).copied().unwrap_or(0);
        let is_full = present.all >= limits.connections
            || strangers >= limits.strangers
            || from_there >= limits.of_an_address;
        if is_full {
            return None;
        }
        present.all += 1;
        *present.strangers.entry(address).or_default() += 1;
        Some(Seat { netplumber: netplumber.clone(), address, machine: None })
    }

    /// It is no stranger any more. Returns why it is not served all the same.
    pub(super) fn is_known_as(&mut self, machine: String, digest: String) -> Result<(), String> {
        if self.machine.is_some() {
            return Err("it says twice who it is".into());
        }
        let most = self.netplumber.limits.of_a_machine;
        let mut present = self.netplumber.present.borrow_mut();
        leave(&mut present.strangers, &self.address);
        let count = present.machines.entry(machine.clone()).or_default();
        *count += 1;
        let count = *count;
        self.machine = Some((machine, digest));
        match count > most {
            true => Err(format!("{most} connections of this machine are enough")),
            false => Ok(()),
        }
    }

    pub(super) fn is_welcome(&self) -> bool {
        let Some((machine, digest)) = &self.machine else { return true };
        let authority = Authority::in_folder(&self.netplumber.folder);
        authority.is_good(machine, digest)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut present = self.netplumber.present.borrow_mut();
        present.all -= 1;
        match &self.machine {
            Some((machine, _)) => leave(&mut present.machines, machine),
            None => leave(&mut present.strangers, &self.address),
        }
    }
}

fn leave<K: std::hash::Hash + Eq + Clone>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
