//! Cartridge memory: READ ATTRIBUTE (8Ch) and WRITE ATTRIBUTE (8Dh).
//!
//! Owns the attribute list both ways, the names of attributes and the volume coherency attribute.
//! What the chip says is a hint; the label on the tape decides. Attributes not known here are kept.
//! Source: SPC-5 7.4, SSC-5 4.2.21, the LTO vendors' identifiers where marked.

use crate::error::{Error, at_least};
use crate::reader::{be16, be32, be64, bit, byte, number, slice, text};

/// How an attribute's value is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A big-endian number or opaque bytes.
    Binary,
    /// Printable ASCII, blank-padded.
    Ascii,
    /// Text in the set of attribute 0805h, NUL-padded.
    Text,
    /// Not defined by the standard.
    Reserved,
}

impl Format {
    fn from_bits(bits: u8) -> Format {
        match bits & 0x03 {
            0 => Format::Binary,
            1 => Format::Ascii,
            2 => Format::Text,
            _ => Format::Reserved,
        }
    }

    fn bits(self) -> u8 {
        match self {
            Format::Binary => 0,
            Format::Ascii => 1,
            Format::Text => 2,
            Format::Reserved => 3,
        }
    }
}

/// One attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// ATTRIBUTE IDENTIFIER.
    pub id: u16,
    /// READ ONLY.
    pub read_only: bool,
    /// FORMAT.
    pub format: Format,
    /// ATTRIBUTE VALUE; empty asks WRITE ATTRIBUTE to delete it.
    pub value: Vec<u8>,
}

impl Attribute {
    /// A blank-padded ASCII host attribute of the length the standard gives it; text that is too
    /// long is cut. `None` for identifiers hosts do not write as ASCII or text.
    pub fn host_text(id: u16, content: &str) -> Option<Attribute> {
        let known = info(id)?;
        let (format, pad) = match known.format {
            Format::Ascii => (Format::Ascii, b' '),
            Format::Text => (Format::Text, 0),
            Format::Binary | Format::Reserved => return None,
        };
        let length = usize::from(known.length.filter(|_| (0x0800..0x0c00).contains(&id))?);
        let mut value: Vec<u8> = content.bytes().filter(u8::is_ascii).take(length).collect();
        value.resize(length, pad);
        Some(Attribute { id, read_only: false, format, value })
    }

    /// The standard's name, shortened.
    pub fn name(&self) -> Option<&'static str> {
        info(self.id).map(|known| known.name)
    }

    /// The value as a number, when it is binary and has one to eight bytes.
    pub fn number(&self) -> Option<u64> {
        number(&self.value).filter(|_| self.format == Format::Binary)
    }

    /// The value as printable text.
    pub fn text(&self) -> String {
        text(&self.value)
    }
}

/// The reply to READ ATTRIBUTE, attribute values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// The whole attributes in the order sent.
    pub attributes: Vec<Attribute>,
    /// AVAILABLE DATA: bytes the device has, after the length field.
    pub available: u32,
    /// The reply ended before all it announced.
    pub truncated: bool,
}

impl Attributes {
    /// Decodes the reply.
    pub fn decode(bytes: &[u8]) -> Result<Attributes, Error> {
        let bytes = at_least("READ ATTRIBUTE", bytes, 4)?;
        let available = be32(bytes, 0).unwrap_or(0);
        let announced = 4usize.saturating_add(available as usize);
        let mut rest = &bytes[4..bytes.len().min(announced)];
        let mut attributes = Vec::new();
        while let Some((attribute, length)) = one(rest) {
            attributes.push(attribute);
            rest = &rest[length..];
        }
        let truncated = bytes.len() < announced || !rest.is_empty();
        Ok(Attributes { attributes, available, truncated })
    }

    /// The attribute with this identifier.
    pub fn find(&self, id: u16) -> Option<&Attribute> {
        self.attributes.iter().find(|a| a.id == id)
    }
}

