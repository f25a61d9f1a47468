//! What a drive can do, found out by asking and by trying.
//!
//! Owns [`Capabilities`]. A feature is `Untried` until the drive listed it or answered it; once
//! refused with 20/00 or 24/00 it stays `No` until the drive is opened anew, so that a job never
//! learns in its middle what its beginning could have told it.

/// Whether the drive has a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Support {
    /// Listed by the drive, or answered well.
    Yes,
    /// Refused, or answered with something that cannot be true.
    No,
    /// Not known yet.
    #[default]
    Untried,
}

/// Features that differ between drives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// REPORT SUPPORTED OPERATION CODES, A3h/0Ch.
    pub operation_codes: Support,
    /// LOCATE(16), 92h.
    pub locate_16: Support,
    /// LOCATE(10), 2Bh.
    pub locate_10: Support,
    /// READ POSITION long form, 34h/06h.
    pub position_long: Support,
    /// READ POSITION extended form, 34h/08h.
    pub position_extended: Support,
    /// READ POSITION short form, 34h/00h.
    pub position_short: Support,
    /// SPACE says in INFORMATION how much was left to do.
    pub space_residue: Support,
    /// LOG SENSE, 4Dh.
    pub logs: Support,
    /// READ ATTRIBUTE, 8Ch.
    pub attributes: Support,
    /// WRITE ATTRIBUTE, 8Dh.
    pub write_attributes: Support,
    /// MODE SELECT(6), 15h.
    pub mode_select: Support,
    /// PREVENT ALLOW MEDIUM REMOVAL, 1Eh.
    pub prevent_removal: Support,
    /// ERASE(6), 19h.
    pub erase: Support,
    /// Write-once media (vital product data page B0h).
    pub worm: Support,
    /// Log pages the drive lists in page 00h; empty without LOG SENSE.
    pub log_pages: Vec<u8>,
    /// READ BLOCK LIMITS (05h): smallest and largest block in bytes as the drive states them. Only
    /// for showing: some drives and emulators state nonsense.
    pub block_limits: Option<(u32, u32)>,
}

impl Capabilities {
    /// True when the drive can say where it is; false once every form was refused or unbelievable.
    pub(crate) fn may_know_position(&self) -> bool {
        self.position_long != Support::No || self.position_short != Support::No
    }
}
