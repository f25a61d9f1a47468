//! `proc_encrypt`: adds the layer `age`.
//!
//! Owns the cutting into chunks, the file key (made for this stream and forgotten with it) and the head
//! that readers of any part need. Seals in the block that goes out. Passes marks on and translates
//! receipts; tells a seek point each MiB. Refuses partial streams.

use age::Recipient;
use age_core::format::FileKey;
use aws_lc_rs::rand;

use super::super::translate::Translation;
use super::payload::{NONCE_BYTES, PayloadKey, Which};
use super::{CHUNK_BYTES, LAYER, SEALED_BYTES, header};
use crate::list::Line;
use crate::stream::block::{BLOCK_BYTES, Pool};
use crate::stream::{Begin, Blame, Block, End, Fault, Item, Outlet, Process, Receipt, Upward};

/// Blocks in flight.
const POOL_BLOCKS: usize = 4;
/// Chunks from one seek point to the next.
const GROUP_CHUNKS: u64 = 16;
/// Bytes of seek lines after which a mark is put.
const SEEKS_BYTES: usize = 2048;

/// Adds encryption.
pub struct Encrypt {
    recipients: Vec<Box<dyn Recipient + Send>>,
    key: Option<PayloadKey>,
    depth: u8,
    pool: Pool,
    block: Option<Block>,
    /// Plain bytes at the end of the block, of a chunk that is not sealed yet.
    open: usize,
    /// Number of that chunk.
    number: u64,
    /// Plain bytes taken.
    input: u64,
    /// Bytes put, or sealed in the block.
    made: u64,
    put: u64,
    seeks: Vec<u8>,
    translation: Option<Translation>,
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
            key: None,
            depth: 0,
            pool: Pool::new(BLOCK_BYTES, POOL_BLOCKS),
            block: None,
            open: 0,
            number: 0,
            input: 0,
            made: 0,
            put: 0,
            seeks: Vec::new(),
            translation: expects_receipts.then(Translation::default),
        })
    }

    fn begin(&mut self, mut begin: Begin, out: &mut dyn Outlet) -> Result<(), Fault> {
        if begin.partial {
            return Err(Fault::never(Blame::Operator, "cannot encrypt a partial stream"));
        }
        begin.layers.push(LAYER.into());
        self.depth = u8::try_from(begin.layers.len())
            .map_err(|_| Fault::never(Blame::Operator, "the stream has too many layers"))?;
        let random = |bytes: &mut [u8]| {
            rand::fill(bytes).map_err(|_| Fault::later(Blame::Host, "cannot get random bytes"))
        };
        let key = FileKey::try_init_with_mut(|bytes| random(bytes))?;
        let mut nonce = [0; NONCE_BYTES];
        random(&mut nonce)?;
        self.key = Some(PayloadKey::new(&key, &nonce)?);
        let mut head = header::make(&key, &self.recipients)?;
        head.extend_from_slice(&nonce);
        begin.heads.push((self.depth, head.clone()));
        out.put(Item::Begin(begin))?;
        self.made = head.len() as u64;
        self.block.get_or_insert_with(|| self.pool.take()).append(&head);
        self.put_block(out)?;
        self.seek_point();
        Ok(())
    }

    fn take(&mut self, mut bytes: &[u8], out: &mut dyn Outlet) -> Result<(), Fault> {
        while !bytes.is_empty() {
            if self.open == CHUNK_BYTES {
                self.seal(false, out)?;
            }
            let block = self.block.get_or_insert_with(|| self.pool.take());
            let taken = block.append(&bytes[..bytes.len().min(CHUNK_BYTES - self.open)]);
            self.open += taken;
            self.input += taken as u64;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    /// Seals the open chunk; puts the block when no other fits into it.
    fn seal(&mut self, last: bool, out: &mut dyn Outlet) -> Result<(), Fault> {
        let key = self.key.as_ref().expect("a stream starts with its begin");
        let block = self.block.get_or_insert_with(|| self.pool.take());
        let from = block.len() - self.open;
        let which = Which { number: self.number, last };
        let tag = key.seal(which, &mut block.data_mut()[from..])?;
        block.append(&tag);
        self.made += (self.open + tag.len()) as u64;
        self.number += 1;
        self.open = 0;
        let is_full = block.len() + SEALED_BYTES > BLOCK_BYTES;
        if last || self.number.is_multiple_of(GROUP_CHUNKS) {
            self.seek_point();
            if let Some(translation) = self.translation.as_mut().filter(|_| self.input > 0) {
                translation.chunk(self.input, self.made);
            }
        }
        if is_full || last {
            self.put_block(out)?;
            self.put_seeks(last, out)?;
        }
        Ok(())
    }

    fn put_block(&mut self, out: &mut dyn Outlet) -> Result<(), Fault> {
        let Some(block) = self.block.take() else { return Ok(()) };
        let offset = self.put;
        self.put += block.len() as u64;
        out.put(Item::Data { offset, block })
    }

    fn seek_point(&mut self) {
        let line = Line::Seek { depth: self.depth, input: self.input, output: self.made };
        line.write(&mut self.seeks);
    }

    fn put_seeks(&mut self, all: bool, out: &mut dyn Outlet) -> Result<(), Fault> {
        match !self.seeks.is_empty() && (all || self.seeks.len() >= SEEKS_BYTES) {
            true => out.put(Item::Mark(std::mem::take(&mut self.seeks))),
            false => Ok(()),
        }
    }
}

impl Process for Encrypt {
    fn item(&mut self, item: Item, out: &mut dyn Outlet) -> Result<(), Fault> {
        match item {
            Item::Begin(begin) => self.begin(begin, out),
            Item::Data { block, .. } => self.take(block.data(), out),
            Item::End(end) => {
                self.seal(true, out)?;
                out.put(Item::End(End { bytes: self.put, ..end }))
            }
            item @ (Item::Mark(_) | Item::Abort(_)) => out.put(item),
        }
    }

    fn receipt(&mut self, receipt: Receipt, up: &mut dyn Upward) -> Result<(), Fault> {
        match &mut self.translation {
            Some(translation) => translation.receipt(&receipt, up),
            None => Ok(()),
        }
    }
}
