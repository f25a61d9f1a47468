//! Drives that no robot serves: people put cartridges in by hand.
//!
//! Owns what is different there. Nobody reads barcodes, so a cartridge is who its label says, and a blank gets its
//! name from us. Nobody tells when one is put in, so a drive is looked into at a start and whenever a person says
//! that something was done.

use super::action::Grade;
use super::drives::Drive;
use super::event::{DriveId, Element, Found};
use super::state::State;
use super::step::Step;
use crate::catalogue::record::MediumState;

/// What the names of cartridges begin with that have no barcode anybody reads.
const NAME: &str = "HAND";

impl Drive {
    /// Whether its session waits for a medium.
    pub(super) fn waits_for_medium(&self) -> bool {
        let session = self.session.as_ref();
        let waits = session.is_some_and(|session| session.needs_medium && !session.is_ending);
        waits && self.is_used && self.doing == super::drives::Doing::Nothing
    }
}

impl State {
    /// A name for a blank without a barcode: one that is not in use.
    fn name_for_blank(&self) -> String {
        let is_free = |tag: &String| match self.records.media.get(tag) {
            Some(medium) => {
                medium.volume.is_none()
                    && medium.pool.is_none()
                    && matches!(medium.state, MediumState::Blank | MediumState::Unknown)
                    && self.place_of(tag).is_none()
            }
            None => true,
        };
        let mut names = (1_u32..).map(|n| format!("{NAME}{n:03}"));
        names.find(is_free).unwrap_or_default()
    }
}

impl Step<'_> {
    /// Something may have been put into any drive that people serve. In a session that writes it is locked in, but it may
    /// be over before we hear of it: then it is looked into.
    pub(super) fn look_by_hand(&mut self) {
        let is_it =
            |drive: &Drive| !drive.has_changer && (drive.is_idle() || drive.waits_for_medium());
        let drives = self.state.drives.iter().filter(|(_, drive)| is_it(drive));
        let drives: Vec<DriveId> = drives.map(|(id, _)| *id).collect();
        drives.into_iter().for_each(|id| self.medium_changed(id));
        let by_hand = self.state.drives.values_mut().filter(|drive| !drive.has_changer);
        by_hand
            .filter_map(|drive| drive.session.as_mut())
            .for_each(|session| session.is_touched = true);
    }

    /// People are to put something into a drive: what is in it comes out first.
    pub(super) fn clear_for_hand(&mut self, at: Option<Element>) {
        if let Some(Element::Drive(id)) = at
            && self.state.drives.get(&id).is_some_and(|drive| drive.medium.is_some())
        {
            self.unload(id);
        }
    }

    /// A person says that this was put where it was asked for.
    pub(super) fn was_put(&mut self, tag: &str, at: Option<Element>) {
        if let Some(Element::Drive(id)) = at
            && let Some(drive) = self.drive(id)
        {
            drive.expected = Some(tag.to_owned());
        }
    }

    /// Who is in a drive that people serve, where its label does not say: a blank is named, and what cannot be
    /// read is believed to be what was asked for, unless that is elsewhere.
    pub(super) fn named_by_hand(
        &mut self,
        id: DriveId,
        found: &Found,
        expected: Option<String>,
    ) -> Option<String> {
        self.drive(id).filter(|drive| !drive.has_changer)?;
        match found {
            Found::Blank { .. } => {}
            Found::Unreadable(_) => {
                let bay = Element::Drive(id);
                return expected.filter(|tag| self.state.may_be_in(tag, bay));
            }
            _ => return None,
        }
        let name = self.state.name_for_blank();
        if !self.state.records.media.contains_key(&name) {
            let words = format!("{id}: the blank cartridge is {name} from now on: write it on it");
            self.notify(Grade::Note, words);
        }
        Some(name)
    }
}
