//! What media a drive can use: REPORT DENSITY SUPPORT (44h).
//!
//! Owns the density and the medium type lists. Source: SSC-5 7.10.

use crate::error::{Error, at_least};
use crate::reader::{be16, be24, be32, bit, slice, text};

/// One density.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Density {
    /// PRIMARY DENSITY CODE: 46h LTO-4, 58h LTO-5, 5Ah LTO-6, 5Ch LTO-7, 5Eh LTO-8, 60h LTO-9.
    pub code: u8,
    /// SECONDARY DENSITY CODE.
    pub secondary: u8,
    /// WRTOK: the drive (or, asked for the medium, this medium in it) can write it.
    pub writable: bool,
    /// DEFLT: used when density 0 is selected.
    pub default: bool,
    /// Bits per millimetre on a track.
    pub bits_per_mm: u32,
    /// Width of the medium, tenths of a millimetre.
    pub width_tenths_mm: u16,
    /// Tracks.
    pub tracks: u16,
    /// Native capacity, MB (10^6 bytes).
    pub capacity_mb: u32,
    /// ASSIGNING ORGANIZATION.
    pub organisation: String,
    /// DENSITY NAME.
    pub name: String,
    /// DESCRIPTION.
    pub description: String,
}

/// The list of densities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Densities {
    /// In the order sent.
    pub densities: Vec<Density>,
    /// The reply ended before all it announced.
    pub truncated: bool,
}

const DENSITY: usize = 52;
const MEDIUM_TYPE: usize = 56;

impl Densities {
    /// Decodes the reply with MEDIUM TYPE 0.
    pub fn decode(bytes: &[u8]) -> Result<Densities, Error> {
        let (mut rest, mut truncated) = list(bytes)?;
        let mut densities = Vec::new();
        while let Some(d) = slice(rest, 0, DENSITY) {
            densities.push(density(d));
            let next = density_length(d);
            truncated |= rest.len() < next;
            rest = rest.get(next..).unwrap_or(&[]);
        }
        Ok(Densities { densities, truncated: truncated || !rest.is_empty() })
    }
}

/// The announced part of the list, and whether bytes are missing.
fn list(bytes: &[u8]) -> Result<(&[u8], bool), Error> {
    let bytes = at_least("REPORT DENSITY SUPPORT", bytes, 4)?;
    // AVAILABLE DENSITY SUPPORT LENGTH counts the two reserved bytes after itself.
    let announced = 2 + usize::from(be16(bytes, 0).unwrap_or(0));
    let end = bytes.len().min(announced.max(4));
    Ok((&bytes[4..end], bytes.len() < announced))
}

/// 52 bytes, or what DESCRIPTOR LENGTH adds to the first five when DLV says it is valid.
fn density_length(bytes: &[u8]) -> usize {
    let stated = 5 + usize::from(be16(bytes, 3).unwrap_or(0));
    if bit(bytes, 2, 0x01) { stated.max(DENSITY) } else { DENSITY }
}

fn density(d: &[u8]) -> Density {
    Density {
        code: d[0],
        secondary: d[1],
        writable: bit(d, 2, 0x80),
        default: bit(d, 2, 0x20),
        bits_per_mm: be24(d, 5).unwrap_or(0),
        width_tenths_mm: be16(d, 8).unwrap_or(0),
        tracks: be16(d, 10).unwrap_or(0),
        capacity_mb: be32(d, 12).unwrap_or(0),
        organisation: text(&d[16..24]),
        name: text(&d[24..32]),
        description: text(&d[32..52]),
    }
}

/// One medium type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediumType {
    /// MEDIUM TYPE: 00h data, 01h WORM, 80h and up cleaning and vendors'.
    pub code: u8,
    /// The densities it may be recorded in.
    pub densities: Vec<u8>,
    /// Width, tenths of a millimetre.
    pub width_tenths_mm: u16,
    /// Length, metres.
    pub length_m: u16,
    /// ASSIGNING ORGANIZATION.
    pub organisation: String,
    /// MEDIUM TYPE NAME.
    pub name: String,
    /// DESCRIPTION.
    pub description: String,
}

/// The list of medium types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediumTypes {
    /// In the order sent.
    pub types: Vec<MediumType>,
    /// The reply ended before all it announced.
    pub truncated: bool,
}

impl MediumTypes {
    /// Decodes the reply with MEDIUM TYPE 1.
    pub fn decode(bytes: &[u8]) -> Result<MediumTypes, Error> {
        let (mut rest, mut truncated) = list(bytes)?;
        let mut types = Vec::new();
        while let Some(d) = slice(rest, 0, MEDIUM_TYPE) {
            types.push(medium_type(d));
            let next = MEDIUM_TYPE.max(4 + usize::from(be16(d, 2).unwrap_or(0)));
            truncated |= rest.len() < next;
            rest = rest.get(next..).unwrap_or(&[]);
        }
        Ok(MediumTypes { types, truncated: truncated || !rest.is_empty() })
    }
}

fn medium_type(d: &[u8]) -> MediumType {
    let count = usize::from(d[4]).min(9);
    MediumType {
        code: d[0],
        densities: d[5..5 + count].iter().copied().filter(|&code| code != 0).collect(),
        width_tenths_mm: be16(d, 14).unwrap_or(0),
        length_m: be16(d, 16).unwrap_or(0),
        organisation: text(&d[20..28]),
        name: text(&d[28..36]),
        description: text(&d[36..56]),
    }
}
