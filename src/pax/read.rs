//! Reading archives.
//!
//! Owns the state between two pieces of input: any split of an archive gives the same events. Reads
//! pax with global headers, GNU (long names, the four sparse forms, base-256 numbers), ustar, star
//! and v7. Does not interpret paths: whoever writes to a file system decides what is safe. Takes no
//! more memory than the limits here allow, whatever the input.

use super::assemble::{Assembled, Layout, assemble};
use super::block::{BLOCK, HeaderBlock, at, padding};
use super::records::{Extras, Gone};
use super::sparse::{MapText, Run, checked, take_old_table};
use super::{Kind, Member, PATH_BYTES_MAX};
use crate::stream::Fault;

/// Most bytes of extended headers and long names in front of one member, and of all global headers
/// together, as far as they have to be remembered.
pub const HEADERS_BYTES_MAX: u64 = 16 << 20;

/// What an archive holds, in order: `Member`, any number of `Data`, `End`; and again. `Gone` comes
/// in front of a member or at the end.
#[derive(Debug)]
pub enum Event<'a> {
    /// The archive goes on from earlier ones of the same tree.
    Gone {
        /// What they hold and is there no more: paths as stored.
        paths: &'a [&'a [u8]],
    },
    /// A member begins.
    Member {
        /// The member.
        member: &'a Member,
        /// Payload offset of its first header (extended ones included, global ones not).
        offset: u64,
    },
    /// Some bytes of the member's content.
    Data {
        /// Where in the file; what no `Data` covers is a hole.
        at: u64,
        /// Never empty.
        bytes: &'a [u8],
    },
    /// The member is complete.
    End {
        /// Payload bytes from its offset to the end of its padding.
        span: u64,
    },
}

/// Takes events; a fault it returns ends the reading.
pub type Visit<'a> = dyn FnMut(Event<'_>) -> Result<(), Fault> + 'a;

/// Turns the bytes of an archive into events.
pub struct Reader {
    /// Payload offset of the next byte.
    here: u64,
    /// Payload offset of the current member's first header.
    start: Option<u64>,
    block: [u8; BLOCK],
    have: usize,
    state: State,
    lone_zero_block: bool,
    global: Extras,
    global_bytes: u64,
    local: Option<Extras>,
    local_bytes: u64,
}

enum State {
    /// Gathering a header block.
    Header,
    /// Gathering the data of an extension header.
    Extension { kind: u8, left: u64, padding: u64, bytes: Vec<u8> },
    /// Gathering the blocks after an old GNU sparse header.
    OldMap { member: Box<Member>, stored: u64, runs: Vec<Run> },
    /// Reading the map in front of a sparse file's data; `taken` bytes so far.
    MapText { member: Box<Member>, stored: u64, taken: u64, map: MapText },
    /// Passing over the rest of the map's last block.
    MapPadding { member: Box<Member>, stored: u64, left: u64, runs: Vec<Run> },
    /// In the content.
    Body(Body),
    /// After the end of the archive; what follows is not looked at.
    Over,
}

/// What is left of a member: its runs, then bytes that say nothing.
struct Body {
    runs: std::vec::IntoIter<Run>,
    run: Run,
    rest: u64,
}

impl Default for Reader {
    fn default() -> Reader {
        Reader::new()
    }
}

impl Reader {
    /// Starts at the beginning of an archive.
    pub fn new() -> Reader {
        Reader::at(0)
    }

    /// Starts in the middle: the next byte fed is that at `offset`, where a member's first header is.
    pub fn at(offset: u64) -> Reader {
        Reader {
            here: offset,
            start: None,
            block: [0; BLOCK],
            have: 0,
            state: State::Header,
            lone_zero_block: false,
            global: Extras::default(),
            global_bytes: 0,
            local: None,
            local_bytes: 0,
        }
    }

