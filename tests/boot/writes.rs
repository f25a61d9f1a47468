//! The log of a disk's writes and flushes, as QEMU's `blklogwrites` makes it (the format of Linux' dm-log-writes), and
//! the states that a power cut can leave.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: u64 = 0x006a_7366_7773_6872;
const SECTOR: u64 = 512;
/// The data is on the medium before the write ends.
const FUA: u64 = 2;
const FLUSH: u64 = 1;
const DISCARD: u64 = 4;

/// One write, or a flush, or both.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Where on the disk, bytes.
    to: u64,
    /// Where in the log, bytes.
    from: u64,
    bytes: u64,
    flags: u64,
}

/// All that happened to a disk, in order.
pub struct Writes {
    log: File,
    entries: Vec<Entry>,
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().unwrap())
}

impl Writes {
    /// What is in the log so far: another may go on writing it.
    pub fn read(path: &Path) -> Writes {
        let log = File::open(path).unwrap();
        let mut head = [0; 32];
        log.read_exact_at(&mut head, 0).unwrap();
        assert_eq!(number(&head), MAGIC, "{} is no log of writes", path.display());
        let length = log.metadata().unwrap().len();
        let (mut at, mut entries) = (SECTOR, Vec::new());
        while at + SECTOR <= length {
            log.read_exact_at(&mut head, at).unwrap();
            let [sector, sectors, flags, _] = [0, 8, 16, 24].map(|from| number(&head[from..]));
            if sectors == 0 && flags == 0 {
                break;
            }
            let (from, bytes) = (at + SECTOR, sectors * SECTOR);
            let stored = if flags & DISCARD == 0 { bytes } else { 0 };
            if from + stored > length {
                break;
            }
            entries.push(Entry { to: sector * SECTOR, from, bytes, flags });
            at = from + stored;
        }
        Writes { log, entries }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Makes of the disk at the beginning the one at which the power was cut after so many entries. Of what was written
    /// after the last flush, `keeps` says which came through.
    pub fn cut(&self, disk: &File, after: usize, mut keeps: impl FnMut() -> bool) {
        let happened = &self.entries[..after];
        let flushed = happened.iter().rposition(|entry| entry.flags & FLUSH != 0).unwrap_or(0);
        for (nth, entry) in happened.iter().enumerate() {
            let is_safe = nth < flushed || entry.flags & FUA != 0;
            if entry.bytes > 0 && entry.flags & DISCARD == 0 && (is_safe || keeps()) {
                let mut bytes = vec![0; usize::try_from(entry.bytes).unwrap()];
                self.log.read_exact_at(&mut bytes, entry.from).unwrap();
                disk.write_all_at(&bytes, entry.to).unwrap();
            }
        }
    }
}
