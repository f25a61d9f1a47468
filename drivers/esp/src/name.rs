//! Names: the short one every entry has, and the long one in front of it.

use crate::ENTRY;

/// An entry that is part of a long name.
pub(crate) const LONG: u8 = 0x0f;
/// The first byte of an entry that is free.
pub(crate) const DELETED: u8 = 0xe5;
/// Set in the number of the last piece of a name, which comes first.
const LAST: u8 = 0x40;
/// Letters of a piece, and where they are in its entry.
const PLACES: [usize; 13] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];

/// Pieces of a long name, as they come.
#[derive(Debug, Default)]
pub(crate) struct Long {
    pieces: Vec<[u8; ENTRY]>,
}

impl Long {
    pub(crate) fn push(&mut self, entry: [u8; ENTRY]) {
        if entry[0] & LAST != 0 {
            self.pieces.clear();
        }
        // A name has 20 pieces at most.
        if self.pieces.len() < 20 {
            self.pieces.push(entry);
        }
    }

    /// The name and how many pieces it has, if the short name behind it is the one it belongs to.
    pub(crate) fn take(&mut self, short: &[u8]) -> Option<(String, usize)> {
        let pieces = std::mem::take(&mut self.pieces);
        let sum = checksum(short);
        let mut units = Vec::new();
        for (piece, number) in pieces.iter().rev().zip(1_u8..) {
            if piece[0] & !LAST != number || piece[13] != sum {
                return None;
            }
            units.extend(PLACES.map(|at| u16::from_le_bytes([piece[at], piece[at + 1]])));
        }
        let is_whole = pieces.first().is_some_and(|piece| piece[0] & LAST != 0);
        let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
        let name = char::decode_utf16(units[..end].iter().copied())
            .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        is_whole.then_some((name, pieces.len()))
    }
}

fn checksum(short: &[u8]) -> u8 {
    short.iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte))
}

/// A short name as people read it. `lower` says which half is written small.
pub(crate) fn shown(short: &[u8], lower: u8) -> String {
    let text = |bytes: &[u8], is_lower: bool| {
        let text = String::from_utf8_lossy(bytes).trim_end().to_owned();
        if is_lower { text.to_lowercase() } else { text }
    };
    let (base, extension) =
        (text(&short[..8], lower & 8 != 0), text(&short[8..11], lower & 16 != 0));
    if extension.is_empty() { base } else { format!("{base}.{extension}") }
}

/// Whether this is a name that is written here.
pub(crate) fn is_plain(name: &str) -> bool {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(is_fine) && !name.starts_with('.')
}

/// The name padded to its places, if it is a short one as it stands.
fn as_short(name: &str) -> Option<[u8; 11]> {
    let (base, extension) = name.split_once('.').unwrap_or((name, ""));
    let fits = |text: &str| text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let fits = (1..=8).contains(&base.len())
        && extension.len() <= 3
        && fits(base)
        && fits(extension)
        && !name.ends_with('.');
    fits.then(|| placed(base, extension))
}

fn placed(base: &str, extension: &str) -> [u8; 11] {
    let mut short = [b' '; 11];
    short[..base.len()].copy_from_slice(base.as_bytes());
    short[8..8 + extension.len()].copy_from_slice(extension.as_bytes());
    short
}

/// The entries of a name, without what the last of them says of its content; `is_taken` knows short names.
pub(crate) fn entries(name: &str, is_taken: impl Fn(&[u8]) -> bool) -> Option<Vec<[u8; ENTRY]>> {
    if let Some(short) = as_short(name) {
        return (!is_taken(&short)).then(|| vec![last(short)]);
    }
    let letters = |text: &str| -> String {
        text.bytes()
            .filter(u8::is_ascii_alphanumeric)
            .map(|byte| char::from(byte.to_ascii_uppercase()))
            .collect()
    };
    let (base, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let (base, extension) = (letters(base), letters(extension));
    let numbered = |n: u32| {
        let tail = format!("~{n}");
        let base = &base[..base.len().min(8 - tail.len())];
        placed(&format!("{base}{tail}"), &extension[..extension.len().min(3)])
    };
    let short = (1..10_000).map(numbered).find(|short| !is_taken(short))?;
    let mut units: Vec<u16> = name.encode_utf16().collect();
    if !units.len().is_multiple_of(13) {
        units.push(0);
        units.resize(units.len().next_multiple_of(13), 0xffff);
    }
    let pieces = units.chunks(13).zip(1_u8..).map(|(letters, number)| {
        let mut entry = [0; ENTRY];
        entry[0] = number;
        entry[11] = LONG;
        entry[13] = checksum(&short);
        for (unit, at) in letters.iter().zip(PLACES) {
            entry[at..at + 2].copy_from_slice(&unit.to_le_bytes());
        }
        entry
    });
    let mut entries: Vec<[u8; ENTRY]> = pieces.collect();
    entries.reverse();
    entries[0][0] |= LAST;
    entries.push(last(short));
    Some(entries)
}

fn last(short: [u8; 11]) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..11].copy_from_slice(&short);
    entry
}
