//! The service: carries out what the authority decides.

pub mod devices;
pub mod drive;
pub mod ingest;
pub mod session;
