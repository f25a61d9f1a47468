//! Tapioca.
