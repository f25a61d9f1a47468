//! The authority: decides who may do what, which job runs where, and what happens to media.
//!
//! Owns the decisions and nothing else: a [`State`](state::State) and one function over it, that takes an
//! [`Event`] and gives the [`Action`]s that follow. There is no clock, file, device, thread or chance in
//! here, so that a simulator can run years of bad days. Whoever calls it is called the shell: it makes
//! events of the world, and carries the actions out strictly in their order, one after the other.
//! [`Action::Record`] is a barrier: what stands behind it happens only when it is committed. A commit
//! that fails ends the process, which starts again from what was committed.

pub mod action;
pub mod event;
pub mod order;

pub use action::{Action, Errand, Reply};
pub use event::{Event, Found, Said};
pub use order::{Caller, Order};
