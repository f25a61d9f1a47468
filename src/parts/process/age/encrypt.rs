//! `proc_encrypt`: adds the layer `age`.
//!
//! Owns the cutting into chunks, the file key (made for this stream and forgotten with it) and the head
//! that readers of any part need. Seals in the block that goes out. What comes from above in words is
//! sealed as well: index lines, the stream's name, and why it was given up. Translates receipts; tells
//! a seek point each MiB, in clear. Refuses partial streams.

use age::Recipient;
use age_core::format::FileKey;
use aws_lc_rs::rand;

use super::super::layer::{self, Outgoing};
use super::super::translate::Translation;
use super::lines::LineSealer;
use super::piece::{NONCE_BYTES, PieceKey, Use, Which};
use super::{CHUNK_BYTES, LAYER, SEALED_BYTES, header, name};
use crate::stream::block::BLOCK_BYTES;
use crate::stream::{Abort, Begin, Blame, End, Fault, Item, Outlet, Process, Receipt, Upward};

/// Chunks from one seek point to the next.
const GROUP_CHUNKS: u64 = 16;
/// Chunks after which index lines do not wait for more to be sealed with: a GiB.
const LINES_CHUNKS: u64 = 16 * 1024;

/// Adds encryption.
pub struct Encrypt {
    recipients: Vec<Box<dyn Recipient + Send>>,
    /// What stands in clear before the stream's name.
    clear_name: Option<String>,
    sealing: Option<Sealing>,
    /// Plain bytes at the end of the block, of a chunk that is not sealed yet.
    open: usize,
    /// Number of that chunk.
    number: u64,
    /// Plain bytes taken.
    input: u64,
    /// Bytes put, or sealed in the block.
    made: u64,
    translation: Translation,
}

/// What a stream that has begun is sealed with, and where it goes.
struct Sealing {
    key: PieceKey,
    lines: LineSealer,
    outgoing: Outgoing,
}

impl Encrypt {
    /// Encrypts to `recipients`, at least one. Keeps what it takes to translate receipts if they are to
    /// come.
    pub fn new(
        recipients: Vec<Box<dyn Recipient + Send>>,
        expects_receipts: bool,
    ) -> Result<Encrypt, Fault> {
        if recipients.is_empty() {
            return Err(Fault::usage("there is nobody to encrypt to"));
        }
        Ok(Encrypt {
            recipients,
            clear_name: None,
            sealing: None,
            open: 0,
            number: 0,
            input: 0,
            made: 0,
            translation: Translation::expecting(expects_receipts),
        })
    }

    /// Gives the stream a name that everybody may see.
    #[must_use]
    pub fn clear_name(mut self, name: Option<String>) -> Encrypt {
        self.clear_name = name;
        self
    }

    fn begin(&mut self, mut begin: Begin, out: &mut dyn Outlet) -> Result<(), Fault> {
        let depth = layer::add(&mut begin, LAYER, "encrypt")?;
        let random = |bytes: &mut [u8]| {
            rand::fill(bytes).map_err(|_| Fault::later(Blame::Host, "cannot get random bytes"))
        };
        let key = FileKey::try_init_with_mut(|bytes| random(bytes))?;
        let mut nonce = [0; NONCE_BYTES];
        random(&mut nonce)?;
        let mut head = header::make(&key, &self.recipients)?;
        head.extend_from_slice(&nonce);
        begin.heads.push((depth, head.clone()));
        begin.name = name::seal(&begin.name, self.clear_name.as_deref(), &key, &nonce)?;
        out.put(Item::Begin(begin))?;
        let sealing = Sealing {
            lines: LineSealer::new(&key, &nonce, depth)?,
            key: PieceKey::new(&key, &nonce, Use::Payload)?,
            outgoing: Outgoing::of_layer(depth),
        };
        let outgoing = &mut self.sealing.insert(sealing).outgoing;
        self.made = head.len() as u64;
        outgoing.block().append(&head);
        outgoing.put(out)?;
        outgoing.seek_point(self.input, self.made, out)
    }

    fn take(&mut self, mut bytes: &[u8], out: &mut dyn Outlet) -> Result<(), Fault> {
        while !bytes.is_empty() {
            if self.open == CHUNK_BYTES {
                self.seal(false, out)?;
            }
            let sealing = self.sealing.as_mut().ok_or_else(layer::no_begin)?;
            let some = &bytes[..bytes.len().min(CHUNK_BYTES - self.open)];
            let taken = sealing.outgoing.block().append(some);
            self.open += taken;
            self.input += taken as u64;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Seals the open chunk; puts the block when no other fits into it.
    fn seal(&mut self, last: bool, out: &mut dyn Outlet) -> Result<(), Fault> {
        let Sealing { key, lines, outgoing } = self.sealing.as_mut().ok_or_else(layer::no_begin)?;
        let block = outgoing.block();
        let from = block.len() - self.open;
        let which = Which { number: self.number, last };
        let tag = key.seal(which, &[], &mut block.data_mut()[from..])?;
        block.append(&tag);
        let is_full = block.len() + SEALED_BYTES > BLOCK_BYTES;
        self.made += (self.open + tag.len()) as u64;
        self.number += 1;
        self.open = 0;
        if is_full || last {
            outgoing.put(out)?;
        }
        if self.number.is_multiple_of(LINES_CHUNKS) {
            tell(lines.seal_gathered()?, out)?;
        }
        if last || self.number.is_multiple_of(GROUP_CHUNKS) {
            outgoing.seek_point(self.input, self.made, out)?;
            if self.input > 0 {
                self.translation.chunk(self.input, self.made);
            }
        }
        Ok(())
    }

    fn lines(&mut self) -> Result<&mut LineSealer, Fault> {
        Ok(&mut self.sealing.as_mut().ok_or_else(layer::no_begin)?.lines)
    }

    fn end(&mut self, end: End, out: &mut dyn Outlet) -> Result<(), Fault> {
        self.seal(true, out)?;
        tell(self.lines()?.finish()?, out)?;
        let sealing = self.sealing.as_mut().ok_or_else(layer::no_begin)?;
        sealing.outgoing.end(end, out)
    }

    /// Whoever gave up says why on its own stderr; here it would name files in clear.
    fn abort(&mut self, abort: Abort, out: &mut dyn Outlet) -> Result<(), Fault> {
        if let Some(sealing) = &mut self.sealing {
            tell(sealing.lines.seal_gathered()?, out)?;
        }
        out.put(Item::Abort(Abort { why: "why is not told of a sealed stream".into(), ..abort }))
    }
}

fn tell(lines: Vec<u8>, out: &mut dyn Outlet) -> Result<(), Fault> {
    match lines.is_empty() {
        true => Ok(()),
        false => out.put(Item::Mark(lines)),
    }
}

impl Process for Encrypt {
    fn item(&mut self, item: Item, out: &mut dyn Outlet) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => self.begin(begin, out),
            Item::Data { block, .. } => self.take(block.data(), out),
            Item::End(end) => self.end(end, out),
            Item::Mark(lines) => tell(self.lines()?.add(&lines)?, out),
            Item::Abort(abort) => self.abort(abort, out),
            item @ Item::Turn(_) => out.put(item),
        }
    }

    fn receipt(&mut self, receipt: Receipt, up: &mut dyn Upward) -> Result<(), Fault> {
        self.translation.receipt(&receipt, up)
    }
}
