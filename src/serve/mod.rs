//! The service: carries out what the authority decides.

pub mod devices;
pub mod drive;
pub mod ingest;
pub mod outgo;
pub mod session;
pub mod supervise;
pub mod visitors;
