//! Reading a volume back, every block checked.
//!
//! Owns the walk over blocks: where the drive stands, retries of a block that does not read well,
//! and the [`survey`](VolumeReader::survey) of a volume's parts by their first and last blocks.

use scsi::{BlockAddress, SenseKey};
use ssc::{Drive, ReadOut, Spaced};

use super::fault::drive_fault;
use crate::stream::{Blame, Fault};
use crate::volume::block::{self, Opened};
use crate::volume::index;
use crate::volume::part::{PartBegin, PartEnd};
use crate::volume::{BLOCK_BYTES_MAX, BlockKind, Damage, Label};

/// How often a block that does not read well is read again.
const READ_TRIES: u32 = 3;

/// What lies at an address.
#[derive(Debug)]
pub enum Step<'a> {
    /// A good block.
    Block(Opened<'a>),
    /// A block that cannot be used, and why.
    Damaged(String),
    /// A filemark.
    Filemark,
    /// Nothing more.
    EndOfData,
}

/// A part, known by its ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Number on the volume.
    pub number: u32,
    /// Address of its first block.
    pub address: u64,
    /// What its first block says.
    pub begin: PartBegin,
    /// Address and content of its last block; `None` when it was cut off.
    pub end: Option<(u64, PartEnd)>,
    /// Address of the filemark or end of data behind it.
    pub after: u64,
}

/// What a volume holds, and what of it could not be read.
#[derive(Debug, Default)]
pub struct Survey {
    /// Its parts in order.
    pub parts: Vec<Part>,
    /// One line for each block that should tell of a part and does not.
    pub damage: Vec<String>,
}

/// A volume being read.
pub struct VolumeReader {
    /// Here unless lent back to the mount.
    drive: Option<Drive>,
    label: Label,
    buffer: Vec<u8>,
    /// Address the drive stands at, when known.
    next: Option<u64>,
    /// Address and length of the good block in `buffer`.
    held: Option<(u64, usize)>,
}

impl VolumeReader {
    /// Reads the volume in `drive`, which is known to be `label`.
    pub fn new(drive: Drive, label: Label) -> VolumeReader {
        VolumeReader {
            drive: Some(drive),
            label,
            buffer: vec![0; BLOCK_BYTES_MAX],
            next: None,
            held: None,
        }
    }

    /// Who the volume is.
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// Lets go of the drive.
    pub fn into_drive(mut self) -> Drive {
        self.drive.take().expect("the drive is here unless lent back")
    }

    /// Gives the drive back to `mount`, so that it can fetch another volume; this reader is then
    /// good for nothing but its label.
    pub fn lend_back(&mut self, mount: &mut super::Mount) {
        self.held = None;
        self.drive.take().into_iter().for_each(|drive| mount.give_back(drive));
    }

    fn drive(&mut self) -> &mut Drive {
        self.drive.as_mut().expect("the drive is here unless lent back")
    }

    fn name_block(&self, address: u64) -> String {
        format!("{}: block {address}", self.label.name())
    }

    fn fault(&self, address: u64, error: &ssc::Error) -> Fault {
        let drive = self.drive.as_ref().expect("the drive is here unless lent back");
        drive_fault(drive, &format!("cannot read {}", self.name_block(address)), error)
    }

    fn go(&mut self, address: u64) -> Result<Result<(), Miss>, Fault> {
        if self.next == Some(address) {
            return Ok(Ok(()));
        }
        self.next = None;
        match self.drive().locate(BlockAddress(address)) {
            Ok(()) => self.next = Some(address),
            Err(error) if error.sense().is_some_and(|s| s.key == SenseKey::BlankCheck) => {
                return Ok(Err(Miss::EndOfData));
            }
            Err(error @ ssc::Error::Medium { .. }) => {
                return Ok(Err(Miss::Damaged(error.to_string())));
            }
            Err(error) => return Err(self.fault(address, &error)),
        }
        Ok(Ok(()))
    }

