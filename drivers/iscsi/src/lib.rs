//! A virtual library as an iSCSI target, for virtual machines under test.
//!
//! Owns as much of iSCSI (RFC 7143) as an initiator needs that takes what it is offered: one connection a session,
//! no digests, no authentication, error recovery level 0. With it a guest's own kernel and other people's tools judge
//! the virtual devices, and the appliance meets their faults through a real `sg` node. Listens where its caller says;
//! it protects nothing, so that should be the loopback interface. Not part of the appliance.
//!
//! ```no_run
//! use std::net::TcpListener;
//!
//! let units = iscsi::Units::open("/srv/library".as_ref())?;
//! let listener = TcpListener::bind("127.0.0.1:3260")?;
//! // iscsi://127.0.0.1:3260/iqn.2001-01.org.tapioca:library/0 is the changer, /1 the first drive.
//! iscsi::serve(&listener, &units)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod login;
mod pdu;
mod session;
mod units;

use std::io;
use std::net::TcpListener;

pub use session::{Error, converse};
pub use units::Units;

/// Name of the one target there is.
pub const TARGET: &str = "iqn.2001-01.org.tapioca:library";

/// Serves every initiator that connects, each in a thread of its own, for ever.
///
/// # Errors
///
/// Nobody can be let in any more.
pub fn serve(listener: &TcpListener, units: &Units) -> io::Result<()> {
    std::thread::scope(|scope| {
        loop {
            let (stream, peer) = listener.accept()?;
            stream.set_nodelay(true)?;
            let portal = listener.local_addr()?.to_string();
            scope.spawn(move || match converse(&stream, &stream, units, &portal) {
                Ok(()) => {}
                Err(error) => eprintln!("iscsi: {peer}: {error}"),
            });
        }
    })
}
