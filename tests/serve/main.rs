//! The service as people and clients meet it: processes, a virtual library, a network.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
#![allow(dead_code, reason = "what tests share has more than each uses")]

#[path = "../common/pam.rs"]
mod pam;
#[path = "../common/tree.rs"]
mod tree;

mod crashes;
mod day;
mod doors;
mod gaps;
mod kills;
mod looks;
mod rebuild;
mod resume;
mod rig;
mod small;
