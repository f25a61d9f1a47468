//! An iSCSI initiator that says anything.
//!
//! Promises: the target comes to an end with what it was sent, and answers in whole units no longer than were agreed.

use iscsi::{Units, converse};

use super::devices::Stock;

/// Length of the header of a unit (RFC 7143 11.2).
const HEADER: usize = 48;

/// One connection, from its first byte to its last.
pub fn session(b: &[u8]) {
    let stock = Stock::new(1);
    let units = Units::open(stock.dir()).expect("nobody else has it");
    let mut answers = Vec::new();
    // How it ends is the initiator's affair: it may be told so in words.
    if let Err(error) = converse(b, &mut answers, &units, "127.0.0.1:3260") {
        assert!(!error.to_string().is_empty());
    }
    let mut rest = answers.as_slice();
    while !rest.is_empty() {
        assert!(rest.len() >= HEADER, "a piece of a header");
        let length = u32::from_be_bytes([0, rest[5], rest[6], rest[7]]) as usize;
        assert!(length <= 256 << 10, "a segment of {length} bytes");
        rest = &rest[HEADER + length.next_multiple_of(4)..];
    }
    drop(units);
    stock.open("changer");
}
