//! One tape: a sequence of logical objects in an append-only file.
//!
//! ```text
//! data    32 bytes  "tapioca virtual medium 1\n", zeros
//!         then per logical object, little-endian:
//!         0  4  magic "vobj"          16  8  logical object identifier (block address)
//!         4  1  1 block, 2 filemark   24  4  zero
//!         5  3  zero                  28  4  CRC32C of bytes 0..28
//!         8  4  length                32  …  the block
//!        12  4  CRC32C of the block
//! index   per object on the medium: 0 8 offset in data, 8 4 length (bit 31: filemark), 12 4 CRC32C
//! ```
//!
//! The index is what is *on the medium*; objects in `data` beyond it are in the drive's volatile
//! buffer. A flush extends the index; a power cut cuts `data` back. Owns both files. Refuses to
//! know positions, drives or sense.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crc32c::{crc32c, crc32c_append};

const PREAMBLE: &[u8; 32] = b"tapioca virtual medium 1\n\0\0\0\0\0\0\0";
const MAGIC: &[u8; 4] = b"vobj";
const HEADER: u64 = 32;
const ENTRY: usize = 16;
const MARK: u32 = 1 << 31;

/// Longest block: what READ BLOCK LIMITS says.
pub(crate) const BLOCK_LIMIT: u32 = 8 << 20;

/// Where one object lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    offset: u64,
    length: u32,
}

impl Entry {
    fn is_mark(self) -> bool {
        self.length & MARK != 0
    }

    fn bytes(self) -> u32 {
        self.length & !MARK
    }

    fn end(self) -> u64 {
        self.offset + HEADER + u64::from(self.bytes())
    }

    fn pack(self) -> [u8; ENTRY] {
        let mut raw = [0; ENTRY];
        raw[..8].copy_from_slice(&self.offset.to_le_bytes());
        raw[8..12].copy_from_slice(&self.length.to_le_bytes());
        let crc = crc32c(&raw[..12]);
        raw[12..].copy_from_slice(&crc.to_le_bytes());
        raw
    }

    fn unpack(raw: &[u8; ENTRY]) -> Option<Entry> {
        let word = |at: usize| u32::from_le_bytes([raw[at], raw[at + 1], raw[at + 2], raw[at + 3]]);
        let offset = u64::from(word(0)) | u64::from(word(4)) << 32;
        (word(12) == crc32c(&raw[..12])).then_some(Entry { offset, length: word(8) })
    }
}

/// What lies at a block address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    Block {
        length: u32,
    },
    Filemark,
    /// End of data; `lost` when it cannot be told what came after.
    End {
        lost: bool,
    },
}

/// Why a block could not be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// The stored bytes fail their check.
    Damaged,
    /// The host refused.
    Host(io::Error),
}

/// An opened medium.
#[derive(Debug)]
pub(crate) struct Tape {
    data: File,
    index: File,
    entries: Vec<Entry>,
    /// Block addresses of filemarks, ascending.
    marks: Vec<u64>,
    /// Objects that are on the medium; the rest is buffered.
    synced: usize,
    /// Bytes of `data` after the last whole object that are no object.
    lost_end: bool,
}

impl Tape {
    /// Makes the files of a blank medium.
    pub(crate) fn create(dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        fs::write(dir.join("data"), PREAMBLE)?;
        fs::write(dir.join("index"), b"")
    }

    /// Opens a medium: reads the index, checks it, and walks what was written after it.
    pub(crate) fn open(dir: &Path) -> io::Result<Tape> {
        let data = OpenOptions::new().read(true).write(true).open(dir.join("data"))?;
        let index = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(dir.join("index"))?;
        let mut tape = Tape {
            data,
            index,
            entries: Vec::new(),
            marks: Vec::new(),
            synced: 0,
            lost_end: false,
        };
        let size = tape.data.metadata()?.len();
        tape.read_index(&fs::read(dir.join("index"))?, size);
        tape.synced = tape.entries.len();
        tape.walk(size)?;
        Ok(tape)
    }

    fn read_index(&mut self, raw: &[u8], size: u64) {
        let mut expected = HEADER;
        for raw in raw.chunks_exact(ENTRY) {
            let entry = raw.try_into().ok().and_then(Entry::unpack);
            let Some(entry) = entry.filter(|e| e.offset == expected && e.end() <= size) else {
                break;
            };
            expected = entry.end();
            self.push(entry);
        }
    }

