//! What a cartridge knows about itself.
//!
//! Owns `memory.toml` in a medium's directory: what sort it is, its capacity, how often it was
//! loaded and by whom, and the attributes hosts have written (SPC-5 7.4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::shape::{MediumKind, MediumSpec};

/// Cartridge memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) spec: MediumSpec,
    pub(crate) serial: String,
    pub(crate) loads: u64,
    pub(crate) written_bytes: u64,
    pub(crate) read_bytes: u64,
    /// Counts every session that changed the medium; volume change reference.
    pub(crate) changes: u64,
    /// Uses left of a cleaning medium.
    pub(crate) cleanings_left: u32,
    /// Serial numbers of the drives it was last in, newest first.
    pub(crate) drives: Vec<String>,
    /// Host attributes: identifier in hex → format and bytes in hex.
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, Attribute>,
}

/// One attribute a host wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attribute {
    /// 0 binary, 1 ASCII, 2 text.
    pub(crate) format: u8,
    pub(crate) bytes: Vec<u8>,
}

impl Memory {
    pub(crate) fn new(spec: &MediumSpec, serial: String, cleaning_uses: u32) -> Memory {
        Memory {
            spec: spec.clone(),
            serial,
            loads: 0,
            written_bytes: 0,
            read_bytes: 0,
            changes: 0,
            cleanings_left: if spec.kind == MediumKind::Cleaning { cleaning_uses } else { 0 },
            drives: Vec::new(),
            attributes: BTreeMap::new(),
        }
    }

    pub(crate) fn is_worm(&self) -> bool {
        self.spec.kind == MediumKind::Worm
    }

    pub(crate) fn is_cleaning(&self) -> bool {
        self.spec.kind == MediumKind::Cleaning
    }

    pub(crate) fn is_protected(&self) -> bool {
        self.spec.kind == MediumKind::WriteProtected
    }
}
