//! `proc_decrypt`: takes the layer `age` off.
//!
//! Owns the way from sealed chunks to plain bytes, for whole streams and for partial ones, where a jump
//! leads to the start of a chunk, and from sealed index lines to clear ones. Not a byte of a chunk or a
//! line is put before its tag was right. Of a whole stream order, length and end are authenticated, of
//! the bytes and of the lines; of a partial one each chunk and its place, but not where the stream ends.

use age_core::format::FileKey;

use super::super::layer;
use super::super::translate::Translation;
use super::super::wants::Wants;
use super::lines::{InOrder, LineOpener};
use super::piece::{NONCE_BYTES, PieceKey, Use, Which};
use super::{CHUNK_BYTES, Identities, LAYER, SEALED_BYTES, TAG_BYTES, header, name};
use crate::list::Line;
use crate::stream::block::Pool;
use crate::stream::{Begin, Blame, End, Fault, Item, Outlet, Process, Receipt, Upward};

/// Blocks in flight.
const POOL_BLOCKS: usize = 4;

/// Takes encryption off.
pub struct Decrypt {
    identities: Identities,
    keys: Option<Keys>,
    depth: u8,
    partial: bool,
    /// Whether sealed lines are to come with a whole stream.
    expects_lines: bool,
    /// What the stream's begin says its head is.
    told: Option<Vec<u8>>,
    head_bytes: u64,
    /// The head, or the chunk, being gathered.
    sealed: Vec<u8>,
    pool: Pool,
    /// Encrypted offset of the next byte.
    input: u64,
    /// One past the last plain byte seen.
    output: u64,
    put: u64,
    /// Encrypted bytes before this one are lost, or of no use any more.
    lost_to: u64,
    wants: Wants,
    translation: Translation,
}

/// What the head gives.
struct Keys {
    payload: PieceKey,
    lines: LineOpener,
    order: InOrder,
}

impl Decrypt {
    /// Decrypts with the first of `identities` that is a recipient.
    pub fn new(identities: Identities) -> Decrypt {
        Decrypt {
            identities,
            keys: None,
            depth: 0,
            partial: false,
            expects_lines: true,
            told: None,
            head_bytes: 0,
            sealed: Vec::new(),
            pool: Pool::new(CHUNK_BYTES, POOL_BLOCKS),
            input: 0,
            output: 0,
            put: 0,
            lost_to: 0,
            wants: Wants::default(),
            translation: Translation::default(),
        }
    }

    /// Of a stream whose index is lost, or was not kept with it: only its bytes are judged.
    #[must_use]
    pub fn without_lines(self) -> Decrypt {
        Decrypt { expects_lines: false, ..self }
    }

    /// Keeps what it takes to translate receipts if they are to come.
    pub fn expecting_receipts(self, receipts: bool) -> Decrypt {
        Decrypt { translation: Translation::expecting(receipts), ..self }
    }

    fn begin(&mut self, mut begin: Begin) -> Result<Item, Fault> {
        begin.refuse_mux("decrypt")?;
        let wrong = |what: String| Fault::never(Blame::Operator, what);
        match begin.layers.pop() {
            Some(layer) if layer == LAYER => {}
            Some(layer) => {
                return Err(wrong(format!("cannot decrypt: the outermost layer is {layer}")));
            }
            None => {
                return Err(wrong(format!("cannot decrypt {}: it has no layers", begin.name)));
            }
        }
        self.depth = layer::depth(&begin)?;
        self.partial = begin.partial;
        let ours = begin.heads.iter().position(|(layer, _)| *layer == self.depth + 1);
        self.told = ours.map(|at| begin.heads.swap_remove(at).1);
        match &self.told {
            None if self.partial => {
                Err(Fault::stream("the stream does not bring the head of its encryption"))
            }
            None => Ok(Item::Begin(begin)),
            Some(head) => {
                let head = head.clone();
                let (key, nonce) = header::unlock(&head, &self.identities)?;
                begin.name = name::open(&begin.name, &key, &nonce)?;
                if self.partial {
                    self.use_head(&key, &nonce, head.len())?;
                }
                Ok(Item::Begin(begin))
            }
        }
    }

    fn use_head(
        &mut self,
        key: &FileKey,
        nonce: &[u8; NONCE_BYTES],
        head_bytes: usize,
    ) -> Result<(), Fault> {
        self.keys = Some(Keys {
            payload: PieceKey::new(key, nonce, Use::Payload)?,
            lines: LineOpener::new(key, nonce)?,
            order: InOrder::default(),
        });
        self.head_bytes = head_bytes as u64;
        Ok(())
    }

    fn damaged(&self, what: &str) -> Fault {
        let at = self.input - self.sealed.len() as u64;
        Fault::stream(format!("the encrypted stream is damaged at byte {at}: {what}"))
    }