fn one(bytes: &[u8]) -> Option<(Attribute, usize)> {
    let id = be16(bytes, 0)?;
    let flags = byte(bytes, 2)?;
    let length = usize::from(be16(bytes, 3)?);
    let value = slice(bytes, 5, length)?.to_vec();
    let read_only = bit(bytes, 2, 0x80);
    Some((Attribute { id, read_only, format: Format::from_bits(flags), value }, 5 + length))
}

/// The identifiers in a READ ATTRIBUTE list (service actions 01h and 05h).
pub fn identifiers(bytes: &[u8]) -> Result<Vec<u16>, Error> {
    let bytes = at_least("READ ATTRIBUTE list", bytes, 4)?;
    let available = be32(bytes, 0).unwrap_or(0) as usize;
    let end = bytes.len().min(available.saturating_add(4));
    Ok(bytes[4..end].chunks_exact(2).map(|id| u16::from_be_bytes([id[0], id[1]])).collect())
}

/// The parameter list of WRITE ATTRIBUTE. `None` when a value is longer than 65 535 bytes or the
/// list longer than its length field can say.
pub fn write_list(attributes: &[Attribute]) -> Option<Vec<u8>> {
    let mut list = vec![0; 4];
    for attribute in attributes {
        list.extend_from_slice(&attribute.id.to_be_bytes());
        list.push(attribute.format.bits());
        list.extend_from_slice(&u16::try_from(attribute.value.len()).ok()?.to_be_bytes());
        list.extend_from_slice(&attribute.value);
    }
    let length = u32::try_from(list.len() - 4).ok()?;
    list[..4].copy_from_slice(&length.to_be_bytes());
    Some(list)
}

/// Attribute 080Ch: which state of the volume the application last made whole. When the change
/// reference still equals attribute 0009h, nobody has written since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coherency {
    /// VOLUME CHANGE REFERENCE VALUE at that time.
    pub change_reference: Vec<u8>,
    /// VOLUME COHERENCY COUNT.
    pub count: u64,
    /// VOLUME COHERENCY SET IDENTIFIER: the block where the set starts.
    pub set: u64,
    /// APPLICATION CLIENT SPECIFIC INFORMATION.
    pub client: Vec<u8>,
}

impl Coherency {
    /// The attribute identifier.
    pub const ID: u16 = 0x080c;

    /// Decodes the value of the attribute.
    pub fn decode(value: &[u8]) -> Result<Coherency, Error> {
        let reply = "volume coherency attribute";
        let reference = usize::from(at_least(reply, value, 1)?[0]);
        let value = at_least(reply, value, 1 + reference + 18)?;
        let rest = &value[1 + reference..];
        let client = usize::from(be16(rest, 16).unwrap_or(0));
        let rest = at_least(reply, rest, 18 + client)?;
        Ok(Coherency {
            change_reference: value[1..=reference].to_vec(),
            count: be64(rest, 0).unwrap_or(0),
            set: be64(rest, 8).unwrap_or(0),
            client: rest[18..18 + client].to_vec(),
        })
    }

    /// The attribute to write; `None` when a part is longer than its length field can say.
    pub fn to_attribute(&self) -> Option<Attribute> {
        let mut value = vec![u8::try_from(self.change_reference.len()).ok()?];
        value.extend_from_slice(&self.change_reference);
        value.extend_from_slice(&self.count.to_be_bytes());
        value.extend_from_slice(&self.set.to_be_bytes());
        value.extend_from_slice(&u16::try_from(self.client.len()).ok()?.to_be_bytes());
        value.extend_from_slice(&self.client);
        Some(Attribute { id: Self::ID, read_only: false, format: Format::Binary, value })
    }
}

/// What is known of an attribute identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// ATTRIBUTE IDENTIFIER.
    pub id: u16,
    /// The standard's name, shortened; units in brackets.
    pub name: &'static str,
    /// How its value is to be read.
    pub format: Format,
    /// Length of its value in bytes, when fixed.
    pub length: Option<u16>,
}

/// What is known of an attribute identifier.
pub fn info(id: u16) -> Option<Info> {
    let at = NAMES.binary_search_by_key(&id, |known| known.0).ok()?;
    let (id, name, format, length) = NAMES[at];
    Some(Info { id, name, format, length: (length != 0).then_some(length) })
}

