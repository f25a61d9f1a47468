//! The service: carries out what the authority decides.

pub mod calendar;
pub mod config;
pub mod notify;
