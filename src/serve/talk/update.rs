//! What the appliance runs: passed on to its updater.
//!
//! Owns what of it the audit trail hears: everything but looking, and of an update its beginning and its end.

use std::path::Path;

use super::carry::core;
use super::{Talk, of_fault};
use crate::authority::event::Event;
use crate::serve::shell::{Happening, send};
use crate::tapicom::message::{Reply, UpdateWanted};
use crate::tapicom::rights::Caller;
use crate::update::{SOCKET, Updater, Wish};

impl Talk {
    pub(super) fn update(&self, caller: &Caller, wanted: UpdateWanted) -> Reply {
        let (wish, what) = match wanted {
            UpdateWanted::Show => (Wish::Show, None),
            UpdateWanted::Piece { offset, bytes } => {
                let what = (offset == 0).then_some("sends an update of the appliance");
                (Wish::Piece { offset, bytes: bytes.0 }, what)
            }
            UpdateWanted::Take => (Wish::Take, Some("has the appliance take an update")),
            UpdateWanted::Stick => (Wish::Stick, Some("has the appliance take an update from USB")),
            UpdateWanted::Rollback => (Wish::Rollback, Some("has the appliance go back")),
            UpdateWanted::Reboot => (Wish::Reboot, Some("starts the appliance anew")),
        };
        if let Some(what) = what {
            let who = core(caller).name();
            send(&self.happen, Happening::Event(Event::Noted { who, what: what.into() }));
        }
        let asked = Updater::connect(Path::new(SOCKET)).and_then(|mut updater| updater.wish(wish));
        asked.map_or_else(|fault| of_fault(&fault), Reply::Update)
    }
}
