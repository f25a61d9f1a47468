//! The library: which cartridge is where.
//!
//! Owns the elements as the changer told them, kept up to date by every errand that moves a cartridge, and asked
//! for anew whenever one failed. An inventory is taken only while nothing moves, and nothing is moved while it is
//! taken. A barcode that cannot be read any more is believed to be the one that was there; its label is read
//! before anything is done with it.

use std::collections::{BTreeMap, BTreeSet};

use super::Action;
use super::action::{Grade, Reply};
use super::drives::{FAILURES_MAX, InDrive};
use super::event::{Content, DriveId, Element};
use super::people::{Need, Needs};
use super::state::{Cartridge, Inventory, Ordered};
use super::step::Step;
use crate::catalogue::record::{Medium, MediumState, Record};

/// Where a cartridge is that is in no element.
const OUTSIDE: &str = "outside of the library";
/// What the barcodes of cleaning cartridges begin with.
const CLEANING: &str = "CLN";
/// Longest wait before a changer that did not answer is asked again.
const AGAIN_S: i64 = 60;

impl Step<'_> {
    /// Whether cartridges may be moved now.
    pub(super) fn is_library_steady(&self) -> bool {
        self.state.inventory == Inventory::Fresh && !self.state.is_moving
    }

    /// Takes the inventory if it is wanted and nothing moves; asks for people if the library is in trouble.
    pub(super) fn look_around(&mut self, needs: &mut Needs) {
        if let Some((why, FAILURES_MAX..)) = &self.state.library_trouble {
            needs.insert(Need::Library, why.clone());
        }
        let Inventory::Wanted(from_s) = self.state.inventory else { return };
        let moves =
            self.state.drives.values().any(|drive| drive.is_moving()) || self.state.is_moving;
        if !moves && from_s <= self.state.passed_s() {
            self.state.inventory = Inventory::Asked;
            self.act(Action::TakeInventory);
        }
    }

    /// What the changer found.
    pub(super) fn library(&mut self, found: Vec<(Element, Content)>) {
        if self.state.inventory != Inventory::Asked {
            return;
        }
        self.state.inventory = Inventory::Fresh;
        self.state.library_trouble = None;
        let before = std::mem::take(&mut self.state.elements);
        let (mut seen, mut believed) = (BTreeSet::new(), Vec::new());
        for (at, content) in found {
            let known = before.get(&at).cloned().flatten();
            let cartridge = match content {
                Content::Empty => None,
                Content::Tag(tag) if seen.insert(tag.clone()) => {
                    Some(Cartridge { tag: Some(tag), is_read: true, is_nobody: false })
                }
                Content::Tag(tag) => {
                    self.notify(Grade::Warning, format!("{at}: there is another {tag}"));
                    Some(Cartridge { is_nobody: true, ..Cartridge::UNKNOWN })
                }
                Content::Untagged => {
                    believed.push(at);
                    let known = known.unwrap_or(Cartridge::UNKNOWN);
                    Some(Cartridge { is_read: false, ..known })
                }
            };
            self.state.elements.insert(at, cartridge);
        }
        believed.extend(self.add_by_hand(&before));
        self.drop_doubles(&believed, seen);
        self.note_places();
        self.note_drives();
        for call in std::mem::take(&mut self.state.imports) {
            self.take_in(call);
        }
    }

    /// Of a tag that is believed to be somewhere and one that was read, the latter is right.
    fn drop_doubles(&mut self, believed: &[Element], mut read: BTreeSet<String>) {
        for at in believed {
            let Some(Some(cartridge)) = self.state.elements.get_mut(at) else { continue };
            cartridge.tag = cartridge.tag.take().filter(|tag| read.insert(tag.clone()));
        }
    }

    /// Drives that no robot serves are no elements of the changer: what is believed to be in them is there still.
    fn add_by_hand(&mut self, before: &BTreeMap<Element, Option<Cartridge>>) -> Vec<Element> {
        let by_hand = self.state.drives.iter().filter(|(_, drive)| !drive.has_changer);
        let bays: Vec<Element> = by_hand.map(|(id, _)| Element::Drive(*id)).collect();
        for bay in &bays {
            if let Some(content) = before.get(bay) {
                self.state.elements.insert(*bay, content.clone());
            }
        }
        bays
    }

    fn note_places(&mut self) {
        let places: Vec<(String, Element)> = self
            .state
            .elements
            .iter()
            .filter_map(|(at, content)| Some((content.as_ref()?.tag.clone()?, *at)))
            .collect();
        let here: BTreeSet<&String> = places.iter().map(|(tag, _)| tag).collect();
        let media = self.state.records.media.values();
        let left = media.filter(|m| !here.contains(&m.tag) && m.location != OUTSIDE);
        let left: Vec<String> = left.map(|m| m.tag.clone()).collect();
        for tag in left {
            self.change_medium(&tag, |m| m.location = OUTSIDE.into());
            self.state.take_out.remove(&tag);
            self.tell(None, format!("{tag} left the library"));
        }
        for (tag, at) in places {
            self.note_place(&tag, at);
        }
    }

    fn note_place(&mut self, tag: &str, at: Element) {
        let Some(medium) = self.state.records.media.get(tag) else {
            let is_cleaning = tag.starts_with(CLEANING);
            let state =
                if is_cleaning { MediumState::Cleaning(None) } else { MediumState::Unknown };
            self.put(Record::Medium(Medium::new(tag, state, at.to_string())));
            return self.tell(None, format!("{tag} is new, in {at}"));
        };
        if medium.location == OUTSIDE {
            self.state.unobtainable.remove(tag);
        }
        self.change_medium(tag, |m| m.location = at.to_string());
    }

    /// What is in a drive is who it was only if the tag is the same.
    fn note_drives(&mut self) {
        for (id, drive) in &mut self.state.drives {
            let content = self.state.elements.get(&Element::Drive(*id)).cloned().flatten();
            if drive.session.is_some() {
                continue;
            }
            let before = drive.medium.take();
            drive.medium = content.map(|cartridge| match before {
                Some(medium) if medium.tag == cartridge.tag => medium,
                _ => InDrive { tag: cartridge.tag, home: None, is: None },
            });
        }
    }

    /// The changer does not say.
    pub(super) fn library_trouble(&mut self, why: String) {
        if self.state.inventory != Inventory::Asked {
            return;
        }
        let before = self.state.library_trouble.as_ref().map_or(0, |(_, times)| *times);
        let times = before.saturating_add(1);
        let wait_s = self.state.settings.rest_after(times).min(AGAIN_S);
        self.state.inventory = Inventory::Wanted(self.state.passed_s() + wait_s);
        if times == FAILURES_MAX {
            self.notify(Grade::Warning, format!("the library does not answer: {why}"));
        }
        for call in std::mem::take(&mut self.state.imports) {
            self.refuse(call, why.clone(), "see to the library");
        }
        self.state.library_trouble = Some((why, times));
    }

    /// Begins the next move that was ordered.
    pub(super) fn move_next(&mut self) {
        let moves = self.state.drives.values().any(|drive| drive.is_moving());
        if moves || !self.is_library_steady() {
            return;
        }
        while let Some(ordered) = self.state.moves.front().cloned() {
            if let Err(why) = self.can_move(ordered.from, ordered.to) {
                self.state.moves.pop_front();
                self.refuse(ordered.call, why, "look at the inventory");
                continue;
            }
            self.state.is_moving = true;
            return self.act(Action::Move { from: ordered.from, to: ordered.to });
        }
    }

    fn can_move(&self, from: Element, to: Element) -> Result<(), String> {
        let is_drive = |at| matches!(at, Element::Drive(_));
        match (self.state.elements.get(&from), self.state.elements.get(&to)) {
            _ if is_drive(from) || is_drive(to) => Err("what is in a drive is unloaded".into()),
            (None, _) => Err(format!("there is no {from}")),
            (_, None) => Err(format!("there is no {to}")),
            (Some(None), _) => Err(format!("{from} is empty")),
            (_, Some(Some(_))) => Err(format!("{to} is full")),
            _ => Ok(()),
        }
    }

    /// A move was made, or not.
    pub(super) fn moved(&mut self, from: Element, to: Element, trouble: Option<String>) {
        let is_it = |ordered: &&Ordered| ordered.from == from && ordered.to == to;
        if !self.state.is_moving || self.state.moves.front().filter(is_it).is_none() {
            return;
        }
        self.state.is_moving = false;
        let Some(ordered) = self.state.moves.pop_front() else { return };
        if let Some(why) = trouble {
            self.want_inventory();
            return self.refuse(ordered.call, why, "see to the library");
        }
        self.put_into(from, to);
        self.state.take_out.extend(ordered.take_out);
        self.answer(ordered.call, Reply::Done);
    }

    /// What is to be taken out, and is still there.
    pub(super) fn ask_to_take_out(&mut self, needs: &mut Needs) {
        if self.is_library_steady() {
            let mut tags = std::mem::take(&mut self.state.take_out);
            let in_mail_slot =
                |tag: &String| matches!(self.state.place_of(tag), Some(Element::MailSlot(_)));
            tags.retain(in_mail_slot);
            self.state.take_out = tags;
        }
        for tag in &self.state.take_out {
            if let Some(at) = self.state.place_of(tag) {
                needs.insert(Need::TakeOut(tag.clone()), at.to_string());
            }
        }
    }

    /// Sends a drive to put back what is in it. False: it cannot.
    pub(super) fn unload(&mut self, id: DriveId) -> bool {
        let Some(drive) = self.state.drives.get(&id) else { return false };
        if !drive.is_idle() && (drive.has_changer || !drive.waits_for_medium()) {
            return false;
        }
        let home = drive.medium.as_ref().and_then(|medium| medium.home);
        let to = match drive.has_changer {
            true if !self.is_library_steady() => return false,
            true => match self.state.slot_for(home) {
                Some(slot) => Some(slot),
                None => return false,
            },
            false => None,
        };
        let errand = self.send(id, super::Errand::Unload { to });
        let doing = super::drives::Doing::Errand(errand, super::drives::Task::Unload(to));
        self.state.drives.entry(id).and_modify(|drive| drive.doing = doing);
        true
    }
}
