//! A media changer over any transport.
//!
//! Owns one robot: who it is, where its cartridges are, and moving them. Refuses to choose: which
//! cartridge goes where is the caller's plan, and a move that failed is never repeated here. Knows
//! nothing of backups; a bar code is a label for people. Source: SMC-3, quirks named where handled.
#![forbid(unsafe_code)]
#![warn(clippy::cast_possible_truncation)]

mod changer;
mod error;
mod inventory;
mod port;

pub use changer::{Changer, Identity, MOVE_TIMEOUT};
pub use error::{ChangerFault, Context, Error, LinkFault, OperatorFault, OurFault};
pub use inventory::{Element, Inventory};
