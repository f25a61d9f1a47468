//! The wire between two plumbers: many pipes over one connection.
//!
//! Owns the frames ([`frame`]), what may be sent when ([`flow`], which does no I/O), the messages that
//! start and end a component ([`message`]), how bytes are protected on the way ([`channel`], over TLS 1.3
//! in [`tls`]), and the threads that move them ([`link`]). Knows no component and no identity: who may
//! connect is decided by whoever makes the TLS configuration. `docs/wire.md` draws all of it.

pub mod channel;
pub mod flow;
pub mod frame;
pub mod link;
pub mod message;
pub mod tls;

pub use link::Link;