    /// Finds the objects beyond the index by their headers.
    fn walk(&mut self, size: u64) -> io::Result<()> {
        while self.end() + HEADER <= size {
            let mut raw = [0; HEADER as usize];
            self.data.read_exact_at(&mut raw, self.end())?;
            match check_header(&raw, self.entries.len() as u64) {
                Some(length) => {
                    let entry = Entry { offset: self.end(), length };
                    if entry.end() > size {
                        break; // a write that was cut short: no object
                    }
                    self.push(entry);
                }
                None => {
                    self.lost_end = true;
                    break;
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, entry: Entry) {
        if entry.is_mark() {
            self.marks.push(self.entries.len() as u64);
        }
        self.entries.push(entry);
    }

    fn offset_of(&self, at: u64) -> u64 {
        match at.checked_sub(1).and_then(|last| self.entries.get(last as usize)) {
            Some(entry) => entry.end(),
            None => HEADER,
        }
    }

    fn end(&self) -> u64 {
        self.offset_of(self.entries.len() as u64)
    }

    /// Logical objects, filemarks included: the block address of end-of-data.
    pub(crate) fn objects(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Filemarks before block address `at`.
    pub(crate) fn marks_before(&self, at: u64) -> u64 {
        self.marks.partition_point(|&mark| mark < at) as u64
    }

    /// Block addresses of all filemarks, ascending.
    pub(crate) fn marks(&self) -> &[u64] {
        &self.marks
    }

    /// Capacity taken by the objects before block address `at`: block data, 32 bytes a filemark.
    pub(crate) fn used_before(&self, at: u64) -> u64 {
        self.offset_of(at) - HEADER - HEADER * (at - self.marks_before(at))
    }

    /// What lies at block address `at`.
    pub(crate) fn object(&self, at: u64) -> Object {
        match self.entries.get(at as usize) {
            Some(entry) if entry.is_mark() => Object::Filemark,
            Some(entry) => Object::Block { length: entry.bytes() },
            None => Object::End { lost: self.lost_end },
        }
    }

    /// First object still in the drive's buffer: everything the buffer cannot hold has drained.
    pub(crate) fn first_buffered(&self, buffer_bytes: u64) -> u64 {
        let floor = self.end().saturating_sub(buffer_bytes);
        let drained = self.entries.partition_point(|entry| entry.offset < floor);
        drained.max(self.synced) as u64
    }

    /// Objects and bytes in the drive's buffer.
    pub(crate) fn buffered(&self, buffer_bytes: u64) -> (u64, u64) {
        let first = self.first_buffered(buffer_bytes);
        (self.objects() - first, self.used_before(self.objects()) - self.used_before(first))
    }

    /// Writes one block at `at`; everything that was at or after `at` is gone.
    pub(crate) fn write_block(&mut self, at: u64, block: &[u8]) -> io::Result<()> {
        self.put(at, block.len() as u32, block)
    }

    /// Writes one filemark at `at`; everything that was at or after `at` is gone.
    pub(crate) fn write_mark(&mut self, at: u64) -> io::Result<()> {
        self.put(at, MARK, &[])
    }

    fn put(&mut self, at: u64, length: u32, block: &[u8]) -> io::Result<()> {
        self.truncate(at)?;
        let entry = Entry { offset: self.end(), length };
        let header = pack_header(length, at, crc32c(block));
        if let Err(why) = write_both(&self.data, &header, block, entry.offset) {
            self.data.set_len(entry.offset)?; // half an object is none
            return Err(why);
        }
        self.push(entry);
        Ok(())
    }

    /// Forgets everything at or after `at`.
    pub(crate) fn truncate(&mut self, at: u64) -> io::Result<()> {
        let keep = at as usize;
        if keep >= self.entries.len() && !self.lost_end {
            return Ok(());
        }
        if keep < self.synced {
            self.index.set_len((keep * ENTRY) as u64)?;
            self.synced = keep;
        }
        self.entries.truncate(keep);
        self.marks.truncate(self.marks.partition_point(|&mark| mark < at));
        self.lost_end = false;
        self.data.set_len(self.end())
    }

    /// Reads the block at `at` into `buffer`, which takes its first bytes when it is longer.
    /// Returns the block's own length. Must be called on a block.
    pub(crate) fn read_block(&self, at: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let entry = self.entries.get(at as usize).copied().ok_or(ReadError::Damaged)?;
        let length = entry.bytes() as usize;
        let taken = length.min(buffer.len());
        let mut header = [0; HEADER as usize];
        let mut rest = vec![0; length - taken];
        let (front, _) = buffer.split_at_mut(taken);
        read_all(&self.data, &mut header, front, &mut rest, entry.offset)?;
        let known = check_header(&header, at).ok_or(ReadError::Damaged)?;
        let crc = u32::from_le_bytes([header[12], header[13], header[14], header[15]]);
        if known != entry.length || crc != crc32c_append(crc32c(front), &rest) {
            return Err(ReadError::Damaged);
        }
        Ok(length)
    }

    /// Moves the buffer to the medium. True when there was something to move.
    pub(crate) fn flush(&mut self, fsync: bool) -> io::Result<bool> {
        if self.synced == self.entries.len() {
            return Ok(false);
        }
        if fsync {
            self.data.sync_data()?;
        }
        self.extend_index(self.entries.len())?;
        if fsync {
            self.index.sync_data()?;
        }
        Ok(true)
    }

    fn extend_index(&mut self, to: usize) -> io::Result<()> {
        let fresh: Vec<u8> =
            self.entries[self.synced..to].iter().flat_map(|entry| entry.pack()).collect();
        self.index.set_len((self.synced * ENTRY) as u64)?;
        self.index.write_all_at(&fresh, (self.synced * ENTRY) as u64)?;
        self.synced = to;
        Ok(())
    }

    /// The buffer is gone; of what it held the first `keep` objects had reached the medium.
    pub(crate) fn lose_buffer(&mut self, buffer_bytes: u64, keep: u64) -> io::Result<u64> {
        let survives = (self.first_buffered(buffer_bytes) + keep).min(self.objects());
        let lost = self.objects() - survives;
        self.truncate(survives)?;
        self.extend_index(survives as usize)?;
        Ok(lost)
    }

    /// Leaves something after the last object that is no object: end-of-data cannot be found.
    pub(crate) fn lose_end(&mut self) -> io::Result<()> {
        self.data.write_all_at(&[0xee; HEADER as usize], self.end())?;
        self.lost_end = true;
        Ok(())
    }

    /// Changes a stored block and its check with it: what a medium does that lies.
    pub(crate) fn flip(&mut self, at: u64, byte: u64, bit: u8) -> Result<(), ReadError> {
        let Object::Block { length } = self.object(at) else { return Err(ReadError::Damaged) };
        let mut block = vec![0; length as usize];
        self.read_block(at, &mut block)?;
        let cell = block.get_mut(byte as usize).ok_or(ReadError::Damaged)?;
        *cell ^= 1 << (bit & 7);
        let header = pack_header(length, at, crc32c(&block));
        let offset = self.offset_of(at);
        write_both(&self.data, &header, &block, offset).map_err(ReadError::Host)
    }
}

fn pack_header(length: u32, at: u64, crc: u32) -> [u8; HEADER as usize] {
    let mut raw = [0; HEADER as usize];
    raw[..4].copy_from_slice(MAGIC);
    raw[4] = if length & MARK == 0 { 1 } else { 2 };
    raw[8..12].copy_from_slice(&(length & !MARK).to_le_bytes());
    raw[12..16].copy_from_slice(&crc.to_le_bytes());
    raw[16..24].copy_from_slice(&at.to_le_bytes());
    let crc = crc32c(&raw[..28]);
    raw[28..].copy_from_slice(&crc.to_le_bytes());
    raw
}

/// The length word of a sound header that belongs at `at`.
fn check_header(raw: &[u8; HEADER as usize], at: u64) -> Option<u32> {
    let word = |i: usize| u32::from_le_bytes([raw[i], raw[i + 1], raw[i + 2], raw[i + 3]]);
    let address = u64::from(word(16)) | u64::from(word(20)) << 32;
    let sound = raw[..4] == *MAGIC && word(28) == crc32c(&raw[..28]) && address == at;
    match raw[4] {
        1 if sound && word(8) <= BLOCK_LIMIT => Some(word(8)),
        2 if sound && word(8) == 0 => Some(MARK),
        _ => None,
    }
}

fn write_both(file: &File, header: &[u8], block: &[u8], at: u64) -> io::Result<()> {
    let written = rustix::io::pwritev(file, &[IoSlice::new(header), IoSlice::new(block)], at)?;
    if written < header.len() {
        file.write_all_at(&header[written..], at + written as u64)?;
    }
    let into_block = written.saturating_sub(header.len());
    file.write_all_at(&block[into_block..], at + (header.len() + into_block) as u64)
}

fn read_all(
    file: &File,
    header: &mut [u8],
    front: &mut [u8],
    rest: &mut [u8],
    at: u64,
) -> Result<(), ReadError> {
    let whole = header.len() + front.len() + rest.len();
    let got = {
        let mut parts = [IoSliceMut::new(header), IoSliceMut::new(front), IoSliceMut::new(rest)];
        rustix::io::preadv(file, &mut parts, at).map_err(|e| ReadError::Host(e.into()))?
    };
    if got == whole {
        return Ok(());
    }
    // A short read is legal anywhere; ask for the parts one by one.
    let exact = |part: &mut [u8], at: u64| match file.read_exact_at(part, at) {
        Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => Err(ReadError::Damaged),
        other => other.map_err(ReadError::Host),
    };
    exact(header, at)?;
    exact(front, at + header.len() as u64)?;
    exact(rest, at + (header.len() + front.len()) as u64)
}