    /// Takes the next bytes. A damaged archive is the peer's fault and names the offset; after any
    /// fault the reader must not be fed again.
    pub fn feed(&mut self, mut bytes: &[u8], visit: &mut Visit<'_>) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let used = self.step(bytes, visit)?;
            self.here =
                self.here.checked_add(used as u64).ok_or_else(|| self.damaged("too long"))?;
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// Payload bytes up to the end of the member whose content is being read, padding and all.
    pub fn left_in_member(&self) -> Option<u64> {
        let State::Body(body) = &self.state else { return None };
        let rest = body.run.1.saturating_add(body.rest);
        let runs = body.runs.as_slice().iter();
        Some(runs.fold(rest, |sum, run| sum.saturating_add(run.1)))
    }

    /// Goes on behind `count` bytes of the member's content that cannot be had, at most
    /// [`left_in_member`](Reader::left_in_member): no `Data` covers them.
    pub fn lose(&mut self, mut count: u64, visit: &mut Visit<'_>) -> Result<(), Fault> {
        let zeros = [0; 64 * BLOCK];
        let mut without = |event: Event<'_>| match event {
            Event::Data { .. } => Ok(()),
            other => visit(other),
        };
        while count > 0 && self.left_in_member().is_some() {
            let piece = usize::try_from(count).unwrap_or(usize::MAX).min(zeros.len());
            self.feed(&zeros[..piece], &mut without)?;
            count -= piece as u64;
        }
        Ok(())
    }

    /// To be called after the last byte. A missing end-of-archive mark is no fault, a cut member is.
    pub fn finish(&mut self) -> Result<(), Fault> {
        match self.state {
            State::Header if self.have == 0 && self.start.is_none() => Ok(()),
            State::Over => Ok(()),
            _ => Err(Fault::stream(format!(
                "the archive is cut in a member, after byte {}",
                self.here
            ))),
        }
    }

    fn damaged(&self, what: &str) -> Fault {
        Fault::stream(format!("the archive is damaged near byte {}: {what}", self.here))
    }

    fn step(&mut self, bytes: &[u8], visit: &mut Visit<'_>) -> Result<usize, Fault> {
        match &mut self.state {
            State::Header | State::OldMap { .. } => self.gather(bytes, visit),
            State::Extension { .. } => self.extension(bytes, visit),
            State::MapText { .. } => self.map_text(bytes, visit),
            State::MapPadding { .. } => self.map_padding(bytes, visit),
            State::Body(_) => self.body(bytes, visit),
            State::Over => Ok(bytes.len()),
        }
    }

    /// Fills the block; does what it asks for when it is full.
    fn gather(&mut self, bytes: &[u8], visit: &mut Visit<'_>) -> Result<usize, Fault> {
        let used = bytes.len().min(BLOCK - self.have);
        self.block[self.have..self.have + used].copy_from_slice(&bytes[..used]);
        self.have += used;
        if self.have == BLOCK {
            self.have = 0;
            let end = self.here.saturating_add(used as u64);
            match std::mem::replace(&mut self.state, State::Header) {
                State::OldMap { member, stored, runs } => {
                    self.old_map(member, stored, runs, end, visit)?;
                }
                _ => self.header(end, visit)?,
            }
        }
        Ok(used)
    }

    fn header(&mut self, end: u64, visit: &mut Visit<'_>) -> Result<(), Fault> {
        let block = self.block;
        if block == [0; BLOCK] {
            return self.zero_block();
        }
        self.lone_zero_block = false;
        let Some(header) = HeaderBlock::checked(&block) else {
            return Err(self.damaged("a header's checksum is wrong"));
        };
        if header.kind() != b'g' {
            self.start.get_or_insert(end.saturating_sub(BLOCK as u64));
        }
        match header.kind() {
            kind @ (b'x' | b'X' | b'g' | b'L' | b'K') => {
                self.extension_header(kind, &header, visit)
            }
            b'M' => Err(self.damaged("it continues a volume that is not here")),
            // Volume labels, name lists and ACLs of programs long gone.
            b'V' | b'N' | b'A' => self.pass_over(&header, end, visit),
            _ => self.member(&header, end, visit),
        }
    }

    fn zero_block(&mut self) -> Result<(), Fault> {
        if self.start.is_some() {
            return Err(self.damaged("an extended header has no member"));
        }
        if std::mem::replace(&mut self.lone_zero_block, true) {
            self.state = State::Over;
        }
        Ok(())
    }

    fn size_field(&self, header: &HeaderBlock<'_>) -> Result<u64, Fault> {
        header.natural(at::SIZE).ok_or_else(|| self.damaged("a size is no number"))
    }

