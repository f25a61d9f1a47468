//! The console: the box commanded over a serial line.
//!
//! Owns a session on one line: the [`editor`], the [`grammar`] over the one table of [`commands`], the [`pager`],
//! and beside the dialect of people that of programs, [`frame`]. Talks with the steward and, while it is there,
//! with the service, by tapicom as any other client. How answers look is handed in: it is as `tapicli` shows them.

pub mod commands;
mod devices;
pub mod editor;
pub mod frame;
pub mod grammar;
mod idle;
pub mod inbox;
pub mod output;
mod own;
pub mod pager;
mod parts;
pub mod port;
mod record;
mod screens;
pub mod service;
pub mod session;
#[cfg(test)]
mod tests;
