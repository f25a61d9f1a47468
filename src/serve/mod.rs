//! The service: carries out what the authority decides.
