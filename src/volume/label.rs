//! The label and the text page: who a volume is.
//!
//! Owns blocks 0 and 1 (`docs/format.md` sections 2 and 4). Each holds all of the label, so either
//! one is enough.

use std::fmt::Write as _;

use uuid::Uuid;

use super::text::{Reader, Writer};
use super::{BlockKind, Damage, Header, block, is_block_size};

/// Address of the label block.
pub const LABEL_ADDRESS: u64 = 1;
const PAGE_START: &str = "TAPIOCA VOLUME\n";
const PAGE_CHECKSUM: &str = "page-checksum: ";

/// Who a volume is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Barcode; empty when the cartridge has none.
    pub volume_tag: String,
    /// Made when the volume was labelled.
    pub volume_id: Uuid,
    /// The set it belongs to.
    pub set_id: Uuid,
    /// Its number in the set, from 1.
    pub volume_number: u32,
    /// Bytes of every block.
    pub block_bytes: usize,
    /// When it was labelled, seconds since the epoch.
    pub created_s: i64,
}

impl Label {
    /// How messages name the volume: its tag, or its identity.
    pub fn name(&self) -> String {
        match self.volume_tag.is_empty() {
            true => self.volume_id.to_string(),
            false => self.volume_tag.clone(),
        }
    }

    fn lines(&self) -> Writer {
        Writer::default()
            .line("format", 1)
            .line("volume-tag", &self.volume_tag)
            .line("volume-id", self.volume_id)
            .line("set-id", self.set_id)
            .line("volume-number", self.volume_number)
            .line("block-bytes", self.block_bytes)
            .line("created", self.created_s)
            .line("writer", concat!("tapioca ", env!("CARGO_PKG_VERSION")))
    }

    fn from_lines(lines: &Reader<'_>) -> Result<Label, String> {
        let format: u32 = lines.value("format")?;
        if format != 1 {
            return Err(format!("format version {format} is not known here"));
        }
        let label = Label {
            volume_tag: lines.text("volume-tag")?,
            volume_id: lines.value("volume-id")?,
            set_id: lines.value("set-id")?,
            volume_number: lines.value("volume-number")?,
            block_bytes: lines.value("block-bytes")?,
            created_s: lines.value("created")?,
        };
        match is_block_size(label.block_bytes) {
            true => Ok(label),
            false => Err(format!("block size {} is not possible", label.block_bytes)),
        }
    }

    /// Block 0.
    pub fn page(&self) -> Vec<u8> {
        let mut text = String::from(PAGE_START);
        text.push_str(&PAGE_TEXT.replace("BLOCK-BYTES", &self.block_bytes.to_string()));
        text.push_str(&String::from_utf8_lossy(&self.lines().done()));
        let sum = crc32fast::hash(text.as_bytes());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{PAGE_CHECKSUM}{sum:08x}");
        let mut page = text.into_bytes();
        page.resize(self.block_bytes, b'\n');
        page
    }

    /// Block 1, which vouches for `page`.
    pub fn block(&self, page: &[u8]) -> Vec<u8> {
        let text = self.lines().line("page-crc32", format!("{:08x}", crc32fast::hash(page))).done();
        let mut bytes = vec![0; self.block_bytes];
        bytes[block::HEADER_BYTES..block::HEADER_BYTES + text.len()].copy_from_slice(&text);
        let header = Header {
            kind: BlockKind::Label,
            set: self.set_id,
            stream: Uuid::nil(),
            address: LABEL_ADDRESS,
            offset: 0,
            volume: self.volume_number,
            part: 0,
            previous: 0,
        };
        block::seal(&mut bytes, &header, text.len());
        bytes
    }

    /// Reads block 1. Returns the label and the CRC-32 that block 0 should have.
    pub fn from_block(bytes: &[u8]) -> Result<(Label, u32), String> {
        let opened = block::open(bytes).map_err(|damage| damage.to_string())?;
        if opened.header.kind != BlockKind::Label || opened.header.address != LABEL_ADDRESS {
            return Err("a block, but not a label".into());
        }
        let lines = Reader::new(opened.payload)?;
        let label = Label::from_lines(&lines)?;
        if (label.set_id, label.volume_number) != (opened.header.set, opened.header.volume) {
            return Err("its header and its text disagree".into());
        }
        Ok((label, lines.hex("page-crc32")?))
    }

    /// Reads block 0 by its own checksum, for when the label block is lost.
    pub fn from_page(page: &[u8]) -> Result<Label, String> {
        if !is_page(page) {
            return Err("not a tapioca volume".into());
        }
        let mark = PAGE_CHECKSUM.as_bytes();
        let at = page.windows(mark.len()).rposition(|w| w == mark).ok_or("it has no checksum")?;
        let stored = page.get(at + mark.len()..at + mark.len() + 8).ok_or("it is cut")?;
        let stored = std::str::from_utf8(stored).ok().and_then(|t| u32::from_str_radix(t, 16).ok());
        if stored != Some(crc32fast::hash(&page[..at])) {
            return Err("its checksum is wrong".into());
        }
        Label::from_lines(&Reader::new(&page[..at])?)
    }

    /// Checks block 0 against what the label says of it.
    pub fn check_page(page: &[u8], crc32: u32) -> Result<(), Damage> {
        let found = crc32fast::hash(page);
        if found == crc32 { Ok(()) } else { Err(Damage::Checksum { stored: crc32, found }) }
    }
}

/// Says whether a first block is a text page of ours, good or damaged.
pub fn is_page(first_block: &[u8]) -> bool {
    first_block.starts_with(PAGE_START.as_bytes())
}

const PAGE_TEXT: &str = "
This cartridge holds backups made by tapioca. It can be read without tapioca:
everything needed is described on it. What you see is its first block, plain
text filled up with newlines.

All blocks have the same size, given below as block-bytes. Filemarks divide
the volume into files. File 0 is this page, a label, and a kit. With a tape
drive as /dev/nst0 on Linux, in variable block mode (mt -f /dev/nst0 setblk 0),
this fetches file 0 and cuts the kit out of it:

    dd if=/dev/nst0 of=file000 bs=1M
    python3 - <<'SCRIPT'
    size = BLOCK-BYTES
    data = open('file000', 'rb').read()
    with open('kit.tar', 'wb') as kit:
        for at in range(2 * size, len(data), size):
            length = int.from_bytes(data[at + 12:at + 16], 'little')
            kit.write(data[at + 96:at + 96 + length])
    SCRIPT
    tar xf kit.tar

It holds FORMAT.md, the whole format on one page, and reader.py, a reader in
Python that needs nothing else: `python3 reader.py list /dev/nst0`.

";

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> Label {
        Label {
            volume_tag: "TAP001L8".into(),
            volume_id: Uuid::from_u128(5),
            set_id: Uuid::from_u128(6),
            volume_number: 2,
            block_bytes: 65536,
            created_s: 1_795_000_000,
        }
    }

    #[test]
    fn both_blocks_tell_the_same() {
        let page = label().page();
        assert_eq!(page.len(), 65536);
        let block = label().block(&page);
        let (read, crc) = Label::from_block(&block).unwrap();
        assert_eq!(read, label());
        assert_eq!(Label::check_page(&page, crc), Ok(()));
        assert_eq!(Label::from_page(&page).unwrap(), label());
    }

    #[test]
    fn a_flip_anywhere_in_the_page_is_found() {
        let page = label().page();
        let crc = crc32fast::hash(&page);
        for at in 0..page.len() {
            let mut bad = page.clone();
            bad[at] ^= 1;
            assert!(Label::check_page(&bad, crc).is_err());
        }
    }
}
