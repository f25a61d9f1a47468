//! Index lines, sealed piece by piece and opened again.
//!
//! Owns what a sealed line holds: whole lines, compressed as the index of a part is, encrypted under a key
//! that comes of the stream's file key, numbered, the last one marked. Knows nothing of the order in which
//! pieces should come; [`InOrder`] does, for a stream that is whole.

use std::io::{Read as _, Write as _};

use age_core::format::FileKey;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::piece::{NONCE_BYTES, PieceKey, Use, Which};
use crate::list::{ENTRY_TYPES, LINE_BYTES_MAX, Line, Sealed};
use crate::stream::Fault;

/// Lines that are gathered before they are sealed, bytes.
const GATHERED_BYTES: usize = 32 * 1024;
/// Lines in one piece, bytes; a line that is longer is a piece of its own. Sealed, even those that do not
/// compress make less than a line's 64 KiB.
const PIECE_BYTES: usize = 40 * 1024;
/// Bytes of a piece, sealed, whose line is not too long.
const SEALED_BYTES_MAX: usize = (LINE_BYTES_MAX - 64) / 4 * 3;
/// Bytes of a piece, opened, that a reader takes: the longest line and its newline.
const OPENED_BYTES_MAX: usize = LINE_BYTES_MAX + 1;
/// Bytes of a name that are kept where the line would be too long.
const NAME_BYTES_KEPT: usize = 1024;

/// Gathers the lines of a stream and seals them.
pub(super) struct LineSealer {
    key: PieceKey,
    depth: u8,
    number: u64,
    gathered: Vec<u8>,
}

impl LineSealer {
    /// For the layer of this number in the stream with this key and nonce.
    pub(super) fn new(
        key: &FileKey,
        nonce: &[u8; NONCE_BYTES],
        depth: u8,
    ) -> Result<LineSealer, Fault> {
        let key = PieceKey::new(key, nonce, Use::Index)?;
        Ok(LineSealer { key, depth, number: 0, gathered: Vec::new() })
    }

    /// Takes whole lines; returns sealed ones once there are enough.
    pub(super) fn add(&mut self, lines: &[u8]) -> Result<Vec<u8>, Fault> {
        self.gathered.extend_from_slice(lines);
        match self.gathered.len() < GATHERED_BYTES {
            true => Ok(Vec::new()),
            false => self.seal_gathered(),
        }
    }

    /// Seals what there is, if there is anything.
    pub(super) fn seal_gathered(&mut self) -> Result<Vec<u8>, Fault> {
        let gathered = std::mem::take(&mut self.gathered);
        let mut out = Vec::new();
        let mut rest = &gathered[..];
        while !rest.is_empty() {
            let (piece, more) = rest.split_at(piece_end(rest));
            self.seal(piece, false, &mut out)?;
            rest = more;
        }
        Ok(out)
    }

    /// Seals what there is, and the last piece, which is empty.
    pub(super) fn finish(&mut self) -> Result<Vec<u8>, Fault> {
        let mut out = self.seal_gathered()?;
        self.seal(&[], true, &mut out)?;
        Ok(out)
    }

    fn seal(&mut self, lines: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut bytes = pack(lines);
        if bytes.len() > SEALED_BYTES_MAX {
            bytes = pack(&shortened(lines));
        }
        let mut sealed = Sealed { depth: self.depth, number: self.number, last, bytes };
        let front = sealed.front();
        let which = Which { number: self.number, last };
        let tag = self.key.seal(which, front.as_bytes(), &mut sealed.bytes)?;
        sealed.bytes.extend_from_slice(&tag);
        self.number += 1;
        Line::Sealed(sealed).write(out);
        Ok(())
    }
}

/// Where the first piece of `lines` ends: behind the last line that fits, or else behind the first line.
fn piece_end(lines: &[u8]) -> usize {
    let is_newline = |b: &u8| *b == b'\n';
    let fitting = &lines[..lines.len().min(PIECE_BYTES)];
    let end = fitting.iter().rposition(is_newline).or_else(|| lines.iter().position(is_newline));
    end.map_or(lines.len(), |at| at + 1)
}

fn pack(lines: &[u8]) -> Vec<u8> {
    let mut packer = ZlibEncoder::new(Vec::new(), Compression::default());
    packer.write_all(lines).expect("compressing into memory does not fail");
    packer.finish().expect("compressing into memory does not fail")
}

/// A line that would be too long: an entry is told as missing, by the beginning of its name, as the record
/// keeper does with one that is too long even in clear. Nothing else is as long.
fn shortened(line: &[u8]) -> Vec<u8> {
    let mut short = Vec::new();
    if line.first().is_some_and(|kind| ENTRY_TYPES.contains(kind)) {
        let parsed = Line::parse(line.strip_suffix(b"\n").unwrap_or(line));
        let mut path = match parsed {
            Ok(Line::Entry(entry)) => entry.path,
            Ok(_) | Err(_) => line.to_vec(),
        };
        path.truncate(NAME_BYTES_KEPT);
        Line::Missing { why: "long-name".into(), path }.write(&mut short);
    }
    short
}

