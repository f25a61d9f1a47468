//! What several tests share.
#![allow(dead_code, reason = "each test uses its part")]

pub mod hard_tree;
pub mod meddling;
pub mod tree;
