//! A volume in a drive.
//!
//! Owns who it is ([`identify`]), the first file that makes a blank cartridge a volume of ours, and
//! the place where the next part may be written. Never writes to a cartridge that is not blank, and
//! never in front of data.

use scsi::BlockAddress;
use scsi::attribute::Attribute;
use ssc::{Drive, Immediate, ReadOut, Written};
use uuid::Uuid;

use super::fault::drive_fault;
use crate::stream::{Blame, Fault};
use crate::volume::block::{self, HEADER_BYTES, Opened};
use crate::volume::label::{Label, is_page};
use crate::volume::{BLOCK_BYTES_MAX, BlockKind, Header, kit};

/// What a cartridge turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing was ever written on it.
    Blank,
    /// A volume of ours.
    Ours {
        /// Who it is.
        label: Label,
        /// What is wrong with its first file, when something is.
        damage: Option<String>,
    },
    /// Something else, which must not be overwritten.
    Foreign {
        /// How it can be told.
        why: String,
    },
}

/// Finds out what is in the drive. Rewinds; leaves the medium somewhere in its first file.
///
/// # Errors
///
/// Any of the drive's but an unreadable block, which is part of the answer.
pub fn identify(drive: &mut Drive) -> Result<Found, ssc::Error> {
    drive.rewind()?;
    let mut page = vec![0; BLOCK_BYTES_MAX];
    let page_bytes = match drive.read_block(&mut page) {
        Ok(ReadOut::Block(bytes)) => bytes,
        Ok(ReadOut::EndOfData) => return Ok(Found::Blank),
        Ok(other) => return Ok(foreign(format!("it starts with {other:?}"))),
        Err(error @ ssc::Error::Medium { .. }) => {
            tracing::warn!(%error, "block 0 cannot be read; trying the label");
            0
        }
        Err(error) => return Err(error),
    };
    page.truncate(page_bytes);
    if page_bytes == 0 {
        drive.locate(BlockAddress(1))?;
    }
    let mut second = vec![0; BLOCK_BYTES_MAX];
    let label = match drive.read_block(&mut second) {
        Ok(ReadOut::Block(bytes)) => Label::from_block(&second[..bytes]),
        Ok(_) => Err("there is none".into()),
        Err(error @ ssc::Error::Medium { .. }) => Err(error.to_string()),
        Err(error) => return Err(error),
    };
    Ok(judge(&page, label))
}

/// Makes the cartridge in the drive blank, and looks whether it is.
///
/// # Errors
///
/// The drive's; and that it says it has erased what is still there.
pub fn erase(drive: &mut Drive) -> Result<(), Fault> {
    let done = drive.rewind().and_then(|()| drive.erase_short());
    done.map_err(|e| drive_fault(drive, "cannot erase", &e))?;
    let now = identify(drive);
    match now.map_err(|e| drive_fault(drive, "cannot check the erased cartridge", &e))? {
        Found::Blank => Ok(()),
        Found::Ours { .. } | Found::Foreign { .. } => Err(Fault::never(
            Blame::Drive,
            "the drive says it erased the cartridge, but data is still there",
        )),
    }
}

fn judge(page: &[u8], label: Result<(Label, u32), String>) -> Found {
    match label {
        Ok((label, crc)) => {
            let damage = Label::check_page(page, crc).err().map(|d| format!("block 0: {d}"));
            Found::Ours { label, damage }
        }
        Err(why) if is_page(page) => match Label::from_page(page) {
            Ok(label) => Found::Ours { label, damage: Some(format!("block 1: the label: {why}")) },
            Err(page_why) => foreign(format!(
                "a tapioca volume whose text page ({page_why}) and label ({why}) are both bad"
            )),
        },
        Err(_) => foreign("its first block is not ours".into()),
    }
}

fn foreign(why: String) -> Found {
    Found::Foreign { why }
}

/// A block that is known to be on the medium, from which a lost position can be found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Its address.
    pub address: u64,
    /// Its checksum.
    pub checksum: u32,
    /// True when a filemark lies between it and what is written next.
    pub then_filemark: bool,
}

impl Anchor {
    /// The address of what comes after the anchor.
    pub fn next(&self) -> u64 {
        self.address + 1 + u64::from(self.then_filemark)
    }
}

/// A volume in a drive, standing where the next part may begin.
pub struct Reel {
    /// The drive.
    pub drive: Drive,
    /// Who the volume is.
    pub label: Label,
    /// The last block before the new part.
    pub anchor: Anchor,
    /// Number of the next part on this volume.
    pub part: u32,
    /// Last good block of a cut part before it.
    pub after_cut: Option<u64>,
    /// Early warning was met already.
    pub near_end: bool,
}

