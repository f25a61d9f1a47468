//! Every block of a volume, read and judged.
//!
//! Owns the whole-volume check: block 0 against the label, each block against itself, its set and
//! its address, each against the one before it in its part. Names every block that fails and reads
//! on behind it.

use super::reader::{Step, VolumeReader};
use crate::stream::Fault;
use crate::volume::block::Opened;
use crate::volume::label::LABEL_ADDRESS;
use crate::volume::part::{PartBegin, PartEnd, PartSync};
use crate::volume::{BlockKind, Label};

/// What a check found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Check {
    /// Blocks read.
    pub blocks: u64,
    /// Parts that end as they should.
    pub whole_parts: u32,
    /// One line for each thing that is wrong, with its block.
    pub faults: Vec<String>,
}

/// Follows the blocks of a part.
#[derive(Default)]
struct Chain {
    part: u32,
    /// Checksum of the block before, when it was good.
    previous: Option<u32>,
}

impl Chain {
    /// What speaks against a good block standing here.
    fn judge(&mut self, opened: &Opened<'_>) -> Option<&'static str> {
        let header = opened.header;
        let starts = header.part != self.part || header.kind == BlockKind::Label;
        let expected = if starts { Some(0) } else { self.previous };
        self.part = header.part;
        self.previous = Some(opened.checksum);
        if starts && header.part > 0 && header.kind != BlockKind::Begin {
            return Some("a part without its first block");
        }
        match expected {
            Some(previous) if previous != header.previous => {
                Some("the block before it is another one than was written")
            }
            Some(_) | None => content(opened).err(),
        }
    }
}

/// Whether the text of a block says what a block of its kind must.
fn content(opened: &Opened<'_>) -> Result<(), &'static str> {
    let sound = match opened.header.kind {
        BlockKind::Begin => PartBegin::parse(opened.payload).is_ok(),
        BlockKind::Sync => PartSync::parse(opened.payload).is_ok(),
        BlockKind::End => PartEnd::parse(opened.payload).is_ok(),
        BlockKind::Label | BlockKind::Kit | BlockKind::Data | BlockKind::Index => true,
    };
    if sound { Ok(()) } else { Err("its text makes no sense") }
}

impl VolumeReader {
    /// Reads the whole volume and names all that is wrong with it. `progress` is told each address.
    ///
    /// # Errors
    ///
    /// The drive or the way to it; what is wrong with the medium is the answer.
    pub fn check(&mut self, progress: &mut dyn FnMut(u64)) -> Result<Check, Fault> {
        let name = self.label().name();
        let mut check = Check::default();
        if let Some(why) = self.check_page()? {
            check.faults.push(format!("{name}: block 0: {why}"));
        }
        check.blocks += 1;
        let mut chain = Chain::default();
        let mut ended = true;
        for address in LABEL_ADDRESS.. {
            progress(address);
            let why = match self.read(address)? {
                Step::Block(opened) => {
                    ended = opened.header.kind == BlockKind::End || opened.header.part == 0;
                    check.whole_parts += u32::from(opened.header.kind == BlockKind::End);
                    chain.judge(&opened).map(String::from)
                }
                Step::Damaged(why) => {
                    chain.previous = None;
                    ended = true;
                    Some(why)
                }
                gap @ (Step::Filemark | Step::EndOfData) => {
                    let over = matches!(gap, Step::EndOfData);
                    if !ended {
                        check.faults.push(format!(
                            "{name}: block {}: the part ends here, cut off",
                            address - 1
                        ));
                        ended = true;
                    }
                    if over {
                        break;
                    }
                    None
                }
            };
            check.faults.extend(why.map(|why| format!("{name}: block {address}: {why}")));
            check.blocks += 1;
        }
        Ok(check)
    }

    /// What is wrong with block 0.
    fn check_page(&mut self) -> Result<Option<String>, Fault> {
        let vouched = match self.raw(LABEL_ADDRESS)? {
            Ok(label) => Label::from_block(label).ok().map(|(_, crc)| crc),
            Err(_) => None,
        };
        let page = match self.raw(0)? {
            Ok(page) => page,
            Err(why) => return Ok(Some(why)),
        };
        Ok(match vouched {
            Some(crc) => Label::check_page(page, crc).err().map(|damage| damage.to_string()),
            None => Label::from_page(page).err(),
        })
    }
}
