//! Decisions that are wrong on purpose, at the border between the authority and the world: each must be noticed.

use tapioca::authority::event::{Ending, Event, Said};
use tapioca::authority::{Action, Grade, State};
use tapioca::catalogue::record::{Change, MediumState, Record};

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Clients are told before it is recorded.
    TellsFirst,
    /// What became of cartridges is not recorded.
    ForgetsMedia,
    /// Nobody hears of alarms.
    Silent,
    /// A cartridge that was read is believed to stay.
    Trusting,
    /// Data are old as soon as they are written.
    Oblivious,
    /// One person is enough to erase.
    Alone,
    /// A stream that was cut is taken for whole.
    Wishful,
    /// What cannot be read is left out without a word.
    Smooth,
    /// Nobody is asked for anything.
    Proud,
}

/// All of them, each with what is said when it is noticed.
pub const ALL: [(Sabotage, &str); 9] = [
    (Sabotage::TellsFirst, "is confirmed"),
    (Sabotage::ForgetsMedia, ""),
    (Sabotage::Silent, "nobody was told"),
    (Sabotage::Trusting, "I2"),
    (Sabotage::Oblivious, "I3"),
    (Sabotage::Alone, "without two people"),
    (Sabotage::Wishful, "I5"),
    (Sabotage::Smooth, "I6"),
    (Sabotage::Proud, "I8"),
];

impl Sabotage {
    /// What the authority knows, before an event.
    pub fn spoils(self, state: &mut State) {
        match self {
            Sabotage::Oblivious => {
                let media = state.records.media.values_mut();
                let holds = |state: &MediumState| {
                    matches!(state, MediumState::Full | MediumState::Appendable)
                };
                media.filter(|m| holds(&m.state)).for_each(|m| m.expires_s = Some(0));
            }
            Sabotage::Alone => {
                let wishes = state.records.wishes.values_mut();
                wishes.for_each(|wish| wish.second = Some("nobody".into()));
            }
            _ => {}
        }
    }

    /// What it is told.
    pub fn tells(self, event: Event, state: &State) -> Event {
        match (self, event) {
            (Sabotage::Trusting, Event::Drive { said: Said::Changed, .. }) => Event::Tick,
            (
                Sabotage::Wishful,
                Event::Drive { drive, errand, said: Said::JobEnded { job, how: Ending::Cut(_) } },
            ) => {
                let bytes = state.job(job).map_or(0, |job| job.recorded);
                let how = Ending::Whole { bytes, left_out: 0 };
                Event::Drive { drive, errand, said: Said::JobEnded { job, how } }
            }
            (_, event) => event,
        }
    }

    /// What is done of what it decided.
    pub fn does(self, mut actions: Vec<Action>) -> Vec<Action> {
        match self {
            Sabotage::TellsFirst => {
                actions.sort_by_key(|action| !matches!(action, Action::Confirm { .. }));
            }
            Sabotage::ForgetsMedia => {
                let is_medium = |change: &Change| matches!(change, Change::Put(record) if matches!(**record, Record::Medium(_)));
                for action in &mut actions {
                    if let Action::Record(changes) = action {
                        changes.retain(|change| !is_medium(change));
                    }
                }
            }
            Sabotage::Silent => {
                actions.retain(|a| !matches!(a, Action::Notify { grade: Grade::Alarm, .. }));
            }
            Sabotage::Smooth => actions.retain(|a| !matches!(a, Action::Gap { .. })),
            Sabotage::Proud => actions.retain(|a| !matches!(a, Action::Ask { .. })),
            _ => {}
        }
        actions
    }
}