    fn take(&mut self, at: u64, bytes: &[u8], out: &mut dyn Outlet) -> Result<(), Fault> {
        let of_no_use = self.lost_to.saturating_sub(at).min(bytes.len() as u64);
        let (at, mut bytes) = (at + of_no_use, &bytes[of_no_use as usize..]);
        if at != self.input && !bytes.is_empty() {
            self.rest(out)?;
            self.input = at;
        }
        while !bytes.is_empty() {
            // The head is in the way only where a partial stream starts at its beginning.
            let missing = match &self.keys {
                None => self.head_missing()?,
                Some(_) if self.input < self.head_bytes => self.skip_head(bytes.len())?,
                Some(_) => self.chunk_missing(out)?,
            };
            let (some, more) = bytes.split_at(bytes.len().min(missing));
            let is_head = self.keys.is_some() && self.input < self.head_bytes;
            if !is_head {
                self.sealed.extend_from_slice(some);
            }
            self.input += some.len() as u64;
            bytes = more;
            self.try_head()?;
        }
        Ok(())
    }

    fn skip_head(&self, available: usize) -> Result<usize, Fault> {
        match self.sealed.is_empty() {
            true => Ok(usize::try_from(self.head_bytes - self.input).unwrap_or(available)),
            false => Err(self.damaged("a chunk is followed by the head")),
        }
    }

    /// One byte at a time would do; a line of the header at a time is as safe, as a nonce follows.
    fn head_missing(&self) -> Result<usize, Fault> {
        match header::length(&self.sealed)? {
            Some(length) => Ok(length + NONCE_BYTES - self.sealed.len()),
            None => Ok(1),
        }
    }

    fn try_head(&mut self) -> Result<(), Fault> {
        if self.keys.is_some() {
            return Ok(());
        }
        let Some(length) = header::length(&self.sealed)? else { return Ok(()) };
        if self.sealed.len() < length + NONCE_BYTES {
            return Ok(());
        }
        let head = std::mem::take(&mut self.sealed);
        if self.told.as_ref().is_some_and(|told| *told != head) {
            return Err(Fault::stream("the stream begins with another head than it was told to"));
        }
        let (key, nonce) = header::unlock(&head, &self.identities)?;
        self.use_head(&key, &nonce, head.len())
    }

    /// Bytes the chunk being gathered still lacks. A chunk that is full is opened when it is known that
    /// more follows it, as the last one is sealed in another way.
    fn chunk_missing(&mut self, out: &mut dyn Outlet) -> Result<usize, Fault> {
        if self.sealed.is_empty() && !self.is_at_a_chunk() {
            return Err(self.damaged("it goes on in the middle of a chunk"));
        }
        if self.sealed.len() == SEALED_BYTES {
            self.open(false, out)?;
        }
        Ok(SEALED_BYTES - self.sealed.len())
    }

    fn is_at_a_chunk(&self) -> bool {
        (self.input - self.head_bytes).is_multiple_of(SEALED_BYTES as u64)
    }

    /// What was gathered before a jump or the end.
    fn rest(&mut self, out: &mut dyn Outlet) -> Result<(), Fault> {
        if self.keys.is_none() {
            return Err(self.damaged("it is cut in its head"));
        }
        match (self.sealed.is_empty(), self.partial) {
            (true, true) => Ok(()),
            (true, false) => Err(self.damaged("it is cut: its last chunk is missing")),
            (false, false) => self.open(true, out),
            // A full chunk may be the last one or not; nobody told where the stream ends.
            (false, true) if self.sealed.len() == SEALED_BYTES => {
                let copy = self.sealed.clone();
                self.open(false, out).or_else(|_| {
                    self.sealed = copy;
                    self.open(true, out)
                })
            }
            (false, true) => self.open(true, out),
        }
    }

    fn open(&mut self, last: bool, out: &mut dyn Outlet) -> Result<(), Fault> {
        let mut sealed = std::mem::take(&mut self.sealed);
        let start = self.input - self.head_bytes - sealed.len() as u64;
        let number = start / SEALED_BYTES as u64;
        let offset = number * CHUNK_BYTES as u64;
        let keys = self.keys.as_ref().expect("chunks come after the head");
        let is_empty_tail = last && number > 0 && sealed.len() == TAG_BYTES;
        let which = Which { number, last };
        let plain = keys.payload.open(which, &[], &mut sealed).filter(|_| !is_empty_tail);
        let Some(plain) = plain else {
            let kept = sealed.len() as u64;
            let what = "a chunk was changed, moved or cut off, or is not where the stream ends";
            return Err(Fault::stream(format!(
                "the encrypted stream is damaged at byte {}: {what}",
                self.input - kept
            )));
        };
        let end = offset + plain.len() as u64;
        if let Some(byte) = self.wants.passed_over(self.output, offset) {
            return Err(
                self.damaged(&format!("byte {byte} of what it holds is wanted and missing"))
            );
        }
        for range in self.wants.within(offset..end) {
            let local = |at: u64| (at - offset) as usize;
            let piece = &plain[local(range.start)..local(range.end)];
            if piece.is_empty() {
                continue;
            }
            let mut block = self.pool.take();
            block.append(piece);
            self.put += piece.len() as u64;
            out.put(Item::Data { offset: range.start, block })?;
        }
        self.output = end;
        if !self.partial {
            self.translation.chunk(self.input, end);
        }
        sealed.clear();
        self.sealed = sealed;
        Ok(())
    }

