//! Pieces: what a run is read by.
//!
//! Owns compression and the seal of one stretch of a run's bytes. The seal is the first half of a BLAKE3
//! keyed for this use, over the job, the place in its run and the bytes: a piece that was changed, or that
//! belongs elsewhere, does not open.

use serde::{Deserialize, Serialize};
use zstd::bulk::{Compressor, Decompressor};

use crate::catalogue::record::JobId;
use crate::stream::{Blame, Fault};

/// Bytes that a piece may be once it is unpacked.
pub const PLAIN_BYTES_MAX: usize = 16 << 20;
const CONTEXT: &str = "tapioca 2026 catalogue, piece of a run";
/// Level 3 makes rows a tenth smaller than 1 and is still several times faster than they come in.
const ZSTD_LEVEL: i32 = 3;

/// Where a piece lies in its run, and what it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PieceAt {
    /// First byte in the run.
    pub offset: u64,
    /// Bytes there.
    pub length: u32,
    /// How many of those, at the end, are as they are.
    pub raw: u32,
    /// Bytes that the others unpack to.
    pub plain: u32,
    /// Its seal.
    pub seal: [u8; 16],
}

impl PieceAt {
    /// One past its last byte.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(u64::from(self.length))
    }
}

fn seal(job: JobId, offset: u64, bytes: &[u8]) -> [u8; 16] {
    static KEYED: std::sync::LazyLock<blake3::Hasher> =
        std::sync::LazyLock::new(|| blake3::Hasher::new_derive_key(CONTEXT));
    let mut hasher = KEYED.clone();
    hasher.update(&job.0.to_le_bytes()).update(&offset.to_le_bytes()).update(bytes);
    let mut seal = [0; 16];
    hasher.finalize_xof().fill(&mut seal);
    seal
}

/// Makes pieces.
pub struct Packer {
    zstd: Compressor<'static>,
}

impl Packer {
    /// One that compresses.
    pub fn new() -> Result<Packer, Fault> {
        let zstd =
            Compressor::new(ZSTD_LEVEL).map_err(|e| Fault::host("cannot set up zstd", &e))?;
        Ok(Packer { zstd })
    }

    /// The piece of `plain`, to lie at `offset`; `raw` is kept as it is behind it.
    pub fn pack(
        &mut self,
        job: JobId,
        offset: u64,
        plain: &[u8],
        raw: &[u8],
    ) -> Result<(PieceAt, Vec<u8>), Fault> {
        if plain.len().max(raw.len()) > PLAIN_BYTES_MAX {
            let what = format!("job {job}: a piece of {} bytes is too long", plain.len());
            return Err(Fault::never(Blame::Operator, what).hint(
                "a list has more entries than one run can index; back the tree up in parts",
            ));
        }
        let packed = self.zstd.compress(plain).map_err(|e| Fault::host("cannot compress", &e))?;
        let bytes = [&packed[..], raw].concat();
        let at = PieceAt {
            offset,
            length: bytes.len() as u32,
            raw: raw.len() as u32,
            plain: plain.len() as u32,
            seal: seal(job, offset, &bytes),
        };
        Ok((at, bytes))
    }
}

/// An opened piece.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// What was compressed.
    pub plain: Vec<u8>,
    /// What was not.
    pub raw: Vec<u8>,
}

thread_local! {
    static UNPACKER: std::cell::RefCell<Option<Decompressor<'static>>> = const { std::cell::RefCell::new(None) };
}

/// Opens a piece. The error says what is wrong with it.
pub fn open(job: JobId, at: &PieceAt, mut bytes: Vec<u8>) -> Result<Piece, String> {
    if bytes.len() != at.length as usize || seal(job, at.offset, &bytes) != at.seal {
        return Err("its checksum is wrong".into());
    }
    unpack(at, &mut bytes)
}

/// Unpacks a piece whose seal is right.
fn unpack(at: &PieceAt, bytes: &mut Vec<u8>) -> Result<Piece, String> {
    let plain_max = at.plain as usize;
    let packed = bytes.len().checked_sub(at.raw as usize).ok_or("it is shorter than it says")?;
    if plain_max > PLAIN_BYTES_MAX {
        return Err(format!("it says that it unpacks to {plain_max} bytes"));
    }
    let raw = bytes.split_off(packed);
    let plain = UNPACKER.with_borrow_mut(|unpacker| {
        let unpacker = match unpacker {
            Some(there) => there,
            none => none.insert(Decompressor::new()?),
        };
        unpacker.decompress(bytes, plain_max)
    });
    let plain = plain.map_err(|e| format!("it does not unpack: {e}"))?;
    match plain.len() == plain_max {
        true => Ok(Piece { plain, raw }),
        false => Err(format!("it unpacks to {} bytes, not {plain_max}", plain.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_opens_where_it_belongs_and_unchanged_only() {
        let mut packer = Packer::new().unwrap();
        let (at, bytes) = packer.pack(JobId(3), 70, &[7; 500], b"raw").unwrap();
        let piece = open(JobId(3), &at, bytes.clone()).unwrap();
        assert_eq!((piece.plain, &piece.raw[..]), (vec![7; 500], &b"raw"[..]));
        assert!(open(JobId(4), &at, bytes.clone()).is_err());
        assert!(open(JobId(3), &PieceAt { offset: 71, ..at }, bytes.clone()).is_err());
        assert!(open(JobId(3), &PieceAt { plain: 499, ..at }, bytes.clone()).is_err());
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(open(JobId(3), &at, bad).is_err(), "bit {bit}");
        }
    }
}
