//! Plain bytes into a stream: what `src_stdin` and `src_exec` share.
//!
//! Owns the guess at what the bytes are and their cutting into blocks. Every block but the last is
//! full, so the same bytes give the same stream however they trickled in.

use std::io::{ErrorKind, Read};

use crate::stream::block::{BLOCK_BYTES, Pool};
use crate::stream::{Begin, Block, Fault, Item, KIND_MUX, KIND_PAX, KIND_RAW, Outlet};

/// Blocks in flight; the edge holds the rest.
const POOL_BLOCKS: usize = 4;

/// Where POSIX.1-2017 (pax, "ustar Interchange Format") puts the magic of a header block.
const USTAR_MAGIC: std::ops::Range<usize> = 257..262;

/// Puts `begin` and all of `from`; no `End`. Without a `kind` an archive is recognised by its first
/// header's magic and anything else is raw. Returns the bytes put. `named` is for messages.
pub(super) fn pour(
    from: &mut dyn Read,
    named: &str,
    begin: Begin,
    kind: Option<&str>,
    out: &mut dyn Outlet,
) -> Result<u64, Fault> {
    let pool = Pool::new(BLOCK_BYTES, POOL_BLOCKS);
    let mut block = filled(from, named, &pool)?;
    let kind = kind.unwrap_or_else(|| guess(block.data())).to_owned();
    let begin = Begin { kind, ..begin };
    if begin.kind == KIND_MUX {
        let what = "no stream can be of kind mux: that is an edge on which streams take turns";
        return Err(Fault::usage(what));
    }
    out.put(Item::Begin(begin))?;
    let mut offset = 0;
    while !block.is_empty() {
        let bytes = block.len() as u64;
        out.put(Item::Data { offset, block })?;
        offset += bytes;
        block = filled(from, named, &pool)?;
    }
    Ok(offset)
}

fn guess(first: &[u8]) -> &'static str {
    match first.get(USTAR_MAGIC) {
        Some(b"ustar") => KIND_PAX,
        _ => KIND_RAW,
    }
}

/// The next block, full unless the end comes first.
fn filled(from: &mut dyn Read, named: &str, pool: &Pool) -> Result<Block, Fault> {
    let mut block = pool.take();
    while block.len() < pool.capacity() {
        let room = pool.capacity() - block.len();
        match from.read(&mut block.spare()[..room]) {
            Ok(0) => break,
            Ok(count) => block.grow(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Fault::host(format_args!("cannot read {named}"), &error)),
        }
    }
    Ok(block)
}
