//! A raw partition of which every block says the same.
//!
//! Promises: records are found or refused, whatever lies there, none longer than its kind allows; what is
//! written next is read back, and so it is after that.

use std::collections::BTreeMap;
use std::io;

use slots::{Kind, Medium, PARTITION_BYTES, Slots};

const BLOCK: usize = 4096;

struct Partition<'a> {
    everywhere: &'a [u8],
    written: BTreeMap<u64, Vec<u8>>,
}

impl Medium for Partition<'_> {
    fn bytes(&self) -> io::Result<u64> {
        Ok(PARTITION_BYTES)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        for (nth, byte) in bytes.iter_mut().enumerate() {
            let (block, inner) = divided(at + nth as u64);
            let found = self.written.get(&block).map_or(self.everywhere, Vec::as_slice);
            *byte = found.get(inner).copied().unwrap_or(0);
        }
        Ok(())
    }

    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        assert_eq!((at % BLOCK as u64, bytes.len() % BLOCK), (0, 0));
        for (nth, block) in bytes.chunks(BLOCK).enumerate() {
            self.written.insert(at / BLOCK as u64 + nth as u64, block.to_vec());
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn unlock(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn divided(at: u64) -> (u64, usize) {
    (at / BLOCK as u64, usize::try_from(at % BLOCK as u64).expect("it is less than a block"))
}

/// What every block says.
pub fn slots(bytes: &[u8]) {
    for kind in [Kind::Reset, Kind::Identity, Kind::Boot, Kind::TimeFloor] {
        let partition = Partition { everywhere: bytes, written: BTreeMap::new() };
        let mut slots = Slots::on(partition).expect("it is large enough");
        let found = slots.latest(kind).unwrap_or_default();
        if let Some(found) = &found {
            assert!(found.generation > 0 && found.payload.len() <= kind.payload_bytes_max());
        }
        let Ok(generation) = slots.write(kind, b"next") else {
            assert_eq!(found.map(|found| found.generation), Some(u64::MAX));
            continue;
        };
        assert!(found.is_none_or(|found| found.generation + 1 == generation));
        for nth in 0..20 {
            let newest = slots.latest(kind).expect("it was written").expect("it was written");
            assert_eq!(newest.generation, generation + nth);
            if slots.write(kind, b"next").is_err() {
                assert_eq!(newest.generation, u64::MAX);
                break;
            }
        }
    }
}

/// The checksum.
pub fn repair(bytes: &mut [u8]) {
    let Some((header, payload)) = bytes.split_at_mut_checked(32) else { return };
    let length = u32::from_le_bytes([header[12], header[13], header[14], header[15]]);
    // What a block lacks is zeros.
    let mut whole = payload.to_vec();
    whole.resize(BLOCK - 32, 0);
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(whole.len());
    let sum = crc32c::crc32c_append(crc32c::crc32c(&header[..28]), &whole[..length]);
    header[28..].copy_from_slice(&sum.to_le_bytes());
}