impl Reel {
    /// Makes the blank cartridge in `drive` a volume: text page, label, kit, filemark, all confirmed.
    pub fn initialise(mut drive: Drive, label: Label) -> Result<Reel, Fault> {
        let found = identify(&mut drive);
        match found.map_err(|e| drive_fault(&drive, "cannot read the label", &e))? {
            Found::Blank => {}
            Found::Ours { label, .. } => {
                return Err(not_blank(&drive, &format!("volume {}", label.name())));
            }
            Found::Foreign { why } => {
                return Err(not_blank(&drive, &format!("foreign data ({why})")));
            }
        }
        Reel::write_first_file(drive, label)
    }

    fn write_first_file(mut drive: Drive, label: Label) -> Result<Reel, Fault> {
        let fault = |drive: &Drive, e: &ssc::Error| {
            drive_fault(drive, &format!("cannot label {}", label.name()), e)
        };
        drive.configure().map_err(|e| fault(&drive, &e))?;
        drive.rewind().map_err(|e| fault(&drive, &e))?;
        let (blocks, checksum) = first_file(&label);
        for block in &blocks {
            match drive.write_block(block).map_err(|e| fault(&drive, &e))? {
                Written::Fine => {}
                Written::EarlyWarning | Written::Full => {
                    return Err(Fault::never(
                        Blame::Medium,
                        format!("{} is too small to hold a volume", label.name()),
                    ));
                }
            }
        }
        let near_end =
            match drive.write_filemarks(1, Immediate::No).map_err(|e| fault(&drive, &e))? {
                Written::Fine => false,
                Written::EarlyWarning => true,
                Written::Full => {
                    return Err(Fault::never(
                        Blame::Medium,
                        format!("{} is too small to hold a volume", label.name()),
                    ));
                }
            };
        let anchor = Anchor { address: blocks.len() as u64 - 1, checksum, then_filemark: true };
        expect_position(&mut drive, anchor.next())?;
        sign_memory(&mut drive, &label);
        Ok(Reel { drive, label, anchor, part: 1, after_cut: None, near_end })
    }

    /// Goes to the end of a volume of ours and checks that it ends as it should, so that a part can
    /// be appended. A cut-off tail is closed with a filemark, never overwritten.
    pub fn append(mut drive: Drive, label: Label) -> Result<Reel, Fault> {
        let fault = |drive: &Drive, e: &ssc::Error| {
            drive_fault(drive, &format!("cannot find the end of {}", label.name()), e)
        };
        drive.configure().map_err(|e| fault(&drive, &e))?;
        drive.space_to_end_of_data().map_err(|e| fault(&drive, &e))?;
        let end = drive.position().map_err(|e| fault(&drive, &e))?.block.0;
        let mut buffer = vec![0; label.block_bytes];
        let clean = match read_at(&mut drive, end.saturating_sub(1), &mut buffer)? {
            ReadOut::Filemark => true,
            ReadOut::Block(_) => false,
            other => return Err(end_makes_no_sense(&label, &format!("{other:?}"))),
        };
        if !clean && ends_in_first_file(&label, end, &buffer) {
            tracing::warn!(
                volume = label.name(),
                "labelling was cut off and holds no backup; doing it again"
            );
            return Reel::write_first_file(drive, label);
        }
        let last = end.saturating_sub(if clean { 2 } else { 1 });
        let anchor = read_anchor(&mut drive, &label, last, &mut buffer)?;
        let (header, checksum) = anchor;
        let ended = matches!(header.kind, BlockKind::End | BlockKind::Kit | BlockKind::Label);
        let after_cut = (!(clean && ended) && header.part > 0).then_some(last);
        drive.space_to_end_of_data().map_err(|e| fault(&drive, &e))?;
        expect_position(&mut drive, end)?;
        if !clean {
            tracing::warn!(
                volume = label.name(),
                block = last,
                "the last part was cut off; closing it"
            );
            close_cut(&mut drive, &label, end)?;
        }
        let anchor = Anchor { address: last, checksum, then_filemark: true };
        Ok(Reel { drive, label, anchor, part: header.part + 1, after_cut, near_end: false })
    }
}

