//! Command descriptor blocks: the questions.
//!
//! Owns the layout of every command sent, one function each, named as in the standard; each returns
//! an array of the command's length. Commands both device classes know are here (SPC-5), the rest in
//! [`tape`] (SSC-5) and [`changer`] (SMC-3), re-exported side by side. Refuses to send anything:
//! that is [`Transport`](crate::Transport). Allocation lengths are in bytes.

pub mod changer;
pub mod tape;

pub use changer::*;
pub use tape::*;

/// Which values a MODE SENSE reports (page control, SPC-5 table 187).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageControl {
    /// As they are now.
    Current = 0,
    /// A mask of what MODE SELECT may change.
    Changeable = 1,
    /// As made.
    Default = 2,
    /// As kept over a power cycle.
    Saved = 3,
}

impl PageControl {
    fn bits(self) -> u8 {
        (self as u8) << 6
    }
}

/// TEST UNIT READY (00h).
pub fn test_unit_ready() -> [u8; 6] {
    [0; 6]
}

/// REQUEST SENSE (03h), fixed format.
pub fn request_sense(allocation: u8) -> [u8; 6] {
    [0x03, 0, 0, 0, allocation, 0]
}

/// INQUIRY (12h), standard data.
pub fn inquiry(allocation: u16) -> [u8; 6] {
    let [high, low] = allocation.to_be_bytes();
    [0x12, 0, 0, high, low, 0]
}

/// INQUIRY (12h) with EVPD, one vital product data page.
pub fn inquiry_vpd(page: u8, allocation: u16) -> [u8; 6] {
    let [high, low] = allocation.to_be_bytes();
    [0x12, 1, page, high, low, 0]
}

/// MODE SENSE(6) (1Ah), with the block descriptor.
pub fn mode_sense_6(control: PageControl, page: u8, subpage: u8, allocation: u8) -> [u8; 6] {
    [0x1a, 0, control.bits() | page & 0x3f, subpage, allocation, 0]
}

/// MODE SENSE(10) (5Ah), with the block descriptor.
pub fn mode_sense_10(control: PageControl, page: u8, subpage: u8, allocation: u16) -> [u8; 10] {
    let [high, low] = allocation.to_be_bytes();
    [0x5a, 0, control.bits() | page & 0x3f, subpage, 0, 0, 0, high, low, 0]
}

/// MODE SELECT(6) (15h) with PF set; `save` keeps the values over a power cycle.
pub fn mode_select_6(save: bool, length: u8) -> [u8; 6] {
    [0x15, 0x10 | u8::from(save), 0, 0, length, 0]
}

/// MODE SELECT(10) (55h) with PF set; `save` keeps the values over a power cycle.
pub fn mode_select_10(save: bool, length: u16) -> [u8; 10] {
    let [high, low] = length.to_be_bytes();
    [0x55, 0x10 | u8::from(save), 0, 0, 0, 0, 0, high, low, 0]
}

/// LOG SENSE (4Dh), cumulative values from parameter `first` on.
pub fn log_sense(page: u8, subpage: u8, first: u16, allocation: u16) -> [u8; 10] {
    let [p0, p1] = first.to_be_bytes();
    let [high, low] = allocation.to_be_bytes();
    [0x4d, 0, 0x40 | page & 0x3f, subpage, 0, p0, p1, high, low, 0]
}

/// PREVENT ALLOW MEDIUM REMOVAL (1Eh).
pub fn prevent_allow_medium_removal(prevent: bool) -> [u8; 6] {
    [0x1e, 0, 0, 0, u8::from(prevent), 0]
}

/// What READ ATTRIBUTE is to report (SPC-5 table 300, service actions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttributeAction {
    /// Identifiers and values.
    Values = 0,
    /// Identifiers that exist now.
    List = 1,
    /// Logical volumes.
    Volumes = 2,
    /// Partitions.
    Partitions = 3,
    /// Identifiers the device knows at all.
    Supported = 5,
}

/// READ ATTRIBUTE (8Ch) of the medium in the drive, from attribute `first` on.
pub fn read_attribute(
    action: AttributeAction,
    partition: crate::Partition,
    first: u16,
    allocation: u32,
) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = 0x8c;
    cdb[1] = action as u8;
    cdb[7] = partition.0;
    cdb[8..10].copy_from_slice(&first.to_be_bytes());
    cdb[10..14].copy_from_slice(&allocation.to_be_bytes());
    cdb
}

/// WRITE ATTRIBUTE (8Dh) with WRITE-THROUGH CACHE: good status means it is in the chip.
pub fn write_attribute(partition: crate::Partition, length: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = 0x8d;
    cdb[1] = 1;
    cdb[7] = partition.0;
    cdb[10..14].copy_from_slice(&length.to_be_bytes());
    cdb
}

/// Which commands REPORT SUPPORTED OPERATION CODES is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpcodeQuery {
    /// All of them, as a list.
    All,
    /// One operation code that has no service actions.
    One(u8),
    /// One operation code with this service action.
    Action(u8, u16),
}

/// REPORT SUPPORTED OPERATION CODES (A3h/0Ch); `timeouts` asks for the timeouts descriptors too.
pub fn report_supported_operation_codes(
    query: OpcodeQuery,
    timeouts: bool,
    allocation: u32,
) -> [u8; 12] {
    let (option, opcode, action) = match query {
        OpcodeQuery::All => (0, 0, 0),
        OpcodeQuery::One(opcode) => (1, opcode, 0),
        OpcodeQuery::Action(opcode, action) => (2, opcode, action),
    };
    let mut cdb = [0; 12];
    cdb[0] = 0xa3;
    cdb[1] = 0x0c;
    cdb[2] = u8::from(timeouts) << 7 | option;
    cdb[3] = opcode;
    cdb[4..6].copy_from_slice(&action.to_be_bytes());
    cdb[6..10].copy_from_slice(&allocation.to_be_bytes());
    cdb
}