/// Opens sealed lines of one layer, each by itself.
pub(super) struct LineOpener(PieceKey);

impl LineOpener {
    /// For the stream with this key and nonce.
    pub(super) fn new(key: &FileKey, nonce: &[u8; NONCE_BYTES]) -> Result<LineOpener, Fault> {
        Ok(LineOpener(PieceKey::new(key, nonce, Use::Index)?))
    }

    /// The lines in a piece. The error says what is wrong with it.
    pub(super) fn open(&self, sealed: Sealed) -> Result<Vec<u8>, String> {
        let named = format!("sealed index line {} of layer {}", sealed.number, sealed.depth);
        let which = Which { number: sealed.number, last: sealed.last };
        let front = sealed.front();
        let mut bytes = sealed.bytes;
        let packed = self
            .0
            .open(which, front.as_bytes(), &mut bytes)
            .ok_or_else(|| format!("{named} was changed, or is of another stream"))?;
        unpack(packed).map_err(|why| format!("{named} {why}"))
    }
}

/// Who sealed it need not mean well: everybody who knows a recipient can.
fn unpack(packed: &[u8]) -> Result<Vec<u8>, String> {
    let mut lines = Vec::new();
    let mut unpacker = ZlibDecoder::new(packed).take(OPENED_BYTES_MAX as u64 + 1);
    unpacker.read_to_end(&mut lines).map_err(|e| format!("cannot be unpacked: {e}"))?;
    match lines.last() {
        _ if lines.len() > OPENED_BYTES_MAX => Err("is too long".into()),
        None | Some(b'\n') => Ok(lines),
        Some(_) => Err("does not hold whole lines".into()),
    }
}

/// Pieces as they come in a stream that is whole: each number once, the last one last.
#[derive(Default)]
pub(super) struct InOrder {
    next: u64,
    over: bool,
}

impl InOrder {
    /// Takes note of the next piece. The error says how it is out of order.
    pub(super) fn note(&mut self, sealed: &Sealed) -> Result<(), String> {
        if sealed.number != self.next || self.over {
            let (depth, next) = (sealed.depth, self.next);
            let expected = if self.over { "none".into() } else { format!("number {next}") };
            let number = sealed.number;
            return Err(format!(
                "sealed index line {number} of layer {depth} comes where {expected} should be"
            ));
        }
        self.next += 1;
        self.over = sealed.last;
        Ok(())
    }

    /// What is missing at the end.
    pub(super) fn missing(&self) -> Option<String> {
        (!self.over).then(|| {
            format!("the sealed index is cut: line {} and what follows is missing", self.next)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> FileKey {
        FileKey::init_with_mut(|bytes| bytes.fill(7))
    }

    fn through(lines: &[u8]) -> Vec<u8> {
        let mut sealer = LineSealer::new(&key(), &[1; 16], 2).unwrap();
        let mut sealed = sealer.add(lines).unwrap();
        sealed.extend(sealer.finish().unwrap());
        let (opener, mut order) = (LineOpener::new(&key(), &[1; 16]).unwrap(), InOrder::default());
        let mut opened = Vec::new();
        for line in crate::list::lines(&sealed) {
            let Line::Sealed(sealed) = line.unwrap() else { panic!("a sealed line") };
            order.note(&sealed).unwrap();
            opened.extend(opener.open(sealed).unwrap());
        }
        assert_eq!(order.missing(), None);
        opened
    }

    /// Path bytes that do not compress and stand in a line as they are.
    fn noise(bytes: usize) -> Vec<u8> {
        let mut output = blake3::Hasher::new().finalize_xof();
        let mut noise = vec![0; bytes];
        output.fill(&mut noise);
        noise.iter_mut().for_each(|b| *b |= 0x80);
        noise
    }

    #[test]
    fn lines_of_any_length_come_back() {
        assert_eq!(through(b""), b"");
        let mut lines = Vec::new();
        for bytes in [1, 1000, 30_000, 45_000, 5, 48_000, 300].into_iter().cycle().take(40) {
            Line::Missing { why: "x".into(), path: noise(bytes) }.write(&mut lines);
        }
        assert_eq!(through(&lines), lines);
    }

    #[test]
    fn an_entry_that_would_be_too_long_sealed_is_told_as_missing() {
        let mut line = b"f 0 512 0 0.000000000 - ".to_vec();
        line.extend(noise(63_000));
        line.push(b'\n');
        let Line::Missing { why, path } =
            Line::parse(through(&line).strip_suffix(b"\n").unwrap()).unwrap()
        else {
            panic!("it is told as missing")
        };
        assert_eq!((why.as_str(), path), ("long-name", noise(63_000)[..1024].to_vec()));
    }

    #[test]
    fn a_piece_that_unpacks_to_more_than_a_line_is_refused() {
        assert!(unpack(&pack(&vec![b'\n'; OPENED_BYTES_MAX])).is_ok());
        assert!(unpack(&pack(&vec![b'\n'; OPENED_BYTES_MAX + 1])).is_err());
        assert!(unpack(&pack(b"half a line")).is_err());
        assert!(unpack(b"no zlib").is_err());
    }
}