use Format::{Ascii as A, Binary as B, Text as T};

/// Sorted by identifier; length 0 means variable.
const NAMES: &[(u16, &str, Format, u16)] = &[
    (0x0000, "remaining capacity in partition [MiB]", B, 8),
    (0x0001, "maximum capacity in partition [MiB]", B, 8),
    (0x0002, "TapeAlert flags", B, 8),
    (0x0003, "load count", B, 8),
    (0x0004, "cartridge memory space remaining [bytes]", B, 8),
    (0x0005, "assigning organisation", A, 8),
    (0x0006, "formatted density code", B, 1),
    (0x0007, "initialisation count", B, 2),
    (0x0008, "volume identifier", A, 32),
    (0x0009, "volume change reference", B, 0),
    (0x020a, "drive at last load", A, 40),
    (0x020b, "drive at load before last", A, 40),
    (0x020c, "drive two loads before last", A, 40),
    (0x020d, "drive three loads before last", A, 40),
    (0x0220, "written in medium life [MiB]", B, 8),
    (0x0221, "read in medium life [MiB]", B, 8),
    (0x0222, "written in last load [MiB]", B, 8),
    (0x0223, "read in last load [MiB]", B, 8),
    (0x0224, "first encrypted block", B, 8),
    (0x0225, "first unencrypted block after an encrypted one", B, 8),
    (0x0340, "medium usage history", B, 90),
    (0x0341, "partition usage history", B, 60),
    (0x0400, "medium manufacturer", A, 8),
    (0x0401, "medium serial number", A, 32),
    (0x0402, "medium length [m]", B, 4),
    (0x0403, "medium width [0.1 mm]", B, 4),
    (0x0404, "medium assigning organisation", A, 8),
    (0x0405, "medium density code", B, 1),
    (0x0406, "medium manufacture date", A, 8),
    (0x0407, "cartridge memory capacity [bytes]", B, 8),
    (0x0408, "medium type", B, 1),
    (0x0409, "medium type information", B, 2),
    (0x040a, "numeric medium serial number", B, 0),
    (0x0800, "application vendor", A, 8),
    (0x0801, "application name", A, 32),
    (0x0802, "application version", A, 8),
    (0x0803, "user medium text label", T, 160),
    (0x0804, "date and time last written", A, 12),
    (0x0805, "text localisation identifier", B, 1),
    (0x0806, "barcode", A, 32),
    (0x0807, "owning host", T, 80),
    (0x0808, "media pool", T, 160),
    (0x0809, "partition user text label", A, 16),
    (0x080a, "load or unload at partition", B, 1),
    (0x080b, "application format version", A, 16),
    (0x080c, "volume coherency information", B, 0),
    (0x0820, "medium GUID", B, 36),
    (0x0821, "media pool GUID", B, 36),
    (0x1000, "unique cartridge identity", B, 28),
    (0x1001, "alternative unique cartridge identity", B, 24),
    (0x1623, "volume lock state (vendor)", B, 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted() {
        assert!(NAMES.windows(2).all(|w| w[0].0 < w[1].0));
    }

    #[test]
    fn what_is_written_reads_back() {
        let coherency = Coherency {
            change_reference: vec![0, 0, 1, 7],
            count: 3,
            set: 81_233,
            client: vec![9],
        };
        let list = [
            Attribute::host_text(0x0801, "tapioca").unwrap(),
            Attribute::host_text(0x0803, "weekly").unwrap(),
            coherency.to_attribute().unwrap(),
        ];
        let read = Attributes::decode(&write_list(&list).unwrap()).unwrap();
        assert!(!read.truncated);
        assert_eq!(read.attributes, list);
        assert_eq!(read.find(0x0801).unwrap().value.len(), 32);
        assert_eq!(read.find(0x0803).unwrap().text(), "weekly");
        assert_eq!(Coherency::decode(&read.find(Coherency::ID).unwrap().value).unwrap(), coherency);
        assert_eq!(Attribute::host_text(0x0401, "not ours to write"), None);
    }
}
