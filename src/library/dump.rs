//! Raw blocks of a cartridge to files, one file for each tape file.
//!
//! Owns the directory that the rescue reader reads: `file000`, `file001`, …, each the blocks between
//! two filemarks one after the other. A block that cannot be read stands there as zeros, so that
//! what follows keeps its place, and is named. Judges no content.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use scsi::BlockAddress;
use ssc::{Drive, ReadOut};

use super::fault::drive_fault;
use crate::stream::{Blame, Fault};
use crate::volume::{BLOCK_BYTES, BLOCK_BYTES_MAX};

const READ_TRIES: u32 = 3;
/// Unreadable blocks in a row after which nobody believes that data follows.
const BAD_IN_A_ROW_MAX: u32 = 1000;

/// What was copied.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dumped {
    /// Files made.
    pub files: u32,
    /// Blocks, with those that stand as zeros.
    pub blocks: u64,
    /// Bytes.
    pub bytes: u64,
    /// One line for each block that could not be read.
    pub lost: Vec<String>,
}

struct Dump<'a> {
    drive: &'a mut Drive,
    dir: &'a Path,
    dumped: Dumped,
    file: Option<(PathBuf, File)>,
    /// Block size, as far as blocks were seen.
    block_bytes: usize,
}

/// Copies everything from the beginning to the end of data into `dir`, which must hold no dump yet.
pub fn dump(drive: &mut Drive, dir: &Path) -> Result<Dumped, Fault> {
    std::fs::create_dir_all(dir)
        .map_err(|e| Fault::host(format!("cannot make {}", dir.display()), &e))?;
    let dumped = Dumped::default();
    Dump { drive, dir, dumped, file: None, block_bytes: BLOCK_BYTES }.run()
}

/// What came of reading one object.
enum Got {
    Block(usize),
    Filemark,
    End,
    Lost(String),
}

impl Dump<'_> {
    fn run(mut self) -> Result<Dumped, Fault> {
        let rewound = self.drive.rewind();
        rewound.map_err(|e| drive_fault(self.drive, "cannot rewind", &e))?;
        let mut buffer = vec![0; BLOCK_BYTES_MAX];
        let (mut address, mut bad) = (0, 0);
        loop {
            match self.object(address, &mut buffer)? {
                Got::Block(bytes) => {
                    bad = 0;
                    self.block_bytes = self.block_bytes.max(bytes);
                    if address == 0 {
                        self.block_bytes = bytes;
                    }
                    self.write(&buffer[..bytes])?;
                }
                Got::Filemark => {
                    bad = 0;
                    self.close()?;
                }
                Got::End => break,
                Got::Lost(why) => {
                    bad += 1;
                    self.dumped.lost.push(format!("block {address}: {why}"));
                    self.write(&vec![0; self.block_bytes])?;
                    if bad == BAD_IN_A_ROW_MAX || !self.step_over(address)? {
                        break;
                    }
                }
            }
            address += 1;
        }
        if self.file.is_some() {
            self.close()?;
        }
        Ok(self.dumped)
    }

    fn object(&mut self, address: u64, buffer: &mut Vec<u8>) -> Result<Got, Fault> {
        let mut tries = READ_TRIES;
        loop {
            let why = match self.drive.read_block(buffer) {
                Ok(ReadOut::Block(bytes)) => return Ok(Got::Block(bytes)),
                Ok(ReadOut::Filemark) => return Ok(Got::Filemark),
                Ok(ReadOut::EndOfData | ReadOut::EndOfMedium) => return Ok(Got::End),
                Ok(ReadOut::TooLong { actual }) => {
                    buffer.resize(actual.max(buffer.len()), 0);
                    "longer than was expected".to_owned()
                }
                Err(error @ ssc::Error::Medium { .. }) => error.to_string(),
                Err(error) => {
                    let what = format!("cannot read block {address}");
                    return Err(drive_fault(self.drive, &what, &error));
                }
            };
            tries -= 1;
            if tries == 0 {
                return Ok(Got::Lost(why));
            }
            let located = self.drive.locate(BlockAddress(address));
            let what = format!("cannot locate block {address}");
            located.map_err(|e| drive_fault(self.drive, &what, &e))?;
        }
    }

    /// Goes behind a block that cannot be read; false when there is no way.
    fn step_over(&mut self, address: u64) -> Result<bool, Fault> {
        match self.drive.locate(BlockAddress(address + 1)) {
            Ok(()) => Ok(true),
            Err(error @ ssc::Error::Medium { .. }) => {
                self.dumped.lost.push(format!("everything behind block {address}: {error}"));
                Ok(false)
            }
            Err(error) => {
                let what = format!("cannot locate block {}", address + 1);
                Err(drive_fault(self.drive, &what, &error))
            }
        }
    }

    fn write(&mut self, block: &[u8]) -> Result<(), Fault> {
        let (path, file) = self.file()?;
        file.write_all(block)
            .map_err(|e| Fault::host(format!("cannot write {}", path.display()), &e))?;
        self.dumped.blocks += 1;
        self.dumped.bytes += block.len() as u64;
        Ok(())
    }

    fn file(&mut self) -> Result<&mut (PathBuf, File), Fault> {
        if self.file.is_none() {
            let path = self.dir.join(format!("file{:03}", self.dumped.files));
            let file = OpenOptions::new().write(true).create_new(true).open(&path);
            let file = file.map_err(|e| match e.kind() {
                std::io::ErrorKind::AlreadyExists => Fault::never(
                    Blame::Operator,
                    format!("cannot make {}: it is there already", path.display()),
                )
                .hint("dump into an empty directory"),
                _ => Fault::host(format!("cannot make {}", path.display()), &e),
            })?;
            self.file = Some((path, file));
        }
        Ok(self.file.as_mut().expect("it was just made"))
    }

    /// Ends a tape file; one without blocks is an empty file.
    fn close(&mut self) -> Result<(), Fault> {
        let (path, file) = self.file()?;
        file.sync_all().map_err(|e| Fault::host(format!("cannot sync {}", path.display()), &e))?;
        self.file = None;
        self.dumped.files += 1;
        Ok(())
    }
}
