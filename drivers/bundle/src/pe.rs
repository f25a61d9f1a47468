//! The bootable file: Debian's stub with sections of ours behind its own.
//!
//! Owns the Portable Executable headers as far as sections are added, found and hashed. Of the stub
//! nothing changes but the headers; time stamp and checksum are zero. Source: Microsoft's "PE
//! Format"; systemd-stub(7) for the sections' names.

use crate::Error;

const SECTION_HEADER: usize = 40;
/// Initialised data, readable.
const CHARACTERISTICS: u32 = 0x4000_0040;
/// Sections begin at a multiple of this in memory, as kernel and archive want it.
const PAGE: usize = 4096;

/// Where things are in an executable's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    coff: usize,
    optional: usize,
    sections: usize,
    count: usize,
    headers_end: usize,
    file_alignment: usize,
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
}

fn half(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?).into())
}

impl Layout {
    fn of(pe: &[u8]) -> Result<Layout, Error> {
        let wrong = || Error::broken("executable", "is no 64-bit PE file");
        Layout::read(pe).ok_or_else(wrong)
    }

    fn read(pe: &[u8]) -> Option<Layout> {
        let header = word(pe, 0x3c).filter(|_| pe.starts_with(b"MZ"))?;
        let coff = header.checked_add(4)?;
        let optional = coff.checked_add(20)?;
        let is_pe = pe.get(header..coff)? == b"PE\0\0" && half(pe, optional)? == 0x20b;
        let layout = Layout {
            coff,
            optional,
            sections: optional.checked_add(half(pe, coff.checked_add(16)?)?)?,
            count: half(pe, coff + 2)?,
            headers_end: word(pe, optional.checked_add(60)?)?,
            file_alignment: word(pe, optional + 36)?,
        };
        let end = layout.sections + layout.count * SECTION_HEADER;
        let is_sane = layout.file_alignment.is_power_of_two()
            && layout.file_alignment <= PAGE
            && end <= layout.headers_end
            && layout.headers_end <= pe.len()
            && layout.optional + 112 + 5 * 8 <= layout.sections;
        (is_pe && is_sane).then_some(layout)
    }

    fn header(&self, n: usize) -> usize {
        self.sections + n * SECTION_HEADER
    }

    /// The entry that says where signatures are.
    fn certificates(&self) -> usize {
        self.optional + 112 + 4 * 8
    }

    fn checksum(&self) -> usize {
        self.optional + 64
    }
}

/// Adds sections, each a name of at most eight bytes and its content.
///
/// # Errors
///
/// The stub is no executable, is signed already or has no room for so many headers.
pub fn with_sections(stub: &[u8], sections: &[(&str, &[u8])]) -> Result<Vec<u8>, Error> {
    let layout = Layout::of(stub)?;
    let end = layout.header(layout.count + sections.len());
    if end > layout.headers_end {
        return Err(Error::broken("stub", "has no room for so many sections"));
    }
    if word(stub, layout.certificates()) != Some(0) {
        return Err(Error::broken("stub", "is signed"));
    }
    let ends = |size, from| {
        let end =
            |n| Some(word(stub, layout.header(n) + size)? + word(stub, layout.header(n) + from)?);
        (0..layout.count).filter_map(end).max().unwrap_or(0)
    };
    // Behind the sections are symbols for debuggers. A hash over sections that do not follow each other
    // would differ from one over the file.
    let (mut memory, file_end) = (ends(8, 12), ends(16, 20).max(layout.headers_end));
    let mut pe = stub.get(..file_end).map(<[u8]>::to_vec).unwrap_or_else(|| stub.to_vec());
    pe[layout.coff + 8..layout.coff + 16].fill(0);
    for (n, (name, content)) in sections.iter().enumerate() {
        pe.resize(pe.len().next_multiple_of(layout.file_alignment), 0);
        memory = memory.next_multiple_of(PAGE);
        let header = section_header(name, content.len(), memory, &pe, layout.file_alignment)?;
        let at = layout.header(layout.count + n);
        pe[at..at + SECTION_HEADER].copy_from_slice(&header);
        pe.extend_from_slice(content);
        memory += content.len();
    }
    pe.resize(pe.len().next_multiple_of(layout.file_alignment), 0);
    let count = u16::try_from(layout.count + sections.len()).unwrap_or(u16::MAX);
    pe[layout.coff + 2..layout.coff + 4].copy_from_slice(&count.to_le_bytes());
    set(&mut pe, layout.coff + 4, 0)?;
    set(&mut pe, layout.optional + 56, memory.next_multiple_of(PAGE))?;
    set(&mut pe, layout.checksum(), 0)?;
    Ok(pe)
}

