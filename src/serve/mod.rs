//! The service: carries out what the authority decides.
//!
//! Owns everything that takes time or may fail: [`run`] the order of its life, [`shell`] the loop, [`drive`] and
//! [`robot`] the devices, [`session`], [`ingest`] and [`outgo`] the streams, [`talk`] those who command, [`world`]
//! those who are told. Decides nothing: what happens is an event, what is to be done an action.

pub mod calendar;
pub mod condition;
pub mod config;
pub mod devices;
mod doors;
pub mod drive;
pub mod due;
pub mod events;
pub mod gap;
pub mod held;
pub mod ingest;
pub mod live;
pub mod metrics;
pub mod notify;
pub mod outgo;
pub mod own;
pub mod plan;
pub mod pull;
pub mod rebuild;
pub mod report;
pub mod robot;
pub mod run;
pub mod scrub;
pub mod session;
pub mod shell;
pub mod supervise;
pub mod talk;
pub mod upkeep;
pub mod visitors;
pub mod world;
