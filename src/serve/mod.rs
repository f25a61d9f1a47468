//! The service: carries out what the authority decides.

pub mod calendar;
pub mod config;
pub mod devices;
pub mod drive;
pub mod due;
pub mod events;
pub mod ingest;
pub mod live;
pub mod metrics;
pub mod notify;
pub mod outgo;
pub mod own;
pub mod plan;
pub mod pull;
pub mod report;
pub mod robot;
pub mod run;
pub mod scrub;
pub mod session;
pub mod shell;
pub mod supervise;
pub mod talk;
pub mod visitors;
pub mod world;
