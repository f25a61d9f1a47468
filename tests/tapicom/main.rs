//! Tapicom: the bytes, who may do what, what guessing gains, and a client and a service that speak it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]
#![allow(dead_code, reason = "what tests share has more than each uses")]

mod books;
mod client;
mod flood;
mod golden;
mod samples;
mod served;
mod walk;
