//! What the service tells the world, and what it is told: its file, mail and webhooks against receivers that
//! others wrote, metrics against a parser that others wrote, reports as they are read.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod config;
mod metrics;
mod notify;
mod receiver;
mod report;
