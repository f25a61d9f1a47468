//! Tapioca: a backup appliance built of small components that only read and write pipes.
//!
//! Start at [`stream`], the contract every component keeps; then [`parts`], the components; then
//! [`plumb`], what runs them. `docs/tour.md` follows one byte through all of it.

pub mod accounts;
pub mod authority;
pub mod cage;
pub mod catalogue;
pub mod cli;
pub mod console;
pub mod demo;
pub mod glue;
pub mod identity;
pub mod init;
pub mod library;
pub mod list;
pub mod net;
pub mod netplumber;
pub mod only;
pub mod packet;
pub mod parts;
pub mod pax;
pub mod plumb;
mod say;
pub mod serve;
pub mod settings;
pub mod steward;
pub mod stream;
pub mod table;
pub mod tapicom;
pub mod update;
pub mod updater;
pub mod volume;
pub mod wire;
