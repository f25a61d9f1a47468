//! Tapicom: how people's tools command the authority.
//!
//! One command, one answer, and subscriptions that tell more until the client has enough. What is said is in
//! [`message`] and [`reply`]; how it travels, in [`frame`]. Everything that is judged before the authority hears
//! of it comes together in [`door`]: tickets ([`ticket`]), logins ([`login`]) and rights ([`rights`]).

pub mod ask;
pub mod backlog;
pub mod backoff;
pub mod client;
pub mod door;
pub mod frame;
pub mod limits;
pub mod login;
pub mod message;
pub mod password;
pub mod rate;
pub mod reply;
pub mod rights;
pub mod session;
pub mod shown;
pub mod ticket;
pub mod values;
pub mod wanted;