    fn extension_header(
        &mut self,
        kind: u8,
        header: &HeaderBlock<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<(), Fault> {
        let size = self.size_field(header)?;
        let so_far = if kind == b'g' { &mut self.global_bytes } else { &mut self.local_bytes };
        *so_far = so_far.saturating_add(size);
        if *so_far > HEADERS_BYTES_MAX {
            return Err(self.damaged("more than 16 MiB of extended headers"));
        }
        if size == 0 {
            return self.extension_done(kind, &[], visit);
        }
        self.state =
            State::Extension { kind, left: size, padding: padding(size), bytes: Vec::new() };
        Ok(())
    }

    fn extension(&mut self, input: &[u8], visit: &mut Visit<'_>) -> Result<usize, Fault> {
        let State::Extension { kind, left, padding, bytes } = &mut self.state else {
            return Ok(0);
        };
        let used = most(*left, input.len());
        bytes.extend_from_slice(&input[..used]);
        *left -= used as u64;
        let skipped = if *left == 0 { most(*padding, input.len() - used) } else { 0 };
        *padding -= skipped as u64;
        if *left == 0 && *padding == 0 {
            let (kind, bytes) = (*kind, std::mem::take(bytes));
            self.state = State::Header;
            self.extension_done(kind, &bytes, visit)?;
        }
        Ok(used + skipped)
    }

    fn global_done(&mut self, bytes: &[u8], visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.global.take_all(bytes).map_err(|e| self.damaged(&e))?;
        match Gone::of(bytes).map_err(|e| self.damaged(&e))? {
            None => Ok(()),
            Some(gone) => {
                self.global_bytes = self.global_bytes.saturating_sub(gone.bytes);
                visit(Event::Gone { paths: &gone.paths })
            }
        }
    }

    fn extension_done(
        &mut self,
        kind: u8,
        bytes: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), Fault> {
        if kind == b'g' {
            return self.global_done(bytes, visit);
        }
        let local = self.local.get_or_insert_with(|| self.global.clone());
        let name = bytes.split(|&b| b == 0).next().unwrap_or(&[]);
        let taken = match kind {
            b'L' | b'K' if name.len() > PATH_BYTES_MAX => Err("a name is longer than 1 MiB".into()),
            b'L' => {
                local.path = Some(name.to_vec());
                Ok(())
            }
            b'K' => {
                local.link = Some(name.to_vec());
                Ok(())
            }
            _ => local.take_all(bytes),
        };
        taken.map_err(|e| self.damaged(&e))
    }

    fn pass_over(
        &mut self,
        header: &HeaderBlock<'_>,
        end: u64,
        visit: &mut Visit<'_>,
    ) -> Result<(), Fault> {
        let size = self.size_field(header)?;
        (self.start, self.local, self.local_bytes) = (None, None, 0);
        self.begin_body(Vec::new(), size, end, visit)
    }

    fn member(
        &mut self,
        header: &HeaderBlock<'_>,
        end: u64,
        visit: &mut Visit<'_>,
    ) -> Result<(), Fault> {
        let extras = self.local.take().unwrap_or_else(|| self.global.clone());
        self.local_bytes = 0;
        let made = assemble(header, extras).map_err(|e| self.damaged(e))?;
        let Assembled { member, stored, layout } = made;
        match layout {
            Layout::NoData => {
                self.announce(&member, end, visit)?;
                self.begin_body(Vec::new(), stored, end, visit)
            }
            Layout::Whole => {
                self.announce(&member, end, visit)?;
                self.begin_body(vec![(0, stored)], 0, end, visit)
            }
            Layout::Map(runs) => self.sparse_member(member, stored, runs, end, visit),
            Layout::OldMap(runs) => {
                self.state = State::OldMap { member, stored, runs };
                Ok(())
            }
            Layout::MapInData => {
                self.state = State::MapText { member, stored, taken: 0, map: MapText::default() };
                Ok(())
            }
        }
    }

    fn old_map(
        &mut self,
        member: Box<Member>,
        stored: u64,
        mut runs: Vec<Run>,
        end: u64,
        visit: &mut Visit<'_>,
    ) -> Result<(), Fault> {
        take_old_table(&self.block[..504], &mut runs)
            .ok_or_else(|| self.damaged("a sparse table makes no sense"))?;
        if self.block[504] != 0 {
            self.state = State::OldMap { member, stored, runs };
            return Ok(());
        }
        self.sparse_member(member, stored, runs, end, visit)
    }

    fn map_text(&mut self, input: &[u8], visit: &mut Visit<'_>) -> Result<usize, Fault> {
        let State::MapText { stored, taken, map, .. } = &mut self.state else { return Ok(0) };
        let mut used = 0;
        let mut complete = false;
        for &byte in input {
            used += 1;
            *taken += 1;
            match map.take(byte).filter(|_| *taken <= *stored) {
                Some(false) => {}
                Some(true) => {
                    complete = true;
                    break;
                }
                None => return Err(self.damaged("a sparse map makes no sense")),
            }
        }
        if complete {
            self.map_done(self.here.saturating_add(used as u64), visit)?;
        }
        Ok(used)
    }

    fn map_done(&mut self, end: u64, visit: &mut Visit<'_>) -> Result<(), Fault> {
        let State::MapText { member, stored, taken, map } =
            std::mem::replace(&mut self.state, State::Header)
        else {
            return Ok(());
        };
        let left = padding(taken);
        let stored = stored
            .checked_sub(taken + left)
            .ok_or_else(|| self.damaged("a sparse map is longer than its member"))?;
        if left == 0 {
            return self.sparse_member(member, stored, map.runs, end, visit);
        }
        self.state = State::MapPadding { member, stored, left, runs: map.runs };
        Ok(())
    }

    fn map_padding(&mut self, input: &[u8], visit: &mut Visit<'_>) -> Result<usize, Fault> {
        let State::MapPadding { left, .. } = &mut self.state else { return Ok(0) };
        let used = most(*left, input.len());
        *left -= used as u64;
        if *left == 0
            && let State::MapPadding { member, stored, runs, .. } =
                std::mem::replace(&mut self.state, State::Header)
        {
            let end = self.here.saturating_add(used as u64);
            self.sparse_member(member, stored, runs, end, visit)?;
        }
        Ok(used)
    }

    fn sparse_member(
        &mut self,
        mut member: Box<Member>,
        stored: u64,
        runs: Vec<Run>,
        end: u64,
        visit: &mut Visit<'_>,
    ) -> Result<(), Fault> {
        let runs = checked(runs, member.size, stored)
            .ok_or_else(|| self.damaged("a sparse map does not fit its file"))?;
        member.kind = Kind::File { map: Some(runs) };
        self.announce(&member, end, visit)?;
        let Kind::File { map: Some(runs) } = member.kind else { return Ok(()) };
        self.begin_body(runs, 0, end, visit)
    }

    fn announce(&self, member: &Member, end: u64, visit: &mut Visit<'_>) -> Result<(), Fault> {
        visit(Event::Member { member, offset: self.start.unwrap_or(end) })
    }

    fn begin_body(
        &mut self,
        runs: Vec<Run>,
        extra: u64,
        end: u64,
        visit: &mut Visit<'_>,
    ) -> Result<(), Fault> {
        let stored = runs.iter().fold(extra, |sum, run| sum.saturating_add(run.1));
        if end.checked_add(stored).and_then(|sum| sum.checked_add(BLOCK as u64)).is_none() {
            return Err(self.damaged("a size makes no sense"));
        }
        let mut runs = runs.into_iter();
        let run = runs.next().unwrap_or((0, 0));
        let body = Body { run, runs, rest: extra + padding(stored) };
        if body.is_done() {
            return self.end_member(end, visit);
        }
        self.state = State::Body(body);
        Ok(())
    }

    fn body(&mut self, input: &[u8], visit: &mut Visit<'_>) -> Result<usize, Fault> {
        let State::Body(body) = &mut self.state else { return Ok(0) };
        let (at, left) = body.run;
        let used = if left > 0 {
            let used = most(left, input.len());
            visit(Event::Data { at, bytes: &input[..used] })?;
            body.run = (at + used as u64, left - used as u64);
            if body.run.1 == 0 {
                body.run = body.runs.next().unwrap_or((0, 0));
            }
            used
        } else {
            let used = most(body.rest, input.len());
            body.rest -= used as u64;
            used
        };
        if body.is_done() {
            self.end_member(self.here.saturating_add(used as u64), visit)?;
        }
        Ok(used)
    }

    fn end_member(&mut self, end: u64, visit: &mut Visit<'_>) -> Result<(), Fault> {
        self.state = State::Header;
        match self.start.take() {
            Some(start) => visit(Event::End { span: end.saturating_sub(start) }),
            None => Ok(()),
        }
    }
}

impl Body {
    fn is_done(&self) -> bool {
        self.run.1 == 0 && self.rest == 0
    }
}

fn most(wanted: u64, there: usize) -> usize {
    usize::try_from(wanted).unwrap_or(usize::MAX).min(there)
}