/// Writes who the volume is into the cartridge memory, for those who look there. A hint only: the
/// label on tape decides, so a memory that refuses is no fault.
fn sign_memory(drive: &mut Drive, label: &Label) {
    let set = format!("set {} volume {}", label.set_id, label.volume_number);
    let attributes = [
        (0x0800, "TAPIOCA"),
        (0x0801, "tapioca"),
        (0x0802, env!("CARGO_PKG_VERSION")),
        (0x0803, set.as_str()),
        (0x0806, label.volume_tag.as_str()),
    ];
    for (id, text) in attributes {
        let Some(attribute) = Attribute::host_text(id, text) else { continue };
        if let Err(error) = drive.write_attribute(&attribute) {
            tracing::debug!(%error, "the cartridge memory stays unsigned");
            return;
        }
    }
}

/// Whether a volume whose last object is the block in `buffer` at `end - 1` has nothing but pieces of
/// the file we start a volume with.
fn ends_in_first_file(label: &Label, end: u64, buffer: &[u8]) -> bool {
    let in_first_file = |opened: Opened<'_>| {
        matches!(opened.header.kind, BlockKind::Label | BlockKind::Kit)
            && opened.header.belongs(label.set_id, end - 1).is_ok()
    };
    end == 1 || block::open(buffer).is_ok_and(in_first_file)
}

fn not_blank(drive: &Drive, what: &str) -> Fault {
    Fault::never(Blame::Operator, format!("{}: the cartridge holds {what} and is not overwritten", drive.name()))
        .hint("use a blank cartridge, or release this one with `tapioca drive erase` if nothing on it is needed")
}

fn end_makes_no_sense(label: &Label, what: &str) -> Fault {
    Fault::never(
        Blame::Medium,
        format!("{}: the end of data makes no sense ({what}); nothing is appended", label.name()),
    )
    .hint("read it with src_tape or reader.py, and use another volume for new backups")
}

/// All blocks of file 0 and the checksum of the last one.
fn first_file(label: &Label) -> (Vec<Vec<u8>>, u32) {
    let page = label.page();
    let label_block = label.block(&page);
    let mut checksum = block::open(&label_block).map_or(0, |opened| opened.checksum);
    let mut blocks = vec![page, label_block];
    let room = label.block_bytes - HEADER_BYTES;
    for (piece, offset) in kit::archive(label.created_s).chunks(room).zip((0u64..).step_by(room)) {
        let mut bytes = vec![0; label.block_bytes];
        bytes[HEADER_BYTES..HEADER_BYTES + piece.len()].copy_from_slice(piece);
        let header = Header {
            kind: BlockKind::Kit,
            set: label.set_id,
            stream: Uuid::nil(),
            address: blocks.len() as u64,
            offset,
            volume: label.volume_number,
            part: 0,
            previous: checksum,
        };
        checksum = block::seal(&mut bytes, &header, piece.len());
        blocks.push(bytes);
    }
    (blocks, checksum)
}

pub(crate) fn read_at(
    drive: &mut Drive,
    address: u64,
    buffer: &mut [u8],
) -> Result<ReadOut, Fault> {
    let what = format!("cannot read block {address}");
    drive.locate(BlockAddress(address)).map_err(|e| drive_fault(drive, &what, &e))?;
    drive.read_block(buffer).map_err(|e| drive_fault(drive, &what, &e))
}

fn read_anchor(
    drive: &mut Drive,
    label: &Label,
    address: u64,
    buffer: &mut [u8],
) -> Result<(Header, u32), Fault> {
    let ReadOut::Block(bytes) = read_at(drive, address, buffer)? else {
        return Err(end_makes_no_sense(label, "no block before the last filemark"));
    };
    let checked = block::open(&buffer[..bytes]).and_then(|Opened { header, checksum, .. }| {
        header.belongs(label.set_id, address).map(|()| (header, checksum))
    });
    checked.map_err(|damage| {
        end_makes_no_sense(label, &format!("its last block, {address}, {damage}"))
    })
}

fn close_cut(drive: &mut Drive, label: &Label, end: u64) -> Result<(), Fault> {
    let what = format!("cannot close the cut part of {}", label.name());
    match drive.write_filemarks(1, Immediate::No).map_err(|e| drive_fault(drive, &what, &e))? {
        Written::Fine | Written::EarlyWarning => expect_position(drive, end + 1),
        Written::Full => Err(Fault::never(Blame::Medium, format!("{what}: it is full"))),
    }
}

/// The drive must stand where we believe it does; nothing is written otherwise.
pub(crate) fn expect_position(drive: &mut Drive, address: u64) -> Result<(), Fault> {
    let what = "cannot confirm the position";
    let position = drive.position().map_err(|e| drive_fault(drive, what, &e))?;
    match position.block.0 == address {
        true => Ok(()),
        false => Err(Fault::later(
            Blame::Drive,
            format!(
                "{}: the drive stands at block {} and should stand at {address}",
                drive.name(),
                position.block.0
            ),
        )),
    }
}
