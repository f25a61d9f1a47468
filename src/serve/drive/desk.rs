//! Where the volumes of a session come from.
//!
//! Owns the pause at the end of a medium: the authority is told, and the errands it gives until it says
//! how to go on, mounts and labels, are done here, as this thread is the drive's.

use uuid::Uuid;

use super::{Own, Todo};
use crate::authority::action::Errand;
use crate::authority::event::{ErrandId, Said};
use crate::library::{Reel, Shelf};
use crate::stream::{Blame, Fault};

/// The shelf of one session.
pub(super) struct Desk {
    pub(super) own: Own,
    pub(super) session: ErrandId,
    /// The volume that is expected in the drive, and the block where its data ends.
    pub(super) wanted: (Uuid, u64),
}

impl Shelf for Desk {
    fn first(&mut self) -> Result<Reel, Fault> {
        let reel = self.own.mount()?.append()?;
        let (volume, end) = self.wanted;
        // A cut-off tail is closed by a filemark: then it ends behind that.
        if reel.label.volume_id != volume || reel.anchor.next() < end {
            let found = (reel.label.name(), reel.anchor.next());
            return Err(Fault::never(
                Blame::Medium,
                format!(
                    "{} ends at block {}, and volume {volume} that ends at {end} is wanted",
                    found.0, found.1
                ),
            ));
        }
        Ok(reel)
    }

    fn next(&mut self, full: Reel) -> Result<Reel, Fault> {
        let set = full.label.set_id;
        // The drive has one owner at a time.
        drop(full);
        self.own.say(self.session, Said::NeedsMedium { fault: None });
        loop {
            match self.own.next() {
                Some(Todo::Errand(_, Errand::GoOn)) => break,
                Some(Todo::Errand(_, Errand::NoMedium(why))) => {
                    return Err(Fault::later(Blame::Operator, why));
                }
                Some(Todo::Errand(id, errand)) => self.own.say(id, self.own.errand(errand)),
                Some(Todo::Write(id, _) | Todo::Read(id, ..)) => {
                    self.own.say(id, Said::Failed("the drive is in a session".into()));
                }
                None => return Err(Fault::neighbour("the service ends")),
            }
        }
        let reel = self.own.mount()?.append()?;
        if reel.label.set_id != set {
            let what = format!("{} is not of the set {set}", reel.label.name());
            return Err(Fault::never(Blame::Operator, what));
        }
        Ok(reel)
    }
}