fn set(pe: &mut [u8], at: usize, value: usize) -> Result<(), Error> {
    let value = u32::try_from(value).map_err(|_| Error::broken("executable", "is too large"))?;
    pe[at..at + 4].copy_from_slice(&value.to_le_bytes());
    Ok(())
}

fn section_header(
    name: &str,
    size: usize,
    address: usize,
    before: &[u8],
    alignment: usize,
) -> Result<[u8; SECTION_HEADER], Error> {
    let mut header = [0; SECTION_HEADER];
    if name.len() > 8 {
        return Err(Error::broken(name, "is too long a name for a section"));
    }
    header[..name.len()].copy_from_slice(name.as_bytes());
    set(&mut header, 8, size)?;
    set(&mut header, 12, address)?;
    set(&mut header, 16, size.next_multiple_of(alignment))?;
    set(&mut header, 20, before.len())?;
    header[36..].copy_from_slice(&CHARACTERISTICS.to_le_bytes());
    Ok(header)
}

/// Every section with its content, as long as it is in memory, in the order of the headers.
///
/// # Errors
///
/// It is no executable, or a section lies outside of it.
pub fn sections(pe: &[u8]) -> Result<Vec<(String, &[u8])>, Error> {
    let layout = Layout::of(pe)?;
    let mut found = Vec::new();
    for n in 0..layout.count {
        let at = layout.header(n);
        let name = pe[at..at + 8].split(|byte| *byte == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        let in_file = word(pe, at + 16).unwrap_or(0);
        let size = word(pe, at + 8).unwrap_or(0).min(in_file);
        let from = word(pe, at + 20).unwrap_or(usize::MAX);
        let content = from.checked_add(size).and_then(|end| pe.get(from..end));
        let content = content.ok_or_else(|| Error::broken(&name, "lies outside of the file"))?;
        found.push((name, content));
    }
    Ok(found)
}

/// SHA-256 of what a signature covers: all but the checksum, where the signature is said to be, and
/// the signature. Source: Microsoft's "Windows Authenticode Portable Executable Signature Format".
///
/// # Errors
///
/// It is no executable.
pub fn signed_digest(pe: &[u8]) -> Result<[u8; 32], Error> {
    let layout = Layout::of(pe)?;
    let (check, entry) = (layout.checksum(), layout.certificates());
    let end = match word(pe, entry) {
        Some(0) | None => pe.len(),
        Some(at) => at.clamp(entry + 8, pe.len()),
    };
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    hash.update(&pe[..check]);
    hash.update(&pe[check + 4..entry]);
    hash.update(&pe[entry + 8..end]);
    // Covered up to a multiple of eight, to which `with_signature` fills up.
    hash.update(&[0; 8][..end.next_multiple_of(8) - end]);
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.finish().as_ref());
    Ok(digest)
}

/// Puts a PKCS #7 signature behind an executable that has none.
///
/// # Errors
///
/// It is no executable, or too large.
pub fn with_signature(pe: &[u8], pkcs7: &[u8]) -> Result<Vec<u8>, Error> {
    let layout = Layout::of(pe)?;
    let mut pe = pe.to_vec();
    pe.resize(pe.len().next_multiple_of(8), 0);
    let (at, length) = (pe.len(), (8 + pkcs7.len()).next_multiple_of(8));
    set(&mut pe, layout.certificates(), at)?;
    set(&mut pe, layout.certificates() + 4, length)?;
    pe.resize(at + length, 0);
    set(&mut pe, at, length)?;
    // Revision 2.0, kind PKCS #7.
    pe[at + 4..at + 8].copy_from_slice(&[0x00, 0x02, 0x02, 0x00]);
    pe[at + 8..at + 8 + pkcs7.len()].copy_from_slice(pkcs7);
    Ok(pe)
}
