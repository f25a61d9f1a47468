//! Names of places in a library, as people count them.
//!
//! Owns `drive:0`, `slot:1`, `mail:1`, `hand:0` and `element:1024`: drives and hands from 0, slots
//! and mail slots from 1, each in the order of element addresses, which is how `mtx` counts drives
//! and slots too (it goes on counting mail slots behind the slots). Pure.

use std::fmt;
use std::str::FromStr;

use scsi::ElementAddress;
use scsi::element::ElementKind;
use smc::{Element, Inventory};

/// A place in a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceName {
    /// The nth element of a kind, as people count.
    Nth(ElementKind, u16),
    /// An element by its address.
    Address(ElementAddress),
}

const WORDS: [(&str, ElementKind, u16); 4] = [
    ("drive", ElementKind::DataTransfer, 0),
    ("slot", ElementKind::Storage, 1),
    ("mail", ElementKind::ImportExport, 1),
    ("hand", ElementKind::Transport, 0),
];

fn word(kind: ElementKind) -> (&'static str, u16) {
    let found = WORDS.iter().find(|(_, k, _)| *k == kind);
    found.map_or(("element", 0), |(word, _, first)| (word, *first))
}

impl fmt::Display for PlaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlaceName::Nth(kind, number) => write!(f, "{}:{number}", word(*kind).0),
            PlaceName::Address(address) => write!(f, "element:{address}"),
        }
    }
}

impl FromStr for PlaceName {
    type Err = String;

    fn from_str(text: &str) -> Result<PlaceName, String> {
        let digits = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
        let (name, number) = text.split_at(digits);
        let name = name.trim_end_matches([':', ' ']);
        let number: u16 = number.parse().map_err(|_| wrong(text))?;
        if name == "element" {
            return Ok(PlaceName::Address(ElementAddress(number)));
        }
        match WORDS.iter().find(|(word, _, _)| *word == name) {
            Some((_, kind, _)) => Ok(PlaceName::Nth(*kind, number)),
            None => Err(wrong(text)),
        }
    }
}

fn wrong(text: &str) -> String {
    format!("`{text}` is no place: want slot:N, drive:N, mail:N or element:ADDRESS")
}

fn of_kind(inventory: &Inventory, kind: ElementKind) -> &[Element] {
    match kind {
        ElementKind::Transport => &inventory.transports,
        ElementKind::Storage => &inventory.storage,
        ElementKind::ImportExport => &inventory.import_export,
        ElementKind::DataTransfer => &inventory.drives,
    }
}

impl PlaceName {
    /// The element in this inventory, or what there is instead.
    pub fn find(self, inventory: &Inventory) -> Result<&Element, String> {
        let (kind, number) = match self {
            PlaceName::Address(address) => {
                let found = inventory.at(address);
                return found.ok_or_else(|| format!("the library has no element {address}"));
            }
            PlaceName::Nth(kind, number) => (kind, number),
        };
        let (word, first) = word(kind);
        let list = of_kind(inventory, kind);
        let found = number.checked_sub(first).and_then(|nth| list.get(usize::from(nth)));
        found.ok_or_else(|| match list.len() {
            0 => format!("the library has no {kind}"),
            count => format!(
                "the library has no {self}: it has {word}:{first} to {word}:{}",
                count - 1 + usize::from(first)
            ),
        })
    }

    /// The name of an element.
    pub fn of(inventory: &Inventory, address: ElementAddress) -> PlaceName {
        for kind in ElementKind::ALL {
            let at = of_kind(inventory, kind).iter().position(|e| e.address == address);
            if let Some(number) = at.and_then(|nth| u16::try_from(nth).ok()) {
                return PlaceName::Nth(kind, number + word(kind).1);
            }
        }
        PlaceName::Address(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for text in ["slot:3", "drive:0", "mail:1", "hand:0", "element:1024"] {
            assert_eq!(text.parse::<PlaceName>().unwrap().to_string(), text);
        }
        assert_eq!("slot 3".parse::<PlaceName>().unwrap().to_string(), "slot:3");
        assert_eq!("drive1".parse::<PlaceName>().unwrap().to_string(), "drive:1");
        for bad in ["3", "slot", "slot:", "slot:x", "tape:1", "slot:70000", "", "slot:-1"] {
            assert!(bad.parse::<PlaceName>().is_err(), "{bad} was taken");
        }
    }
}