    /// Reads what lies at `address`. A block that does not read well is tried again before it is
    /// called damaged.
    ///
    /// # Errors
    ///
    /// The drive or the way to it; damage of the medium is part of the answer.
    pub fn read(&mut self, address: u64) -> Result<Step<'_>, Fault> {
        let mut tries = READ_TRIES;
        while self.held.is_none_or(|(held, _)| held != address) {
            let why = match self.fetch(address)? {
                Ok(bytes) => match self.judge(address, bytes) {
                    Ok(()) => {
                        self.held = Some((address, bytes));
                        break;
                    }
                    Err(damage) => damage.to_string(),
                },
                Err(Miss::Filemark) => return Ok(Step::Filemark),
                Err(Miss::EndOfData) => return Ok(Step::EndOfData),
                Err(Miss::Damaged(why)) => why,
            };
            tries -= 1;
            if tries == 0 {
                return Ok(Step::Damaged(why));
            }
            self.next = None;
        }
        let length = self.held.map_or(0, |(_, bytes)| bytes);
        Ok(match block::open(&self.buffer[..length]) {
            Ok(opened) => Step::Block(opened),
            Err(damage) => Step::Damaged(damage.to_string()),
        })
    }

    fn judge(&self, address: u64, bytes: usize) -> Result<(), Damage> {
        block::open(&self.buffer[..bytes])?.header.belongs(self.label.set_id, address)
    }

    /// The block at `address` as the drive gives it, good or not.
    pub(super) fn raw(&mut self, address: u64) -> Result<Result<&[u8], String>, Fault> {
        Ok(match self.fetch(address)? {
            Ok(bytes) => Ok(&self.buffer[..bytes]),
            Err(Miss::Filemark) => Err("a filemark stands there".into()),
            Err(Miss::EndOfData) => Err("nothing is there".into()),
            Err(Miss::Damaged(why)) => Err(why),
        })
    }

    fn fetch(&mut self, address: u64) -> Result<Result<usize, Miss>, Fault> {
        self.held = None;
        if let Err(miss) = self.go(address)? {
            return Ok(Err(miss));
        }
        let drive = self.drive.as_mut().expect("the drive is here unless lent back");
        let read = drive.read_block(&mut self.buffer);
        self.next = match &read {
            Ok(ReadOut::Block(_) | ReadOut::Filemark) => Some(address + 1),
            _ => None,
        };
        match read {
            Ok(ReadOut::Block(bytes)) => Ok(Ok(bytes)),
            Ok(ReadOut::Filemark) => Ok(Err(Miss::Filemark)),
            Ok(ReadOut::EndOfData | ReadOut::EndOfMedium) => Ok(Err(Miss::EndOfData)),
            Ok(ReadOut::TooLong { actual }) => {
                Ok(Err(Miss::Damaged(format!("{actual} bytes long, which no block is"))))
            }
            Err(error @ ssc::Error::Medium { .. }) => Ok(Err(Miss::Damaged(error.to_string()))),
            Err(error) => Err(self.fault(address, &error)),
        }
    }

    /// Address behind the next filemark from `address` on; `None` when data ends without one.
    fn behind_filemark(&mut self, address: u64) -> Result<Option<u64>, Fault> {
        if let Err(miss) = self.go(address)? {
            return match miss {
                Miss::EndOfData | Miss::Filemark => Ok(None),
                Miss::Damaged(why) => Err(Fault::never(
                    Blame::Medium,
                    format!("cannot go to {}: {why}", self.name_block(address)),
                )),
            };
        }
        self.next = None;
        match self.drive().space_filemarks(1).map_err(|e| self.fault(address, &e))? {
            Spaced::All => {
                let position = self.drive().position().map_err(|e| self.fault(address, &e))?;
                self.next = Some(position.block.0);
                Ok(self.next)
            }
            Spaced::EndOfData { .. } | Spaced::Filemark { .. } | Spaced::Beginning { .. } => {
                Ok(None)
            }
        }
    }

    fn end_of_data(&mut self) -> Result<u64, Fault> {
        self.next = None;
        self.drive().space_to_end_of_data().map_err(|e| self.fault(0, &e))?;
        Ok(self.drive().position().map_err(|e| self.fault(0, &e))?.block.0)
    }

    /// Where the volume's data ends: the block that would be written next.
    pub fn end(&mut self) -> Result<u64, Fault> {
        self.end_of_data()
    }

    /// Address of the first block behind the first file, if there is a filemark behind that.
    pub fn first_part(&mut self) -> Result<Option<u64>, Fault> {
        self.behind_filemark(0)
    }

    /// Finds all parts by their first and last blocks.
    pub fn survey(&mut self) -> Result<Survey, Fault> {
        let mut survey = Survey::default();
        let mut at = self.behind_filemark(0)?;
        while let Some(address) = at {
            let begin = match self.read(address)? {
                Step::Block(opened) if opened.header.kind == BlockKind::Begin => {
                    PartBegin::parse(opened.payload).map(|begin| (opened.header.part, begin))
                }
                Step::Block(_) => Err("it should begin a part".into()),
                Step::Damaged(why) => Err(why),
                Step::Filemark => Err("two filemarks in a row".into()),
                Step::EndOfData => break,
            };
            at = self.behind_filemark(address)?;
            let after = match at {
                Some(behind) => behind - 1,
                None => self.end_of_data()?,
            };
            match begin {
                Ok((number, begin)) => {
                    let end = self.part_end(address, after, &mut survey.damage)?;
                    survey.parts.push(Part { number, address, begin, end, after });
                }
                Err(why) => survey.damage.push(format!("{}: {why}", self.name_block(address))),
            }
        }
        Ok(survey)
    }

    fn part_end(
        &mut self,
        first: u64,
        after: u64,
        damage: &mut Vec<String>,
    ) -> Result<Option<(u64, PartEnd)>, Fault> {
        let address = after - 1;
        if address <= first {
            return Ok(None);
        }
        let why = match self.read(address)? {
            Step::Block(opened) if opened.header.kind == BlockKind::End => {
                match PartEnd::parse(opened.payload) {
                    Ok(end) => return Ok(Some((address, end))),
                    Err(why) => why,
                }
            }
            Step::Block(_) => return Ok(None),
            Step::Damaged(why) => why,
            Step::Filemark | Step::EndOfData => "there is none".into(),
        };
        damage.push(format!("{}: the end of a part: {why}", self.name_block(address)));
        Ok(None)
    }

    /// The index lines of a part that has its end.
    ///
    /// # Errors
    ///
    /// A damaged index block is a fault of the medium that names it.
    pub fn index(&mut self, end: &PartEnd) -> Result<Vec<u8>, Fault> {
        let mut packed = Vec::new();
        let mut address = end.index_block;
        while (packed.len() as u64) < end.index_bytes {
            let name = self.name_block(address);
            match self.read(address)? {
                Step::Block(opened) if opened.header.kind == BlockKind::Index => {
                    packed.extend_from_slice(opened.payload)
                }
                Step::Block(_) => return Err(index_fault(&name, "it should hold an index")),
                Step::Damaged(why) => return Err(index_fault(&name, &why)),
                Step::Filemark | Step::EndOfData => {
                    return Err(index_fault(&name, "the index ends too early"));
                }
            }
            address += 1;
        }
        index::unpack(&packed, end.index_raw_bytes)
            .map_err(|why| index_fault(&self.name_block(end.index_block), &why))
    }
}

enum Miss {
    Damaged(String),
    Filemark,
    EndOfData,
}

fn index_fault(block: &str, why: &str) -> Fault {
    Fault::never(Blame::Medium, format!("cannot read an index: {block}: {why}"))
        .hint("the data may still be good: read the whole stream instead of single files")
}
