//! Where every medium is.
//!
//! Owns `robot.toml`: which element holds which medium, and what people did behind the robot's
//! back. Replaced whole on every change, so that a crash leaves the state before or after a move.

use serde::{Deserialize, Serialize};

use crate::shape::{FIRST_DRIVE, FIRST_MAIL, FIRST_STORAGE, Shape, TRANSPORT};

/// One medium in one element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cartridge {
    pub(crate) element: u16,
    pub(crate) medium: u32,
    /// Storage or mail element it last came from.
    pub(crate) source: Option<u16>,
    /// Barcode as the reader sees it.
    pub(crate) volume_tag: String,
    /// The barcode of a cleaning medium gives it away.
    pub(crate) cleaning: bool,
    /// Put there by a person, not by the robot.
    #[serde(default)]
    pub(crate) by_hand: bool,
}

/// State of the robot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Robot {
    /// Number the next new medium gets.
    pub(crate) next_medium: u32,
    /// Mail slots locked against the operator by PREVENT ALLOW MEDIUM REMOVAL.
    pub(crate) mail_locked: bool,
    /// Mail station stands open.
    pub(crate) mail_open: bool,
    /// Unit attentions the changer has not reported yet.
    pub(crate) attentions: Vec<[u8; 2]>,
    /// Active TapeAlert flags of the changer, by number.
    #[serde(default)]
    pub(crate) alerts: Vec<u8>,
    #[serde(default, rename = "cartridge")]
    pub(crate) cartridges: Vec<Cartridge>,
}

impl Robot {
    pub(crate) fn at(&self, element: u16) -> Option<&Cartridge> {
        self.cartridges.iter().find(|c| c.element == element)
    }

    pub(crate) fn at_mut(&mut self, element: u16) -> Option<&mut Cartridge> {
        self.cartridges.iter_mut().find(|c| c.element == element)
    }

    pub(crate) fn attend(&mut self, code: [u8; 2]) {
        if !self.attentions.contains(&code) {
            self.attentions.push(code);
        }
    }
}

/// The four element types, SMC-3 table 17.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ElementType {
    Transport = 1,
    Storage = 2,
    Mail = 3,
    Drive = 4,
}

impl ElementType {
    pub(crate) const ALL: [ElementType; 4] =
        [ElementType::Transport, ElementType::Storage, ElementType::Mail, ElementType::Drive];

    /// First address and number of elements of this type.
    pub(crate) fn range(self, shape: &Shape) -> (u16, u16) {
        match self {
            ElementType::Transport => (TRANSPORT, 1),
            ElementType::Storage => (FIRST_STORAGE, shape.slots),
            ElementType::Mail => (FIRST_MAIL, shape.mail_slots),
            ElementType::Drive => (FIRST_DRIVE, shape.drives),
        }
    }

    /// Type of the element at `address`, if there is one.
    pub(crate) fn of(address: u16, shape: &Shape) -> Option<ElementType> {
        ElementType::ALL.into_iter().find(|kind| {
            let (first, count) = kind.range(shape);
            (u32::from(first)..u32::from(first) + u32::from(count)).contains(&u32::from(address))
        })
    }
}
