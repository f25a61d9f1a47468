//! The box's first process in namespaces of its own: a root of its own, a process table of its own, no machine.
//!
//! What takes a kernel of the box's own (disk, modules, watchdog) is not here.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod init;
