//! Plumbers: what runs a component between its edges.
//!
//! Owns descriptors, threads and the order in which things close, so that components own none.

pub mod berths;
pub mod descriptors;
pub mod echo;
pub mod edge;
pub mod far;
pub mod far_part;
pub mod link_part;
pub mod meeting;
mod named;
pub mod pipe;
pub mod ring;
pub mod run;
mod said;
pub mod spawn;
pub mod visit;
mod wires;
