//! The steward: who the box is, who may change it, and which settings are in force.
//!
//! Owns the raw partition `meta`, so that all of that outlives a file system that died. [`core`] decides,
//! [`keep`] says in what shape it is written, [`message`] what is said on its socket, [`serve`] listens there.
//! Knows neither network nor tape; whoever carries settings out asks for them.

pub mod client;
pub mod core;
pub mod keep;
pub mod message;
pub mod serve;
mod slots;
#[cfg(test)]
mod tests;
