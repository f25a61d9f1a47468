//! Commands of media changers (SMC-3).
//!
//! Owns moving media and asking where they are. Transport element 0 in a move lets the changer pick
//! its own hand.

use crate::element::ElementKind;
use crate::types::{ElementAddress, U24};

/// INITIALIZE ELEMENT STATUS (07h): look at every element, bar codes included. Takes minutes.
pub fn initialize_element_status() -> [u8; 6] {
    [0x07, 0, 0, 0, 0, 0]
}

/// INITIALIZE ELEMENT STATUS WITH RANGE (37h): look at `count` elements from `first` on.
pub fn initialize_element_status_with_range(first: ElementAddress, count: u16) -> [u8; 10] {
    let [f0, f1] = first.0.to_be_bytes();
    let [c0, c1] = count.to_be_bytes();
    [0x37, 1, f0, f1, 0, 0, c0, c1, 0, 0]
}

/// What READ ELEMENT STATUS (B8h) is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementQuery {
    /// Only this kind of element; `None` asks for all.
    pub kind: Option<ElementKind>,
    /// First address.
    pub first: ElementAddress,
    /// At most this many elements.
    pub count: u16,
    /// With volume tags (VOLTAG).
    pub volume_tags: bool,
    /// With device identifiers of drives (DVCID).
    pub device_ids: bool,
    /// Answer from what is known, without moving anything (CURDATA).
    pub current_data: bool,
}

/// READ ELEMENT STATUS (B8h).
pub fn read_element_status(query: ElementQuery, allocation: U24) -> [u8; 12] {
    let [f0, f1] = query.first.0.to_be_bytes();
    let [c0, c1] = query.count.to_be_bytes();
    let [a, b, c] = allocation.to_be_bytes();
    let kind = query.kind.map_or(0, ElementKind::code);
    let flags = u8::from(query.current_data) << 1 | u8::from(query.device_ids);
    [0xb8, u8::from(query.volume_tags) << 4 | kind, f0, f1, c0, c1, flags, a, b, c, 0, 0]
}

/// MOVE MEDIUM (A5h).
pub fn move_medium(
    transport: ElementAddress,
    source: ElementAddress,
    destination: ElementAddress,
) -> [u8; 12] {
    let [t0, t1] = transport.0.to_be_bytes();
    let [s0, s1] = source.0.to_be_bytes();
    let [d0, d1] = destination.0.to_be_bytes();
    [0xa5, 0, t0, t1, s0, s1, d0, d1, 0, 0, 0, 0]
}

/// EXCHANGE MEDIUM (A6h): what is in `first` goes to `second`, what is in `source` goes to `first`.
pub fn exchange_medium(
    transport: ElementAddress,
    source: ElementAddress,
    first: ElementAddress,
    second: ElementAddress,
) -> [u8; 12] {
    let [t0, t1] = transport.0.to_be_bytes();
    let [s0, s1] = source.0.to_be_bytes();
    let [a0, a1] = first.0.to_be_bytes();
    let [b0, b1] = second.0.to_be_bytes();
    [0xa6, 0, t0, t1, s0, s1, a0, a1, b0, b1, 0, 0]
}

/// POSITION TO ELEMENT (2Bh): move the empty hand in front of an element.
pub fn position_to_element(transport: ElementAddress, destination: ElementAddress) -> [u8; 10] {
    let [t0, t1] = transport.0.to_be_bytes();
    let [d0, d1] = destination.0.to_be_bytes();
    [0x2b, 0, t0, t1, d0, d1, 0, 0, 0, 0]
}

/// OPEN/CLOSE IMPORT/EXPORT ELEMENT (1Bh): open the mail slot.
pub fn open_import_export(element: ElementAddress) -> [u8; 6] {
    let [e0, e1] = element.0.to_be_bytes();
    [0x1b, 0, e0, e1, 0, 0]
}

/// OPEN/CLOSE IMPORT/EXPORT ELEMENT (1Bh): close the mail slot.
pub fn close_import_export(element: ElementAddress) -> [u8; 6] {
    let [e0, e1] = element.0.to_be_bytes();
    [0x1b, 0, e0, e1, 1, 0]
}
