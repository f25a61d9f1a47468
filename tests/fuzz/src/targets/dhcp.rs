//! What comes to the port by which a link asks for an address.
//!
//! Promises: whatever comes, whenever, and however often the cable goes out: no message is longer than any server takes;
//! a lease is an address in a network, with a way out of it, and times in their order; it is there from the moment it is
//! told until it is told to be lost; and after what is due was done, nothing is due at once.

use std::time::Duration;

use tapioca::net::dhcp::{Action, Client, Event, Lease};

/// Number of every question here, and the hardware address: inputs answer to them.
pub const XID: u32 = 0x0102_0304;
pub const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

/// Events, each a byte of its kind, two of seconds that went by, and with a packet two of its length.
pub fn replies(bytes: &[u8]) {
    let mut client = Client::new(MAC, "box", Box::new(|| XID));
    let mut now = Duration::from_secs(1);
    let mut leased = false;
    look(&mut client, Event::Carrier(true), now, &mut leased);
    let mut rest = bytes;
    while let [kind, s0, s1, more @ ..] = rest {
        now += Duration::from_secs(u16::from_be_bytes([*s0, *s1]).into());
        rest = more;
        look(&mut client, Event::Tick, now, &mut leased);
        match kind % 4 {
            0 => {
                let [l0, l1, more @ ..] = rest else { return };
                let length = usize::from(u16::from_be_bytes([*l0, *l1])).min(more.len());
                let (packet, more) = more.split_at(length);
                rest = more;
                look(&mut client, Event::Packet(packet), now, &mut leased);
            }
            1 => look(&mut client, Event::Carrier(false), now, &mut leased),
            2 => look(&mut client, Event::Carrier(true), now, &mut leased),
            _ => {
                if let Some(due) = client.due() {
                    now = now.max(due);
                }
            }
        }
    }
}

fn look(client: &mut Client, event: Event<'_>, now: Duration, leased: &mut bool) {
    for action in client.handle(event, now) {
        match action {
            Action::Send { bytes, .. } => assert!((300..=576).contains(&bytes.len())),
            Action::Bound(lease) => {
                *leased = true;
                fits(&lease);
            }
            Action::Lost => {
                assert!(*leased, "what was never there is lost");
                *leased = false;
            }
        }
    }
    assert_eq!(client.lease().is_some(), *leased);
    assert!(client.due().is_none_or(|due| due > now) || !matches!(event, Event::Tick));
}

fn fits(lease: &Lease) {
    let address = lease.address();
    assert!(!address.is_unspecified() && !address.is_loopback() && !address.is_multicast());
    assert!((1..=32).contains(&lease.prefix.bits));
    if let Some(gateway) = lease.gateway {
        assert!(lease.prefix.holds(gateway.into()) && gateway != address);
    }
    assert!(lease.dns.len() <= 3 && lease.ntp.len() <= 3);
    match (lease.renew, lease.rebind, lease.lasts) {
        (None, None, None) => {}
        (Some(renew), Some(rebind), Some(lasts)) => {
            assert!(!renew.is_zero() && renew < rebind && rebind < lasts);
        }
        times => panic!("{times:?}"),
    }
}
