//! The service: carries out what the authority decides.

pub mod calendar;
pub mod config;
pub mod metrics;
pub mod notify;
pub mod report;
