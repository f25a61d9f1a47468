//! Tapicom: how people's tools command the authority.
//!
//! One command, one answer, and subscriptions that tell more until the client has enough. What is said is in
//! [`message`] and [`reply`]; how it travels, in [`frame`].

pub mod frame;
pub mod limits;
pub mod message;
pub mod reply;
pub mod values;
