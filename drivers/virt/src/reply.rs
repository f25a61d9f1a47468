//! Bytes on their way to the host.
//!
//! Owns [`Reply`], a big-endian byte writer, and the rule that a device sends no more than the
//! allocation length and the host's buffer allow. Refuses to know any layout.

use scsi::transport::Data;

use crate::sense::Done;

/// A reply under construction.
#[derive(Debug, Default, Clone)]
pub(crate) struct Reply(pub(crate) Vec<u8>);

impl Reply {
    pub(crate) fn new() -> Reply {
        Reply::default()
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Reply {
        self.bytes(&[value])
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Reply {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn u24(&mut self, value: u32) -> &mut Reply {
        self.bytes(&value.to_be_bytes()[1..])
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Reply {
        self.bytes(&value.to_be_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Reply {
        self.bytes(&value.to_be_bytes())
    }

    /// The low `width` bytes of `value`, all ones when it does not fit.
    pub(crate) fn wide(&mut self, value: u64, width: usize) -> &mut Reply {
        let all = value.to_be_bytes();
        let (high, low) = all.split_at(8 - width);
        if high.iter().all(|&b| b == 0) { self.bytes(low) } else { self.fill(0xff, width) }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Reply {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn fill(&mut self, byte: u8, count: usize) -> &mut Reply {
        self.0.resize(self.0.len() + count, byte);
        self
    }

    pub(crate) fn zeros(&mut self, count: usize) -> &mut Reply {
        self.fill(0, count)
    }

    /// ASCII, cut or padded with spaces to `width`.
    pub(crate) fn ascii(&mut self, text: &str, width: usize) -> &mut Reply {
        let text = &text.as_bytes()[..text.len().min(width)];
        self.bytes(text).fill(b' ', width - text.len())
    }

    /// Overwrites bytes already written.
    pub(crate) fn patch(&mut self, at: usize, bytes: &[u8]) -> &mut Reply {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Sends at most `allocation` bytes.
    pub(crate) fn send(&self, data: &mut Data<'_>, allocation: usize) -> Done {
        let Data::In(buffer) = data else { return Ok(0) };
        let moved = self.0.len().min(allocation).min(buffer.len());
        buffer[..moved].copy_from_slice(&self.0[..moved]);
        Ok(moved)
    }
}

/// Big-endian fields of a command or parameter list; bytes that are not there read as 0.
pub(crate) fn field(bytes: &[u8], at: usize, width: usize) -> u64 {
    (at..at + width).fold(0, |sum, i| sum << 8 | u64::from(bytes.get(i).copied().unwrap_or(0)))
}