    /// Bytes are lost: the chunk that was begun is given up. Whoever hears of it further down says so.
    fn lose(&mut self, depth: u8, to: u64) -> Result<(), Fault> {
        if depth == self.depth {
            self.wants.lose(to);
        }
        if depth != self.depth + 1 {
            return Ok(());
        }
        self.sealed.clear();
        self.partial = true;
        self.lost_to = self.lost_to.max(to);
        let told = self.told.clone().filter(|_| self.keys.is_none());
        told.map_or(Ok(()), |head| {
            let (key, nonce) = header::unlock(&head, &self.identities)?;
            self.use_head(&key, &nonce, head.len())
        })
    }

    /// Opens the lines that this layer sealed; takes out the wants of its output.
    fn mark(&mut self, lines: &[u8], out: &mut dyn Outlet) -> Result<(), Fault> {
        if crate::list::says_cut(lines) {
            // Nothing comes behind it.
            self.lose(self.depth + 1, u64::MAX)?;
        }
        for (depth, to) in crate::list::lost(lines)? {
            self.lose(depth, to)?;
        }
        let mut opened = Vec::with_capacity(lines.len());
        for line in lines.split_inclusive(|&b| b == b'\n') {
            if line.first() == Some(&b'%') {
                self.line(line, &mut opened)?;
            } else if self.stays_in_clear(line)? {
                opened.extend_from_slice(line);
            } else {
                return Err(Fault::stream("an index line that should be sealed stands in clear"));
            }
        }
        let seen = self.partial.then_some(self.output);
        self.wants.mark(&opened, self.depth, seen, out)
    }

    /// Of a whole stream only seek points of this layer and of those around it come in clear; what
    /// chooses from a tape has opened the lines itself.
    fn stays_in_clear(&self, line: &[u8]) -> Result<bool, Fault> {
        if self.partial || !self.expects_lines {
            return Ok(true);
        }
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        match Line::parse(line).map_err(Fault::stream)? {
            Line::Seek { depth, .. } => Ok(depth > self.depth),
            Line::Lost { .. } | Line::Cut => Ok(true),
            _ => Ok(false),
        }
    }

    fn line(&mut self, line: &[u8], opened: &mut Vec<u8>) -> Result<(), Fault> {
        let parsed = Line::parse(line.strip_suffix(b"\n").unwrap_or(line));
        let sealed = match parsed.map_err(Fault::stream)? {
            Line::Sealed(sealed) if sealed.depth == self.depth + 1 => sealed,
            _ => return Err(Fault::stream("a sealed index line is of another layer")),
        };
        let Some(keys) = &mut self.keys else {
            return Err(Fault::stream("a sealed index line comes before the head"));
        };
        if !self.partial && self.expects_lines {
            keys.order.note(&sealed).map_err(Fault::stream)?;
        }
        opened.extend(keys.lines.open(sealed).map_err(Fault::stream)?);
        Ok(())
    }

    fn nothing_missing(&self) -> Result<(), Fault> {
        let missing = self.keys.as_ref().and_then(|keys| keys.order.missing());
        match missing.filter(|_| self.expects_lines && !self.partial) {
            Some(what) => Err(Fault::stream(what)
                .hint("its bytes are whole: sink_stdout and `age -d` give them without the index")),
            None => Ok(()),
        }
    }

    fn end(&mut self, end: End, out: &mut dyn Outlet) -> Result<(), Fault> {
        self.rest(out)?;
        self.nothing_missing()?;
        if let Some(byte) = self.wants.passed_over(self.output, u64::MAX) {
            return Err(
                self.damaged(&format!("byte {byte} of what it holds is wanted and missing"))
            );
        }
        out.put(Item::End(End { bytes: self.put, ..end }))
    }
}

impl Process for Decrypt {
    fn item(&mut self, item: Item, out: &mut dyn Outlet) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => out.put(self.begin(begin)?),
            Item::Data { offset, block } => self.take(offset, block.data(), out),
            Item::Mark(lines) => self.mark(&lines, out),
            Item::End(end) => self.end(end, out),
            item @ (Item::Abort(_) | Item::Turn(_)) => out.put(item),
        }
    }

    fn receipt(&mut self, receipt: Receipt, up: &mut dyn Upward) -> Result<(), Fault> {
        self.translation.receipt(&receipt, up)
    }
}
