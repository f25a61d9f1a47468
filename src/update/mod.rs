//! What the updater is told and asked, by whom ever commands the box.
//!
//! Owns the messages and the way to them: a local socket, one message at a time ([`packet`](crate::packet)). Who may is
//! judged by who asks: the steward for the administrator at the console, the service for an administrator elsewhere.

mod client;
mod message;
mod words;

pub use client::Updater;
pub use message::{Answer, Ask, Image, PIECE_BYTES_MAX, SOCKET, Seen, State, TOLD_MAX, Told, Wish};
