//! The authority: decides who may do what, which job runs where, and what happens to media.
//!
//! Owns the decisions and nothing else: a [`State`](state::State) and one function over it, that takes an
//! [`Event`] and gives the [`Action`]s that follow. There is no clock, file, device, thread or chance in
//! here, so that a simulator can run years of bad days. Whoever calls it is called the shell: it makes
//! events of the world, and carries the actions out strictly in their order, one after the other.
//! [`Action::Record`] is a barrier: what stands behind it happens only when it is committed. A commit
//! that fails ends the process, which starts again from what was committed.

pub mod action;
mod agree;
mod audit;
mod books;
mod cartridges;
pub mod clock;
mod copies;
mod deal;
pub mod drives;
pub mod event;
mod gaps;
mod hand;
mod health;
mod jobs;
mod library;
pub mod media;
pub mod order;
mod orders;
pub mod people;
mod reading;
pub mod records;
mod room;
mod schedules;
mod session;
pub mod state;
mod step;
mod wishes;

pub use action::{Action, Errand, Grade, Reply};
pub use event::{Event, Found, Said};
pub use jobs::words;
pub use order::{Caller, Order};
pub use orders::right;
pub use state::{Settings, State};
pub use step::step;
